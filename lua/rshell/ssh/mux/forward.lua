-- Listeners over there through a master of ssh, which connects to a unix socket of ours for each connection. Each
-- request is a connection of its own to the control socket: who passes packets on understands no others.

local net = require "rshell.sys.net"
local task = require "rshell.task"
local wire = require "rshell.ssh.mux.wire"

local M = {}

local REMOTE = 2
local UNIX = 0xfffffffe -- in place of a port: the host is a path

---@class rshell.ssh.MuxForward
---@field port integer?
---@field path string?
local Forward = {}
Forward.__index = Forward

--- One request: the kind of the answer and its rest, or nil, text, NAME.
local function ask(s, kind, fields)
    local stream, text, name = wire.connect(s.socket)
    if not stream then return nil, text, name end
    local ok, answer, rest = pcall(wire.ask, stream, kind, fields)
    stream:close()
    if not ok then error(answer, 0) end
    if not answer then return nil, s:broken() or "ssh gave no answer", "ECLOSED" end
    return answer, rest
end

local function fields_of(host, place, target)
    local is_path = type(place) == "string"
    return (">I4s4I4s4I4"):pack(REMOTE, is_path and place or host, is_path and UNIX or place, target, UNIX)
end

local function cancel(s, fields)
    pcall(ask, s, wire.CLOSE_FORWARD, fields)
    -- ssh doesn't wait for the server; what is asked afterwards is answered afterwards.
    pcall(s.ping, s)
end

local function open(s, fields)
    local answer, rest, name = ask(s, wire.OPEN_FORWARD, fields)
    if answer == wire.REMOTE_PORT then return true, (">I4"):unpack(rest) end
    if answer == wire.OK then return true end
    if answer == nil then return nil, rest, name end
    return nil, wire.reason(rest), "EPROTOCOL"
end

--- A listener; or nil, text, NAME.
---@param s rshell.ssh.MuxSession
---@param host string
---@param place integer|string
function M.listen(s, host, place)
    s.forwards = (s.forwards or 0) + 1
    local target = ("%s/r%d"):format(s.dir, s.forwards)
    local listener, text, name = net.listen(target)
    if not listener then return nil, text, name end
    local fields = fields_of(host, place, target)
    local called, ok, port, code = pcall(open, s, fields)
    if called and ok then
        local is_path = type(place) == "string"
        return setmetatable({
            session = s, listener = listener, fields = fields, path = is_path and place or nil,
            port = not is_path and (port or place) or nil,
        }, Forward)
    end
    listener:close()
    if called then return nil, port, code end
    task.spawn(cancel, s, fields) -- given up: ssh may have it by now
    error(ok, 0)
end

--- The next connection. Who it is from, ssh doesn't tell.
function Forward:accept(seconds)
    local stream, peer, name = self.listener:accept(seconds)
    if stream then return stream, {family = self.path and "unix" or "ipv4"} end
    return nil, peer, name
end

function Forward:closed() return self.listener.closed or self.session:broken() ~= nil end

--- The place is free when this returns. Harmless twice.
function Forward:close()
    if self.listener.closed then return end
    self.listener:close()
    cancel(self.session, self.fields)
end

function Forward:__gc()
    if self.listener.closed then return end
    self.listener:close()
    task.spawn(cancel, self.session, self.fields)
end

return M
