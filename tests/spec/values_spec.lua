-- Values between two peers: what goes by reference, and what can be done with it (lua/shared/values.lua, proxy.lua).

package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path

local peers = require "peers"
local spec = require "spec"
local task = require "rshell.task"

local over = peers.over

--- The calls that fn makes.
local function trips(left, fn)
    local before = left.last
    fn()
    return left.last - before
end

local Account = {__name = "Account"}
Account.__index = Account

function Account.new(balance) return setmetatable({balance = balance}, Account) end

function Account:deposit(n)
    self.balance = self.balance + n
    return self.balance
end

function Account.__eq(a, b) return a.balance == b.balance end
function Account.__lt(a, b) return a.balance < b.balance end
function Account.__le(a, b) return a.balance <= b.balance end
local function amount(x) return type(x) == "number" and x or x.balance end

function Account.__add(a, b) return amount(a) + amount(b) end
function Account.__concat(a, b) return tostring(a) .. tostring(b) end
function Account.__unm(a) return -a.balance end
function Account.__len(a) return a.balance end
function Account.__tostring(a) return "account of " .. a.balance end
function Account.__call(a, ...) return a.balance, ... end

spec.test("objects: fields, methods, one round trip each", function(t)
    local left, right = peers.values {new = Account.new}
    local a = left:call(0, "new", 10)
    t.eq(type(a), "userdata")
    t.eq(getmetatable(a), false)
    t.eq(trips(left, function() t.eq(a.balance, 10) end), 1)
    t.eq(trips(left, function() t.eq(a:deposit(5), 15) end), 1)
    t.eq(trips(left, function() a.balance = 7 end), 1)
    t.eq(trips(left, function() t.eq(a.deposit(a, 1), 8) end), 1)
    t.eq(a.nothing, nil)
    t.eq(trips(left, function() t.same({a(1, nil, 3)}, {8, 1, nil, 3}) end), 1)
    local b = left:call(0, "new", 1)
    t.eq(trips(left, function() t.eq(b:deposit(1), 2) end), 1, "its class was described before")
    a.deposit = nil
    b.deposit = "a value of its own"
    t.eq(b.deposit, "a value of its own")
    over(left, right)
end)

spec.test("objects: operators", function(t)
    local left, right = peers.values {new = Account.new}
    local a, b, c = left:call(0, "new", 1), left:call(0, "new", 2), left:call(0, "new", 1)
    t.same({a == b, a == c, a ~= c, a < b, a > b, a <= c, a >= b}, {false, true, false, true, false, true, false})
    t.same({a + b, a + 1, 1 + b, -b, #b}, {3, 2, 3, -2, 2})
    t.eq(a .. "!", "account of 1!")
    t.eq("!" .. a, "!account of 1")
    t.eq(tostring(a), "account of 1")
    t.match(tostring(select(2, pcall(function() return a - 1 end))), "attempt to perform arithmetic")
    over(left, right)
end)

spec.test("identity: one proxy, home as itself, keys of tables", function(t)
    local f = function() end
    local here = setmetatable({}, {})
    local left, right = peers.values {
        give = function() return f, f, {f} end,
        is_f = function(x) return rawequal(x, f) end,
        back = function(...) return ... end,
    }
    local g, h, list = left:call(0, "give")
    t.ok(rawequal(g, h) and rawequal(g, list[1]) and rawequal(g, (left:call(0, "give"))))
    t.eq(left:call(0, "is_f", g), true)
    t.ok(rawequal(left:call(0, "back", here), here))
    local co = coroutine.create(print)
    t.ok(rawequal(left:call(0, "back", co), co))
    t.ok(rawequal(left:call(0, "back", io.stdout), io.stdout))
    over(left, right)
end)

spec.test("a method that was taken from an object is the function over there", function(t)
    local left, right = peers.values {
        new = Account.new,
        is = function(f) return rawequal(f, Account.deposit) end,
    }
    local a = left:call(0, "new", 1)
    local m = a.deposit
    t.ok(rawequal(m, a.deposit))
    t.eq(left:call(0, "is", m), true)
    t.eq(m(a, 4), 5)
    over(left, right)
end)

spec.test("iteration in blocks", function(t)
    local data = setmetatable({}, {})
    for i = 1, 10000 do data[i] = i * i end
    local left, right = peers.values {give = function() return data end}
    local p = left:call(0, "give")
    local n = 0
    t.ok(trips(left, function()
        for i, v in ipairs(p) do
            n = n + 1
            if i ~= n or v ~= i * i then error "wrong" end
        end
    end) <= 11)
    t.eq(n, 10000)
    n = 0
    t.ok(trips(left, function() for _ in pairs(p) do n = n + 1 end end) <= 11)
    t.eq(n, 10000)
    t.eq(#p, 10000)
    local custom = left:call(0, "give")
    getmetatable(data).__pairs = function() return function(_, k) return not k and "only" or nil, nil end end
    for k, v in pairs(custom) do t.same({k, v}, {"only", nil}) end
    for i, v in ipairs {5} do t.same({i, v}, {1, 5}) end
    over(left, right)
end)

spec.test("callbacks both ways, inside each other", function(t)
    local left, right = peers.values {
        each = function(list, f)
            local out = {}
            for i, v in ipairs(list) do out[i] = f(v) end
            return out
        end,
        sort = function(list, less)
            table.sort(list, function(a, b) return less(a, b) end)
            return list
        end,
    }
    t.same(left:call(0, "each", {1, 2}, function(v) return v * 2 end), {2, 4})
    t.same(left:call(0, "sort", {3, 1, 2}, function(a, b) return a > b end), {3, 2, 1})
    local function nest(n) return n == 0 and 0 or 1 + left:call(0, "call", nest, n - 1) end
    t.eq(nest(50), 50)
    local e = t.raises("usage", function()
        local function deeper(n) return left:call(0, "call", deeper, n + 1) end
        deeper(1)
    end)
    t.match(e.message, "more than 200 calls")
    t.eq(left:call(0, "call", function() return 1 end), 1)
    over(left, right)
end)

spec.test("what was dropped is released, in batches", function(t)
    local left, right = peers.values {give = function() return function() end end}
    for _ = 1, 1000 do left:call(0, "give") end
    t.ok(next(right.kept))
    for _ = 1, 200 do
        collectgarbage()
        if not next(right.kept) then break end
        task.sleep(0.01)
    end
    t.same({next(right.kept), next(right.kept_by)}, {})
    over(left, right)
end)

spec.test("what can't be said hands out nothing", function(t)
    local left, right = peers.values()
    local deep = {}
    for _ = 1, 300 do deep = {deep} end
    t.raises("usage", function() left:call(0, "call", print, setmetatable({}, Account), deep) end)
    t.eq(next(left.kept), nil)
    local a = Account.new(3)
    t.eq(left:call(0, "call", function(x) return rawequal(x, a) end, a), true)
    t.eq(right:call(0, "call", function(x) return x:deposit(1) end, Account.new(2)), 3)
    over(left, right)
end)

spec.finish()
