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
    getmetatable(data).__pairs = function()
        return function(_, k)
            if k == 1500 then error "no more" end
            return (k or 0) + 1, true
        end
    end
    n = 0
    t.raises("no more", function() for k in pairs(custom) do n = k end end)
    t.eq(n, 1500, "what came before the error is there")
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

-- ---- by reference, by value ----

spec.test("a table by reference, and back by value", function(t)
    local values, proxy = require "rshell.shared.values", require "rshell.shared.proxy"
    local list = {1, 2, {name = "x"}}
    list.self, list.f = list, print
    local left, right = peers.values {
        change = function(x) x[1] = 10 x.new = true end,
        is = function(x) return rawequal(x, list) end,
        give = function() return values.ref(setmetatable(list, {__len = function() return 77 end})) end,
    }
    local r = values.ref(list)
    left:call(0, "change", r)
    t.same({list[1], list.new, r[1], r.new, #r}, {10, true, 10, true, 3})
    r[2] = 20
    t.eq(list[2], 20)
    t.eq(left:call(0, "call", function(x) return rawequal(x, list) end, r), true)
    local p = left:call(0, "give")
    t.eq(#p, 77)
    t.eq(left:call(0, "is", p), true)
    t.eq(trips(left, function()
        local c = proxy.copy(p)
        t.eq(type(c), "table")
        t.eq(getmetatable(c), nil)
        t.same({c[1], c[2], c[3].name, c.new}, {10, 20, "x", true})
        t.ok(rawequal(c.self, c))
        t.eq(type(c.f), "userdata")
    end), 1)
    over(left, right)
end)

spec.test("the functions of a module are called in one round trip", function(t)
    local ref = require "rshell.shared.values".ref
    local module = {stat = function(x) return x end, twice = function(x) return 2 * x end, n = 5}
    local left, right = peers.values {module = function() return ref(module, true) end}
    local m = left:call(0, "module")
    t.eq(trips(left, function() t.same({m.stat(7), m.twice(4)}, {7, 8}) end), 2)
    t.same({m.n, m.nothing}, {5, nil})
    t.eq(m.stat(nil), nil)
    over(left, right)
end)

spec.test("a restricted object exposes what was named", function(t)
    local restrict = require "rshell".restrict
    local account = Account.new(1)
    function account:me() return self end
    account.secret, account.note = "x", "old"
    local r = restrict(account, {"deposit", "balance", "me", "note"}, {"note", "hidden"})
    local left, right = peers.values {
        try = function(x, name) return x[name] end,
        set = function(x, name, value) x[name] = value end,
        use = function(x) return x:deposit(4), x.balance, rawequal(x:me(), x) end,
        call = function(x) return x() end,
        length = function(x) return #x end,
        list = function(x) return pairs(x) end,
        add = function(x) return x + 1 end,
        negate = function(x) return -x end,
        join = function(x) return x .. "" end,
        less = function(x) return x < x end,
    }
    t.eq(trips(right, function() t.same({left:call(0, "use", r)}, {5, 5, true}) end), 3)
    left:call(0, "set", r, "note", "new")
    left:call(0, "set", r, "hidden", 3)
    t.same({account.note, account.hidden}, {"new", 3})
    t.match(t.raises("denied", function() left:call(0, "try", r, "secret") end).message, "'secret' is not among")
    t.raises("denied", function() left:call(0, "try", r, "hidden") end)
    t.raises("denied", function() left:call(0, "set", r, "balance", 1e9) end)
    for _, name in ipairs {"call", "length", "list", "add", "negate", "join", "less"} do
        t.raises("denied", function() left:call(0, name, r) end)
    end
    t.raises("denied", function() return r.secret end)
    t.eq(account.balance, 5)
    t.raises("usage", function() restrict(5, {}) end)
    t.raises("usage", function() restrict({}, "x") end)
    t.raises("usage", function() restrict({}, {1}) end)
    over(left, right)
end)

-- ---- three sides ----

spec.test("a proxy of one connection on another goes through us", function(t)
    local account = Account.new(5)
    local a1, a2 = peers.values {give = function() return account end}
    local b1, b2 = peers.values {
        use = function(x) return x:deposit(1), x.balance, x, #x end,
        is = function(x, y) return rawequal(x, y) end,
    }
    local p = a1:call(0, "give")
    local n, balance, back, length = b1:call(0, "use", p)
    t.same({n, balance, length, account.balance}, {6, 6, 6, 6})
    t.ok(rawequal(back, p))
    t.eq(b1:call(0, "is", p, p), true)
    t.eq(b1:call(0, "call", function(f) return f(p, 4) end, p.deposit), 10)
    local f = b2:call(0, "call", function(x) return function() return x end end, p)
    t.ok(rawequal(f(), p))
    a1:close "gone"
    t.raises("closed", function() b1:call(0, "use", p) end)
    over(a1, a2, b1, b2)
end)

-- ---- errors ----

local Failure = {__name = "Failure", default = "of the class"}
Failure.__index = Failure
function Failure.__tostring(e) return "failure " .. e.code end

spec.test("errors keep their value, class and fields", function(t)
    local object = setmetatable({code = 7, message = "m", kind = "odd"}, Failure)
    local plain = {code = 8, message = "said so", list = {1}}
    local left, right = peers.values {raise = function(e) error(e, 0) end, is = rawequal}
    local function raised(e)
        local ok, got = pcall(left.call, left, 0, "call", function() error(e, 0) end)
        t.eq(ok, false)
        return got
    end
    local function far(e) return select(2, pcall(left.call, left, 0, "raise", e)) end
    t.ok(raised)
    local e = far(plain)
    t.same({e.kind, e.message, e.value.code, e.code, e.list[1], e.class, e.host},
        {"remote", "said so", 8, 8, 1, nil, "far"})
    local o = right:call(0, "call", function() end) -- nothing yet
    t.eq(o, nil)
    e = select(2, pcall(left.call, left, 0, "raise", object))
    t.ok(rawequal(e.value, object), "it was ours")
    e = select(2, pcall(right.call, right, 0, "call", function() error(object, 0) end))
    t.ok(rawequal(e.value, object))
    t.same({e.kind, e.message, e.class, e.code, e.default}, {"remote", "failure 7", "Failure", 7, "of the class"})
    for _, v in ipairs {42, 1.5, true} do
        e = far(v)
        t.same({e.kind, e.value, e.message}, {"remote", v, tostring(v)})
    end
    e = far(nil)
    t.same({e.kind, e.value, e.message}, {"remote", nil, "nil"})
    e = far "bad\27[31m\nnews"
    t.eq(e.message, "bad\27[31m\nnews")
    t.ok(not tostring(e):find "\27")
    e = far(setmetatable({}, {__tostring = function() error "no" end}))
    t.eq(e.kind, "remote")
    over(left, right)
end)

spec.test("an error object keeps its kind, also as a value", function(t)
    local err = require "rshell.shared.error"
    local left, right = peers.values {
        raise = function(e) error(e, 0) end, back = function(e) return e, err.is(e), e.path end,
    }
    local mine = err.new {kind = "denied", message = "no", path = "/x", host = "web1"}
    local e = t.raises("denied", function() left:call(0, "raise", mine) end)
    t.same({e.message, e.path}, {"no", "/x"})
    local back, is, path = left:call(0, "back", mine)
    t.same({err.is(back), back.kind, is, path}, {true, "denied", true, "/x"})
    over(left, right)
end)

spec.test("hosts: a target says only those names that it has from us", function(t)
    local err = require "rshell.shared.error"
    local left, right = peers.values {lie = function(host) err.raise {kind = "io", message = "x", host = host} end}
    t.eq(t.raises("io", function() left:call(0, "lie", "prod") end).host, "far")
    local function ours() err.raise {kind = "io", message = "x", host = "web1"} end
    t.eq(t.raises("io", function() left:call(0, "call", ours) end).host, "web1")
    over(left, right)
end)

local function sections(trace)
    local names = {}
    for name in ("\n" .. trace):gmatch "\n(%w[^\n]*):\n" do names[#names + 1] = name end
    return table.concat(names, ", ")
end

spec.test("tracebacks have each hop, the innermost first", function(t)
    local left, right
    local function innermost() error "at the bottom" end
    local function callback(f) return f() end
    left, right = peers.values {
        outer = function(f, g) local r = f(g) return r end, give = function() return innermost end,
    }
    local e = t.raises("remote", function() left:call(0, "give")() end)
    t.eq(sections(e.traceback), "on far, here")
    t.match(e.traceback, "on far:.*values_spec.*here:.*values_spec")
    e = t.raises("remote", function() left:call(0, "outer", callback, left:call(0, "give")) end)
    t.eq(sections(e.traceback), "on far, on the controller, on far, here")
    t.match(e.message, "at the bottom")
    t.eq(e.host, "far")
    local lines = require "rshell.cli.report".lines(e)
    t.match(lines, "^far: .*at the bottom\n  at .*values_spec.lua:%d+\non far:\n.*\nhere:\n\t[^\n]*values_spec")
    t.ok(not lines:find "rshell/shared/peer")
    over(left, right)
end)

-- ---- counting ----

spec.test("a release that crosses a resend leaves the object alive", function(t)
    local object = setmetatable({n = 1}, Account)
    local left, right = peers.values {give = function() return object end, n = function(o) return o.n end}
    local p = left:call(0, "give") -- luacheck: ignore 311
    t.eq(right.kept_by[object].count, 1)
    p = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    t.eq(#left.dropped, 2, "the release is under way")
    local again = left:start(0, "give") -- sent before the release, answered before it comes
    while #left.dropped > 0 do task.sleep(0) end
    p = left:finish(again)
    again = nil -- luacheck: ignore
    for _ = 1, 50 do
        if right.kept_by[object].count == 1 then break end
        task.sleep(0.01)
    end
    t.eq(right.kept_by[object].count, 1, "released once of two")
    t.same({p.n, left:call(0, "n", p)}, {1, 1})
    p = left:call(0, "give") -- luacheck: ignore 311
    t.eq(right.kept_by[object].count, 2)
    p = nil -- luacheck: ignore 311
    for _ = 1, 100 do
        collectgarbage()
        if not right.kept_by[object] then break end
        task.sleep(0.01)
    end
    t.eq(right.kept_by[object], nil, "a proxy's arrivals are released together")
    over(left, right)
end)

spec.test("many proxies leave nothing", function(t)
    local left, right = peers.values {
        give = function(n)
            local list = {}
            for i = 1, n do list[i] = setmetatable({}, Account) end
            return list
        end,
    }
    local function round(n)
        for _ = 1, n do
            left:call(0, "give", 1000)
            collectgarbage()
            while #left.dropped > 0 do task.sleep(0.001) end
        end
    end
    local function settle()
        for _ = 1, 300 do
            collectgarbage()
            if not next(right.kept) and #left.dropped == 0 then break end
            task.sleep(0.01)
        end
        t.eq(next(right.kept), nil)
        return collectgarbage "count"
    end
    round(10)
    local before = settle()
    round(tonumber(os.getenv "PROXIES") or 20)
    local after = settle()
    t.ok(after < before + 300, ("%.0f KiB, then %.0f"):format(before, after))
    t.eq(next(left.proxies), nil)
    over(left, right)
end)

spec.test("several tasks at once, callbacks among them", function(t)
    local left, right = peers.values {
        twice = function(f, x)
            task.sleep(0.001)
            return f(x), f(x + 1)
        end,
    }
    local tasks = {}
    for i = 1, 100 do
        tasks[i] = task.spawn(function()
            return left:call(0, "twice", function(x)
                task.sleep(0)
                return left:call(0, "call", function() return x * i end)
            end, i)
        end)
    end
    for i = 1, 100 do t.same({tasks[i]:await()}, {i * i, (i + 1) * i}) end
    over(left, right)
end)

spec.test("plain Lua around calls", function(t)
    local left, right = peers.values {inc = function(x) return x + 1 end, less = function(a, b) return a < b end}
    local function inc(x) return left:call(0, "inc", x) end
    local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(inc(i)) end end)
    t.same({co(), co(), co()}, {2, 3, 4})
    t.eq((("1 2 3"):gsub("%d", function(d) return inc(tonumber(d)) end)), "2 3 4")
    local list = {3, 1, 2}
    table.sort(list, function(a, b) return left:call(0, "less", a, b) end)
    t.same(list, {1, 2, 3})
    local m = setmetatable({}, {__index = function(_, k) return inc(k) end, __add = function(_, b) return inc(b) end})
    t.same({m[5], m + 1}, {6, 2})
    local closed
    do
        local _ <close> = setmetatable({}, {__close = function() closed = inc(1) end})
    end
    t.eq(closed, 2)
    t.same({pcall(inc, 1)}, {true, 2})
    for i in (function(_, i) i = inc(i) return i < 4 and i or nil end), nil, 0 do t.ok(i) end
    over(left, right)
end)

spec.test("<close> closes over there", function(t)
    local closed
    local object = setmetatable({}, {__close = function() closed = true end})
    local left, right = peers.values {give = function() return object end, fn = function() return print end}
    do
        local p <close> = left:call(0, "give")
        local f <close> = left:call(0, "fn")
        t.ok(p and f and not closed)
    end
    t.eq(closed, true)
    do
        local p <close> = left:call(0, "give")
        left:close "gone"
        t.raises("closed", function() return p.x end)
    end
    over(left, right)
end)

spec.finish()
