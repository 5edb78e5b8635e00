-- What can be done with an object on the other side, besides calling it and its methods: numbers in the place of a
-- method's name. doc/protocol.md has them.

local failure = require "rshell.shared.failure"

local M = {GET = 1, SET = 2, FIELD = 3, LENGTH = 4, TEXT = 5, PAIRS = 6, IPAIRS = 7, CLOSE = 8, COPY = 9}

--- The operators from here on, in this order.
M.OPERATORS = 10
M.operators = {
    "__add", "__sub", "__mul", "__div", "__mod", "__pow", "__idiv", "__band", "__bor", "__bxor", "__shl", "__shr",
    "__concat", "__eq", "__lt", "__le", "__unm", "__bnot",
}

local BLOCK = 1000 -- pairs of a block

--- Calls its first argument with the others. That has no name here, so a function of C that is misused says its own,
--- and not that of a variable of ours.
local function call(...) return (...)(select(2, ...)) end

local does = {}

does[M.GET] = function(object, key) return (object[key]) end

does[M.SET] = function(object, key, value) object[key] = value end

does[M.FIELD] = function(object, name, ...)
    local f = object[name]
    if f == nil then error(("attempt to call a nil value (field '%s')"):format(tostring(name)), 0) end
    return call(f, ...)
end

does[M.LENGTH] = function(object) return #object end

does[M.TEXT] = function(object) return tostring(object) end

--- Gives blocks: a function for the next one, nil with the last, and the pairs in a row. An error in the midst of them
--- waits until those before it were taken.
local function blocks(step, state, key)
    local value, failed, list, n
    local function fill()
        while key ~= nil and n < 2 * BLOCK do
            list[n + 1], list[n + 2], n = key, value, n + 2
            key, value = step(state, key)
        end
    end
    local function block()
        if failed then error(failed, 0) end
        list, n = {}, 0
        local ok, e = xpcall(fill, failure.note)
        failed = not ok and e or nil
        return (failed or key ~= nil) and block or nil, n, list
    end
    key, value = step(state, key)
    return block()
end

does[M.PAIRS] = function(object) return blocks(pairs(object)) end
does[M.IPAIRS] = function(object) return blocks(ipairs(object)) end

does[M.CLOSE] = function(object, e)
    local mt = debug.getmetatable(object)
    local close = type(mt) == "table" and mt.__close
    if close then close(object, e) end
end

local function copy(value, seen)
    if type(value) ~= "table" then return value end
    local new = seen[value]
    if not new then
        new = {}
        seen[value] = new
        for k, v in next, value do new[copy(k, seen)] = copy(v, seen) end
    end
    return new
end

does[M.COPY] = function(object) return copy(object, {}) end

local expressions = {
    "a + b", "a - b", "a * b", "a / b", "a % b", "a ^ b", "a // b", "a & b", "a | b", "a ~ b", "a << b", "a >> b",
    "a .. b", "a == b", "a < b", "a <= b", "-a", "~a",
}
for i, e in ipairs(expressions) do
    does[M.OPERATORS + i - 1] = load("local _, a, b = ... return " .. e, "=operator")
end

--- Calls the object (name is nil) or its method, or does what the number stands for.
function M.apply(object, name, ...)
    if name == nil then return call(object, ...) end
    if type(name) ~= "string" then return (does[name] or error("an operation that isn't there", 0))(object, ...) end
    local f = object[name]
    if f == nil then error(("attempt to call a nil value (method '%s')"):format(name), 0) end
    return call(f, object, ...)
end

return M
