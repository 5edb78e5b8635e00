-- Many calls at once: futures, and batches with promises.

local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path

local agent = require "agent"
local rshell = require "rshell"
local spec = require "spec"
local task = require "rshell.task"

local m = agent.machine()
local conn = m:connect()

local function error_of(fn, ...)
    local ok, e = pcall(fn, ...)
    return not ok and e or nil
end

-- ---- futures ----

spec.test("a future: under way, done, its results", function(t)
    local f = conn:async(function(a, b)
        sleep(0.05)
        return a + b, nil, "x"
    end, 1, 2)
    t.eq(f:ready(), false)
    t.eq(f.error, nil)
    t.match(tostring(f), "under way")
    t.same({f:await()}, {3, nil, "x"})
    t.same({f:await(1)}, {3, nil, "x"})
    t.same({f:ready(), f.error}, {true, nil})
    t.raises("usage", function() return f.nothing end)
    t.raises("usage", function() f:await "x" end)
end)

spec.test("many are one after the other on the wire, and at the same time over there", function(t)
    local list, before = {}, rshell.now()
    for i = 1, 50 do
        list[i] = conn:async(function(x)
            sleep(0.1)
            return x
        end, i)
    end
    for i = 1, 50 do t.eq(list[i]:await(), i) end
    t.ok(rshell.now() - before < 4)
    local log = conn:eval "{}"
    conn.namespace.log = log
    local first = conn:async(function() log_of = (log_of or "") .. "a" end) -- luacheck: ignore
    conn:execute "log_of = log_of .. 'b'"
    first:await()
    t.eq(conn:eval "log_of", "ab", "sent before what comes after it")
end)

spec.test("await with a time leaves the call running", function(t)
    local f = conn:async(function()
        sleep(0.3)
        return "late"
    end)
    local e = t.raises("timeout", function() f:await(0.02) end)
    t.match(e.message, "goes on")
    t.eq(f:await(), "late")
end)

spec.test("a future that fails", function(t)
    local f = conn:async(function() error {code = 5} end)
    local e = t.raises("remote", function() f:await() end)
    t.same({e.code, f.error.code, e.host}, {5, 5, m.name})
    local co = coroutine.create(print)
    t.raises("usage", function() conn:async(function() return co end) end)
    t.raises("usage", function() conn:async(5) end)
    f = rshell.async(conn:eval "function(x) error(x, 0) end")("no")
    t.eq(error_of(f.await, f).message, "no")
end)

spec.test("a failure that nobody asks for is told, as that of any task", function(t)
    local told = {}
    task.on_unobserved(function(e) told[#told + 1] = e end)
    t.defer(task.on_unobserved, function() end)
    local fails = conn:eval "function(x) error(x, 0) end"
    rshell.async(fails)("not asked for")
    pcall(function() rshell.async(fails)("asked for"):await() end)
    rshell.async(fails)("cancelled"):cancel()
    conn:ping()
    for _ = 1, 3 do
        collectgarbage()
        task.sleep(0.01)
    end
    t.same({#told, told[1] and told[1].message}, {1, "not asked for"})
end)

spec.test("several may await one future, and one of them may give up", function(t)
    local f = conn:async(function()
        sleep(0.2)
        return "once"
    end)
    local a, b, c = task.spawn(f.await, f), task.spawn(f.await, f), task.spawn(f.await, f)
    task.sleep(0.02)
    a:close()
    t.same({b:await(), c:await()}, {"once", "once"})
    local ends = conn:async(function() sleep(60) end)
    local waits = task.spawn(ends.await, ends)
    task.sleep(0.02)
    ends:cancel()
    t.raises("cancelled", function() waits:await() end)
end)

spec.test("on calls back, at once where it is done", function(t)
    local f = conn:async(function()
        sleep(0.02)
        return 1
    end)
    local got
    f:on(function(future) got = future end)
    t.eq(got, nil)
    f:await()
    task.sleep(0.01)
    t.ok(rawequal(got, f))
    got = nil
    f:on(function(future) got = future:await() end)
    t.eq(got, 1)
end)

spec.test("cancel ends it over there", function(t)
    local marked = conn:eval "function(s) sleep(s) done = true end"
    for _, before in ipairs {0, 0.05} do
        local f = rshell.async(marked)(0.3)
        if before > 0 then rshell.sleep(before) end
        f:cancel()
        t.raises("cancelled", function() f:await() end)
        t.eq(f.error.kind, "cancelled")
        f:cancel()
    end
    rshell.sleep(0.4)
    t.eq(conn.namespace.done, nil)
end)

spec.test("async of proxies, methods, and our own functions", function(t)
    local object = conn:eval "setmetatable({n = 1}, {__index = {add = function(o, x) o.n = o.n + x return o.n end}})"
    t.eq(rshell.async(object.add)(object, 4):await(), 5)
    t.eq(rshell.async(conn.modules.string.rep)("ab", 2):await(), "abab")
    t.eq(rshell.async(function(x) return x end)(7):await(), 7)
    t.raises("usage", function() rshell.async {} end)
end)

spec.test("a view's time is that of its futures", function(t)
    local f = conn:with{timeout = 0.1}:async(function() while true do end end)
    t.match(t.raises("timeout", function() f:await() end).message, "interrupted")
end)

-- ---- batches ----

spec.test("a batch: promises as arguments, by index, in tables, called", function(t)
    local a, b, rest, list, plain = conn:batch(function(b)
        local x = b:eval "{n = 20, deep = {list = {1, 2, 3}}}"
        local y = b:call(function(v, k) return {sum = v.n + k, f = function(z) return z * 2 end} end, x, 22)
        local z = b:call(function(args) return args.one + args.two[1] end, {one = y.sum, two = {x.deep.list[3]}})
        return y.sum, z, y.f(x.n), {x.deep.list, "kept", {z}}, "plain"
    end)
    t.same({a, b, rest, plain}, {42, 45, 40, "plain"})
    t.same(list, {{1, 2, 3}, "kept", {45}})
end)

spec.test("a batch: variables, modules, methods, in their order", function(t)
    local first, second, size, upper, n = conn:batch(function(b)
        b.namespace.v = 1
        local one = b.namespace.v
        b:execute "v = v + 1"
        local two = b:eval "v"
        local object = b:eval "setmetatable({n = 1}, {__index = {add = function(o, x) o.n = o.n + x return o end}})"
        local same = object:add(4):add(two)
        same.m = 3
        return one, two, b.modules.fs.stat("/etc/passwd").size, b.modules.string.upper "x", same.n
    end)
    t.same({first, second, upper, n}, {1, 2, "X", 7})
    t.eq(size, conn.modules.fs.stat("/etc/passwd").size)
end)

spec.test("a batch of 20 dependent calls is sent before any answer is awaited", function(t)
    local turns, said = 0, nil
    local others = task.spawn(function()
        while not said do
            turns = turns + 1
            task.sleep(0)
        end
    end)
    task.sleep(0)
    local result = conn:batch(function(b)
        turns = 0
        local x = b:eval "1"
        for _ = 1, 19 do x = b:call(function(v) return v + 1 end, x) end
        said = turns
        return x
    end)
    others:await()
    t.same({result, said}, {20, 0})
end)

spec.test("a failed promise fails what names it, with the error itself", function(t)
    local ran
    local function mark() ran = true end
    local e = error_of(conn.batch, conn, function(b)
        local bad = b:eval "error({code = 9})"
        local worse = b:call(function(x) return x end, bad.field)
        b:call(function(f) f() end, mark)
        return worse
    end)
    t.same({e.kind, e.code, e.host}, {"remote", 9, m.name})
    t.eq(ran, true, "what doesn't name it is called")
    t.eq(error_of(conn.batch, conn, function(b) b:execute "error 'unseen'" end).kind, "remote")
    e = error_of(conn.batch, conn, function(b) return b.modules.nowhere_to_be_found end)
    t.same({e.kind, e.name}, {"notfound", "nowhere_to_be_found"})
    t.eq(conn:eval "1", 1)
end)

spec.test("promises are of no use here, nor in another batch", function(t)
    local kept, batch
    conn:batch(function(b)
        local p = b:eval "1"
        kept, batch = p, b
        for _, fn in ipairs {
            function() return p + 1 end, function() return p .. "" end, function() return #p end,
            function() return p == b:eval "1" end, function() return p < 2 end, function() for _ in pairs(p) do end end,
            function() for _ in ipairs(p) do end end, function() return conn:call(function(x) return x end, p) end,
            function() conn.namespace.promise = p end, function() conn:async(tostring, p):await() end,
        } do t.raises("usage", fn) end
        t.match(tostring(p), "promise of call 1")
        local e = t.raises("usage", function() b:call(function() return p end) end)
        t.match(e.message, "its upvalue 'p' is a promise")
    end)
    t.raises("usage", function() return kept() end)
    t.raises("usage", function() return batch:eval "1" end)
    t.raises("usage", function() return conn:call(function(x) return x end, kept) end)
    t.raises("usage", function() return conn:batch(function(b) return b:call(print, kept) end) end)
    t.raises("usage", function() return batch.nothing end)
    t.raises("usage", function() conn:batch(5) end)
    t.same({conn:batch(function() return 1, nil, {2} end)}, {1, nil, {2}})
    local e = error_of(conn.batch, conn, function(b)
        b:eval "1"
        error("ours", 0)
    end)
    t.eq(e, "ours")
    t.eq(conn:eval "1", 1)
end)

spec.test("a batch that takes too long is interrupted", function(t)
    local c = conn:with{timeout = 0.2}
    local e = error_of(c.batch, c, function(b)
        local x = b:call(function() while true do end end)
        return b:call(function(v) return v end, x)
    end)
    t.eq(e.kind, "timeout")
    t.eq(conn:eval "1", 1)
    local c2 <close> = m:connect()
    local busy = rshell.spawn(c2.batch, c2, function(b) return b:execute "sleep(60)" end)
    rshell.sleep(0.05)
    busy:cancel()
    t.eq(error_of(busy.await, busy, 5).kind, "cancelled")
    t.eq(c2:eval "1", 1)
end)

conn:close()
spec.finish()
