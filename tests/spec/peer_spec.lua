-- Two peers over two pipes, in one process: calls, references, streams, ends (lua/shared/peer.lua, src/rpc).

package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path

local err = require "rshell.shared.error"
local generator = require "generator"
local peer = require "rshell.shared.peer"
local proc = require "rshell.sys.proc"
local rpc = require "rshell.rpc"
local spec = require "spec"
local task = require "rshell.task"

local EXT = rpc.EXT

-- ---- two ends ----

local function pipes()
    local r1, w1 = proc.pipe()
    local r2, w2 = proc.pipe()
    return {r1, w2}, {r2, w1}
end

--- Functions are handed out by reference, and called through a proxy.
local function export(self, value)
    if type(value) == "function" then return EXT.MINE, self:keep(value) end
    error("can't be sent: " .. type(value), 0)
end

local function import(self, ext, id)
    if ext == EXT.YOURS then return self:object(id) end
    return setmetatable({id = id}, {
        __call = function(_, ...) return self:call(id, nil, ...) end,
        __gc = function() self:drop(id, 1) end,
    })
end

--- A caller and who serves it; functions: what can be called by name.
local function pair(functions, how)
    local a, b = pipes()
    local links = {rpc.link(a[1], a[2]), rpc.link(b[1], b[2])}
    local out, into = how and how.export or export, how and how.import or import
    local function serve(self)
        return function(target, name, ...)
            local f = target == 0 and functions[name] or self():object(target)
            return f(...)
        end
    end
    local left, right
    left = peer.new(links[1]:port(0, true), {
        export = out, import = into, host = "far", serve = serve(function() return left end),
        on_event = how and how.on_event, discard = how and how.discard,
    })
    right = peer.new(links[2]:port(0, false), {
        export = out, import = into, serve = serve(function() return right end),
    })
    return left, right, links
end

local function over(...)
    for _, p in ipairs {...} do p:close "the test is over" end
end

-- ---- calls ----

spec.test("calls: arguments and results of any number, nil among them", function(t)
    local left, right = pair {same = function(...) return ... end, count = function(...) return select("#", ...) end}
    t.same({left:call(0, "same", 1, "two", 3.5, true)}, {1, "two", 3.5, true})
    t.eq(select("#", left:call(0, "same")), 0)
    t.eq(select("#", left:call(0, "same", nil, nil)), 2)
    t.eq(left:call(0, "count", nil, 1, nil), 3)
    local big = ("0123456789abcdef"):rep(200000)
    t.ok(left:call(0, "same", big) == big, "3.2 MB both ways")
    over(left, right)
end)

spec.test("calls: long values in any place, many times", function(t)
    local left, right = pair {same = function(...) return ... end}
    local long, longer = ("x"):rep(65536), ("0123456789abcdef"):rep(100000)
    local values = table.pack(1, long, {longer, long}, longer, nil, long, "end", long, long, longer, nil)
    for i = 1, 20 do
        local got = table.pack(left:call(0, "same", table.unpack(values, 1, values.n)))
        t.eq(got.n, values.n)
        for k = 1, values.n do t.ok(k == 3 or got[k] == values[k], ("value %d of call %d"):format(k, i)) end
        t.ok(got[3][1] == longer and got[3][2] == long)
    end
    over(left, right)
end)

spec.test("calls: each its own task, many under way", function(t)
    local left, right = pair {wait = function(s, v) task.sleep(s) return v end}
    local slow = left:start(0, "wait", 0.2, "slow")
    t.eq(left:call(0, "wait", 0, "fast"), "fast")
    t.eq(slow.done, nil)
    t.eq(left:finish(slow), "slow")
    local calls = {}
    for i = 1, 1000 do calls[i] = left:start(0, "wait", 0.001, i) end
    local sum = 0
    for i = 1, 1000 do sum = sum + left:finish(calls[i]) end
    t.eq(sum, 500500)
    over(left, right)
end)

spec.test("calls: both ways, and inside each other", function(t)
    local left, right = pair {
        twice = function(f, x) return f(f(x)) end,
        add = function(x) return x + 1 end,
    }
    t.eq(left:call(0, "twice", function(x) return x * 3 end, 2), 18)
    t.eq(left:call(0, "twice", function(x) return left:call(0, "add", x) end, 2), 4)
    over(left, right)
end)

spec.test("calls: one that waits where Lua can't yield holds up nobody", function(t)
    local left, right = pair {
        wait = function(s, v)
            return (("x"):gsub("x", function()
                task.sleep(s)
                return v
            end))
        end,
    }
    local slow = left:start(0, "wait", 0.3, "slow")
    for i = 1, 50 do t.eq(left:call(0, "wait", 0, i), tostring(i)) end
    t.eq(slow.done, nil)
    t.eq(left:finish(slow), "slow")
    over(left, right)
end)

spec.test("calls: what one leaves in its task's locals, the next doesn't find", function(t)
    local left, right = pair {
        set = function(v) task.locals().mine = v end,
        get = function() return task.locals().mine end,
    }
    left:call(0, "set", 5)
    t.eq(left:call(0, "get"), nil)
    over(left, right)
end)

spec.test("calls: those that were cancelled leave others as they are", function(t)
    local left, right = pair {wait = function(s, v) task.sleep(s) return v end}
    for i = 1, 20 do
        local slow, kept = task.spawn(left.call, left, 0, "wait", 1000), left:start(0, "wait", 0.01, i)
        t.eq(left:call(0, "wait", 0, i), i)
        slow:cancel()
        t.raises("cancelled", function() slow:await() end)
        t.eq(left:finish(kept), i)
    end
    t.eq(next(right.workers), nil)
    over(left, right)
end)

spec.test("errors keep their kind and fields, and say where", function(t)
    local left, right = pair {
        plain = function() error("no good", 0) end,
        object = function() err.raise {kind = "denied", message = "not for you", path = "/x", secret = print} end,
    }
    local e = t.raises("remote", function() left:call(0, "plain") end)
    t.same({e.message, e.value, e.host}, {"no good", "no good", "far"})
    e = t.raises("denied", function() left:call(0, "object") end)
    t.same({e.message, e.path, e.host, e.secret}, {"not for you", "/x", "far", nil})
    e = select(2, pcall(left.call, left, 0, "nothing"))
    t.match(tostring(e), "nil value")
    over(left, right)
end)

spec.test("what can't be sent is told to its sender, and nothing is stuck", function(t)
    local left, right = pair {
        give = function() return coroutine.create(print) end, same = function(...) return ... end,
    }
    t.match(tostring(select(2, pcall(left.call, left, 0, "same", coroutine.create(print)))), "can't be sent: thread")
    t.match(tostring(select(2, pcall(left.call, left, 0, "give"))), "can't be sent: thread")
    t.eq(left:call(0, "same", 1), 1)
    t.eq(next(left.calls), nil)
    over(left, right)
end)

spec.test("a call in whose writing its connection ends, or others are made, is answered as any", function(t)
    local left, right, during
    local function hook(self, value)
        if during then during() end
        return export(self, value)
    end
    left, right = pair({same = function(x) return x end, take = function() return true end}, {export = hook})
    local inner
    function during()
        during = nil
        inner = left:call(0, "same", 5) -- waits where Lua can't yield
    end
    t.eq(left:call(0, "take", print), true)
    t.eq(inner, 5)
    function during() left:close "closed amid a call" end
    local e = t.raises("closed", task.timeout, 20, left.call, left, 0, "take", print)
    t.match(e.message, "closed amid a call")
    t.eq(next(left.calls), nil)
    over(left, right)
end)

-- ---- all in any order ----

local SIZES = {0, 1, 100, 5000, 70000, 400000}

--- Each does one thing with a pair of peers, in an order of its own, and knows what must come of it.
local does = {}

function does.call(left, random)
    local text = ("x"):rep(SIZES[random(#SIZES)])
    assert(left:call(0, "same", text) == text)
end

function does.callback(left, random)
    local text = ("y"):rep(SIZES[random(#SIZES)])
    local function back(depth)
        if depth == 0 then return text end
        return left:call(0, "apply", back, depth - 1, text)
    end
    assert(back(random(4)) == text)
end

function does.late(left, random)
    local call = left:start(0, "sleep", random(3) / 1000, 7)
    task.sleep(random(5) / 1000) -- the answer may be there before anybody asks for it
    assert(left:finish(call) == 7)
end

function does.timeout(left, random)
    local seconds = random(3) / 1000
    local ok, e = pcall(task.timeout, seconds, left.call, left, 0, "sleep", seconds, 8) -- in the same turn
    assert(ok and e == 8 or not ok and e.kind == "timeout", tostring(e))
end

function does.cancel(left, random)
    local one = task.spawn(left.call, left, 0, "back", function(x) return left:call(0, "sleep", 0.001, x) end, 9)
    for _ = 1, random(6) do task.sleep(0) end
    one:cancel()
    local ok, e = pcall(one.await, one)
    assert(ok and e == 9 or not ok and e.kind == "cancelled", tostring(e))
end

--- Two wait for one call, and are woken without an answer now and then.
function does.both(left, random)
    local call = left:start(0, "sleep", random(3) / 1000, 10)
    local function wait()
        repeat left:await(call) until call.done
        return left:answer(call)
    end
    local one, other = task.spawn(wait), task.spawn(wait)
    for _ = 1, random(3) do
        task.sleep(0)
        left:wake(call)
    end
    assert(one:await() == 10 and other:await() == 10)
end

local names = {}
for name in pairs(does) do names[#names + 1] = name end
table.sort(names)

spec.test("answers, cancels, timeouts and callbacks in any order: none is lost, none is another's", function(t)
    for seed = 1, 3 do
        local left, right
        left, right = pair {
            same = function(x) return x end,
            sleep = function(s, v) task.sleep(s) return v end,
            back = function(f, x) return f(x) end,
            apply = function(f, depth, text)
                local got = f(depth)
                assert(got == text)
                return got
            end,
        }
        local tasks = {}
        for i = 1, 12 do
            tasks[i] = task.spawn(function()
                local random = generator(100 * seed + i)
                for _ = 1, 40 do
                    local name = names[random(#names)]
                    local ok, e = pcall(task.timeout, 60, does[name], left, random)
                    if not ok then error(("seed %d: %s: %s"):format(seed, name, tostring(e)), 0) end
                end
            end)
        end
        for _, one in ipairs(tasks) do one:await() end
        t.same({next(left.calls), next(right.calls), next(left.workers), next(right.workers)}, {})
        local seen = {}
        for _, event in ipairs(left.events) do
            t.eq(seen[event], nil, "an event is there for one call at a time")
            seen[event] = true
        end
        over(left, right)
    end
end)

-- ---- cancel ----

spec.test("cancel reaches the other side, and the answer is awaited", function(t)
    local unwound
    local left, right = pair {
        sleep = function()
            local _ <close> = setmetatable({}, {__close = function() unwound = true end})
            task.sleep(1000)
        end,
    }
    local e = t.raises("timeout", function() task.timeout(0.05, left.call, left, 0, "sleep") end)
    t.ok(e)
    t.eq(unwound, true)
    t.eq(next(left.calls), nil)
    local one = task.spawn(left.call, left, 0, "sleep")
    task.sleep(0.02)
    unwound = nil
    one:cancel()
    t.raises("cancelled", function() one:await() end)
    t.eq(unwound, true)
    over(left, right)
end)

spec.test("a cancel may overtake a call that is long", function(t)
    local calls = 0
    local left, right = pair {take = function() calls = calls + 1 end}
    local big = ("x"):rep(5000000)
    for _ = 1, 5 do
        local one = task.spawn(left.call, left, 0, "take", big)
        task.sleep(0)
        one:cancel()
        pcall(one.await, one)
    end
    t.eq(left:call(0, "take", big), nil)
    t.same({left.why, right.why, next(left.calls), next(right.early)}, {})
    over(left, right)
end)

spec.test("a cancel may overtake a long call that made another one while it was written", function(t)
    local counted = 0
    local left, right = pair({
        take = function() task.sleep(1000) end,
        count = function() counted = counted + 1 end,
    }, {export = function(self, value)
        self:call(0, "count")
        return export(self, value)
    end})
    local big = ("x"):rep(5000000)
    for i = 1, 5 do
        local one = task.spawn(left.call, left, 0, "take", print, big)
        repeat task.sleep(0) until counted == i and not left.calls[2 * i]
        task.sleep(0)
        one:cancel()
        t.raises("cancelled", function() one:await() end)
    end
    t.same({left.why, right.why, next(left.calls), next(right.workers), next(right.early), next(right.skipped)}, {})
    over(left, right)
end)

spec.test("calls that could not be written leave no gap between the numbers of others", function(t)
    local left, right = pair {one = function() return 1 end}
    for _ = 1, 3 do
        t.raises("can't be sent", function() left:call(0, "one", io.stdout) end)
        t.eq(left:call(0, "one"), 1)
    end
    t.same({left.last, right.latest, next(right.skipped)}, {3, 3})
    over(left, right)
end)

spec.test("a cancel right behind its call is answered too", function(t)
    local left, right = pair {sleep = function() task.sleep(1000) end}
    for _ = 1, 20 do
        local call = left:start(0, "sleep")
        left.port:send(rpc.FRAME.CANCEL, call.id)
        local ok, e = pcall(task.timeout, 3, left.finish, left, call)
        t.same({ok, e.kind}, {false, "cancelled"})
    end
    t.same({next(right.workers), next(right.early)}, {})
    over(left, right)
end)

spec.test("results that nobody waits for any more are discarded by their owner", function(t)
    local got
    local left, right = pair({
        stubborn = function()
            task.shield(task.sleep, 0.1)
            return "late"
        end,
    }, {discard = function(v) got = v end})
    t.raises("timeout", function() task.timeout(0.05, left.call, left, 0, "stubborn") end)
    t.eq(got, "late")
    over(left, right)
end)

-- ---- the order of what comes ----

spec.test("events that came before an answer are known to who gets it, with and without references", function(t)
    local right
    local heard = 0
    local left, far = pair({
        tell = function(n, result)
            for _ = 1, n do right:tell(1, "event") end
            return result
        end,
        give = function(n)
            for _ = 1, n do right:tell(1, "event") end
            return print
        end,
    }, {on_event = function() heard = heard + 1 end})
    right = far
    for i = 1, 50 do
        t.eq(left:call(0, "tell", i % 3, i), i)
        left:call(0, "give", 1)
    end
    t.eq(heard, 17 * 1 + 17 * 2 + 50)
    local tasks = {}
    for i = 1, 100 do
        tasks[i] = task.spawn(function()
            left:call(0, i % 2 == 0 and "tell" or "give", 1)
            return heard
        end)
    end
    local before = heard
    for i = 1, 100 do t.ok(tasks[i]:await() >= before + i, "after its own events") end
    over(left, right)
end)

--- What is handed out is described the first time only, as classes are; who reads it out of order notices.
spec.test("answers with references are read in the order in which they came", function(t)
    local described = false
    local function import_named(self, ext, id, text)
        if text then described = true end
        if not described then error("not described", 0) end
        return import(self, ext, id)
    end
    local function export_named(self, value)
        local first = not self.said
        self.said = true
        return EXT.MINE, self:keep(value), first and "what it is" or nil
    end
    local left, right = pair({
        give = function(i) return function() return i end end,
        plain = function(i) return i end,
    }, {import = import_named, export = export_named})
    local tasks = {}
    for i = 1, 60 do tasks[i] = task.spawn(left.call, left, 0, i % 3 == 2 and "plain" or "give", i) end
    for i = 1, 60 do
        local got = tasks[i]:await()
        t.eq(i % 3 == 2 and got or got(), i)
    end
    t.eq(left.why, nil)
    over(left, right)
end)

spec.test("answers where Lua can't yield, with others between them", function(t)
    local left, right = pair {
        same = function(v) return v end,
        give = function(v) return function() return v end end,
    }
    local function many(name)
        return (("abcdefgh"):gsub(".", function(c)
            local got = left:call(0, name, c:upper())
            return name == "give" and got() or got
        end))
    end
    local tasks = {}
    for i = 1, 8 do tasks[i] = task.spawn(many, i % 2 == 0 and "same" or "give") end
    for i = 1, 8 do t.eq(tasks[i]:await(), "ABCDEFGH") end
    local co = coroutine.wrap(function() return left:call(0, "same", "inside") end)
    t.eq(co(), "inside")
    over(left, right)
end)

spec.test("who is given up as its answer comes leaves nothing behind", function(t)
    local left, right = pair {same = function(v) return v end, give = function() return function() end end}
    for i = 1, 200 do
        local one = task.spawn(left.call, left, 0, i % 2 == 0 and "same" or "give", i)
        for _ = 1, i % 7 do task.sleep(0) end
        one:cancel()
        pcall(one.await, one)
        t.eq(left:call(0, "same", i), i)
    end
    t.same({next(left.calls), next(left.answers), next(right.workers)}, {})
    over(left, right)
end)

-- ---- references ----

spec.test("references are kept until they are released", function(t)
    local function f() return "called" end
    local left, right = pair {give = function() return f end}
    local g = left:call(0, "give")
    t.eq(g(), "called")
    t.ok(next(right.kept))
    g = nil -- luacheck: ignore
    for _ = 1, 100 do
        collectgarbage()
        task.sleep(0.02)
        if not next(right.kept) then break end
    end
    t.eq(next(right.kept), nil)
    over(left, right)
end)

spec.test("a release of what wasn't given ends the conversation", function(t)
    local left, right = pair {}
    left.port:send(rpc.FRAME.RELEASE, 0, nil, 7, 1)
    task.sleep(0.05)
    t.match(right.why, "wasn't given")
    over(left, right)
end)

-- ---- the end ----

spec.test("when the other side ends, all who wait learn it at once", function(t)
    local left, right, links = pair {sleep = task.sleep}
    local tasks = {}
    for i = 1, 10 do tasks[i] = task.spawn(left.call, left, 0, "sleep", 1000) end
    task.sleep(0.02)
    links[2]:close()
    for i = 1, 10 do
        local e = t.raises("closed", function() tasks[i]:await(5) end)
        t.match(e.message, "the other side has ended")
        t.eq(e.host, "far")
    end
    t.raises("closed", function() left:call(0, "sleep", 1) end)
    over(left, right)
end)

spec.test("what is no protocol ends it, and says what came", function(t)
    local a, b = pipes()
    local left = peer.new(rpc.link(a[1], a[2]):port(0, true), {export = export, import = import})
    b[2]:write "Welcome to our server!\n"
    local e = t.raises("closed", function() left:greeting(5) end)
    t.match(e.message, "Welcome to our server")
    over(left)
    b[1]:close()
    b[2]:close()
end)

spec.test("an answer to a call that was never made ends it", function(t)
    local left, right = pair {}
    right.port:send(rpc.FRAME.REPLY, 99, nil, "hello")
    task.sleep(0.05)
    t.match(left.why, "never made")
    over(left, right)
end)

spec.test("silence ends it when a heartbeat is wanted", function(t)
    local a, b = pipes()
    local link = rpc.link(a[1], a[2])
    local left = peer.new(link:port(0, true), {export = export, import = import})
    link:keepalive(0.05)
    local e = t.raises("closed", function() left:greeting(10) end)
    t.match(e.message, "no heartbeat for 0.15 s")
    over(left)
    b[1]:close()
    b[2]:close()
end)

spec.test("a heartbeat is answered, also by who is silent", function(t)
    local left, right, links = pair {sleep = function(s) task.sleep(s) return true end}
    links[1]:keepalive(0.05)
    t.eq(left:call(0, "sleep", 0.6), true)
    over(left, right)
end)

-- ---- streams ----

local function streams(t)
    local left, right = pair {}
    local a, id = left.port:open()
    local b = t.ok(right.port:claim(id))
    return left, right, a, b
end

spec.test("streams: bytes both ways, ends of each way", function(t)
    local left, right, a, b = streams(t)
    a:write "hello\nworld"
    t.eq(b:read "l", "hello")
    b:write "back"
    t.eq(a:read(100), "back")
    a:shutdown()
    t.eq(b:read "a", "world")
    t.eq(b:read "a", "")
    b:write "still"
    b:close()
    t.eq(a:read "a", "still")
    a:close()
    t.eq(left.port:claim(4), nil, "its own number")
    t.eq(right.port:claim(2), nil, "claimed before")
    over(left, right)
end)

spec.test("streams: a reader that is slow stops the writer, others go on", function(t)
    local left, right, a, b = streams(t)
    local c, id = left.port:open()
    local d = right.port:claim(id)
    local block, written = ("x"):rep(65536), 0
    local writer = task.spawn(function()
        for _ = 1, 100 do
            a:write(block)
            written = written + #block
        end
        a:close()
    end)
    task.sleep(0.1)
    t.ok(written <= 1024 * 1024, "no more than the credit")
    c:write "others go on"
    t.eq(d:read(100), "others go on")
    t.eq(#b:read "a", 100 * 65536)
    writer:await()
    over(left, right)
end)

spec.test("streams: a reader that has taken much may have more under way, in bounded memory", function(t)
    local left, right, a, b = streams(t)
    local MIB, block, written = 1 << 20, ("x"):rep(65536), 0
    local writer = task.spawn(pcall, function()
        while true do
            a:write(block)
            written = written + #block
        end
    end)
    t.eq(#b:read {exact = 2 * MIB}, 2 * MIB)
    local before
    repeat
        before = written
        task.sleep(0.2)
    until written == before
    t.ok(written > 2 * MIB + 3 * MIB, "more than it had at first: " .. written)
    t.ok(written <= 2 * MIB + 5 * MIB, "and no more: " .. written)
    writer:cancel()
    over(left, right)
end)

spec.test("streams: a reader that is gone stops the writer", function(t)
    local left, right, a, b = streams(t)
    b:close()
    task.sleep(0.05)
    t.ok(not pcall(a.write, a, "x"))
    over(left, right)
end)

spec.test("streams: an error of the sender is the reader's", function(t)
    local left, right = pair {}
    local _, id = left.port:open()
    local b = right.port:claim(id)
    left.port:fail(id, "ECONNRESET")
    t.match(tostring(t.raises("io", function() b:read "a" end)), "reset")
    over(left, right)
end)

spec.test("streams end when the conversation does", function(t)
    local left, right, a, b = streams(t)
    local reader = task.spawn(b.read, b, "a")
    task.sleep(0.02)
    left:close "over"
    right:close "over"
    t.raises("closed", function() reader:await(5) end)
    t.raises("closed", function() a:write "x" end)
end)

spec.test("streams: calls are not behind bulk", function(t)
    local left, right = pair {same = function(x) return x end}
    local n = 20
    local readers = {}
    for i = 1, n do
        local a, id = left.port:open()
        local b = right.port:claim(id)
        task.spawn(function()
            for _ = 1, 50 do a:write(("y"):rep(65536)) end
            a:close()
        end)
        readers[i] = task.spawn(function() return #b:read "a" end)
    end
    for i = 1, 50 do t.eq(left:call(0, "same", i), i) end
    for i = 1, n do t.eq(readers[i]:await(), 50 * 65536) end
    over(left, right)
end)

spec.finish()
