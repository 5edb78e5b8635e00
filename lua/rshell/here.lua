-- The local machine.

local machine = require "rshell.machine"
local view = require "rshell.view"

local M = {}

local backend = setmetatable({}, {
    __index = function(t, name)
        t[name] = require("rshell.sys." .. name)
        return t[name]
    end,
})

--- A connection to this machine under some name. Two of them are two machines to all that compares.
---@param name string
---@return rshell.Connection
function M.connection(name)
    local host = backend.host
    local user = host.user and host.user(host.uid and host.uid() or nil)
    return {name = name, host = "localhost", user = user and user.name or "?", kind = "local", backend = backend}
end

--- Its machine.
---@param name string
function M.new(name)
    local v = view.new(M.connection(name))
    v.conn.root = v
    return machine.of(v)
end

return M
