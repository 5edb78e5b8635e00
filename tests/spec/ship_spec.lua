-- Functions that run on the other side (lua/rshell/ship.lua, lua/agent/functions.lua).

package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path

local peers = require "peers"
local spec = require "spec"
local ship = require "rshell.ship".ship
local task = require "rshell.task"

local over = peers.over

--- Ships fn and calls it there.
local function call(left, fn, ...)
    return left:call(0, "call", ship(fn), ...)
end

spec.test("arguments, results, varargs, its own namespace", function(t)
    local left, right = peers.values()
    t.same({call(left, function(...) return select("#", ...), ... end, nil, 2, nil)}, {3, nil, 2, nil})
    call(left, function() over_there = 5 end) -- luacheck: ignore
    t.eq(rawget(_G, "over_there"), nil)
    t.eq(right.namespace.over_there, 5)
    t.eq(call(left, function() return over_there end), 5) -- luacheck: ignore
    t.eq(call(left, function() local g = _G return g == _ENV and type(g) end), false)
    over(left, right)
end)

spec.test("upvalues by value, shared ones stay shared", function(t)
    local left, right = peers.values()
    local n, list = 1, {1, 2, {3}}
    local function add(x) n = n + x end
    local function get() return n end
    t.same({call(left, function(x)
        add(x)
        add(x)
        list[3][1] = get()
        return n, list
    end, 10)}, {21, {1, 2, {21}}})
    t.same({n, list[3][1]}, {1, 3}, "ours are as they were")
    over(left, right)
end)

spec.test("what was shipped keeps its variables from call to call", function(t)
    local left, right = peers.values {keep = function(f) return f end}
    local n = 0
    local f = left:call(0, "keep", ship(function()
        n = n + 1
        return n
    end))
    t.same({f(), f(), n}, {1, 2, 0})
    over(left, right)
end)

spec.test("recursion, mutual recursion", function(t)
    local left, right = peers.values()
    local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
    t.eq(call(left, fib, 15), 610)
    local odd
    local function even(n) return n == 0 or odd(n - 1) end
    function odd(n) return n ~= 0 and even(n - 1) end
    t.same({call(left, even, 10), call(left, odd, 10)}, {true, false})
    over(left, right)
end)

spec.test("functions inside tables of upvalues, many of one kind, in cycles", function(t)
    local left, right = peers.values()
    local makers, total = {}, 0
    for i = 1, 50 do makers[i] = function(x) total = total + i * x return total end end
    makers.self = makers
    t.eq(call(left, function()
        for i = 1, 50 do makers.self[i](2) end
        return total
    end), 2550)
    t.eq(total, 0)
    over(left, right)
end)

spec.test("a long chain of functions", function(t)
    local left, right = peers.values()
    local f = function() return 0 end
    for _ = 1, 500 do
        local inner = f
        f = function() return 1 + inner() end
    end
    t.eq(call(left, f), 500)
    over(left, right)
end)

spec.test("functions among arguments, and with metatables among upvalues, go by reference", function(t)
    local left, right = peers.values()
    local called = 0
    local function here() called = called + 1 return called end
    local object = setmetatable({n = 1}, {__index = {get = function(self) return self.n end}})
    t.same({call(left, function(f)
        object.n = 5
        return f(), f(), object:get(), type(object)
    end, here)}, {1, 2, 5, "userdata"})
    t.eq(object.n, 5)
    t.same({call(left, function(f) return f() end, function() return "called here" end)}, {"called here"})
    over(left, right)
end)

spec.test("standard functions and modules are those over there", function(t)
    local left, right = peers.values()
    local format, insert, len, m = string.format, table.insert, utf8.len, math
    local with = {string = string, upper = string.upper, deeper = {math = math}}
    t.same({call(left, function()
        local list = {}
        insert(list, format("%d", len "abc"))
        return list[1], m == math, with.string == string, with.upper == string.upper, with.deeper.math == math, with.n
    end)}, {"3", true, true, true, true, nil})
    t.eq(left:call(0, "call", ship(string.upper), "x"), "X")
    package.loaded.over_here = {name = "this one"}
    local module = package.loaded.over_here
    right.namespace.require = function(name) return {name = "the other " .. name} end
    package.loaded.over_here = nil
    package.loaded["over.here"] = module
    local inside = {module, x = 1}
    local value = ship(function() return module.name, inside[1] == module, inside.x end)
    t.same(require "rshell.ship".modules(value), {"over.here"})
    package.loaded["over.here"] = nil
    t.same({left:call(0, "call", value)}, {"the other over.here", true, 1})
    over(left, right)
end)

spec.test("an _ENV of its own goes by value", function(t)
    local left, right = peers.values()
    right.namespace.y = "theirs"
    local function with(env)
        local _ENV = env -- luacheck: ignore 211
        return function() x = x + 1 return x, y end -- luacheck: ignore
    end
    local bare, full = {x = 1}, setmetatable({x = 2}, {__index = _G})
    full.me, full.string = full, string
    t.same({call(left, with(bare))}, {2, nil})
    t.same({call(left, with(full))}, {3, "theirs"})
    t.same({bare.x, full.x}, {1, 2})
    t.match(t.raises("usage", function() call(left, with(setmetatable({}, {__index = bare}))) end).message,
        "upvalue '_ENV' is a table with a metatable")
    over(left, right)
end)

spec.test("what can't be shipped is named, with its upvalue and why", function(t)
    local left, right = peers.values()
    local co, fn = coroutine.create(print), require "rshell.task".sleep
    local opts = {deep = {co = co}}
    local function helper() return co end
    local cases = {
        {function() return co end, "upvalue 'co' is a coroutine"},
        {function() return fn end, "upvalue 'fn' is the C function 'rshell.task.sleep', none of Lua's own"},
        {function() return opts end, "upvalue 'opts'.deep.co is a coroutine"},
        {function() return helper end, "upvalue 'co' of 'helper' is a coroutine"},
    }
    for _, case in ipairs(cases) do
        local e = t.raises("usage", function() call(left, case[1]) end)
        t.ok(e.message:find(case[2], 1, true), e.message)
        t.match(e.message, "ship_spec%.lua:%d+")
    end
    t.raises("usage", function() ship(fn) end)
    t.eq(call(left, function() return 1 end), 1)
    over(left, right)
end)

spec.test("a message that can't be said leaves nothing behind", function(t)
    local left, right = peers.values()
    local deep = {}
    for _ = 1, 300 do deep = {deep} end
    t.raises("usage", function() call(left, function() return deep end) end)
    t.eq(left.shipping, nil)
    t.eq(call(left, function(f) return type(f) end, function() end), "userdata")
    over(left, right)
end)

spec.test("functions come from the controller only, and of the same Lua only", function(t)
    local left, right = peers.values()
    right.pack = left.pack
    local before = right.last
    right:start(0, "call", ship(function() end))
    for _ = 1, 100 do
        if left.why then break end
        task.sleep(0.01)
    end
    t.match(left.why, "a function came, where none may come from")
    t.eq(right.last, before + 1)
    over(left, right)
    left, right = peers.values()
    left.hello = {lua = "Lua 5.4.99"}
    local e = t.raises("usage", function() call(left, function() end) end)
    t.match(e.message, "over there is Lua 5.4.99, here Lua 5.4")
    over(left, right)
end)

spec.finish()
