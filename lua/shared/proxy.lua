-- Objects of the other side: userdata that forwards what is done with it. The state of one is {peer, id, count (how
-- often it has come), class, own, missing (asked for fields that are nil), life};
-- a class is {name, methods (a set), list (of the same), eq}.

local err = require "rshell.shared.error"
local object = require "rshell.object"
local operations = require "rshell.shared.operations"
local rpc = require "rshell.rpc"
local task = require "rshell.task"

local M = {}

local mt, make, _, state = object.class "rshell.Proxy"

local GET, SET, FIELD = operations.GET, operations.SET, operations.FIELD

M.make, M.state = make, state

-- ---- methods ----

local fields = setmetatable({}, {__mode = "k"}) -- of a method: {proxy, name}

--- A method of an object, or a function that is its field: which of them, the call tells.
local function method(p, s, name)
    local function call(...)
        if rawequal((...), p) then return s.peer:call(s.id, name, select(2, ...)) end
        return s.peer:call(s.id, FIELD, name, ...)
    end
    fields[call] = {p, name}
    return call
end

--- The proxy and the name of a method that was taken from one.
function M.field(f)
    local field = fields[f]
    if field then return field[1], field[2] end
end

--- In own are the methods that were asked for, and false for names that the object itself has.
local function own_method(p, s, key)
    local own = s.own
    if not own then
        own = {}
        s.own = own
    end
    if own[key] == nil then own[key] = method(p, s, key) end
    return own[key]
end

function mt.__index(p, key)
    local s = state(p)
    if s.class.methods[key] then
        local m = own_method(p, s, key)
        if m then return m end
    end
    local value = s.peer:call(s.id, GET, key)
    if value == nil and s.missing then return s.missing(key) end
    return value
end

function mt.__newindex(p, key, value)
    local s = state(p)
    s.peer:call(s.id, SET, key, value)
    if s.class.methods[key] then
        s.own = s.own or {}
        s.own[key] = false
    end
end

-- ---- all else ----

function mt.__call(p, ...)
    local s = state(p)
    return s.peer:call(s.id, nil, ...)
end

function mt.__len(p)
    local s = state(p)
    return (s.peer:call(s.id, operations.LENGTH))
end

function mt.__tostring(p)
    local s = state(p)
    return (s.peer:call(s.id, operations.TEXT))
end

--- What an object that has nothing to close needs no call for, only its own side knows.
function mt.__close(p, e)
    local s = state(p)
    if not s.peer.why then task.shield(s.peer.call, s.peer, s.id, operations.CLOSE, e) end
end

function mt.__gc(p)
    local s = state(p)
    if s and not s.peer.why then s.peer:drop(s.id, s.count) end
end

for i, name in ipairs(operations.operators) do
    local code = operations.OPERATORS + i - 1
    mt[name] = function(a, b)
        local s = state(a) or state(b)
        return (s.peer:call(s.id, code, a, b))
    end
end

--- One object has one proxy, so two are equal only where their class says how.
local equal = mt.__eq
function mt.__eq(a, b)
    local s, t = state(a), state(b)
    if s and s.class.eq then return equal(a, b) end
    return t ~= nil and t.class.eq and equal(b, a) or false
end

-- ---- iteration ----

--- A function for the next block or nil, a number of values, and a table of them.
local function block(s, more, n, list)
    if math.type(n) == "integer" and type(list) == "table" then return more, n, list end
    err.raise {kind = "protocol", host = s.peer.host, message = "what it answers to pairs is no answer"}
end

local function iterate(s, code)
    local more, n, list = block(s, s.peer:call(s.id, code))
    local i = 0
    return function()
        if i >= n then
            if not more then return nil end
            more, n, list = block(s, more())
            i = 0
        end
        i = i + 2
        return list[i - 1], list[i]
    end
end

-- Functions of libraries that take a function take the proxy of one as well.
for library, takes in next, {table = {sort = 2}, string = {gsub = 3}} do
    for name, i in next, takes do _G[library][name] = rpc.accept(_G[library][name], i) end
end

function mt.__pairs(p)
    return iterate(state(p), operations.PAIRS)
end

function mt.__ipairs(p)
    return iterate(state(p), operations.IPAIRS)
end

--- Lua's own would ask for every element.
local step = ipairs {}
rawset(_G, "ipairs", function(t)
    local meta = type(t) == "userdata" and debug.getmetatable(t)
    if meta and meta.__ipairs then return meta.__ipairs(t) end
    return step, t, 0
end)

--- Starts a call of a proxy, or of a method that was taken from one, without waiting: peer and call; nothing for what
--- is ours.
function M.start(f, ...)
    local s = state(f)
    if s then return s.peer, s.peer:start(s.id, nil, ...) end
    local p, name = M.field(f)
    if not p then return end
    s = state(p)
    if rawequal((...), p) then return s.peer, s.peer:start(s.id, name, select(2, ...)) end
    return s.peer, s.peer:start(s.id, FIELD, name, ...)
end

--- Fetches it by value.
function M.copy(p)
    local s = state(p)
    return (s.peer:call(s.id, operations.COPY))
end

return M
