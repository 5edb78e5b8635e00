-- A channel of the SSH protocol, spoken to a master that passes our packets on: the same functions as a channel of
-- rshell.ssh.raw. Its streams are ends of socket pairs; the tasks that serve the other ends keep to the windows, so who
-- stops reading stops the program, in bounded memory.

local errno = require "rshell.bare.errno"
local raw = require "rshell.ssh.raw"
local task = require "rshell.task"

local M = {}

local OPEN, ADJUST, DATA, EOF, CLOSE, REQUEST = 90, 93, 94, 96, 97, 98
local WINDOW, PACKET = 2 * 1024 * 1024, 32768

---@class rshell.ssh.MuxChannel
---@field session rshell.ssh.MuxSession
---@field id integer ours
---@field peer integer? the server's number, once it is open
---@field room integer bytes that the server will take
---@field taken integer bytes that we have taken and not yet told of
local Channel = {}
Channel.__index = Channel

---@param session rshell.ssh.MuxSession
---@param id integer
---@param program boolean whether it takes one of the server's places
function M.new(session, id, program)
    return setmetatable({
        session = session, id = id, program = program, room = 0, taken = 0, replies = {}, event = task.event(),
        out = {queue = {}, event = task.event()}, err = {queue = {}, event = task.event()},
    }, Channel)
end

--- The packet that opens it.
---@param kind string
---@param more string
function Channel:opening(kind, more)
    return OPEN, (">s4I4I4I4"):pack(kind, self.id, WINDOW, PACKET) .. more
end

local function send(c, kind, more)
    if c.closed_ or not c.peer then return end
    c.session:send(kind, (">I4"):pack(c.peer) .. (more or ""))
end

-- ---- what comes from the server ----

--- What was read, or thrown away, may come again.
local function consumed(c, n)
    c.taken = c.taken + n
    if c.taken < WINDOW // 2 then return end
    local n_all = c.taken
    c.taken = 0
    send(c, ADJUST, (">I4"):pack(n_all))
end

local function deliver(c, src, data)
    if src.gone then
        c.unread_ = true
        c.event:notify()
        return consumed(c, #data)
    end
    src.queue[#src.queue + 1] = data
    src.event:notify()
end

local function take_queue(src)
    local all = table.concat(src.queue)
    src.queue = {}
    return all
end

--- Until the end, or until its reader has gone: what comes from then on is thrown away.
local function write_all(c, src, to)
    while not src.gone do
        while not src.queue[1] do
            if src.ended then return end
            src.event:wait()
        end
        local all = take_queue(src)
        src.gone = src.gone or not pcall(to.write, to, all)
        consumed(c, #all)
    end
    c.unread_ = true
    c.event:notify()
    consumed(c, #take_queue(src))
end

local function serve_output(c, src, to, finish)
    src.task = task.spawn(function()
        pcall(write_all, c, src, to)
        pcall(finish, to)
    end)
end

function Channel:data(data) deliver(self, self.out, data) end

--- Only one kind of further data is known: standard error.
function Channel:extended(data) deliver(self, self.err, data) end

function Channel:eof()
    for _, src in ipairs {self.out, self.err} do
        src.ended = true
        src.event:notify()
    end
end

function Channel:adjust(n)
    self.room = self.room + n
    self.event:notify()
end

--- The server, or the connection, has ended it.
function Channel:ended()
    self:eof()
    self.exit_ = self.exit_ or {}
    self.over = true
    if self.input and (not self.two_way or self.out.finished) then self.input:close() end
    self.event:notify()
end

local requests = {}

requests["exit-status"] = function(c, rest) c.exit_ = {code = (">I4"):unpack(rest)} end
requests["exit-signal"] = function(c, rest) c.exit_ = {signal = (">s4"):unpack(rest)} end

function Channel:requested(kind, rest)
    if not requests[kind] then return false end
    requests[kind](self, rest)
    self.event:notify()
    return true
end

--- The answer to the oldest request.
function Channel:replied(ok)
    local reply = table.remove(self.replies, 1)
    if not reply then return end
    reply.ok = ok
    self.event:notify()
end

-- ---- what goes to the server ----

local function read_all(c, from)
    for block in function() return from:read(PACKET) end do
        local at = 1
        while at <= #block do
            while c.room == 0 and not c.over do c.event:wait() end
            if c.over then return end
            c.session:await_outbox()
            local piece = block:sub(at, at + math.min(c.room, c.most) - 1)
            c.room = c.room - #piece
            at = at + #piece
            send(c, DATA, (">s4"):pack(piece))
        end
    end
end

local function serve_input(c, from)
    c.input = from
    task.spawn(function()
        pcall(read_all, c, from)
        if not c.over then send(c, EOF) end
    end)
end

-- ---- as channels of rshell.ssh.raw ----

local function close(stream) stream:close() end

--- What has come is passed on before the stream that also takes is closed.
local function serve_both(c, stream)
    c.two_way = true
    serve_input(c, stream)
    serve_output(c, c.out, stream, function()
        c.out.finished = true
        if c.out.gone then return c:close() end -- who has left reads no more, and writes no more
        stream:shutdown()
        if c.over then stream:close() end
    end)
end

--- "in", "out", "err" or "both": once each; host is for its errors.
function Channel:stream(which, host)
    local theirs, ours = raw.pair()
    raw.of_host(theirs, host)
    if which == "in" then
        serve_input(self, ours)
    elseif which == "both" then
        serve_both(self, ours)
    else
        serve_output(self, self[which], ours, close)
        raw.drain(theirs)
    end
    return theirs
end

local fields = {}

function fields.exec(line) return "exec", (">s4"):pack(line) end
function fields.subsystem(name) return "subsystem", (">s4"):pack(name) end
function fields.agent() return "auth-agent-req@openssh.com", "" end
function fields.env(name, value) return "env", (">s4s4"):pack(name, value) end

function fields.pty(term, rows, cols)
    return "pty-req", (">s4I4I4I4I4s4"):pack(term, cols, rows, 0, 0, "\0")
end

local function ask(c, name, more)
    local reply = {}
    c.replies[#c.replies + 1] = reply
    send(c, REQUEST, (">s4B"):pack(name, 1) .. more)
    while reply.ok == nil and not c.over do c.event:wait() end
    if reply.ok then return true end
    local why = c.session:broken()
    if why then return nil, why, "ECLOSED" end
    return nil, "the server refuses: " .. name, "EPROTOCOL"
end

-- Servers accept few variables, and may not pass on an agent; nobody waits for that.
local UNANSWERED = {env = true, agent = true}

--- "exec", line; "subsystem", name; "pty", TERM, rows, columns; "env", name, value; "agent".
function Channel:request(kind, ...)
    local name, more = fields[kind](...)
    if UNANSWERED[kind] then
        send(self, REQUEST, (">s4B"):pack(name, 0) .. more)
        return true
    end
    return ask(self, name, more)
end

function Channel:exit() return self.exit_ or false end

--- Whether something came for a stream that was closed, since the last call.
function Channel:unread()
    local unread = self.unread_ or false
    self.unread_ = false
    return unread
end

function Channel:wait(seconds)
    local stop = seconds and seconds >= 0 and task.now() + seconds or nil
    while not self.exit_ do
        if self.unread_ and not self.told then
            self.told = true
            return {unread = true}
        end
        local left = stop and stop - task.now()
        if left and left <= 0 then return errno.fail "ETIMEOUT" end
        self.event:wait(left)
    end
    return self.exit_
end

local function tell(c, name, more)
    if c.over or c.closed_ then return errno.fail "ECLOSED" end
    send(c, REQUEST, (">s4B"):pack(name, 0) .. more)
    return true
end

function Channel:signal(name) return tell(self, "signal", (">s4"):pack(name)) end
function Channel:resize(rows, cols) return tell(self, "window-change", (">I4I4I4I4"):pack(cols, rows, 0, 0)) end

--- The server has closed it, and so do we. Nothing may be sent afterwards, also by who sends while this waits.
function Channel:answer_close()
    if self.closed_ then return end
    self.closed_ = true
    if self.peer then self.session:send(CLOSE, (">I4"):pack(self.peer)) end
end

--- At once, whatever runs there.
function Channel:close()
    if self.closed_ then return end
    self.out.gone, self.err.gone = true, true
    self:answer_close()
    self:ended()
end

return M
