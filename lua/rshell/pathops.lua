-- The methods of paths that ask the machine. Each is one call of a primitive, so one round trip.

local err = require "rshell.shared.error"
local file = require "rshell.file"
local fscall = require "rshell.fscall"
local object = require "rshell.object"
local number = require "rshell.shared.number"
local options = require "rshell.shared.options"
local view = require "rshell.view"

local M = {}

local ask, try, fail = fscall.ask, fscall.try, fscall.fail

local path -- rshell.path, which loads us
local check

-- ---- checks ----

-- Of a mode as chmod takes it; how many changes the primitive takes at once.
local MODE_OPS = 24
local CLAUSE = "^[ugoa]*([-+=][rwxXstugo]*[-+=rwxXstugo]*)$"

local function is_mode(mode)
    local bits = number.integer(mode)
    if bits then return bits >= 0 and bits <= 4095 end
    if type(mode) ~= "string" then return false end
    if mode:find "^[0-7]+$" then return #mode <= 5 and tonumber(mode, 8) <= 4095 end
    if #mode:gsub("[^-+=]", "") > MODE_OPS then return false end
    for clause in (mode .. ","):gmatch "(.-)," do
        if not clause:find(CLAUSE) then return false end
    end
    return true
end

local function check_mode(who, mode)
    if is_mode(mode) then return number.integer(mode) or mode end
    err.usage("%s: a mode is a number up to 4095 (octal 7777), or a string like \"644\" or \"u+rw,go-w\"; got %s", who,
        (type(mode) == "string" or type(mode) == "number") and ("%q"):format(mode) or object.type(mode))
end

local function check_string(who, what, s)
    if type(s) ~= "string" then err.usage("%s: %s expected, got %s", who, what, object.type(s)) end
    if s:find("\0", 1, true) then err.usage("%s: %s can't hold a NUL byte: %q", who, what, s) end
    return s
end

local function check_count(who, n)
    n = number.integer(n)
    if not n or n < 0 then err.usage("%s: a number of bytes expected", who) end
    return n
end

local function check_data(who, data)
    if type(data) == "number" then return tostring(data) end
    if type(data) == "string" then return data end
    err.usage("%s: a string expected, got %s", who, object.type(data))
end

local function opts_of(who, opts, known)
    opts = options.check(who, opts, known)
    if opts.mode ~= nil then check_mode(who, opts.mode) end
    return opts
end

-- ---- asking ----

---@class rshell.Path
local ask_members = {}

-- What says that there can be nothing of that name.
local MISSING = {ENOENT = true, ENOTDIR = true, ELOOP = true, ENAMETOOLONG = true}

function ask_members:exists()
    local p = check(self)
    return (ask(p, "look at", "exists", p.text))
end

local function type_of(self, follow)
    local p = check(self)
    local got, text, name, where = try(p, "look at", "type", p.text, {follow = follow})
    if got or MISSING[name] then return got end
    fail(p, "look at", text, name, where)
end

function ask_members:is_file() return type_of(self, true) == "file" end
function ask_members:is_dir() return type_of(self, true) == "dir" end
function ask_members:is_socket() return type_of(self, true) == "socket" end
function ask_members:is_symlink() return type_of(self, false) == "link" end

function ask_members:stat()
    local p = check(self)
    return (ask(p, "look at", "stat", p.text))
end

function ask_members:lstat()
    local p = check(self)
    return (ask(p, "look at", "lstat", p.text))
end

for _, name in ipairs {"size", "owner", "group", "mode", "mtime"} do
    ask_members[name] = function(self) return ask_members.stat(self)[name] end
end

--- Letters of r, w and x: whether it may be read, written, executed; f: whether it is there.
function ask_members:access(how)
    local p = check(self)
    how = how == nil and "f" or how
    if type(how) ~= "string" or not how:find "^[rwxf]+$" then err.usage "access: letters of r, w, x and f expected" end
    return (ask(p, "look at", "access", p.text, how))
end

function ask_members:readlink()
    local p = check(self)
    return (ask(p, "read the link", "readlink", p.text))
end

function ask_members:resolve()
    local p = check(self)
    return path.of(p.view, (ask(p, "resolve", "resolve", p.text)))
end

local DIGESTS = {md5 = true, sha1 = true, sha256 = true, sha512 = true, xxh64 = true}

function ask_members:checksum(algo)
    local p = check(self)
    algo = algo == nil and "sha256" or algo
    if not DIGESTS[algo] then
        err.usage("checksum: md5, sha1, sha256, sha512 or xxh64 expected, got %s",
            type(algo) == "string" and ("'%s'"):format(algo) or object.type(algo))
    end
    return (ask(p, "read", "checksum", p.text, algo))
end

-- ---- listing ----

local STAT = {stat = "boolean"}

local function paths_of(p, texts, stats)
    local paths = {}
    for i, text in ipairs(texts) do paths[i] = path.of(p.view, text, stats and stats[i]) end
    return paths
end

local function below(p, name)
    return p.text == "/" and "/" .. name or p.text .. "/" .. name
end

function ask_members:list(opts)
    local p = check(self)
    local stat = options.check("list", opts, STAT).stat or false
    local names, stats = ask(p, "list", "list", p.text, {stat = stat})
    for i, name in ipairs(names) do names[i] = below(p, name) end
    return paths_of(p, names, stat and stats)
end

function ask_members:glob(pattern, opts)
    local p = check(self)
    if pattern == "" then err.usage "glob: the pattern is empty" end
    check_string("glob", "a pattern", pattern)
    local stat = options.check("glob", opts, STAT).stat or false
    local texts, stats = ask(p, "search", "glob", p.text, pattern, {stat = stat})
    return paths_of(p, texts, stat and stats)
end

-- ---- walking ----

--- The entries of a walker, block by block: an entry, or nil and what could not be read.
local function entries(p, walker)
    local block, i = {}, 0
    local walk = {}

    function walk.close()
        if walker then walker:close() end
        walker = nil
    end

    local function finish(text, name)
        local unread = not name and walker:errors() or {}
        walk.close()
        if name then fail(p, "list", text, name) end
        return nil, unread
    end

    function walk.next()
        i = i + 1
        while walker and not block[i] do
            local text, name
            block, text, name = fscall.call(p, "list", walker.next, walker)
            i = 1
            if not block then
                block = {}
                return finish(text, name)
            end
        end
        return block[i]
    end

    return walk
end

--- Raises the first of the folders that could not be read, unless they went away meanwhile.
local function check_unread(p, unread)
    local first, n = nil, 0
    for _, e in ipairs(unread) do
        if e.name ~= "ENOENT" then first, n = first or e, n + 1 end
    end
    if not first then return end
    fail(p, "list", first.text, first.name, first.path, n > 1 and ("%d folders could not be listed"):format(n) or nil)
end

--- A walk where a function says which folders are entered: a walker for each folder.
local function chosen_entries(p, opts, enter)
    local stack, unread, last = {}, {}, nil
    local each = {depth = 1, stat = opts.stat}
    stack[1] = entries(p, ask(p, "list", "walk", p.text, each))
    local walk = {}

    function walk.close()
        for i = #stack, 1, -1 do stack[i].close() end
        stack = {}
    end

    -- The folder that was given last comes next, if it is wanted.
    local function descend()
        local folder = last and last.type == "dir" and #stack < (opts.depth or math.huge) and last
        last = nil
        local q = folder and path.of(p.view, folder.path, folder.stat)
        if not q or not enter(q) then return end
        local walker, text, name = try(path.test(q), "list", "walk", q .. "", each)
        if walker then
            stack[#stack + 1] = entries(path.test(q), walker)
        else
            unread[#unread + 1] = {path = q .. "", text = text, name = name}
        end
    end

    function walk.next()
        descend()
        while stack[1] do
            local more
            last, more = stack[#stack].next()
            if last then return last end
            table.move(more, 1, #more, #unread + 1, unread)
            stack[#stack] = nil
        end
        return nil, unread
    end

    return walk
end

--- The four values of a generic for: the fourth closes the walk when the loop is left.
local function iterate(p, walk, wanted)
    local function next_path()
        while true do
            local entry, unread = walk.next()
            if not entry then
                check_unread(p, unread or {})
                return nil
            end
            local q = path.of(p.view, entry.path, entry.stat)
            if wanted(q, entry) then return q end
        end
    end
    return next_path, nil, nil, setmetatable({}, {__close = walk.close})
end

local function always() return true end

function ask_members:iterdir()
    local p = check(self)
    return iterate(p, entries(p, ask(p, "list", "walk", p.text, {depth = 1})), always)
end

local WALK = {filter = "string|function", dirs = "boolean|string|function", depth = "integer", stat = "boolean"}

local function check_walk(opts)
    opts = options.check("walk", opts, WALK)
    if opts.depth and opts.depth < 1 then err.usage "walk: depth is 1 (the children) or more" end
    for _, name in ipairs {"filter", "dirs"} do
        local pattern = opts[name]
        if pattern == "" then err.usage("walk: the pattern of '%s' is empty", name) end
        if type(pattern) == "string" then check_string("walk", name, pattern) end
    end
    return opts
end

local function matcher(pattern)
    return function(q) return q:match(pattern) end
end

--- The walker knows patterns of names; the other patterns become functions.
local function by_hand(pattern)
    return type(pattern) == "string" and pattern:find("/", 1, true) and matcher(pattern) or pattern
end

--- What the walker's own options don't decide.
local function wish(filter, dirs)
    if type(filter) == "string" and type(dirs) == "function" then filter = matcher(filter) end
    if type(filter) ~= "function" then return always end
    return function(q, entry)
        if dirs == false and entry.type == "dir" then return false end
        return filter(q)
    end
end

--- filter: what is given. dirs: false gives no folders, a pattern or a function says which are entered. depth: 1 is the
--- children.
function ask_members:walk(opts)
    local p = check(self)
    opts = check_walk(opts)
    local filter, dirs = by_hand(opts.filter), by_hand(opts.dirs)
    local wanted = wish(filter, dirs)
    if type(dirs) == "function" then return iterate(p, chosen_entries(p, opts, dirs), wanted) end
    local walker = ask(p, "list", "walk", p.text, {
        depth = opts.depth, stat = opts.stat, dirs = dirs, filter = type(filter) == "string" and filter or nil,
    })
    return iterate(p, entries(p, walker), wanted)
end

-- ---- reading and writing ----

--- All of it, or at most n bytes from the start.
function ask_members:read(n)
    local p = check(self)
    if n ~= nil then n = check_count("read", n) end
    return (ask(p, "read", "read", p.text, {n = n}))
end

--- The lines, without their ends, or with them ("L").
function ask_members:lines(format)
    local p = check(self)
    if format ~= nil and format ~= "l" and format ~= "L" then err.usage 'lines: "l" or "L" expected' end
    return file.lines(file.open(p, "r"), format == "L")
end

local WRITE = {mode = "integer|string", atomic = "boolean"}

function ask_members:write(data, opts)
    local p = check(self)
    data = check_data("write", data)
    opts = opts_of("write", opts, WRITE)
    ask(p, "write", "write", p.text, data, {mode = opts.mode, atomic = opts.atomic, umask = p.view.umask})
    return self
end

local MODE = {mode = "integer|string"}

function ask_members:append(data, opts)
    local p = check(self)
    data = check_data("append", data)
    opts = opts_of("append", opts, MODE)
    ask(p, "write", "append", p.text, data, {mode = opts.mode, umask = p.view.umask})
    return self
end

function ask_members:open(mode, opts)
    local p = check(self)
    opts = opts_of("open", opts, MODE)
    return file.open(p, mode == nil and "r" or mode, opts.mode)
end

local TOUCH = {mtime = "number", mode = "integer|string"}

function ask_members:touch(opts)
    local p = check(self)
    opts = opts_of("touch", opts, TOUCH)
    local mtime = opts.mtime
    if mtime and (mtime ~= mtime or math.abs(mtime) >= 1e12) then err.usage "touch: mtime is a time in seconds" end
    ask(p, "touch", "touch", p.text, {mtime = opts.mtime, mode = opts.mode, umask = p.view.umask})
    return self
end

function ask_members:truncate(size)
    local p = check(self)
    ask(p, "truncate", "truncate", p.text, size == nil and 0 or check_count("truncate", size))
    return self
end

-- ---- changing ----

local MKDIR = {parents = "boolean", mode = "integer|string", exist_ok = "boolean"}

function ask_members:mkdir(opts)
    local p = check(self)
    opts = opts_of("mkdir", opts, MKDIR)
    ask(p, "make the folder", "mkdir", p.text,
        {parents = opts.parents, mode = opts.mode, exist_ok = opts.exist_ok, umask = p.view.umask})
    return self
end

local DELETE = {recursive = "boolean", missing_ok = "boolean"}

function ask_members:delete(opts)
    local p = check(self)
    opts = options.check("delete", opts, DELETE)
    if p.text == "/" then err.usage "delete: / is not deleted" end
    local ok, text, name, where =
        try(p, "delete", "remove", p.text, {recursive = opts.recursive, missing_ok = opts.missing_ok})
    if ok or opts.missing_ok and (name == "ENOTDIR" or name == "ENAMETOOLONG") and not where then return self end
    local hint = name == "EISDIR" and not opts.recursive and "a folder is deleted by :delete{recursive=true}" or nil
    fail(p, "delete", text, name, where, hint)
end

function ask_members:unlink()
    local p = check(self)
    ask(p, "delete", "unlink", p.text)
    return self
end

function ask_members:rmdir()
    local p = check(self)
    ask(p, "delete", "rmdir", p.text)
    return self
end

local RECURSIVE = {recursive = "boolean"}

function ask_members:chmod(mode, opts)
    local p = check(self)
    mode = check_mode("chmod", mode)
    local recursive = options.check("chmod", opts, RECURSIVE).recursive
    ask(p, "change the mode of", "chmod", p.text, mode, {recursive = recursive, umask = p.view.umask})
    return self
end

local function check_account(what, x)
    if x == nil then return nil end
    local id = number.integer(x)
    if id and id >= 0 and id < 2 ^ 32 - 1 then return id end
    if type(x) ~= "string" or x == "" then err.usage("chown: the name or number of a %s expected", what) end
    return check_string("chown", "the name of a " .. what, x)
end

--- The words for an account that isn't there; which of the two it was nobody has told.
local function nobody(user, group)
    local names = {}
    if type(user) == "string" then names[1] = ("no user '%s'"):format(user) end
    if type(group) == "string" then names[#names + 1] = ("no group '%s'"):format(group) end
    return table.concat(names, " or ")
end

function ask_members:chown(user, group, opts)
    local p = check(self)
    if type(group) == "table" and opts == nil then group, opts = nil, group end
    user, group = check_account("user", user), check_account("group", group)
    if user == nil and group == nil then err.usage "chown: a user or a group expected" end
    local recursive = options.check("chown", opts, RECURSIVE).recursive
    local ok, text, name, where = try(p, "change the owner of", "chown", p.text, user, group, {recursive = recursive})
    if ok then return self end
    if name == "ENOTFOUND" then text = nobody(user, group) end
    fail(p, "change the owner of", text, name, where)
end

--- Makes p a link to target, which is kept as it is written.
function ask_members:symlink(target)
    local p = check(self)
    if path.test(target) then
        target = path.text(p.view, target)
    else
        check_string("symlink", "a target", target)
    end
    ask(p, "make the link", "symlink", target, p.text)
    return self
end

--- Makes p another name of the file that target is.
function ask_members:link(target)
    local p = check(self)
    ask(p, "make the link", "link", path.text(p.view, target), p.text)
    return self
end

-- ---- copies and moves ----

--- Where something named `name` comes to: the final path, and whether it is on this machine.
local function destination(who, p, dst)
    local q = path.test(dst)
    local v = q and q.view or p.view
    if dst == nil then err.usage("%s: where to?", who) end
    local text, into = path.text(v, dst)
    if not into then return v, text end
    local name = p.text:match "[^/]*$"
    if name == "" then err.usage("%s: / has no name", who) end
    return v, text == "/" and "/" .. name or text .. "/" .. name
end

-- `where` is what the failure is about: the source, the destination, or something in them.
local function fail_between(p, what, text, words, name, where)
    where = where or name == "ENOENT" and p.text or text
    if where ~= p.text and where ~= text then words = ("%s: %s"):format(where, words) end
    local hint = name == "EINVAL" and "nothing can be put into itself" or nil
    view.fail(p.view, ("can't %s %s to %s"):format(what, p.text, text), words, name, {path = where, hint = hint})
end

local COPY = {override = "boolean"}

function ask_members:copy(dst, opts)
    local p = check(self)
    local v, text = destination("copy", p, dst)
    local override = options.check("copy", opts, COPY).override
    if v.conn ~= p.view.conn then
        require "rshell.copy".between(p, {view = v, text = text},
            {exclusive = not override, always = true, preserve = true})
    else
        local ok, words, name, where = try(p, "copy", "copy", p.text, text, {override = override})
        -- What can't be copied onto itself is there, too.
        if name == "EINVAL" and not override and try(p, "look at", "lstat", text) then
            words, name, where = "file exists", "EEXIST", text
        end
        if not ok then fail_between(p, "copy", text, words, name, where) end
    end
    return path.of(v, text)
end

local function move(p, v, text)
    if v.conn ~= p.view.conn then
        require "rshell.copy".between(p, {view = v, text = text}, {always = true, preserve = true})
        ask(p, "delete", "remove", p.text, {recursive = true})
    else
        local ok, words, name, where = try(p, "move", "move", p.text, text)
        if not ok then fail_between(p, "move", text, words, name, where) end
    end
    return path.of(v, text)
end

function ask_members:move(dst)
    local p = check(self)
    return move(p, destination("move", p, dst))
end

--- Moves it to another name in the same folder.
function ask_members:rename(name)
    local p = check(self)
    return move(p, p.view, path.sibling("rename", p, name))
end

--- Adds all this to the members of paths.
function M.add(module)
    path, check = module, module.check
    for name, fn in pairs(ask_members) do path.members[name] = fn end
end

return M
