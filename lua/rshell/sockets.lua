-- m:connect_sock and m:listen: ports and unix sockets of a machine.

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local number = require "rshell.shared.number"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local path = require "rshell.path"
local primitives = require "rshell.primitives"
local view = require "rshell.view"

local M = {}

local mt, make, state = object.class "listener"

---@class rshell.MachineListener
local members = {}
M.members = members

primitives.complete("rshell.Stream", "stream", {})

-- ---- where ----

--- A port, or the path of a unix socket ("@name" in the abstract namespace).
---@param v rshell.View whose paths these are
---@param who string
---@param where integer|string|rshell.Path
---@param least integer
---@return integer|string
function M.place(v, who, where, least)
    local port = number.integer(where)
    if port then
        if port < least or port > 65535 then err.usage("%s: %d is not a port", who, port) end
        return port
    end
    if type(where) == "string" and where:find "^%d+$" then
        err.raise {
            kind = "usage", message = ("%s: a port is a number: %s, not %q"):format(who, where, where),
            hint = ('a unix socket of that name is "./%s"'):format(where),
        }
    end
    if type(where) == "string" and where:sub(1, 1) == "@" then return where end
    if type(where) == "string" or path.test(where) then return (path.text(v, where)) end
    err.usage("%s: a port or the path of a unix socket expected, got %s", who, object.type(where))
end

local function check_host(who, place, host)
    if host == nil then return end
    if type(host) ~= "string" then err.usage("%s: a host's name expected, got %s", who, object.type(host)) end
    if host == "" then err.usage("%s: a host's name is empty", who) end
    if type(place) == "string" then err.usage("%s: a unix socket has no host", who) end
end

local function shown(place, host)
    return type(place) == "string" and place or ("%s:%d"):format(host or "localhost", place)
end

local HINTS = {
    EADDRINUSE = "what listens there? A socket's file that was left behind has to be removed",
    EACCES = "ports below 1024 need root",
}

-- ---- connecting ----

--- A stream; nil, text, NAME when it can't be.
---@param v rshell.View
---@param place integer|string
---@param host string?
function M.open(v, place, host)
    local net = view.check(v).net
    local port, how = nil, {timeout = v.timeout}
    if type(place) ~= "string" then host, port = host or "localhost", place else host = place end
    return view.answered_within(v, v.timeout, net.connect, host, port, how)
end

---@param v rshell.View
---@param where integer|string|rshell.Path
---@param host string?
---@return rshell.Stream
function M.connect(v, where, host)
    local place = M.place(v, "connect_sock", where, 1)
    check_host("connect_sock", place, host)
    local stream, text, name = M.open(v, place, host)
    if not stream then view.fail(v, "can't connect to " .. shown(place, host), text, name) end
    return stream
end

-- ---- listening ----

--- A listener of the backend; raises when it can't be.
---@param v rshell.View
---@param place integer|string
---@param host string?
function M.bind(v, place, host)
    local listener, text, name, hint = view.call(v, "net", "listen", place, host)
    if listener then return listener end
    view.fail(v, "can't listen on " .. shown(place, host), text, name, {hint = hint or HINTS[name]})
end

---@param v rshell.View
---@param where integer|string|rshell.Path
---@param host string? without it only the machine itself can connect; "*" is every address
---@return rshell.MachineListener
function M.listen(v, where, host)
    local place = M.place(v, "listen", where, 0)
    check_host("listen", place, host)
    return make {view = v, listener = M.bind(v, place, host)}
end

--- The next connection: a stream, and who it is from.
---@param seconds number?
---@return rshell.Stream, rshell.NetPeer
function members:accept(seconds)
    local l = state(self)
    options.seconds("accept", seconds)
    seconds = seconds or l.view.timeout
    local stream, peer, name = view.answered_within(l.view, seconds, l.listener.accept, l.listener, seconds)
    if stream then return stream, peer end
    view.fail(l.view, "can't accept a connection", peer, name)
end

--- Harmless twice.
function members:close()
    state(self).listener:close()
end

local fields = {
    port = function(l) return l.listener.port end,
    path = function(l) return l.listener.path end,
    address = function(l) return l.listener.address end,
    closed = function(l) return l.listener.closed end,
}
M.fields = fields

function mt.__index(self, key)
    local l = state(self)
    if members[key] then return members[key] end
    if fields[key] then return fields[key](l) end
    options.no_member("listener", key, members, fields)
end

function mt.__tostring(self)
    local l = state(self)
    local text = tostring(l.listener)
    return ("%s on %s"):format(text:gsub(" on ", " at ", 1), l.view.conn.name)
end

mt.__close = members.close

arity.strict(members)

return M
