-- The files of an account that allows nothing but SFTP: the functions and answers of rshell.sys.fs, as far as that
-- protocol goes. Times are whole seconds; owners are numbers, except where a list tells names; inodes and devices are
-- 0.

local call = require "rshell.bare.fs_call"
local change = require "rshell.bare.fs_change"
local client = require "rshell.sftp.client"
local match = require "rshell.sys.fs".match
local mode_of = require "rshell.sftp.mode"
local open = require "rshell.sftp.file".open

local M = {}

local S = client.string
local PRIVATE = tonumber("0600", 8)
local FILE_MODE, FOLDER_MODE = tonumber("0666", 8), tonumber("0777", 8)
local UMASK = tonumber("0022", 8) -- what accounts have; nobody tells theirs over SFTP

local functions = {}

-- ---- asking ----

local function checked(path)
    if path:find("\0", 1, true) then return nil, call.fail "EUSAGE" end
    if path == "" then return nil, call.fail "ENOENT" end
    return true
end

local function stat(c, path) return c:attributes("stat", S(path)) end
local function lstat(c, path) return c:attributes("lstat", S(path)) end

local function readlink(c, path)
    local names, text, name = c:names("readlink", S(path))
    if not names then return nil, text, name end
    return names[1].name
end

--- A server says "failure" for much that has a name; what is there tells it.
local function because(c, path, text, name)
    if name == "EIO" then
        local st = lstat(c, path)
        if st and st.type == "dir" then return call.fail "EISDIR" end
    end
    return nil, text, name
end

function functions.stat(c, path) return stat(c, path) end

function functions.lstat(c, path)
    local st, text, name = lstat(c, path)
    if st and st.type == "link" then st.target = readlink(c, path) end
    return st, text, name
end

functions["type"] = function(c, path, opts)
    local st, text, name = (opts and opts.follow and stat or lstat)(c, path)
    if not st then return nil, text, name end
    return st.type
end

function functions.exists(c, path)
    local st, text, name = stat(c, path)
    if st then return true end
    if name == "ENOENT" or name == "ENAMETOOLONG" then return false end
    return nil, text, name
end

--- What the mode says of the owner's rights, or of everybody's: SFTP has no better answer.
function functions.access(c, path, how)
    local st, text, name = stat(c, path)
    if not st then
        if name == "ENOENT" or name == "ENAMETOOLONG" or name == "EACCES" then return false end
        return nil, text, name
    end
    for letter, bits in pairs {r = 292, w = 146, x = 73} do
        if how and how:find(letter) and st.mode & bits == 0 then return false end
    end
    return true
end

function functions.readlink(c, path)
    local st, text, name = lstat(c, path)
    if not st then return nil, text, name end
    if st.type ~= "link" then return call.fail "EINVAL" end
    return readlink(c, path)
end

function functions.resolve(c, path)
    local ok, text, name = stat(c, path)
    if not ok then return nil, text, name end
    local names
    names, text, name = c:names("realpath", S(path))
    if not names then return nil, text, name end
    return names[1].name
end

-- ---- listing ----

--- A line of `ls -l` tells the links and the names of owners.
local function add_long(st, long)
    local links, owner, group = long:match "^%S+%s+(%d+)%s+(%S+)%s+(%S+)%s"
    if links then st.nlink, st.owner, st.group = tonumber(links), owner, group end
end

--- The entries of a folder, sorted by byte.
local function entries(c, path)
    local handle, text, name = c:opendir(path)
    if not handle then
        local st = name == "EIO" and stat(c, path) or name == "ENOENT" and stat(c, path)
        if st and st.type ~= "dir" then return call.fail "ENOTDIR" end
        return nil, text, name
    end
    local all = {}
    while true do
        local block
        block, text, name = c:names("readdir", S(handle))
        if not block then break end
        for _, e in ipairs(block) do
            if e.name ~= "." and e.name ~= ".." and not e.name:find("/", 1, true) then
                add_long(e.stat, e.long)
                all[#all + 1] = e
            end
        end
    end
    c:close_handle(handle)
    if name then return nil, text, name end
    table.sort(all, function(a, b) return a.name < b.name end)
    return all
end

local function join(folder, name)
    return (folder:gsub("/+$", "")) .. "/" .. name
end

local function add_target(c, path, st)
    if st.type == "link" then st.target = readlink(c, path) end
    return st
end

function functions.list(c, path, opts)
    local all, text, name = entries(c, path)
    if not all then return nil, text, name end
    local names, stats = {}, {}
    for i, e in ipairs(all) do
        names[i] = e.name
        if opts and opts.stat then stats[i] = add_target(c, join(path, e.name), e.stat) end
    end
    return names, opts and opts.stat and stats or nil
end

local Walker = {}
Walker.__index = Walker

local function push_folder(w, path, depth)
    local all, text, name = entries(w.client, path)
    if not all then return nil, text, name end
    for i = #all, 1, -1 do
        w.stack[#w.stack + 1] = {path = join(path, all[i].name), name = all[i].name, stat = all[i].stat, depth = depth}
    end
    return true
end

local function visit(w, e, block)
    local is_dir, o = e.stat.type == "dir", w.opts
    if (not o.filter or match(o.filter, e.name)) and not (is_dir and o.dirs == false) then
        if o.stat then add_target(w.client, e.path, e.stat) end
        block[#block + 1] = {path = e.path, type = e.stat.type, stat = o.stat and e.stat or nil}
    end
    if not is_dir or o.depth and e.depth >= o.depth then return end
    if type(o.dirs) == "string" and not match(o.dirs, e.name) then return end
    local ok, text, name = push_folder(w, e.path, e.depth + 1)
    if not ok then w.unread[#w.unread + 1] = {path = e.path, text = text, name = name} end
end

function Walker:next()
    local block = {}
    while #self.stack > 0 and #block < (self.opts.block or 1000) do visit(self, table.remove(self.stack), block) end
    if block[1] then return block end
    return nil
end

function Walker:errors() return self.unread end

function Walker:close()
    self.stack = {}
    return true
end

Walker.__close = Walker.close

function functions.walk(c, path, opts)
    local w = setmetatable({client = c, opts = opts or {}, stack = {}, unread = {}}, Walker)
    local ok, text, name = push_folder(w, path, 1)
    if not ok then return nil, text, name end
    return w
end

--- The paths that the rest of a pattern means below a folder.
local function glob_into(c, found, folder, parts, at)
    local part, last = parts[at], at == #parts
    if part == "**" then
        if not last then glob_into(c, found, folder, parts, at + 1) end
        for _, e in ipairs(entries(c, folder) or {}) do
            local path = join(folder, e.name)
            local hidden = e.name:sub(1, 1) == "."
            if last and not hidden then found[path] = e.stat end
            if e.stat.type == "dir" and not hidden then glob_into(c, found, path, parts, at) end
        end
        return
    end
    for _, e in ipairs(entries(c, folder) or {}) do
        if match(part, e.name) then
            local path = join(folder, e.name)
            if last then found[path] = e.stat else glob_into(c, found, path, parts, at + 1) end
        end
    end
end

function functions.glob(c, root, pattern, opts)
    local parts, found, paths, stats = {}, {}, {}, {}
    for part in pattern:gmatch "[^/]+" do parts[#parts + 1] = part end
    glob_into(c, found, root, parts, 1)
    for path in pairs(found) do paths[#paths + 1] = path end
    table.sort(paths)
    for i, path in ipairs(paths) do stats[i] = add_target(c, path, found[path]) end
    return paths, opts and opts.stat and stats or nil
end

-- ---- reading and writing ----

local function with_file(c, path, flags, mode, fn)
    local f, text, name = open(c, path, flags, mode)
    if not f then return because(c, path, text, name) end
    local got = table.pack(fn(f))
    local ok, why, code = f:close()
    if got[1] ~= nil and not ok then return nil, why, code end
    return table.unpack(got, 1, got.n)
end

function functions.read(c, path, opts)
    opts = opts or {}
    local st, text, name = stat(c, path)
    if not st then return nil, text, name end
    if st.type == "dir" then return call.fail "EISDIR" end
    return with_file(c, path, client.READ, nil, function(f)
        if opts.offset then f:seek("set", opts.offset) end
        local got, why, code = f:read(opts.n or "a")
        if not got and not code then return "" end
        return got, why, code
    end)
end

--- Where links lead to: SFTP's rename would replace a link.
local function target_of(c, path)
    for _ = 1, 40 do
        local st = lstat(c, path)
        if not st or st.type ~= "link" then return path, st end
        local target = readlink(c, path)
        if not target then return path end
        path = target:sub(1, 1) == "/" and target or (path:match "^(.*/)" or "") .. target
    end
    return path
end

local function rename(c, from, to)
    if c.extensions["posix-rename@openssh.com"] then
        return c:done("extended", S "posix-rename@openssh.com" .. S(from) .. S(to))
    end
    local ok, text, name = c:done("rename", S(from) .. S(to))
    if ok or not lstat(c, to) then return ok, text, name end
    -- The plain one replaces nothing.
    c:done("remove", S(to))
    return c:done("rename", S(from) .. S(to))
end

--- What stands between an error and its name: a folder that is missing, or may not be written to.
local function why_not(c, path, text, name)
    local folder = path:match "^(.*)/[^/]*$"
    if folder and folder ~= "" and name == "EIO" then
        local st = stat(c, folder)
        if st and st.type ~= "dir" then return call.fail "ENOTDIR" end
    end
    return because(c, path, text, name)
end

local function new_mode(opts, old, kind)
    if opts.mode then return mode_of(opts.mode, old or (kind & ~(opts.umask or UMASK)), opts.umask or UMASK) end
    return old or kind & ~(opts.umask or UMASK)
end

function functions.write(c, path, bytes, opts)
    opts = opts or {}
    local to, old = target_of(c, path)
    if old and old.type == "dir" or path:sub(-1) == "/" then return call.fail "EISDIR" end
    local mode = new_mode(opts, old and old.mode, FILE_MODE)
    local function fill(f) return f:write(bytes) end
    if opts.atomic == false or old and old.type ~= "file" then
        local flags = client.WRITE | client.CREATE | client.TRUNCATE
        local ok, text, name = with_file(c, to, flags, mode, fill)
        if ok and opts.mode then ok, text, name = c:done("setstat", S(to) .. client.attributes {mode = mode}) end
        return ok, text, name
    end
    local temp = (to:match "^(.*/)" or "") .. ".rshell-" .. change.random_name()
    local ok, text, name = with_file(c, temp, client.WRITE | client.CREATE | client.EXCLUSIVE, PRIVATE, fill)
    if not ok and name ~= "EIO" then return why_not(c, to, text, name) end
    if ok then ok, text, name = c:done("setstat", S(temp) .. client.attributes {mode = mode}) end
    if ok and old then c:done("setstat", S(temp) .. client.attributes {uid = old.uid, gid = old.gid}) end
    if ok then ok, text, name = rename(c, temp, to) end
    if ok then return true end
    c:done("remove", S(temp))
    return why_not(c, to, text, name)
end

function functions.append(c, path, bytes, opts)
    opts = opts or {}
    local old = stat(c, path)
    local mode = new_mode(opts, old and old.mode, FILE_MODE)
    local flags = client.WRITE | client.CREATE | client.APPEND
    local ok, text, name = with_file(c, path, flags, mode, function(f) return f:write(bytes) end)
    if ok and opts.mode then return c:done("setstat", S(path) .. client.attributes {mode = mode}) end
    return ok, text, name
end

--- Opens as fs.open does.
function functions.open(c, path, how, opts)
    how, opts = how or "r", opts or {}
    local letter, both = how:sub(1, 1), how:find("+", 1, true)
    local flags = letter == "r" and client.READ or client.WRITE | client.CREATE
    if both then flags = flags | client.READ | client.WRITE end
    if letter == "a" then flags = flags | client.APPEND end
    local exclusive = how:find("x", 1, true)
    if exclusive then flags = flags | client.EXCLUSIVE elseif letter == "w" then flags = flags | client.TRUNCATE end
    local old, why, code = stat(c, path)
    if old and old.type == "dir" then return call.fail "EISDIR" end
    if old and exclusive then return call.fail "EEXIST" end
    if not old and letter == "r" then return nil, why, code end
    local mode = new_mode(opts, old and old.mode, FILE_MODE)
    local f, text, name = open(c, path, flags, mode, letter == "a")
    if not f then return why_not(c, path, text, name) end
    if opts.mode then c:done("setstat", S(path) .. client.attributes {mode = mode}) end
    return f
end

local function set(c, path, attributes) return c:done("setstat", S(path) .. client.attributes(attributes)) end

function functions.touch(c, path, opts)
    opts = opts or {}
    local old, text, name = stat(c, path)
    if not old then
        if name ~= "ENOENT" then return nil, text, name end
        local ok
        ok, text, name = functions.append(c, path, "", opts)
        if not ok then return nil, text, name end
        if not opts.mtime then return true end
    end
    return set(c, path, {mtime = opts.mtime or os.time()})
end

function functions.truncate(c, path, size)
    local st, text, name = stat(c, path)
    if not st then return nil, text, name end
    if st.type == "dir" then return call.fail "EISDIR" end
    return set(c, path, {size = size or 0})
end

function functions.checksum(c, path, algo)
    local sum = require "rshell.sys.hash".new(algo or "sha256")
    local f, text, name = functions.open(c, path, "r")
    if not f then return nil, text, name end
    local block
    repeat
        block, text, name = f:read(1 << 20)
        if block then sum:update(block) end
    until not block
    f:close()
    if name then return nil, text, name end
    return sum:hex()
end

-- ---- changing ----

local function make(c, path, opts)
    local mode = opts.mode and mode_of(opts.mode, FOLDER_MODE & ~UMASK, opts.umask or UMASK)
        or FOLDER_MODE & ~(opts.umask or UMASK)
    local ok, text, name = c:done("mkdir", S(path) .. client.attributes {mode = mode})
    if not ok then
        if lstat(c, path) then return call.fail "EEXIST" end
        return why_not(c, path, text, name)
    end
    if opts.mode then return set(c, path, {mode = mode}) end
    return true
end

function functions.mkdir(c, path, opts)
    opts = opts or {}
    local st = stat(c, path)
    if st then
        if opts.exist_ok and st.type == "dir" then return true end
        return call.fail "EEXIST"
    end
    local folder = path:match "^(.+)/[^/]*$"
    if opts.parents and folder and not stat(c, folder) then
        local ok, text, name = functions.mkdir(c, folder, {parents = true, exist_ok = true, umask = opts.umask})
        if not ok then return nil, text, name end
    end
    return make(c, path, opts)
end

function functions.mktemp_dir(c, prefix, opts)
    local path = join(opts and opts.dir or "/tmp", (prefix or "rshell-") .. change.random_name())
    local ok, text, name = make(c, path, {mode = tonumber("700", 8)})
    if not ok and not (opts and opts.dir) then -- a root of its own has no /tmp
        local names = c:names("realpath", S ".")
        path = join(names and names[1].name or ".", (prefix or "rshell-") .. change.random_name())
        ok, text, name = make(c, path, {mode = tonumber("700", 8)})
    end
    if not ok then return nil, text, name end
    return path
end

function functions.unlink(c, path)
    local st, text, name = lstat(c, path)
    if not st then return nil, text, name end
    if st.type == "dir" then return call.fail "EISDIR" end
    return c:done("remove", S(path))
end

function functions.rmdir(c, path)
    local st, text, name = lstat(c, path)
    if not st then return nil, text, name end
    if st.type ~= "dir" then return call.fail "ENOTDIR" end
    local ok
    ok, text, name = c:done("rmdir", S(path))
    if not ok and name == "EIO" and #(entries(c, path) or {}) > 0 then return call.fail "ENOTEMPTY" end
    return ok, text, name
end

local function remove_folder(c, path)
    local all, text, name = entries(c, path)
    if not all then return nil, text, name, path end
    for _, e in ipairs(all) do
        local below = join(path, e.name)
        local ok, where
        if e.stat.type == "dir" then
            ok, text, name, where = remove_folder(c, below)
        else
            ok, text, name = c:done("remove", S(below))
        end
        if not ok then return nil, text, name, where or below end
    end
    return c:done("rmdir", S(path))
end

function functions.remove(c, path, opts)
    opts = opts or {}
    local st, text, name = lstat(c, path)
    if not st then
        if name == "ENOENT" and opts.missing_ok then return true end
        return nil, text, name
    end
    if st.type ~= "dir" then return c:done("remove", S(path)) end
    if not opts.recursive then return call.fail "EISDIR" end
    return remove_folder(c, path)
end

--- fn(path, stat) for a path and what is below it, but no links.
local function each_below(c, path, recursive, fn)
    local st, text, name = stat(c, path)
    if not st then return nil, text, name end
    local ok
    ok, text, name = fn(path, st)
    if not ok then return nil, text, name, path end
    if not recursive or st.type ~= "dir" then return true end
    for _, e in ipairs(entries(c, path) or {}) do
        if e.stat.type ~= "link" then
            local where
            ok, text, name, where = each_below(c, join(path, e.name), true, fn)
            if not ok then return nil, text, name, where end
        end
    end
    return true
end

function functions.chmod(c, path, mode, opts)
    opts = opts or {}
    return each_below(c, path, opts.recursive, function(p, st)
        return set(c, p, {mode = mode_of(mode, st.mode, opts.umask or UMASK, st.type == "dir")})
    end)
end

function functions.chown(c, path, user, group, opts)
    if type(user) == "string" or type(group) == "string" then
        return nil, "accounts have numbers over SFTP, no names", "EUNSUPPORTED"
    end
    return each_below(c, path, opts and opts.recursive, function(p, st)
        return set(c, p, {uid = user or st.uid, gid = group or st.gid})
    end)
end

-- OpenSSH has the two the other way round than the protocol says, and all others do as it does.
function functions.symlink(c, target, path)
    if lstat(c, path) then return call.fail "EEXIST" end
    local ok, text, name = c:done("symlink", S(target) .. S(path))
    if not ok then return why_not(c, path, text, name) end
    return true
end

function functions.link(c, target, path)
    if lstat(c, path) then return call.fail "EEXIST" end
    if not c.extensions["hardlink@openssh.com"] then return call.fail "EUNSUPPORTED" end
    return c:done("extended", S "hardlink@openssh.com" .. S(target) .. S(path))
end

function functions.rename(c, from, to)
    local a, text, name = lstat(c, from)
    if not a then return nil, text, name end
    local b = lstat(c, to)
    if b and a.type == "dir" and b.type ~= "dir" then return call.fail "ENOTDIR" end
    if b and a.type ~= "dir" and b.type == "dir" then return call.fail "EISDIR" end
    if b and b.type == "dir" and #(entries(c, to) or {}) > 0 then return call.fail "ENOTEMPTY" end
    local done, why, code = rename(c, from, to)
    if not done then return why_not(c, to, why, code) end
    return true
end

functions.move = functions.rename

--- The module over a client.
---@param c rshell.sftp.Client
function M.new(c)
    local fs = {match = match}
    for name, fn in pairs(functions) do
        fs[name] = function(path, ...)
            local ok, _, text, code = checked(path)
            if not ok then
                if path == "" and name == "exists" then return false end
                return nil, text, code
            end
            return fn(c, path, ...)
        end
    end
    return fs
end

return M
