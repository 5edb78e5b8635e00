-- SFTP, version 3, as a client: requests have numbers, so that many can be under way, and one task reads the answers.

local err = require "rshell.shared.error"
local task = require "rshell.task"

local M = {}

local VERSION = 3
local MAX_PACKET = 1024 * 1024 -- no sane answer is longer
local TYPES = {
    open = 3, close = 4, read = 5, write = 6, lstat = 7, fstat = 8, setstat = 9, fsetstat = 10, opendir = 11,
    readdir = 12, remove = 13, mkdir = 14, rmdir = 15, realpath = 16, stat = 17, rename = 18, readlink = 19,
    symlink = 20, extended = 200,
}
local INIT, REPLY_VERSION, STATUS, HANDLE, DATA, NAME, ATTRS = 1, 2, 101, 102, 103, 104, 105
local OK, EOF = 0, 1

local NAMES = {[2] = "ENOENT", [3] = "EACCES", [5] = "EINVAL", [6] = "ECLOSED", [7] = "ECLOSED", [8] = "EUNSUPPORTED"}
local TEXTS = {
    ENOENT = "no such file or directory", EACCES = "permission denied", EINVAL = "invalid argument",
    ENAMETOOLONG = "file name too long", EUNSUPPORTED = "not possible over SFTP",
}

-- ---- what is in packets ----

function M.string(s) return (">s4"):pack(s) end

local HAS_SIZE, HAS_OWNER, HAS_MODE, HAS_TIMES, HAS_MORE = 1, 2, 4, 8, 0x80000000

--- Attributes that are to be set: size, uid and gid, mode, atime and mtime.
function M.attributes(a)
    a = a or {}
    local flags, out = 0, ""
    if a.size then flags, out = flags | HAS_SIZE, out .. (">I8"):pack(a.size) end
    if a.uid then flags, out = flags | HAS_OWNER, out .. (">I4I4"):pack(a.uid, a.gid) end
    if a.mode then flags, out = flags | HAS_MODE, out .. (">I4"):pack(a.mode) end
    if a.mtime then
        local function seconds(x) return math.max(0, math.min(math.floor(x), 0xffffffff)) end
        flags, out = flags | HAS_TIMES, out .. (">I4I4"):pack(seconds(a.atime or a.mtime), seconds(a.mtime))
    end
    return (">I4"):pack(flags) .. out
end

local KINDS = {[8] = "file", [4] = "dir", [10] = "link", [12] = "socket", [1] = "fifo", [6] = "block", [2] = "char"}

--- A stat as rshell.sys.fs has it, and where it ends. What the protocol doesn't tell is 0, and names are numbers.
local function parse_attributes(body, at)
    local flags
    local st = {size = 0, mode = 0, type = "unknown", uid = 0, gid = 0, atime = 0, mtime = 0}
    flags, at = (">I4"):unpack(body, at)
    if flags & HAS_SIZE ~= 0 then st.size, at = (">I8"):unpack(body, at) end
    if flags & HAS_OWNER ~= 0 then st.uid, st.gid, at = (">I4I4"):unpack(body, at) end
    if flags & HAS_MODE ~= 0 then
        local mode
        mode, at = (">I4"):unpack(body, at)
        st.mode, st.type = mode & 4095, KINDS[mode >> 12] or "unknown"
    end
    if flags & HAS_TIMES ~= 0 then st.atime, st.mtime, at = (">I4I4"):unpack(body, at) end
    if flags & HAS_MORE ~= 0 then
        local n
        n, at = (">I4"):unpack(body, at)
        for _ = 1, 2 * n do
            _, at = (">s4"):unpack(body, at)
        end
    end
    st.atime, st.mtime = st.atime + 0.0, st.mtime + 0.0
    st.ctime, st.ino, st.dev, st.nlink = st.mtime, 0, 0, 1
    st.owner, st.group = tostring(st.uid), tostring(st.gid)
    return st, at
end

-- ---- the connection ----

---@class rshell.sftp.Client
local Client = {}
Client.__index = Client

local function read_packet(c)
    local head = c.channel.stdout:read {exact = 4}
    if not head or #head < 4 then return nil end
    local size = (">I4"):unpack(head)
    if size < 1 or size > MAX_PACKET then return nil, ("this is no SFTP: %q"):format(head) end
    local body = c.channel.stdout:read {exact = size}
    if not body or #body < size then return nil end
    return body
end

--- Who waits is woken, and told why nothing more will come.
local function finish(c, why)
    c.why = c.why or why or "the SFTP server has ended"
    local pending = c.pending
    c.pending = {}
    for _, p in pairs(pending) do p.event:notify() end
end

local function read_answers(c)
    while true do
        local ok, body, why = pcall(read_packet, c)
        if not ok then return finish(c, err.is(body) and body.message or tostring(body)) end
        if not body then return finish(c, why) end
        if #body < 5 then return finish(c, "an SFTP packet is too short") end
        local id = (">I4"):unpack(body, 2)
        local p = c.pending[id]
        c.pending[id] = nil
        if p then
            p.kind, p.body = body:byte(), body
            p.event:notify()
        end
    end
end

local NAME_MAX = 255

--- Whether a request names something that is longer than names can be: to the server such a request is a bad one.
local function too_long(what, payload)
    if what == "write" or #payload <= NAME_MAX then return false end
    for name in payload:gmatch "[^/]+" do
        if #name > NAME_MAX then return true end
    end
    return false
end

--- Sends a request; its answer is awaited by Client:answer.
function Client:send(what, payload)
    if self.why then return nil end
    self.id = (self.id + 1) & 0xffffffff
    local p = {event = task.event(), too_long = too_long(what, payload)}
    self.pending[self.id] = p
    local ok = pcall(self.channel.stdin.write, self.channel.stdin,
        (">I4BI4"):pack(5 + #payload, TYPES[what], self.id) .. payload)
    if not ok then finish(self) end
    return p
end

--- The kind and body of an answer; nil, text, NAME for a failure, nil and "EOF" at the end of something.
function Client:answer(p)
    while p and not p.kind and not self.why do p.event:wait() end
    if not p or not p.kind then return nil, self.why, "ECLOSED" end
    if p.kind ~= STATUS then return p.kind, p.body end
    local code, at = (">I4"):unpack(p.body, 6)
    if code == OK then return STATUS, p.body end
    if code == EOF then return nil, "EOF" end
    local name = NAMES[code] or "EIO"
    if name == "EINVAL" and p.too_long then name = "ENAMETOOLONG" end
    local ok, said = pcall(string.unpack, ">s4", p.body, at)
    return nil, TEXTS[name] or (ok and said ~= "" and said:lower()) or "it failed", name
end

function Client:call(what, payload) return self:answer(self:send(what, payload)) end

local function handle_of(kind, body, name)
    if not kind then return nil, body, name end
    if kind ~= HANDLE then return nil, "an unexpected answer", "EPROTOCOL" end
    return ((">s4"):unpack(body, 6))
end

M.READ, M.WRITE, M.APPEND, M.CREATE, M.TRUNCATE, M.EXCLUSIVE = 1, 2, 4, 8, 16, 32

--- A handle of a file.
function Client:open(path, flags, attributes)
    return handle_of(self:call("open", M.string(path) .. (">I4"):pack(flags) .. M.attributes(attributes)))
end

function Client:opendir(path) return handle_of(self:call("opendir", M.string(path))) end

function Client:close_handle(handle)
    local kind, text, name = self:call("close", M.string(handle))
    if not kind then return nil, text, name end
    return true
end

--- The bytes of an answer to read; nil at the end, nil, text, NAME for a failure.
function Client:data(p)
    local kind, body, name = self:answer(p)
    if not kind then
        if body == "EOF" then return nil end
        return nil, body, name
    end
    if kind ~= DATA then return nil, "an unexpected answer", "EPROTOCOL" end
    return ((">s4"):unpack(body, 6))
end

local function entries_of(body)
    local n, at = (">I4"):unpack(body, 6)
    local list = {}
    for i = 1, n do
        local name, long, st
        name, long, at = (">s4s4"):unpack(body, at)
        st, at = parse_attributes(body, at)
        list[i] = {name = name, long = long, stat = st}
    end
    return list
end

--- {name=, long=, stat=} of an answer that is a list of names.
function Client:names(what, payload)
    local kind, body, name = self:call(what, payload)
    if not kind then
        if body == "EOF" then return nil end
        return nil, body, name
    end
    if kind ~= NAME then return nil, "an unexpected answer", "EPROTOCOL" end
    return entries_of(body)
end

--- A stat.
function Client:attributes(what, payload)
    local kind, body, name = self:call(what, payload)
    if not kind then return nil, body, name end
    if kind ~= ATTRS then return nil, "an unexpected answer", "EPROTOCOL" end
    return (parse_attributes(body, 6))
end

--- True when the server did it.
function Client:done(what, payload)
    local kind, text, name = self:call(what, payload)
    if not kind then return nil, text, name end
    return true
end

function Client:close()
    finish(self, "closed")
    self.channel:close()
    self.reader:close()
end

local function greet(c)
    c.channel.stdin:write((">I4BI4"):pack(5, INIT, VERSION))
    local body, why = read_packet(c)
    if not body or body:byte() ~= REPLY_VERSION then return nil, why or "no SFTP server answered", "EPROTOCOL" end
    local at = 6
    while at <= #body do
        local name, value
        name, value, at = (">s4s4"):unpack(body, at)
        c.extensions[name] = value
    end
    return true
end

--- Greets the server at the other end of a channel's streams.
---@param channel table
---@return rshell.sftp.Client?
function M.new(channel)
    local c = setmetatable({channel = channel, pending = {}, id = 0, extensions = {}}, Client)
    local ok, done, text, name = pcall(greet, c)
    if not ok or not done then
        channel:close()
        if ok then return nil, text, name end
        return nil, err.is(done) and done.message or tostring(done), "EPROTOCOL"
    end
    c.reader = task.spawn(read_answers, c)
    return c
end

return M
