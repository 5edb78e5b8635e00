-- Copies of files and trees between any two machines. On one machine a primitive does it; between two rshell.transfer.

local err = require "rshell.shared.error"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local path = require "rshell.path"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

local OPTIONS = {
    checksum = "boolean", delete = "boolean", preserve = "boolean|table", progress = "function", resume = "boolean",
}

-- What is kept besides modes and times, on demand.
local KEPT = {owner = "boolean", links = "boolean", xattrs = "boolean", acls = "boolean"}

-- ---- on one machine ----

local function fail(src, dst, text, name, where)
    where = where or (name == "ENOENT" and src.text) or dst.text
    if where ~= src.text and where ~= dst.text then text = ("%s: %s"):format(where, text) end
    local hint
    if name == "EINVAL" then hint = "nothing can be copied into itself" end
    if name == "EISDIR" then hint = ('"%s/" copies into the folder, delete=true replaces it'):format(where) end
    if name == "ENOTDIR" and where == dst.text and view.check(dst.view).fs.lstat(where) then
        hint = "delete=true replaces it by the folder"
    end
    view.fail(src.view, ("can't copy %s to %s"):format(src.text, dst.text), text, name, {path = where, hint = hint})
end

local function on_one_machine(src, dst, o)
    local fs = view.check(src.view).fs
    local copier, text, name, where =
        fs.tree_copier(src.text, dst.text, {checksum = o.checksum, delete = o.delete, preserve = o.preserve})
    if not copier then fail(src, dst, text, name, where) end
    local _ <close> = setmetatable({}, {__close = function() copier:close() end})
    local n
    repeat
        n, text, name, where = copier:next()
        if not n then fail(src, dst, text, name, where) end
        if o.progress then o.progress {files = n.files, bytes = n.bytes, path = src.text} end
    until n.done
    return n
end

-- ---- the door ----

--- Copies a path's state to another's, which is the final name.
---@param src rshell.PathState
---@param dst rshell.PathState
---@param o table checked options; more of them are in rshell.transfer
function M.between(src, dst, o)
    local conn = src.view.conn
    local on_one = conn == dst.view.conn and not rawget(conn.backend, "only_sftp") and not o.keep
    local run = on_one and on_one_machine or require "rshell.transfer".run
    local a, b = src.view.timeout, dst.view.timeout
    local seconds = a and b and math.min(a, b) or a or b
    if not seconds then return run(src, dst, o) end
    local ok, n = pcall(task.timeout, seconds, run, src, dst, o)
    if ok then return n end
    if err.is(n) and n.kind == "timeout" and not n.path then
        local far = src.view.conn.kind == "local" and dst or src
        n.host, n.path = far.view.conn.name, far.text
        n.message = ("can't copy %s to %s: %s"):format(src.text, dst.text, n.message)
    end
    error(n, 0)
end

local function local_view()
    return require "rshell.machine".test(require "rshell".here)
end

--- A path's state, or that of a string on the machine of v.
local function state_of(who, what, v, x)
    local p = path.test(x)
    if p then return p end
    if type(x) ~= "string" or x == "" then
        err.usage("%s: %s is a path or a string, not %s", who, what, x == "" and "an empty one" or object.type(x))
    end
    local text, into = path.text(v or local_view(), x)
    return {view = v or local_view(), text = text, into = into}
end

--- With a slash at its end a destination says "into".
local function final(who, src, dst)
    if not dst.into then return dst end
    local name = src.text:match "[^/]*$"
    if name == "" then err.usage("%s: / has no name", who) end
    return {view = dst.view, text = path.normal(dst.text .. "/" .. name)}
end

--- What preserve asks for besides the usual, or nil.
local function kept(who, preserve)
    if type(preserve) ~= "table" then return nil end
    local keep = {}
    for name, on in next, options.check(who .. ": preserve", preserve, KEPT) do keep[name] = on or nil end
    return next(keep) and keep
end

local function copy(who, src_view, dst_view, src, dst, opts)
    options.check(who, opts, OPTIONS)
    opts = opts or {}
    local keep = kept(who, opts.preserve)
    src, dst = state_of(who, "what is copied", src_view, src), state_of(who, "where to", dst_view, dst)
    local n = M.between(src, final(who, src, dst), {
        checksum = opts.checksum or false, delete = opts.delete or false,
        preserve = opts.preserve ~= false, keep = keep,
        progress = opts.progress, resume = opts.resume or false,
    })
    return {files = n.files, bytes = n.bytes, skipped = n.skipped}
end

local function check_machine(who, v, x)
    local p = path.test(x)
    if p and p.view.conn ~= v.conn then
        err.usage("%s: %s is a path of %s, not of %s", who, p.text, p.view.conn.name, v.conn.name)
    end
end

--- copy(src, dst): paths of any machines; strings are on this one.
function M.copy(src, dst, opts)
    return copy("copy", nil, nil, src, dst, opts)
end

--- m:upload(src, dst): dst is on the machine.
---@param v rshell.View
function M.upload(v, src, dst, opts)
    view.check(v)
    check_machine("upload", v, dst)
    return copy("upload", nil, v, src, dst, opts)
end

--- m:download(src, dst): src is on the machine.
---@param v rshell.View
function M.download(v, src, dst, opts)
    view.check(v)
    check_machine("download", v, src)
    return copy("download", v, nil, src, dst, opts)
end

return M
