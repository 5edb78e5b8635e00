-- `fs` in a connection: what the methods of paths do, with the path as the first argument.

local check = require "agent.public.check"
local err = require "rshell.shared.error"
local fs = require "rshell.sys.fs"

local answer, raising = check.answer, check.raising

local M = {}

-- ---- as the primitives are ----

local WORDS = {
    exists = "look at", stat = "look at", lstat = "look at", access = "look at", readlink = "read the link",
    resolve = "resolve", disk = "look at", open = "open", checksum = "read",
}
for name, words in next, WORDS do M[name] = raising(words, fs[name]) end

-- What changes something gives the path.
local CHANGES = {
    write = "write", append = "write", touch = "touch", truncate = "truncate", mkdir = "make the folder",
    unlink = "delete", rmdir = "delete", chmod = "change the mode of", chown = "change the owner of",
}
for name, words in next, CHANGES do
    local change = raising(words, fs[name])
    M[name] = function(path, ...)
        change(path, ...)
        return path
    end
end

-- ---- asking ----

local MISSING = {ENOENT = true, ENOTDIR = true, ELOOP = true, ENAMETOOLONG = true}

local function type_of(path, follow)
    local got, text, name, where = fs.type(path, {follow = follow})
    if got or MISSING[name] then return got end
    answer("look at", path, got, text, name, where)
end

function M.is_file(path) return type_of(path, true) == "file" end
function M.is_dir(path) return type_of(path, true) == "dir" end
function M.is_socket(path) return type_of(path, true) == "socket" end
function M.is_symlink(path) return type_of(path, false) == "link" end

for _, field in ipairs {"size", "owner", "group", "mode", "mtime"} do
    M[field] = function(path) return M.stat(path)[field] end
end

function M.read(path, n)
    return (answer("read", path, fs.read(path, {n = n})))
end

-- ---- listing ----

local function join(folder, name)
    return folder:sub(-1) == "/" and folder .. name or folder .. "/" .. name
end

--- Paths, sorted; with opts.stat also what is known of each.
function M.list(path, opts)
    local names, stats = answer("list", path, fs.list(path, opts or {}))
    for i, name in ipairs(names) do names[i] = join(path, name) end
    return names, opts and opts.stat and stats or nil
end

--- What a pattern means in a folder, or without one in the working directory.
function M.glob(folder, pattern, opts)
    check.text("fs.glob", 1, folder)
    if type(pattern) ~= "string" then folder, pattern, opts = ".", folder, pattern end
    local paths, stats = answer("search", folder, fs.glob(folder, pattern, opts or {}))
    return paths, opts and opts.stat and stats or nil
end

--- Whether a pattern means a path; looks at no file.
function M.match(path, pattern)
    check.text("fs.match", 1, path)
    check.text("fs.match", 2, pattern)
    return (answer("match", path, fs.match(pattern, path)))
end

local function entries(path, walker)
    local block, i = {}, 0
    return function()
        i = i + 1
        while block and not block[i] do
            block, i = answer("list", path, walker:next()), 1
        end
        if block then return block[i].path, block[i] end
        local unread = walker:errors()[1]
        if unread then answer("list", unread.path, nil, unread.text, unread.name) end
    end
end

--- Goes through all that is below a folder: path, and what is known of it. filter may be a function of both. What can't
--- be listed is raised at the end.
function M.walk(path, opts)
    local given = {}
    for k, v in next, opts or {} do given[k] = v end
    local filter = type(given.filter) ~= "string" and given.filter
    if filter then given.filter = nil end
    local step = entries(path, answer("list", path, fs.walk(path, given)))
    if not filter then return step end
    return function()
        for name, entry in step do
            if filter(name, entry) then return name, entry end
        end
    end
end

function M.iterdir(path) return M.walk(path, {depth = 1}) end

--- The lines of a file, without their ends, or with them ("L").
function M.lines(path, format)
    if format ~= nil and format ~= "l" and format ~= "L" then err.usage 'fs.lines: "l" or "L" expected' end
    local file = answer("open", path, fs.open(path, "r"))
    return function()
        local line = file:read(format or "l")
        if not line then file:close() end
        return line
    end
end

-- ---- changing ----

function M.delete(path, opts)
    if path == "/" then err.usage "delete: / is not deleted" end
    answer("delete", path, fs.remove(path, opts or {}))
    return path
end

--- Makes path a link to target, or another name of it.
function M.symlink(path, target)
    check.text("fs.symlink", 1, path)
    check.text("fs.symlink", 2, target)
    answer("make the link", path, fs.symlink(target, path))
    return path
end

function M.link(path, target)
    check.text("fs.link", 1, path)
    check.text("fs.link", 2, target)
    answer("make the link", path, fs.link(target, path))
    return path
end

--- A name that ends with a slash is the folder that it goes into.
local function destination(who, path, to)
    check.text(who, 1, path)
    check.text(who, 2, to)
    return to:sub(-1) == "/" and to .. path:match "([^/]*)/*$" or to
end

--- The new path.
function M.copy(path, to, opts)
    to = destination("fs.copy", path, to)
    answer("copy", path, fs.copy(path, to, opts or {}))
    return to
end

function M.move(path, to)
    to = destination("fs.move", path, to)
    answer("move", path, fs.move(path, to))
    return to
end

--- Moves it to another name in the same folder.
function M.rename(path, name)
    check.text("fs.rename", 1, path)
    check.text("fs.rename", 2, name)
    if name == "" or name:find "[/\0]" then err.usage("rename: %q is no name", name) end
    return M.move(path, (path:gsub("[^/]*/*$", "") .. name))
end

function M.tempdir(prefix)
    return (answer("make a folder", nil, fs.mktemp_dir(prefix)))
end

return check.public("fs", M)
