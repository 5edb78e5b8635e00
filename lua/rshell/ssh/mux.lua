-- A session over a multiplexing master of ssh: the same functions as a session of rshell.ssh.raw.
--
-- The master is asked for its proxy mode: from then on it passes packets of the SSH connection protocol between us and
-- the server, so that all of our channels go through one socket, with their own windows, signals and sizes, and no
-- process is started for any of them.

local channel = require "rshell.ssh.mux.channel"
local forward = require "rshell.ssh.mux.forward"
local task = require "rshell.task"
local wire = require "rshell.ssh.mux.wire"

local M = {}

local CONFIRM, REFUSE, ADJUST, DATA, EXTENDED, EOF, CLOSE, REQUEST, SUCCESS, FAILURE =
    91, 92, 93, 94, 95, 96, 97, 98, 99, 100

local OUTBOX = 256 * 1024 -- bytes that wait to be written before senders of data wait too

---@class rshell.ssh.MuxSession
---@field socket string the master's control socket
---@field dir string a folder of ours, for sockets
---@field any_listener boolean listens on unix sockets, and chooses free ports
---@field forward_agent boolean? programs may use our SSH agent; ssh serves it
local Session = {any_listener = true}
Session.__index = Session

-- ---- packets ----

--- Ends all that waits.
local function collapse(s, why)
    if s.why then return end
    s.why = why
    s.stream:close()
    for _, c in pairs(s.channels) do c:ended() end
    s.channels, s.open_, s.opening_ = {}, 0, 0
    s.event:notify()
    s.out_event:notify()
end

--- Without waiting: who reads packets may not wait until others are taken, or nobody would get on.
---@param kind integer
---@param body string
function Session:send(kind, body)
    if self.why then return end
    local packet = (">I4"):pack(#body + 2) .. "\0" .. string.char(kind) .. body
    self.outbox[#self.outbox + 1] = packet
    self.waiting = self.waiting + #packet
    self.out_event:notify()
end

--- For who sends much: until there is room.
function Session:await_outbox()
    while self.waiting > OUTBOX and not self.why do self.out_event:wait() end
end

local function write_all(s)
    while true do
        while not s.outbox[1] do
            if s.why then return end
            s.out_event:wait()
        end
        local all = table.concat(s.outbox)
        s.outbox = {}
        s.stream:write(all)
        s.waiting = s.waiting - #all
        s.out_event:notify()
    end
end

local function leave(s, c)
    s.channels[c.id] = nil
    if c.program and c.peer then s.open_ = s.open_ - 1 end
    s.event:notify()
end

local handlers = {}

handlers[CONFIRM] = function(_, c, body, at)
    c.peer, c.room, c.most = (">I4I4I4"):unpack(body, at)
    c.most = math.max(1, math.min(c.most, 32768))
    c.event:notify()
end

handlers[REFUSE] = function(s, c, body, at)
    local code, said = (">I4s4"):unpack(body, at)
    c.refusal = ("error (%d) %s"):format(code, said)
    leave(s, c)
    c.event:notify()
end

handlers[ADJUST] = function(_, c, body, at) c:adjust(((">I4"):unpack(body, at))) end
handlers[DATA] = function(_, c, body, at) c:data(((">s4"):unpack(body, at))) end
handlers[EXTENDED] = function(_, c, body, at) c:extended(((">s4"):unpack(body, at + 4))) end
handlers[EOF] = function(_, c) c:eof() end
handlers[SUCCESS] = function(_, c) c:replied(true) end
handlers[FAILURE] = function(_, c) c:replied(false) end

handlers[CLOSE] = function(s, c)
    c:answer_close()
    c:ended()
    leave(s, c)
end

handlers[REQUEST] = function(s, c, body, at)
    local kind, wants, rest = (">s4B"):unpack(body, at)
    local known = c:requested(kind, body:sub(rest))
    if wants ~= 0 then s:send(known and SUCCESS or FAILURE, (">I4"):pack(c.peer)) end
end

--- Packets for channels that are no more are thrown away.
local function dispatch(s, body)
    local kind = body:byte(2)
    local handler = handlers[kind]
    local c = handler and s.channels[(">I4"):unpack(body, 3)]
    if c then handler(s, c, body, 7) end
end

local function read_all(s)
    for body in wire.read, s.stream do
        s.heard = task.now()
        dispatch(s, body)
    end
end

-- ---- channels ----

--- Nobody else knows of a channel that opened too late.
local function abandon(s, c)
    if c.refusal or s.why then return end
    task.spawn(function()
        while not c.peer and not c.refusal and not s.why do c.event:wait() end
        if c.program then
            s.opening_ = s.opening_ - 1
            if c.peer then s.open_ = s.open_ + 1 end
        end
        if c.peer then c:close() end
    end)
end

local function await_open(s, c)
    while not c.peer and not c.refusal and not s.why do c.event:wait() end
end

local function open(s, kind, more, program)
    if s.why then return nil, s.why, "ECLOSED" end
    s.last = s.last + 1
    local c = channel.new(s, s.last, program)
    s.channels[c.id] = c
    if program then s.opening_ = s.opening_ + 1 end
    s:send(c:opening(kind, more))
    local ok, e = pcall(await_open, s, c)
    if not ok then
        abandon(s, c)
        error(e, 0)
    end
    if s.why then return nil, s.why, "ECLOSED" end
    if program then
        s.opening_ = s.opening_ - 1
        if c.peer then s.open_ = s.open_ + 1 end
    end
    if not c.peer then return nil, c.refusal, "EPROTOCOL" end
    if program and s.forward_agent then c:request "agent" end
    return c
end

--- A channel to a program ("session"), to a port ("tcp") or to a unix socket ("unix").
function Session:open(kind, where, port)
    if kind == "tcp" then
        return open(self, "direct-tcpip", (">s4I4s4I4"):pack(where, port, "127.0.0.1", 0), false)
    elseif kind == "unix" then
        return open(self, "direct-streamlocal@openssh.com", (">s4s4I4"):pack(where, "", 0), false)
    end
    return open(self, "session", "", true)
end

--- How many channels for programs are open, and are being opened.
function Session:places() return self.open_, self.opening_ end

--- Until fewer than n are.
function Session:await_room(n)
    while not self.why and self.open_ + self.opening_ >= n do self.event:wait() end
end

-- ---- the rest ----

--- One round trip: asks for something that no server has.
function Session:ping()
    local c, text, name = open(self, "ping@rshell", "", false)
    if c then c:close() end
    if c or name == "EPROTOCOL" then return true end
    return nil, text, name
end

function Session:silence() return task.now() - self.heard end
function Session:broken() return self.why end

--- What software the server has, ssh doesn't tell.
function Session:banner() return "" end

--- A listener over there: a port, 0 for a free one, or a path.
function Session:listen(host, place) return forward.listen(self, host, place) end

function Session:close()
    if self.why then return end
    collapse(self, "closed")
    self.reader:close()
    self.writer:close()
end

--- A session over the master at a control socket; or nil, text, NAME.
---@param socket string
---@param dir string
---@param last_words fun(): string why it ended, when it did
---@return rshell.ssh.MuxSession?, string?, string?
function M.new(socket, dir, last_words)
    local stream, text, name = wire.connect(socket)
    if not stream then return nil, text, name end
    local kind, rest = wire.ask(stream, wire.PROXY)
    if kind ~= wire.PROXIED then
        stream:close()
        return nil, "ssh passes no packets on: " .. wire.reason(rest), "EPROTOCOL"
    end
    local s = setmetatable({
        stream = stream, socket = socket, dir = dir, channels = {}, last = 0, open_ = 0, opening_ = 0,
        heard = task.now(), event = task.event(), outbox = {}, waiting = 0, out_event = task.event(),
    }, Session)
    s.writer = task.spawn(pcall, write_all, s) -- a connection that can't be written to is read to its end
    s.reader = task.spawn(function()
        local ok, e = pcall(read_all, s)
        collapse(s, ok and last_words() or tostring(e))
    end)
    return s
end

return M
