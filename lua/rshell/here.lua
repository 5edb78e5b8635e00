-- The local machine.

local machine = require "rshell.machine"
local view = require "rshell.view"

local M = {}

local MODULES = {fs = true, proc = true, net = true, host = true, hash = true, tree = true}

local backend = setmetatable({}, {
    __index = function(t, name)
        if not MODULES[name] then return nil end
        t[name] = require(name == "tree" and "rshell.transfer.here" or "rshell.sys." .. name)
        return t[name]
    end,
})

--- Who we are is asked when somebody wants to know: it takes a worker, since accounts may come from a server.
local lazy = {}

function lazy.__index(conn, key)
    if key ~= "user" then return nil end
    local user = backend.host.user()
    conn.user = user and user.name or "?"
    return conn.user
end

--- A connection to this machine under some name. Two of them are two machines to all that compares.
---@param name string
---@return rshell.Connection
function M.connection(name)
    return setmetatable({name = name, host = "localhost", kind = "local", backend = backend}, lazy)
end

--- Its machine.
---@param name string
function M.new(name)
    local v = view.new(M.connection(name))
    v.conn.root = v
    return machine.of(v)
end

return M
