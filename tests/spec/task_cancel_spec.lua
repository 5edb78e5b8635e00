package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local waits = require "waits"
local task = require "rshell.task"
local proc = require "rshell.sys.proc"
local net = require "rshell.sys.net"
local FOREVER, nap, forever = waits.FOREVER, waits.nap, waits.forever
local promptly, is_kind, with = waits.promptly, waits.is_kind, waits.with

-- Some tests make failures on purpose.
task.on_unobserved(function() end)

-- ---- cancel ----

local function sleeper() return assert(proc.spawn {argv = {"sleep", tostring(FOREVER)}, stdin = "pipe"}) end

-- Each makes something and gives what waits for it, and what cleans up.
local WAITS = {
    {"sleep", function() return forever end},
    {"await", function()
        local a = task.spawn(forever)
        return function() a:await() end, function() a:close() end
    end},
    {"await with a timeout", function()
        local a = task.spawn(forever)
        return function() a:await(FOREVER) end, function() a:close() end
    end},
    {"select", function()
        local a, b = task.spawn(forever), task.spawn(forever)
        return function() task.select {a, b} end, function() a:close() b:close() end
    end},
    {"an event", function()
        local e = task.event()
        return function() e:wait() end
    end},
    {"a timeout", function() return function() task.timeout(FOREVER, forever) end end},
    {"reading", function()
        local p = sleeper()
        return function() p.stdout:read(1) end, function() p:stop() end
    end},
    {"reading lines", function()
        local p = sleeper()
        return function() for _ in p.stdout:lines() do error "a line" end end, function() p:stop() end
    end},
    {"writing", function()
        local p = sleeper()
        return function() p.stdin:write(("x"):rep(1 << 20)) end, function() p:stop() end
    end},
    {"pumping, for input", function()
        local p, q = sleeper(), sleeper()
        return function() p.stdout:pump(q.stdin) end, function() p:stop() q:stop() end
    end},
    {"pumping, for room", function()
        local p, q = assert(proc.spawn {argv = {"yes"}}), sleeper()
        return function() p.stdout:pump(q.stdin) end, function() p:stop() q:stop() end
    end},
    {"a process", function()
        local p = sleeper()
        return function() p:wait() end, function() p:stop() end
    end},
    {"proc.run", function() return function() proc.run {argv = {"sleep", tostring(FOREVER)}} end end},
    {"a pipeline", function()
        local cat, sleep = {argv = {"cat"}}, {argv = {"sleep", tostring(FOREVER)}}
        return function() proc.run {stages = {sleep, cat, cat}} end
    end},
    {"accept", function()
        local l = assert(net.listen(0))
        return function() l:accept() end, function() l:close() end
    end},
    {"connect", function()
        -- A queue that is full: who connects is not answered.
        local l, held = assert(net.listen("@rshell-spec-" .. tostring {}:match "%w+$", nil, {backlog = 1})), {}
        for i = 1, 10 do
            held[i] = net.connect(l.path, nil, {timeout = 0.01})
            if not held[i] then break end
        end
        return function() net.connect(l.path) end, function() l:close() end
    end},
    {"a wait in sort", function()
        return function() table.sort({1, 2}, forever) end
    end},
    {"a process in sort", function()
        local p = sleeper()
        return function() table.sort({1, 2}, function() p:wait() end) end, function() p:stop() end
    end},
    {"a wait in gsub in tostring", function()
        return function()
            tostring(with("__tostring", function() return (("x"):gsub("x", forever)) end))
        end
    end},
    {"a wait in a coroutine", function() return function() coroutine.wrap(forever)() end end},
    {"a wait five coroutines deep", function()
        local fn = forever
        for _ = 1, 5 do
            local inner = fn
            fn = function() return coroutine.wrap(inner)() end
        end
        return fn
    end},
    {"a wait in a coroutine in sort in a coroutine", function()
        return coroutine.wrap(function() table.sort({1, 2}, function() coroutine.wrap(forever)() end) end)
    end},
}

spec.table("cancel ends", WAITS, function(t, case)
    local wait, clean_up = case[2]()
    local closed, later = false, nil
    local a = task.spawn(function()
        local _ <close> = with("__close", function() closed = true end)
        local ok, e = pcall(wait)
        later = table.pack(pcall(nap))
        if not ok then error(e, 0) end
    end)
    task.sleep(0.02)
    t.eq(a.status, "waiting")
    t.eq(a:cancel(), true)
    t.eq(a:cancel(), false, "once is enough")
    local ok, e = promptly(t, pcall, a.await, a)
    t.eq(ok, false)
    is_kind(t, e, "cancelled")
    t.eq(later[1], false, "it is raised again at later waits")
    is_kind(t, later[2], "cancelled")
    t.eq(closed, true, "<close> variables run")
    t.eq(a.failed, true)
    if clean_up then clean_up() end
end)

spec.test("a task that is cancelled before it began never runs", function(t)
    local ran
    local a = task.spawn(function() ran = true end)
    a:cancel()
    is_kind(t, select(2, pcall(a.await, a)), "cancelled")
    t.eq(ran, nil)
end)

spec.test("cancelling what is done makes no difference", function(t)
    local a = task.spawn(function() return 1 end)
    a:await()
    t.eq(a:cancel(), false)
    a:close()
    t.eq(a:await(), 1)
end)

spec.test("a cancelled task's coroutines unwind too", function(t)
    local log = {}
    local a = task.spawn(function()
        local _ <close> = with("__close", function() log[#log + 1] = "outer" end)
        coroutine.wrap(function()
            local _ <close> = with("__close", function() log[#log + 1] = "inner" end)
            forever()
        end)()
    end)
    nap()
    a:close()
    t.same(log, {"inner", "outer"})
end)

spec.test("results that had come before the cancel are not lost", function(t)
    local got
    local l = assert(net.listen(0))
    local a = task.spawn(function()
        got = l:accept()
        nap()
    end)
    nap()
    local c = assert(net.connect("127.0.0.1", l.port))
    a:cancel()
    is_kind(t, select(2, pcall(a.await, a)), "cancelled")
    c:close()
    l:close()
    if got then got:close() end
    t.ok(true)
end)

spec.test("closers may wait", function(t)
    local log = {}
    local a = task.spawn(function()
        local _ <close> = with("__close", function()
            task.shield(function()
                task.sleep(0.05)
                log[#log + 1] = "slept"
            end)
        end)
        forever()
    end)
    nap()
    a:close()
    t.same(log, {"slept"})
end)

spec.test("closers that wait for ever have five seconds", function(t)
    local seen, took
    local a = task.spawn(function()
        local _ <close> = with("__close", function()
            local start = task.now()
            seen = table.pack(pcall(task.shield, task.sleep, 30))
            took = task.now() - start
        end)
        forever()
    end)
    local b = task.spawn(function() -- the cancel comes while the closer runs
        task.shield(function() task.sleep(30) end)
    end)
    nap()
    a:cancel()
    b:cancel()
    pcall(a.await, a)
    is_kind(t, select(2, pcall(b.await, b)), "cancelled")
    is_kind(t, seen[2], "cancelled")
    t.ok(took >= 4.5 and took < 25, "it took " .. took)
end)

spec.test("shield gives results and errors", function(t)
    t.same(table.pack(task.shield(function(...) nap() return ... end, 1, nil)), {1, nil, n = 2})
    t.raises("oops", task.shield, function() nap() error "oops" end)
    local a = task.spawn(function()
        pcall(task.shield, error, "oops")
        forever()
    end)
    nap()
    promptly(t, a.close, a)
end)

spec.test("close cancels and waits", function(t)
    local log = {}
    do
        local _ <close> = task.spawn(function()
            local _ <close> = with("__close", function() log[#log + 1] = "unwound" end)
            forever()
        end)
        nap()
    end
    t.same(log, {"unwound"})
    local me
    me = task.spawn(function() me:close() return "itself" end)
    t.eq(me:await(), "itself")
end)

spec.test("tasks that close each other", function(t)
    local a, b
    a = task.spawn(function()
        local _ <close> = with("__close", function() b:close() end)
        forever()
    end)
    b = task.spawn(function()
        local _ <close> = with("__close", function() a:close() end)
        forever()
    end)
    nap()
    promptly(t, a.close, a)
    promptly(t, b.close, b)
    t.eq(a.done and b.done, true)
end)

spec.test("a cancelled task that goes on regardless is interrupted", function(t)
    local RETRIES = {
        function() while true do pcall(nap) end end,
        function() repeat until pcall(forever) end,
        function() while true do pcall(pcall, pcall, nap) end end,
        function() while true do coroutine.resume(coroutine.create(nap)) end end,
        function() while true do pcall(table.sort, {1, 2}, nap) end end,
        function() coroutine.wrap(function() while true do pcall(coroutine.wrap(nap)) end end)() end,
    }
    for i, fn in ipairs(RETRIES) do
        local a = task.spawn(fn)
        nap()
        a:cancel()
        local ok, e = promptly(t, pcall, a.await, a)
        t.eq(ok, false, i)
        is_kind(t, e, "cancelled")
    end
    -- And a time limit is over for what goes on regardless, but not for what comes after it.
    for i, fn in ipairs(RETRIES) do
        local e = t.raises("timeout", task.timeout, 0.01, fn)
        is_kind(t, e, "timeout")
        local n = 0
        for _ = 1, 3000000 do n = n + 1 end
        t.eq(n, 3000000, i)
        nap()
    end
end)

spec.test("what was aborted when its wait was done is interrupted where it waits no more", function(t)
    local function loop() while true do end end
    local LOOPS = {
        function(wait) wait() loop() end,
        function(wait) coroutine.wrap(function() wait() loop() end)() end,
        function(wait) coroutine.wrap(wait)() loop() end,
        function(wait) table.sort({1, 2}, function() wait() loop() end) end,
        function(wait) task.shield(wait) loop() end,
    }
    for i, fn in ipairs(LOOPS) do
        local e = task.event()
        local a = task.spawn(fn, function() e:wait() end)
        nap()
        e:notify()
        a:cancel()
        is_kind(t, select(2, promptly(t, pcall, a.await, a)), "cancelled")

        local r, w = proc.pipe()
        t.defer(r.close, r)
        t.defer(w.close, w)
        task.spawn(function() -- the loop finds both, what was written and that the time is over
            w:write "x"
            local stop = task.now() + 0.05
            repeat until task.now() > stop
        end)
        is_kind(t, select(2, pcall(task.timeout, 0.01, fn, function() r:read(1) end)), "timeout", i)
    end
    -- What ends by itself has its results.
    local e = task.event()
    local a = task.spawn(function() e:wait() return "done" end)
    nap()
    e:notify()
    a:cancel()
    t.eq(a:await(), "done")
end)

-- ---- timeouts ----

spec.test("timeout gives results, errors, or kind timeout", function(t)
    t.same(table.pack(task.timeout(60, function(...) nap() return ... end, 1, nil)), {1, nil, n = 2})
    t.raises("oops", task.timeout, 60, function() nap() error "oops" end)
    local e = t.raises("timeout", task.timeout, 0.01, forever)
    t.match(is_kind(t, e, "timeout").message, "0%.01 s")
    nap()
    is_kind(t, select(2, pcall(task.timeout, 0, forever)), "timeout")
    is_kind(t, select(2, pcall(task.timeout, -1, forever)), "timeout")
    t.eq(task.timeout(math.huge, function() nap() return 1 end), 1)
    t.raises("number expected", task.timeout)
    t.raises("value expected", task.timeout, 1)
end)

spec.test("timeouts in each other", function(t)
    local log = {}
    local function outer_is_first()
        task.timeout(0.01, function()
            local ok, e = pcall(task.timeout, FOREVER, forever)
            log[#log + 1] = tostring(ok) .. e.kind
            nap() -- raised again: it is the outer one's time that is over
            log[#log + 1] = "not reached"
        end)
    end
    is_kind(t, select(2, pcall(outer_is_first)), "timeout")
    t.same(log, {"falsetimeout"})

    local inner
    local got = task.timeout(FOREVER, function()
        inner = select(2, pcall(task.timeout, 0.01, forever))
        nap() -- only the inner one's time is over
        return "outer"
    end)
    t.eq(got, "outer")
    is_kind(t, inner, "timeout")

    -- Both are over at once: the outer one wins, whatever the inner one catches.
    local reached
    is_kind(t, select(2, pcall(task.timeout, 0.01, function()
        pcall(task.timeout, 0.01, function()
            local stop = task.now() + 0.05
            repeat until task.now() > stop
            nap()
        end)
        nap()
        reached = true
    end)), "timeout")
    t.eq(reached, nil)
end)

spec.table("a timeout ends", WAITS, function(t, case)
    local wait, clean_up = case[2]()
    local closed = 0
    is_kind(t, select(2, promptly(t, pcall, task.timeout, 0.02, function()
        local _ <close> = with("__close", function() closed = closed + 1 end)
        wait()
    end)), "timeout")
    t.eq(closed, 1)
    nap()
    if clean_up then clean_up() end
end)

spec.test("a cancel wins over a timeout", function(t)
    local a = task.spawn(function()
        task.timeout(0.02, function()
            pcall(forever)
            task.current():cancel()
            nap()
        end)
    end)
    is_kind(t, select(2, pcall(a.await, a)), "cancelled")
end)

spec.test("a timeout in a coroutine holds there only", function(t)
    local co = coroutine.wrap(function()
        local ok, e = pcall(task.timeout, 0.01, function()
            coroutine.yield "out"
            nap()
            return "in time"
        end)
        return ok, type(e) == "table" and e.kind
    end)
    t.eq(co(), "out")
    task.sleep(0.05)
    nap() -- its time is over, but this code is outside of it
    t.same({co()}, {false, "timeout"})

    -- Scopes end in another order than they began.
    local first = coroutine.wrap(function() task.timeout(60, coroutine.yield) return "first" end)
    local second = coroutine.wrap(function() task.timeout(60, coroutine.yield) return "second" end)
    first()
    second()
    t.eq(first(), "first")
    t.eq(second(), "second")
    nap()
end)

spec.test("timeouts in coroutines that are dropped leave nothing", function(t)
    for _ = 1, 10 do
        coroutine.wrap(function() task.timeout(0.02, coroutine.yield) end)()
        coroutine.wrap(function() task.timeout(60, coroutine.yield) end)()
    end
    collectgarbage()
    collectgarbage()
    task.sleep(0.05)
    t.eq(task.timeout(60, function() nap() return 1 end), 1)

    -- The task that began one may be gone when another one ends it.
    local co
    task.spawn(function()
        co = coroutine.wrap(function() task.timeout(60, coroutine.yield) return "ended" end)
        co()
    end):await()
    collectgarbage()
    collectgarbage()
    t.eq(co(), "ended")
end)

-- ---- failures that nobody sees ----

spec.test("a failure that nobody awaited is reported once", function(t)
    local reports = {}
    task.on_unobserved(function(e, traceback) reports[#reports + 1] = {e, traceback} end)
    t.defer(task.on_unobserved, function() end)
    local function settle()
        nap()
        collectgarbage()
        collectgarbage()
        nap()
        nap()
    end
    local function culprit() error("oops", 0) end
    task.spawn(function() culprit() end)
    settle()
    t.eq(#reports, 1)
    t.eq(reports[1][1], "oops")
    t.match(reports[1][2], "culprit")
    settle()
    t.eq(#reports, 1, "once")

    reports = {}
    do
        local seen, closed = task.spawn(error, "seen", 0), task.spawn(error, "closed", 0)
        local cancelled = task.spawn(forever)
        task.spawn(function() return "fine" end)
        pcall(seen.await, seen)
        nap()
        closed:close()
        cancelled:cancel()
        nap()
    end
    settle()
    t.same(reports, {}, "awaited, closed, cancelled and fine ones are not")

    do
        local first, second = task.spawn(error, "first", 0), task.spawn(error, "second", 0)
        t.eq(task.select {first, second}, first)
        pcall(first.await, first)
    end
    settle()
    t.eq(#reports, 1, "select alone doesn't see a failure")
    t.eq(reports[1][1], "second")

    reports = {}
    task.spawn(function() error(setmetatable({}, {__tostring = error})) end)
    task.on_unobserved(function() reports[#reports + 1] = true error "the report fails" end)
    settle()
    t.eq(#reports, 1, "a report that fails harms nobody")
end)

spec.test("a failure is reported when it happens, where that is wanted", function(t)
    local reports = {}
    task.on_unobserved(function(e, _, failed) reports[#reports + 1] = {e, failed} end)
    t.defer(task.on_unobserved, function() end)
    local named = task.spawn(error, "early", 0)
    task.report_early(named)
    nap()
    t.eq(#reports, 1)
    t.eq(reports[1][1], "early")
    t.eq(reports[1][2], named)
    t.eq(task.is_observed(named), false)
    pcall(named.await, named)
    t.eq(task.is_observed(named), true)

    local late = task.spawn(error, "late", 0)
    nap()
    t.eq(#reports, 1)
    task.report_early(late)
    task.report_early(late)
    nap()
    t.eq(#reports, 2, "it has failed already")

    local awaited, cancelled = task.spawn(function() nap() error("awaited", 0) end), task.spawn(forever)
    task.report_early(awaited)
    task.report_early(cancelled)
    cancelled:cancel()
    t.eq(select(2, pcall(awaited.await, awaited)), "awaited")
    named, late, awaited, cancelled = nil, nil, nil, nil -- luacheck: ignore 311
    reports[1][2], reports[2][2] = nil, nil
    collectgarbage()
    collectgarbage()
    nap()
    t.eq(#reports, 2, "once, and none that somebody has seen")
end)

spec.test("failures of tasks that are still named are reported at the end", function(t)
    local code = [[
        local task = require "rshell.task"
        kept = task.spawn(function() error "kept" end)
        task.spawn(function() error "dropped" end)
        seen = task.spawn(function() error "seen" end)
        pcall(seen.await, seen)
        task.sleep(0.01)
        task.on_unobserved(function(e) io.stdout:write(e:match "%w+$", "\n") end)
    ]]
    local r = proc.run {argv = {waits.RSHELL, "run", "-e", code}, timeout = 60}
    local words = {}
    for word in r.stdout:gmatch "%w+" do words[#words + 1] = word end
    table.sort(words)
    t.same(words, {"dropped", "kept"}, r.stderr)
end)

-- ---- many ----

spec.test("10,000 tasks", function(t)
    local tasks, sum = {}, 0
    for i = 1, 10000 do
        tasks[i] = task.spawn(function()
            task.sleep(i % 7 / 1000)
            sum = sum + i
            return i
        end)
    end
    for i = 1, 10000 do t.eq(tasks[i]:await(), i) end
    t.eq(sum, 10000 * 10001 // 2)

    local chain = task.spawn(nap)
    for i = 1, 10000 do
        local before = chain
        chain = task.spawn(function()
            before:await()
            return i
        end)
    end
    t.eq(chain:await(), 10000)

    for i = 1, 10000 do tasks[i] = task.spawn(forever) end
    nap()
    for i = 1, 10000 do tasks[i]:cancel() end
    for i = 1, 10000 do t.eq(pcall(tasks[i].await, tasks[i]), false) end
end)

spec.test("a stream that is always ready doesn't starve others", function(t)
    for _, in_place in ipairs {false, true} do
        local p = assert(proc.spawn {argv = {"yes"}})
        local ticks, lines = 0, 0
        local ticker = task.spawn(function()
            while ticks < 20 do
                task.sleep(0)
                ticks = ticks + 1
            end
        end)
        local function read()
            while ticks < 20 and lines < 10000000 do
                p.stdout:read "l"
                lines = lines + 1
            end
        end
        if in_place then table.sort({1, 2}, read) else read() end
        t.eq(ticks, 20)
        t.ok(lines < 10000000)
        ticker:await()
        p:stop()
    end
end)

spec.finish()
