-- A deployed server: the agent of a machine, as what starts connections. Each connection is a process of its own over
-- there. The local machine gets an agent for it, as if it were another one.

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local view = require "rshell.view"

local M = {}

local mt, make, state, test = object.class "server"

---@class rshell.DeployedServer
local members = {}
local fields = {}
M.members, M.fields, M.test = members, fields, test

---@class rshell.rpc.Server
---@field view rshell.View of the machine as it was given
---@field agent table the backend whose agent it is
---@field inner rshell.Machine? the machine that only this server uses
---@field connections table<rshell.rpc.Core, boolean>

-- ---- its agent ----

--- The peer of the agent; raises where there is none any more.
---@param s rshell.rpc.Server
function M.peer(s)
    local why = s.closed
    if not why and s.view.conn.closed then why = "its machine was closed" end
    if not why and s.peer.why then why = s.peer.why end
    if why then
        err.raise {kind = "closed", host = s.view.conn.name, message = "the server is gone: " .. why}
    end
    return s.peer
end

--- The local machine, once more, behind an agent. All of the view's settings but the user are the connections' own.
local function behind_agent(v)
    local way = function(argv) return argv end
    return require "rshell.inside".open(v.user and v or v.conn.root, "via", {agent = true}, way)
end

local function backend_of(v)
    local backend = view.check(v)
    if v.conn.kind ~= "local" then return backend end
    local inner = behind_agent(v)
    return require "rshell.machine".test(inner).conn.backend, inner
end

local function no_agent(v, reason)
    err.raise {
        kind = "usage", host = v.conn.name, message = "RPC needs an agent there: " .. reason,
        hint = "a machine that was opened with agent=false has none",
    }
end

--- Deploys to the machine of a view.
---@param v rshell.View
---@return rshell.DeployedServer
function M.deploy(v)
    local backend, inner = backend_of(v)
    if v.conn.kind == "bare" then no_agent(v, v.conn.reason or "none was wanted") end
    local peer = backend:agent()
    if not peer then no_agent(v, backend.reason or "none can run") end
    peer:greeting()
    return make {view = v, peer = peer, inner = inner, connections = setmetatable({}, {__mode = "k"})}
end

-- ---- members ----

local CONNECT = {memory = "bytes"}

--- A connection: a process of its own over there.
---@param opts table?
---@return rshell.RpcConnection
function members:connect(opts)
    local s = state(self)
    opts = options.check("connect", opts, CONNECT)
    return require "rshell.rpc.connection".open(s, self, opts)
end

members.classic_connect = members.connect

--- Ends every connection; harmless twice.
function members:close()
    local s = state(self)
    if s.closed then return end
    s.closed = "it was closed"
    local list = {}
    for core in next, s.connections do list[#list + 1] = core end
    require "rshell.rpc.core".close_all(list)
    if s.inner then s.inner:close() end
end

function fields.pid(s) return s.peer.hello and s.peer.hello.pid end
function fields.machine(s) return require "rshell.machine".of(s.view) end
function fields.closed(s) return s.closed ~= nil or s.peer.why ~= nil or s.view.conn.closed or false end

function mt.__index(self, key)
    local s = state(self)
    if members[key] then return members[key] end
    if fields[key] then return fields[key](s) end
    options.no_member("server", key, members, fields)
end

function mt.__tostring(self)
    local s = state(self)
    return ("server on %s (%s)"):format(s.view.conn.name, fields.closed(s) and "closed" or "pid " .. fields.pid(s))
end

mt.__close = members.close

-- ---- rshell.DeployedServer ----

--- m:deploy() as a function.
---@param m rshell.Machine
function M.new(m)
    local v = require "rshell.machine".test(m)
    if not v then err.usage("DeployedServer: a machine expected, got %s", object.type(m)) end
    return M.deploy(v)
end

--- rshell.classic_connect(m): m:connect().
---@param m rshell.Machine
function M.classic_connect(m, opts)
    local v = require "rshell.machine".test(m)
    if not v then err.usage("classic_connect: a machine expected, got %s", object.type(m)) end
    return M.connect(v, opts)
end

--- Deploys and connects; closing the connection closes both.
---@param v rshell.View
function M.connect(v, opts)
    options.check("connect", opts, CONNECT)
    local server = M.deploy(v)
    local ok, conn = pcall(members.connect, server, opts)
    if ok then
        require "rshell.rpc.connection".owns(conn, server)
        return conn
    end
    server:close()
    error(conn, 0)
end

arity.strict(members)

return M
