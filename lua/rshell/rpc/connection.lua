-- A connection of RPC: code and variables in a process of its own on another machine.

local arity = require "rshell.arity"
local core_of = require "rshell.rpc.core"
local err = require "rshell.shared.error"
local modules = require "rshell.rpc.modules"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local proxy = require "rshell.shared.proxy"
local ship = require "rshell.ship"
local task = require "rshell.task"
local values = require "rshell.shared.values"

local M = {}

local mt, make, state, test = object.class "connection"

---@class rshell.RpcConnection
local members = {}
local fields = {}
M.members, M.fields, M.test = members, fields, test

---@class rshell.rpc.View
---@field core rshell.rpc.Core
---@field life table kept as long as somebody uses the connection
---@field timeout number?
---@field root boolean? closing it closes the connection

--- For rshell.rpc.server.
function M.open(s, server, opts)
    local core, life = core_of.open(s, opts)
    return make {core = core, life = life, keeps = server, timeout = s.view.timeout, root = true}
end

--- Its end is the server's.
function M.owns(conn, server)
    state(conn).owned = server
end

-- ---- code over there ----

local function call(c, name, ...)
    return c.core:call_within(c.timeout, name, ...)
end

local function check_text(who, text)
    if type(text) ~= "string" then err.usage("%s: Lua code as a string expected, got %s", who, object.type(text)) end
    if text:sub(1, 1) == "\27" then err.usage("%s: text expected; bytecode is refused", who) end
    return text
end

--- The values of an expression.
function members:eval(text)
    return call(state(self), "eval", check_text("eval", text))
end

--- Runs statements; what they return.
function members:execute(text)
    return call(state(self), "execute", check_text("execute", text))
end

--- What goes in the place of a function, after the modules that it wants.
local function shipped(c, who, fn)
    if type(fn) ~= "function" and not proxy.state(fn) then
        err.usage("%s: a function expected, got %s", who, object.type(fn))
    end
    local value = ship.ship(fn)
    modules.send_ahead(c.core, ship.modules(value))
    return value
end

--- Ships a function, and calls it over there.
function members:call(fn, ...)
    local c = state(self)
    return call(c, "call", shipped(c, "call", fn), ...)
end

--- The shipped function, to be called many times.
function members:teleport(fn)
    local c = state(self)
    return (call(c, "give", shipped(c, "teleport", fn)))
end

--- The same as call, without waiting: a future.
function members:async(fn, ...)
    local c = state(self)
    local async, peer = require "rshell.async", c.core.peer
    local ok, begun = pcall(peer.start, peer, 0, "call", shipped(c, "async", fn), ...)
    if not ok then return async.failed(begun) end
    if c.timeout then return async.of_task(peer, begun, c.core.finish_within, c.core, c.timeout, begun) end
    return async.of_call(peer, begun, c.core.settle, c.core)
end

--- fn(b) makes calls that may name the results of earlier ones, all in one round trip; its values.
function members:batch(fn)
    local c = state(self)
    if type(fn) ~= "function" then err.usage("batch: a function expected, got %s", object.type(fn)) end
    local function ship_it(f) return shipped(c, "batch", f) end
    return require "rshell.rpc.batch".run(c.core, c.timeout, ship_it, fn)
end

-- ---- values ----

--- v, to go by reference.
function members:ref(v)
    state(self)
    return values.ref(v)
end

--- What a proxy stands for, by value.
function members:copy(p)
    state(self)
    if not proxy.state(p) then return p end
    return proxy.copy(p)
end

-- ---- settings ----

local WITH = {timeout = "seconds"}

--- A view: its calls are interrupted over there after so many seconds.
function members:with(opts)
    local c = state(self)
    opts = options.check("with", opts, WITH)
    return make {core = c.core, life = c.life, keeps = c.keeps, timeout = opts.timeout or c.timeout}
end

--- What `require` over there finds first under this name.
function members:provide(name, source)
    local c = state(self)
    modules.provide(c.core, c.timeout, name, source)
    return self
end

--- Where its output goes: functions, streams or paths; nil is ours.
function members:stdio(to)
    local core = state(self).core
    core:check()
    core.output:direct(to)
    return self
end

-- ---- life ----

--- Seconds for one round trip.
function members:ping()
    local c, before = state(self), task.now()
    call(c, "ping")
    return task.now() - before
end

--- A prompt over there.
function members:interact()
    local core = state(self).core
    core:check()
    return require "rshell.rpc.interact"(core)
end

--- Harmless twice; a view closes nothing.
function members:close()
    local c = state(self)
    if not c.root then return end
    c.core:close()
    if c.owned then c.owned:close() end
end

mt.__close = members.close

-- ---- fields ----

local function roots(c)
    local core = c.core
    if not core.namespace then core.namespace, core.builtins = core:call_within(c.timeout, "namespace") end
    return core
end

function fields.namespace(c) return roots(c).namespace end
function fields.builtins(c) return roots(c).builtins end

function fields.modules(c)
    c.modules = c.modules or modules.new(c.core, c.timeout)
    return c.modules
end

function fields.pid(c) return c.core.pid end
function fields.machine(c) return require "rshell.machine".of(c.core.server.view) end
function fields.closed(c) return c.core:ended() end

function mt.__index(self, key)
    local c = state(self)
    if members[key] then return members[key] end
    if fields[key] then return fields[key](c) end
    options.no_member("connection", key, members, fields)
end

function mt.__newindex(_, key)
    err.usage("a connection's '%s' can't be set; conn.namespace has the variables over there", tostring(key))
end

function mt.__tostring(self)
    local c = state(self)
    local now = c.core:ended() and "closed" or "pid " .. tostring(c.core.pid)
    return ("connection to %s (%s)"):format(c.core.server.view.conn.name, now)
end

--- Views of one connection are the same connection.
function mt.__eq(a, b)
    local x, y = test(a), test(b)
    return x ~= nil and y ~= nil and x.core == y.core
end

arity.strict(members)

return M
