-- conn:batch: calls that are sent as they are made, without waiting; what they give are promises, which later calls of
-- the batch may have as arguments.

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local modules = require "rshell.rpc.modules"
local object = require "rshell.object"
local operations = require "rshell.shared.operations"
local options = require "rshell.shared.options"
local rpc = require "rshell.rpc"
local task = require "rshell.task"

local M = {}

local GET, SET, FIELD = operations.GET, operations.SET, operations.FIELD

local promise_mt, make_promise, _, promised = object.class "promise"
local mt, make, state = object.class "batch"

-- ---- promises ----

--- Sends a call of the batch: these alone may name promises.
local function send(b, ...)
    local peer = b.core.peer
    b.sends = true
    local ok, call = pcall(peer.start, peer, 0, ...)
    b.sends = false
    return ok and call or error(call, 0)
end

local function record(b, target, name, ...)
    if b.over then err.usage "the batch is over" end
    local peer, n = b.core.peer, b.n + 1
    local call = send(b, "step", b.id, n, target, name, ...)
    b.n, b.calls[n] = n, call
    if call.crowded then peer.port:room() end
    return make_promise {batch = b, step = n, path = {}}
end

--- Goes as the number of its call, and the keys that lead from there to the value.
function promise_mt.__export(p, peer)
    local s = promised(p)
    local b = s.batch
    if not b.sends or b.core.peer ~= peer then err.usage "a promise can be used in its own batch only" end
    return rpc.EXT.PROMISE, b.id, s.step, table.unpack(s.path)
end

--- Variables are read at once, since they may be set again; all else when it is used.
function promise_mt.__index(p, key)
    local s = promised(p)
    if key == nil then err.usage "a promise is indexed with nil" end
    local field
    if s.variables then
        field = record(s.batch, p, GET, key)
    else
        local path = table.move(s.path, 1, #s.path, 1, {})
        path[#path + 1] = key
        field = make_promise {batch = s.batch, step = s.step, path = path}
    end
    local of = promised(field)
    of.base, of.key = p, key
    return field
end

function promise_mt.__newindex(p, key, value)
    record(promised(p).batch, p, SET, key, value)
end

function promise_mt.__call(p, ...)
    local s = promised(p)
    if not s.base then return record(s.batch, p, nil, ...) end
    if type(s.key) == "string" and rawequal((...), s.base) then
        return record(s.batch, s.base, s.key, select(2, ...))
    end
    return record(s.batch, s.base, FIELD, s.key, ...)
end

function promise_mt.__tostring(p)
    return ("promise of call %d of a batch"):format(promised(p).step)
end

local function unusable()
    err.usage "a promise has no value before its batch is over: it can be an argument of later calls, indexed, called"
end

for _, name in ipairs(operations.operators) do promise_mt[name] = unusable end
promise_mt.__len, promise_mt.__pairs, promise_mt.__ipairs = unusable, unusable, unusable

-- ---- what b has ----

local members, fields = {}, {}
M.members, M.fields = members, fields

function members:call(fn, ...)
    local b = state(self)
    return record(b, 0, "call", promised(fn) and fn or b.shipped(fn), ...)
end

function members:eval(text)
    return record(state(self), 0, "eval", text)
end

function members:execute(text)
    return record(state(self), 0, "execute", text)
end

function fields.namespace(b)
    if not b.namespace then
        b.namespace = record(b, 0, "namespace")
        promised(b.namespace).variables = true
    end
    return b.namespace
end

local modules_mt, make_modules, batch_of = object.class "modules of a batch"

function modules_mt.__index(self, name)
    local b = batch_of(self)
    if type(name) ~= "string" then err.usage("a module's name is a string, got %s", object.type(name)) end
    if not b.imported[name] then
        b.imported[name] = record(b, 0, "import", name, modules.bundle_for(b.core, name))
    end
    return b.imported[name]
end

function fields.modules(b) return make_modules(b) end

function mt.__index(self, key)
    local b = state(self)
    if members[key] then return members[key] end
    if fields[key] then return fields[key](b) end
    options.no_member("batch", key, members, fields)
end

function mt.__tostring(self) return ("batch of %d calls"):format(state(self).n) end

-- ---- its end ----

--- Calls visit for each promise in a value; what it gives takes its place.
local function replace(value, visit, seen)
    if promised(value) then return visit(value) end
    if type(value) ~= "table" or seen[value] or debug.getmetatable(value) then return value end
    seen[value] = true
    for k, v in next, value do
        local new = replace(v, visit, seen)
        if not rawequal(new, v) then value[k] = new end
    end
    return value
end

local function replace_all(list, visit)
    local seen = {}
    for i = 1, list.n do list[i] = replace(list[i], visit, seen) end
    return table.unpack(list, 1, list.n)
end

local function cancel_all(b)
    for _, call in ipairs(b.calls) do
        if not call.done then task.spawn(b.core.peer.cancel, b.core.peer, call) end
    end
end

--- The values of the promises, in their order. The first call that failed is the one that is told.
local function collect(b, seconds, call)
    local peer = b.core.peer
    local got = table.pack(pcall(b.core.finish_within, b.core, seconds, call))
    if not got[1] and not (b.calls[b.n].done) then
        cancel_all(b)
        error(got[2], 0)
    end
    for _, step in ipairs(b.calls) do peer:finish(step) end
    if not got[1] then error(got[2], 0) end
    return got
end

local last = 0

--- fn(b), and what it returns, with the values of promises.
---@param core rshell.rpc.Core
---@param seconds number?
---@param shipped fun(fn: function): any
---@param fn function
function M.run(core, seconds, shipped, fn)
    last = last + 1
    local b = {core = core, id = last, n = 0, calls = {}, shipped = shipped, imported = {}}
    local values = table.pack(pcall(fn, make(b)))
    if b.n == 0 then
        b.over = true
        if not values[1] then error(values[2], 0) end
        return table.unpack(values, 2, values.n)
    end
    local wanted = {n = 0}
    if values[1] then
        replace_all(values, function(p)
            wanted.n = wanted.n + 1
            wanted[wanted.n] = p
            return p
        end)
    end
    local call = send(b, "collect", b.id, b.n, table.unpack(wanted, 1, wanted.n))
    b.over = true
    if not values[1] then error(values[2], 0) end
    local got, i = collect(b, seconds, call), 1
    return select(2, replace_all(values, function()
        i = i + 1
        return got[i]
    end))
end

arity.strict(members)

return M
