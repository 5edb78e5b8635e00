package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local waits = require "waits"
local task = require "rshell.task"
local proc = require "rshell.sys.proc"
local FOREVER, nap, forever = waits.FOREVER, waits.nap, waits.forever
local promptly, is_kind, with = waits.promptly, waits.is_kind, waits.with

-- Some tests make failures on purpose.
task.on_unobserved(function() end)

-- ---- tasks ----

spec.test("a task's results and errors", function(t)
    local a = task.spawn(function(...) return ... end, 1, nil, "x", nil)
    t.eq(a.done, false)
    t.same(table.pack(a:await()), {1, nil, "x", nil, n = 4})
    t.same(table.pack(a:await()), {1, nil, "x", nil, n = 4}, "again")
    t.eq(a.done, true)
    t.eq(a.status, "done")
    t.same(table.pack(task.spawn(function() end):await()), {n = 0})

    local value = {}
    for _, e in ipairs {value, "text", 7, false} do
        local b = task.spawn(error, e, 0)
        t.same({pcall(b.await, b)}, {false, e})
        t.same({pcall(b.await, b)}, {false, e}, "again")
        t.eq(b.status, "failed")
        t.eq(b.failed, true)
    end
    t.raises("bad argument #1", task.spawn, nil)
    t.eq(task.spawn(setmetatable({}, {__call = function(_, v) return v + 1 end}), 1):await(), 2)
end)

spec.test("the traceback of a failure names where it happened", function(t)
    local function culprit() error("oops") end
    local a = task.spawn(function() nap() culprit() end)
    t.eq(pcall(a.await, a), false)
    t.match(a.traceback, "culprit")
    local b = task.spawn(function() forever() end)
    nap()
    b:cancel()
    local _, e = pcall(b.await, b)
    t.match(is_kind(t, e, "cancelled").traceback, "forever")
end)

spec.test("tasks run in the order in which they became ready", function(t)
    local seen = {}
    local tasks = {}
    for i = 1, 5 do
        tasks[i] = task.spawn(function()
            seen[#seen + 1] = i
            task.sleep(0)
            seen[#seen + 1] = i * 10
        end)
    end
    t.same(seen, {}, "none runs before the next turn")
    for _, a in ipairs(tasks) do a:await() end
    t.same(seen, {1, 2, 3, 4, 5, 10, 20, 30, 40, 50})
end)

spec.test("sleeps end in order, and not early", function(t)
    local seen, tasks, start = {}, {}, task.now()
    for i, ms in ipairs {60, 20, 40, 1} do
        tasks[i] = task.spawn(function()
            task.sleep(ms / 1000)
            t.ok(task.now() - start >= ms / 1000)
            seen[#seen + 1] = ms
        end)
    end
    for _, a in ipairs(tasks) do a:await() end
    t.same(seen, {1, 20, 40, 60})
    t.raises("a time of 0 or more", task.sleep, -1)
    t.raises("a time of 0 or more", task.sleep, 0 / 0)
    t.raises("number expected", task.sleep)
end)

spec.test("locals are copied into tasks that are started", function(t)
    task.locals().x = {1}
    local a = task.spawn(function()
        local seen = task.locals().x
        task.locals().x = 2
        task.locals().y = 3
        return seen
    end)
    t.eq(a:await(), task.locals().x)
    t.same(task.locals(), {x = {1}})
    t.eq(task.spawn(function() return task.current() end):await() == task.current(), false)
    task.locals().x = nil
end)

spec.test("select gives the first that is done", function(t)
    local slow, quick = task.spawn(forever), task.spawn(nap)
    local which, index = task.select {slow, quick}
    t.eq(which, quick)
    t.eq(index, 2)
    t.same({task.select {slow, quick}}, {quick, 2}, "one that is done already")
    t.eq(is_kind(t, select(2, pcall(task.select, {slow}, 0.01)), "timeout").kind, "timeout")
    t.raises("at least one task", task.select, {})
    t.raises("an array of tasks", task.select, {quick, 1, slow})
    t.raises("an array of tasks", task.select, {slow, 1})
    t.eq(slow.done, false)
    slow:close()
end)

spec.test("await with a timeout leaves the task running", function(t)
    local a = task.spawn(function() task.sleep(0.05) return "late" end)
    is_kind(t, select(2, pcall(a.await, a, 0.001)), "timeout")
    t.eq(a.done, false)
    t.eq(a:await(60), "late")
end)

spec.test("events wake all who wait", function(t)
    local e, woken = task.event(), 0
    local tasks = {}
    for i = 1, 3 do
        tasks[i] = task.spawn(function()
            t.eq(e:wait(), true)
            woken = woken + 1
        end)
    end
    nap()
    e:notify()
    for _, a in ipairs(tasks) do a:await() end
    t.eq(woken, 3)
    t.eq(e:wait(0.001), false)
end)

-- ---- waits where Lua can't yield ----

local PLACES = {
    {"table.sort", function(wait)
        local list = {3, 1, 2}
        table.sort(list, function(a, b) wait() return a < b end)
        return table.concat(list, " ")
    end, "1 2 3"},
    {"string.gsub", function(wait)
        return (("abc"):gsub(".", function(c) wait() return c:upper() end))
    end, "ABC"},
    {"string.gsub with a table", function(wait)
        return (("ab"):gsub(".", with("__index", function(_, k) wait() return k .. k end)))
    end, "aabb"},
    {"tostring", function(wait)
        return tostring(with("__tostring", function() wait() return "text" end))
    end, "text"},
    {"string.format", function(wait)
        return ("<%s>"):format(with("__tostring", function() wait() return "text" end))
    end, "<text>"},
    {"ipairs", function(wait)
        local sum = 0
        for _, v in ipairs(with("__index", function(_, i) wait() return i < 4 and i or nil end)) do sum = sum + v end
        return sum
    end, 6},
    {"table.concat", function(wait)
        local list = setmetatable({}, {
            __len = function() wait() return 3 end,
            __index = function(_, i) wait() return tostring(i) end,
        })
        return table.concat(list, "-")
    end, "1-2-3"},
    {"table.unpack", function(wait)
        return select("#", table.unpack(with("__index", function() wait() return 1 end), 1, 3))
    end, 3},
    {"table.insert", function(wait)
        local log = {}
        local list = setmetatable({}, {
            __len = function() wait() return 4 end,
            __newindex = function(_, k, v) wait() log[#log + 1] = k .. "=" .. v end,
        })
        table.insert(list, "x")
        return log[1]
    end, "5=x"},
    {"load", function(wait)
        local parts = {"return ", "4", "2", nil}
        local i = 0
        return load(function() wait() i = i + 1 return parts[i] end)()
    end, 42},
    {"require", function(wait)
        package.preload["task_spec.inner"] = function(name) wait() return {name = name} end
        local m = require "task_spec.inner"
        package.loaded["task_spec.inner"], package.preload["task_spec.inner"] = nil, nil
        return m.name
    end, "task_spec.inner"},
    {"a message handler", function(wait)
        return select(2, xpcall(error, function(e) wait() return e .. "!" end, "oops", 0))
    end, "oops!"},
    {"pcall", function(wait)
        local ok, e = pcall(function() wait() error("oops", 0) end)
        return tostring(ok) .. e
    end, "falseoops"},
    {"xpcall", function(wait)
        return select(2, xpcall(function(v) wait() return v end, error, 5))
    end, 5},
    {"__index", function(wait) return with("__index", function(_, k) wait() return k end).key end, "key"},
    {"__newindex", function(wait)
        local got
        with("__newindex", function(_, _, v) wait() got = v end).key = 8
        return got
    end, 8},
    {"__add", function(wait) return with("__add", function(_, v) wait() return v end) + 3 end, 3},
    {"__unm", function(wait) return -with("__unm", function() wait() return 9 end) end, 9},
    {"__eq", function(wait)
        local eq = function() wait() return true end
        return with("__eq", eq) == with("__eq", eq)
    end, true},
    {"__lt", function(wait) return with("__lt", function() wait() return true end) < {} end, true},
    {"__le", function(wait) return with("__le", function() wait() return false end) <= {} end, false},
    {"__concat", function(wait)
        return "a" .. "b" .. with("__concat", function(a) wait() return a .. "c" end)
    end, "abc"},
    {"__len", function(wait) return #with("__len", function() wait() return 11 end) end, 11},
    {"__call", function(wait) return with("__call", function(_, v) wait() return v end)(12) end, 12},
    {"__pairs", function(wait)
        local key
        for k in pairs(with("__pairs", function() wait() return next, {x = 1} end)) do key = k end
        return key
    end, "x"},
    {"an iterator", function(wait)
        local sum = 0
        for i in function(_, i) wait() i = (i or 0) + 1 return i < 4 and i or nil end do sum = sum + i end
        return sum
    end, 6},
    {"__close at the end of a block", function(wait)
        local log = {}
        do
            local _ <close> = with("__close", function() wait() log[#log + 1] = "a" end)
            local _ <close> = with("__close", function() wait() log[#log + 1] = "b" end)
            log[#log + 1] = "block"
        end
        return table.concat(log, " ")
    end, "block b a"},
    {"__close at a return", function(wait)
        local function f()
            local _ <close> = with("__close", function() wait() end)
            return 1, 2, 3
        end
        return select("#", f())
    end, 3},
    {"__close at an error", function(wait)
        local seen
        local ok, e = pcall(function()
            local _ <close> = with("__close", function(_, e) wait() seen = e end)
            error("oops", 0)
        end)
        return tostring(ok) .. e .. seen
    end, "falseoopsoops"},
    {"__close at a break", function(wait)
        local n = 0
        for i = 1, 3 do
            local _ <close> = with("__close", function() wait() n = n + i end)
            if i == 2 then break end
        end
        return n
    end, 3},
    {"__close of a loop", function(wait)
        local closed = 0
        for i in next, {1, 2}, nil, with("__close", function() wait() closed = closed + 1 end) do
            if i == 1 then break end
        end
        return closed
    end, 1},
    {"coroutine.close", function(wait)
        local seen
        local co = coroutine.create(function()
            local _ <close> = with("__close", function() wait() seen = "closed" end)
            coroutine.yield()
        end)
        coroutine.resume(co)
        return tostring(coroutine.close(co)) .. seen
    end, "trueclosed"},
    {"coroutine.close after an error in a closer", function(wait)
        local co = coroutine.create(function()
            local _ <close> = with("__close", function() wait() error("oops", 0) end)
            coroutine.yield()
        end)
        coroutine.resume(co)
        local ok, e = coroutine.close(co)
        return tostring(ok) .. e
    end, "falseoops"},
    {"a coroutine", function(wait)
        local co = coroutine.wrap(function(a)
            wait()
            local b = coroutine.yield(a + 1)
            wait()
            return b * 2
        end)
        return co(1) + co(10)
    end, 22},
    {"a wrap inside sort inside a coroutine", function(wait)
        local outer = coroutine.wrap(function()
            local list = {2, 3, 1}
            table.sort(list, function(a, b)
                local less = coroutine.wrap(function()
                    wait()
                    coroutine.yield(a < b)
                    wait()
                    return "end"
                end)
                local answer = less()
                assert(less() == "end")
                return answer
            end)
            coroutine.yield(table.concat(list))
            return "over"
        end)
        return outer() .. outer()
    end, "123over"},
    {"sort inside gsub inside tostring", function(wait)
        return tostring(with("__tostring", function()
            return (("21 43"):gsub("%d+", function(pair)
                local list = {pair:byte(1, -1)}
                table.sort(list, function(a, b) wait() return a < b end)
                return string.char(table.unpack(list))
            end))
        end))
    end, "12 34"},
}

spec.table("a wait inside", PLACES, function(t, case)
    local ticks, stop = 0, false
    local ticker = task.spawn(function()
        while not stop do
            ticks = ticks + 1
            task.sleep(0)
        end
    end)
    local function wait()
        local before = ticks
        while ticks < before + 2 do nap() end -- others run meanwhile
    end
    t.eq(case[2](wait), case[3])
    t.eq(task.spawn(case[2], wait):await(), case[3], "in a task")
    t.eq(coroutine.wrap(case[2])(wait), case[3], "in a coroutine")
    t.ok(ticks > 0)
    stop = true
    ticker:await()
end)

spec.test("a wait in place ends when what it waits for does, not at the next event", function(t)
    local other = task.spawn(forever)
    promptly(t, table.sort, {2, 1}, function(a, b)
        task.spawn(function() return 1 end):await()
        return a < b
    end)
    t.eq(other.done, false)
    other:close()
end)

spec.test("nested waits end last in, first out", function(t)
    local log, first, second = {}, task.event(), task.event()
    local function in_place(name, event, before)
        table.sort({1, 2}, function(a, b)
            log[#log + 1] = name .. " begins"
            before()
            t.eq(event:wait(30), true)
            log[#log + 1] = name .. " ends"
            return a < b
        end)
    end
    local outer, inner
    outer = task.spawn(in_place, "outer", first, function()
        inner = task.spawn(in_place, "inner", second, function()
            task.spawn(function()
                first:notify() -- the outer one could go on now
                task.sleep(0.02)
                log[#log + 1] = "between"
                second:notify()
            end)
        end)
    end)
    outer:await()
    inner:await()
    t.same(log, {"outer begins", "inner begins", "between", "inner ends", "outer ends"})
end)

spec.test("a finaliser can't wait, and is told so", function(t)
    local seen
    local function probe()
        seen = table.pack(pcall(task.sleep, 0.01))
    end
    setmetatable({}, {__gc = probe})
    collectgarbage()
    t.eq(seen[1], false)
    t.match(is_kind(t, seen[2], "usage").message, "finali")

    seen = nil
    setmetatable({}, {__gc = function() coroutine.wrap(probe)() end})
    collectgarbage()
    t.eq(seen[1], false, "in a coroutine of a finaliser")
    t.match(is_kind(t, seen[2], "usage").message, "finali")

    seen = nil
    setmetatable({}, {__gc = function() task.spawn(function() seen = "started" end) end})
    collectgarbage()
    nap()
    nap()
    t.eq(seen, "started", "but it may start a task")
end)

spec.test("100 waits in place can be nested, more are an error", function(t)
    local waiting, deepest, errors, open, done = 0, 0, {}, task.event(), false
    local function dive()
        table.sort({1, 2}, function(a, b)
            if not done then task.spawn(dive) end
            waiting = waiting + 1
            while not done do
                local ok, e = pcall(open.wait, open, 60)
                if ok then break end
                errors[#errors + 1] = e
                deepest = waiting - 1
                done = true
                open:notify()
            end
            waiting = waiting - 1
            return a < b
        end)
    end
    task.spawn(dive):await()
    t.eq(deepest, 100)
    t.eq(#errors, 1)
    t.match(is_kind(t, errors[1], "usage").message, "100")
    t.eq(waiting, 0)
    nap()
end)

spec.test("deep C stacks in nested waits are an error, not a crash", function(t)
    local errors, open, done, dives = 0, task.event(), false, 0
    local function dive()
        dives = dives + 1
        local function deeper(n)
            if n > 0 then return (("x"):gsub("x", function() return deeper(n - 1) end)) end
            task.spawn(dive)
            while not done do
                local ok, e = pcall(open.wait, open, 60)
                if not ok then
                    is_kind(t, e, "usage")
                    errors = errors + 1
                    done = true
                    open:notify()
                end
            end
        end
        deeper(150)
    end
    task.spawn(dive):await()
    t.eq(errors, 1)
    nap()
end)

spec.test("a long operation in place takes no C stack for each of its waits", function(t)
    local p = assert(proc.spawn {argv = {"sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done"}})
    local out
    table.sort({1, 2}, function(a, b)
        out = out or p.stdout:read "a"
        return a < b
    end)
    local last = 0
    for n in out:gmatch "%d+" do last = last + 1 t.eq(n, tostring(last - 1)) end
    t.eq(last, 20000)
    p:wait()
end)

-- ---- user coroutines ----

spec.test("coroutines nested five deep, their own yields between the waits", function(t)
    local function level(n)
        return coroutine.wrap(function(...)
            local got = ...
            nap()
            if n == 1 then
                for i = 1, 3 do
                    nap()
                    got = coroutine.yield(got .. i)
                    nap()
                end
                return "end"
            end
            local inner = level(n - 1)
            local v = inner(got)
            while v ~= "end" do
                nap()
                got = coroutine.yield(v .. n)
                nap()
                v = inner(got)
            end
            return "end"
        end)
    end
    for _ = 1, 2 do
        local top = level(5)
        t.eq(top "a", "a12345")
        t.eq(top "b", "b22345")
        t.eq(top "c", "c32345")
        t.eq(top "d", "end")
        t.raises("cannot resume dead coroutine", top)
    end
end)

spec.test("coroutine.* say what plain Lua says", function(t)
    local function report(co)
        return coroutine.status(co), coroutine.isyieldable(co)
    end
    local main, is_main = coroutine.running()
    t.eq(is_main, true)
    t.same({report(main)}, {"running", false})
    t.same({pcall(coroutine.yield)}, {false, "attempt to yield from outside a coroutine"})
    t.same({coroutine.resume(main)}, {false, "cannot resume non-suspended coroutine"})
    t.raises("cannot close a running coroutine", coroutine.close, main)

    local outer, inner
    inner = coroutine.create(function(...)
        t.same({report(inner)}, {"running", true})
        t.same({report(outer)}, {"normal", true})
        t.eq(coroutine.status(main), "normal")
        t.same({coroutine.running()}, {inner, false})
        t.same({coroutine.resume(outer)}, {false, "cannot resume non-suspended coroutine"})
        t.raises("cannot close a normal coroutine", coroutine.close, outer)
        t.raises("cannot close a running coroutine", coroutine.close, inner)
        t.same(table.pack(...), {1, nil, 3, nil, n = 4})
        nap()
        t.same({report(inner)}, {"running", true})
        t.same(table.pack(coroutine.yield(nil, 2, nil)), {"b", nil, n = 2})
        table.sort({1, 2}, function(a, b)
            t.eq(coroutine.isyieldable(), false)
            t.match(select(2, pcall(coroutine.yield)), "attempt to yield across a C%-call boundary")
            return a < b
        end)
        error {"an error"}
    end)
    outer = coroutine.create(function()
        t.same(table.pack(coroutine.resume(inner, 1, nil, 3, nil)), {true, nil, 2, nil, n = 4})
        t.same({report(inner)}, {"suspended", true})
        t.same({coroutine.resume(inner, "b", nil)}, {false, {"an error"}})
        t.same({report(inner)}, {"dead", true})
        t.same({coroutine.resume(inner)}, {false, "cannot resume dead coroutine"})
        t.same({coroutine.close(inner)}, {false, {"an error"}})
        t.same({coroutine.close(inner)}, {true})
        return "end"
    end)
    t.same({report(outer)}, {"suspended", true})
    t.same({coroutine.resume(outer)}, {true, "end"})
    t.eq(coroutine.status(outer), "dead")
    t.eq(coroutine.close(outer), true)
    t.raises("coroutine expected", coroutine.resume, 1)
    t.raises("function expected", coroutine.create, 1)
    t.eq(select("#", coroutine.resume(coroutine.create(function() end))), 1)
end)

spec.test("errors pass through wrap with their position", function(t)
    local function thrower() nap() error("oops") end
    local function caller() return (coroutine.wrap(thrower)()) end
    t.match(select(2, pcall(caller)), "task_spec.lua:%d+: .*task_spec.lua:%d+: oops$")
    local value = setmetatable({}, {})
    t.eq(select(2, pcall(coroutine.wrap(function() nap() error(value) end))), value)
    local closed
    local co = coroutine.wrap(function()
        local _ <close> = with("__close", function() nap() closed = true end)
        nap()
        error(value)
    end)
    t.eq(select(2, pcall(co)), value)
    t.eq(closed, true)
end)

spec.test("a coroutine that waits can be resumed by its own task only", function(t)
    local co = coroutine.create(function() task.sleep(0.05) return "own" end)
    local owner = task.spawn(function() return coroutine.resume(co) end)
    nap()
    t.eq(coroutine.status(co), "normal")
    t.same({coroutine.resume(co)}, {false, "cannot resume a coroutine that waits"})
    t.raises("cannot close a normal coroutine", coroutine.close, co)
    local wrapped = coroutine.wrap(function() task.sleep(0.05) return "own" end)
    local other = task.spawn(wrapped)
    nap()
    t.raises("cannot resume a coroutine that waits", wrapped)
    t.same({owner:await()}, {true, "own"})
    t.eq(other:await(), "own")
end)

spec.test("a coroutine may go from task to task between its waits", function(t)
    local co = coroutine.wrap(function()
        for i = 1, 3 do
            nap()
            coroutine.yield(i)
        end
    end)
    t.eq(co(), 1)
    t.eq(task.spawn(co):await(), 2)
    t.eq(co(), 3)
end)

spec.test("coroutines that are dropped amid a wait's task leave nothing", function(t)
    for _ = 1, 100 do
        local gen = coroutine.wrap(function()
            while true do
                nap()
                coroutine.yield()
            end
        end)
        gen()
    end
    collectgarbage()
    nap()
    t.ok(true)
end)

-- ---- waits that can never end ----

spec.test("a task that awaits itself", function(t)
    local a
    a = task.spawn(function() return pcall(a.await, a) end)
    local ok, e = a:await()
    t.eq(ok, false)
    is_kind(t, e, "usage")
    a = task.spawn(function() return pcall(a.await, a, FOREVER) end)
    is_kind(t, select(2, promptly(t, a.await, a)), "usage")
    a = task.spawn(function() return pcall(task.select, {a}) end)
    is_kind(t, select(2, a:await()), "usage")
end)

-- In each some task gets the error, the others its result; a ticker runs, so that something could always happen.
local DEADLOCKS = {
    {"two that await each other", function()
        local a, b
        a = task.spawn(function() return b:await() end)
        b = task.spawn(function() return a:await() end)
        return a
    end},
    {"a circle of ten", function()
        local ring = {}
        for i = 1, 10 do ring[i] = task.spawn(function() return ring[i % 10 + 1]:await() end) end
        return ring[5]
    end},
    {"a circle through select", function()
        local a, b, c
        a = task.spawn(function() return task.select({b, c}):await() end)
        b = task.spawn(function() return a:await() end)
        c = task.spawn(function() return a:await() end)
        return a
    end},
    {"a circle through coroutines", function()
        local a, b
        a = task.spawn(function() return coroutine.wrap(function() return b:await() end)() end)
        b = task.spawn(function() return coroutine.wrap(function() return a:await() end)() end)
        return b
    end},
    {"a task that is suspended below, in place", function()
        local a
        a = task.spawn(function()
            table.sort({1, 2}, function(x, y)
                local inner = task.spawn(function()
                    table.sort({1, 2}, function() return a:await() end)
                end)
                inner:await()
                return x < y
            end)
        end)
        return a
    end},
    {"a task that is suspended below, while that sleeps", function()
        local a, inner
        a = task.spawn(function()
            table.sort({1, 2}, function(x, y)
                inner = inner or task.spawn(function()
                    table.sort({1, 2}, function() return a:await() end)
                end)
                task.sleep(0.02)
                return x < y
            end)
            return inner:await()
        end)
        return a
    end},
    {"a task suspended below, through a third that yields", function()
        local a
        a = task.spawn(function()
            table.sort({1, 2}, function(x, y)
                local third = task.spawn(function() return a:await() end)
                local inner = task.spawn(function()
                    table.sort({1, 2}, function() return third:await() end)
                end)
                inner:await()
                return x < y
            end)
        end)
        return a
    end},
    {"a task suspended below, with select", function()
        local a
        a = task.spawn(function()
            table.sort({1, 2}, function(x, y)
                local inner = task.spawn(function()
                    table.sort({1, 2}, function() return task.select {a} end)
                end)
                inner:await()
                return x < y
            end)
        end)
        return a
    end},
    {"a task suspended below, from a coroutine inside sort", function()
        local a
        a = task.spawn(function()
            table.sort({1, 2}, function(x, y)
                local inner = task.spawn(function()
                    table.sort({1, 2}, coroutine.wrap(function() return a:await() end))
                end)
                inner:await()
                return x < y
            end)
        end)
        return a
    end},
    {"a wait in place for a task that awaits the waiter", function()
        local a, b
        a = task.spawn(function()
            table.sort({1, 2}, function() return b:await() end)
        end)
        b = task.spawn(function() return a:await() end)
        return b
    end},
}

spec.table("never ends", DEADLOCKS, function(t, case)
    local stop = false
    local ticker = task.spawn(function() while not stop do nap() end end)
    local a = case[2]()
    local ok, e = promptly(t, pcall, a.await, a, 60)
    stop = true
    ticker:await()
    t.eq(ok, false)
    t.match(is_kind(t, e, "usage").message, "never end")
end)

spec.test("what could still end is no deadlock", function(t)
    -- One of them has a time limit.
    local a, b
    a = task.spawn(function()
        is_kind(t, select(2, pcall(b.await, b, 0.02)), "timeout")
        return "a"
    end)
    b = task.spawn(function() return a:await() end)
    t.eq(b:await(), "a")
    b = task.spawn(function() return a:await() end)
    a = task.spawn(function()
        nap()
        is_kind(t, select(2, pcall(task.timeout, 0.02, b.await, b)), "timeout")
        return "a"
    end)
    t.eq(b:await(), "a")
    -- It is cancelled.
    a = task.spawn(function()
        nap()
        b:close()
        return b.failed
    end)
    b = task.spawn(function() a:await() end)
    t.eq(a:await(), true)
    -- One of several ends.
    local c = task.spawn(nap)
    a = task.spawn(function() return (task.select {b, c}) end)
    b = task.spawn(function() a:await() end)
    t.eq(a:await(), c)
    b:await()
    -- The one below waits for something else; the one above isn't on the C stack.
    a = task.spawn(function()
        table.sort({1, 2}, function(x, y)
            b = b or task.spawn(function() return a:await() end)
            nap()
            return x < y
        end)
        return "sorted"
    end)
    t.eq(a:await(), "sorted")
end)

spec.test("nothing left that could end a wait", function(t)
    local code = [[
        local task = require "rshell.task"
        local e = task.event()
        local ok, err = pcall(e.wait, e)
        assert(not ok and err.kind == "usage", tostring(err))
        ok, err = pcall(table.sort, {1, 2}, function() e:wait() end)
        assert(not ok and err.kind == "usage", tostring(err))
        local a = task.spawn(e.wait, e)
        ok, err = pcall(a.await, a)
        assert(not ok and err.kind == "usage", tostring(err))
        print "over"
    ]]
    local r = proc.run {argv = {waits.RSHELL, "run", "-e", code}, timeout = 60}
    t.eq(r.stdout, "over\n", r.stderr)
    t.same(r.exits, {{code = 0}}, r.stderr)
end)

spec.test("sleeping for ever is no deadlock", function(t)
    for _, seconds in ipairs {math.huge, 1e9, 1e300} do
        local a = task.spawn(task.sleep, seconds)
        nap()
        t.eq(a.done, false)
        a:close()
    end
end)

spec.finish()
