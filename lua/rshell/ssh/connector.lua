-- An SSH connection as a connector (see rshell.bare): programs, and connections passed through.

local task = require "rshell.task"

local M = {}

---@class rshell.ssh.Channel
local Channel = {}
Channel.__index = Channel

local function wrap(raw)
    local c = {raw = raw, stdin = raw:stream "in", stdout = raw:stream "out", stderr = raw:stream "err"}
    return setmetatable(c, Channel)
end

function Channel:wait(seconds) return self.raw:wait(seconds or -1) end
function Channel:exit() return self.raw:exit() end
function Channel:signal(name) return self.raw:signal(name) end
function Channel:resize(rows, cols) return self.raw:resize(rows, cols) end

--- Gives back its place.
local function leave(channel)
    local done = channel.done
    channel.done = nil
    if done then done() end
end

function Channel:close()
    self.stdin:close()
    self.stdout:close()
    self.stderr:close()
    self.raw:close()
    leave(self)
end

-- Dropped, it lives on in the streams that somebody still reads.
Channel.__gc = leave

-- A connector's functions, with its state before their arguments.
local functions = {}

-- ---- how many channels the server lets us have ----

--- Waits for a place, then opens a channel. A server that refuses has a limit (MaxSessions): work beyond it waits its
--- turn.
local function open_channel(c)
    while true do
        while c.limit and c.open >= c.limit do c.freed:wait() end
        c.open = c.open + 1
        local raw, text, name = c.session:open "session"
        if raw then return raw end
        c.open = c.open - 1
        if c.open == 0 or c.session:broken() then return nil, text, name end
        c.limit = c.open
    end
end

--- A spare channel is kept open, so that a command takes one round trip. It doesn't count against what others may
--- need: when the server has no more places it is used up.
local function prepare(c)
    if c.preparing or c.spare or c.limit or c.closed then return end
    c.preparing = true
    task.spawn(function()
        local raw = c.session:open "session"
        c.preparing = false
        if not raw then return end
        if c.closed then return raw:close() end
        c.spare = raw
        c.freed:notify()
    end)
end

local function take(c)
    local raw = c.spare
    if raw then
        c.spare = nil
        c.open = c.open + 1
        return raw
    end
    return open_channel(c)
end

function functions.exec(self, line, opts)
    local raw, text, name = take(self)
    if not raw then return nil, text, name end
    prepare(self)
    local function failed(...)
        raw:close()
        self.open = self.open - 1
        self.freed:notify()
        return ...
    end
    for var, value in pairs(self.setenv or {}) do raw:request("env", var, value) end
    local pty = opts and opts.pty
    if pty then
        local ok, why, code = raw:request("pty", pty.term or "xterm", pty.rows or 24, pty.cols or 80)
        if not ok then return failed(nil, why, code) end
    end
    local ok, why, code = raw:request("exec", line)
    if not ok then return failed(nil, why, code) end
    local channel = wrap(raw)
    channel.done = function()
        self.open = self.open - 1
        self.freed:notify()
    end
    return channel
end

local function pass_through(c, kind, where, port)
    local raw, text, name = c.session:open(kind, where, port)
    if not raw then return nil, text, name end
    return raw:stream "both"
end

function functions.connect_tcp(self, host, port) return pass_through(self, "tcp", host, port) end
function functions.connect_unix(self, path) return pass_through(self, "unix", path, 0) end
function functions.broken(self) return self.session:broken() end

--- True while a new channel would have to wait for its turn.
function functions.full(self) return self.limit ~= nil and self.open >= self.limit end

function functions.close(self)
    self.closed = true
    if self.spare then self.spare:close() end
    self.session:close()
end

--- A connector over a session that has logged in.
---@param session userdata
---@param setenv table<string, string>?
function M.new(session, setenv)
    local state = {session = session, setenv = setenv, open = 0, freed = task.event()}
    local connector = {}
    for name, fn in next, functions do
        connector[name] = function(...) return fn(state, ...) end
    end
    return connector
end

return M
