-- `fs` in a connection: what the methods of paths do, with the path as the first argument.

local answer = require "agent.public.check".answer
local err = require "rshell.shared.error"
local fs = require "rshell.sys.fs"
local raising = require "agent.public.check".raising

local M = {}

-- ---- as the primitives are ----

local WORDS = {
    exists = "look at", stat = "look at", lstat = "look at", access = "look at", readlink = "read the link",
    resolve = "resolve", disk = "look at", read = "read", write = "write", append = "write", open = "open",
    touch = "touch", truncate = "truncate", mkdir = "make the folder", unlink = "delete", rmdir = "delete",
    chmod = "change the mode of", chown = "change the owner of", move = "move", checksum = "read",
}
for name, words in next, WORDS do M[name] = raising(words, fs[name]) end

-- ---- asking ----

local MISSING = {ENOENT = true, ENOTDIR = true, ELOOP = true}

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

--- Below the working directory, or root.
function M.glob(pattern, root)
    return (answer("search", pattern, fs.glob(root or ".", pattern, {})))
end

--- Goes through all that is below a folder: path, and what is known of it.
function M.walk(path, opts)
    local walker = answer("list", path, fs.walk(path, opts or {}))
    local block, i = {}, 0
    return function()
        i = i + 1
        while block and not block[i] do
            block, i = answer("list", path, walker:next()), 1
        end
        if not block then return nil end
        return block[i].path, block[i]
    end
end

function M.iterdir(path) return M.walk(path, {depth = 1}) end

--- The lines of a file, without their ends, or with them ("L").
function M.lines(path, format)
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
    return (answer("delete", path, fs.remove(path, opts or {})))
end

--- Makes path a link to target, or another name of it.
function M.symlink(path, target) return (answer("make the link", path, fs.symlink(target, path))) end
function M.link(path, target) return (answer("make the link", path, fs.link(target, path))) end

function M.copy(path, to, opts) return (answer("copy", path, fs.copy(path, to, opts or {}))) end

function M.rename(path, name)
    if name == "" or name:find "[/\0]" then err.usage("rename: %q is no name", name) end
    local to = path:gsub("[^/]*$", "") .. name
    answer("move", path, fs.move(path, to))
    return to
end

function M.tempdir(prefix)
    return (answer("make a folder", nil, fs.mktemp_dir(prefix)))
end

return M
