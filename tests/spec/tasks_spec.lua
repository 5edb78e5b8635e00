-- Tasks as scripts see them: spawn, sleep, select, timeout, and parallel.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local rshell = require "rshell"
local tasks = require "rshell.tasks"
local err = require "rshell.shared.error"

local parallel, sleep = tasks.parallel, tasks.sleep

spec.test("parallel: results in order", function(t)
    local r, errors = parallel({3, 1, 2}, function(x, i)
        sleep(x / 100)
        return x * 10 + i, "the first value only"
    end)
    t.same(r, {31, 12, 23, n = 3})
    t.same(errors, {})
end)

spec.test("parallel: at once", function(t)
    local list, before = {}, rshell.now()
    for i = 1, 200 do list[i] = i end
    t.eq(parallel(list, function(x)
        sleep(0.1)
        return x
    end)[200], 200)
    t.ok(rshell.now() - before < 5)
end)

spec.test("parallel: errors as values", function(t)
    local r, errors = parallel({1, 2, 3, 4}, function(x)
        if x == 2 then error("string", 0) end
        if x == 3 then err.raise {kind = "io", message = "object"} end
        return x
    end)
    t.same({r[1], r[2], r[4]}, {1, "string", 4})
    t.eq(r[3].kind, "io")
    t.match(r[3].traceback, "tasks_spec%.lua")
    t.eq(errors[2], "string")
    t.eq(errors[3], r[3])
    t.same({errors[1], errors[4]}, {})
end)

spec.test("parallel: nothing, nils and an error that is nil", function(t)
    t.same({parallel({}, error)}, {{n = 0}, {}})
    local r, errors = parallel({1, 2}, function(x) if x == 2 then error() end end)
    t.same(r, {n = 2})
    t.match(errors[2], "nil")
end)

spec.test("parallel: limit", function(t)
    local now, most, list = 0, 0, {}
    for i = 1, 30 do list[i] = i end
    local r = parallel(list, function(x)
        now = now + 1
        most = math.max(most, now)
        sleep(0.005)
        now = now - 1
        return x
    end, {limit = 4})
    t.eq(most, 4)
    t.eq(#r, 30)
    local order = {}
    parallel({1, 2, 3}, function(x)
        order[#order + 1] = x
        sleep(0.001)
        order[#order + 1] = -x
    end, {limit = 1})
    t.same(order, {1, -1, 2, -2, 3, -3})
end)

spec.test("parallel: stop_on_error", function(t)
    local ran = {}
    local r, errors = parallel({1, 2, 3, 4, 5}, function(x)
        ran[#ran + 1] = x
        sleep(0.01)
        if x == 2 then error("wrong", 0) end
        return x
    end, {limit = 2, stop_on_error = true})
    t.same(ran, {1, 2})
    t.eq(r[1], 1)
    t.eq(r[2], "wrong")
    for i = 3, 5 do
        t.eq(r[i].kind, "cancelled")
        t.eq(errors[i], r[i])
    end
end)

spec.test("parallel: a cancel of the caller cancels all", function(t)
    local closed, started = 0, 0
    local caller = tasks.spawn(parallel, {1, 2, 3}, function()
        local _ <close> = setmetatable({}, {__close = function() closed = closed + 1 end})
        started = started + 1
        sleep(60)
    end)
    sleep(0.01)
    t.eq(started, 3)
    caller:close()
    t.eq(closed, 3)
end)

spec.test("parallel: a timeout ends all", function(t)
    local closed = 0
    t.raises("timeout", tasks.timeout, 0.05, parallel, {1, 2}, function()
        local _ <close> = setmetatable({}, {__close = function() closed = closed + 1 end})
        sleep(60)
    end)
    t.eq(closed, 2)
end)

spec.test("parallel: a timeout inside is a value", function(t)
    local r = parallel({0.01, 0}, function(x)
        if x > 0 then tasks.timeout(x, sleep, 60) end
        return "done"
    end)
    t.eq(r[1].kind, "timeout")
    t.eq(r[2], "done")
end)

spec.test("parallel: within parallel", function(t)
    local r = parallel({1, 2, 3}, function(x)
        local inner = parallel({1, 2, 3}, function(y)
            sleep(0.001)
            return x * y
        end, {limit = 2})
        return inner[1] + inner[2] + inner[3]
    end)
    t.same(r, {6, 12, 18, n = 3})
end)

spec.test("parallel: scopes of one item are no other's", function(t)
    local here = rshell.here
    local before = tostring(here.cwd)
    local r = parallel({"/", "/tmp"}, function(dir)
        local _ = here.cwd(dir)
        sleep(0.01)
        return tostring(here.cwd)
    end, {limit = 1})
    t.same(r, {"/", "/tmp", n = 2})
    t.eq(tostring(here.cwd), before)
end)

spec.test("parallel: misuse", function(t)
    t.raises("usage", parallel, nil, print)
    t.raises("usage", parallel, {1}, nil)
    t.raises("usage", parallel, {1}, print, {limit = 0})
    t.raises("usage", parallel, {1}, print, {limit = 1.5})
    t.match(tostring(t.raises("usage", parallel, {1}, print, {limt = 2})), "did you mean 'limit'")
end)

spec.test("spawn, select, timeout, now", function(t)
    t.eq(tasks.spawn(function(...) return select("#", ...) end, nil, nil):await(), 2)
    t.eq(tasks.spawn(setmetatable({}, {__call = function(_, x) return x end}), 5):await(), 5)
    local waits = tasks.spawn(tasks.sleep, 0)
    for _, seconds in ipairs {-1, 0 / 0, "x", {}} do
        t.match(t.raises("usage", waits.await, waits, seconds).message, "await: a number of seconds expected")
    end
    waits:await(math.huge)
    local slow, quick = tasks.spawn(sleep, 60), tasks.spawn(sleep, 0.001)
    local first, i = tasks.select {slow, quick}
    t.eq(first, quick)
    t.eq(i, 2)
    t.raises("timeout", tasks.select, {slow}, 0.01)
    slow:close()
    t.raises("timeout", tasks.timeout, 0.01, sleep, 60)
    t.eq(tasks.timeout(5, function(x) return x end, 7), 7)
    local before = tasks.now()
    sleep(0.01)
    t.ok(tasks.now() > before)
end)

spec.test("misuse", function(t)
    t.raises("usage", tasks.spawn)
    t.raises("usage", tasks.spawn, 5)
    t.raises("usage", tasks.sleep)
    t.raises("usage", tasks.sleep, "1")
    t.raises("usage", tasks.sleep, -1)
    t.raises("usage", tasks.sleep, 0 / 0)
    t.raises("usage", tasks.timeout, 1)
    t.raises("usage", tasks.timeout, -1, print)
    t.raises("usage", tasks.timeout, "1", print)
    t.raises("usage", tasks.select, {})
    t.raises("usage", tasks.select, {1})
    t.raises("usage", tasks.select, {tasks.spawn(print)}, "x")
end)

-- ---- what holds them together ----

spec.test("waiting where nothing can yield lasts as long as the wait", function(t)
    local _ <close> = rshell.here.sleep:bind(5):popen()
    local before = rshell.now()
    table.sort({1, 2}, function(a, b)
        tasks.spawn(function() end):await()
        return a < b
    end)
    t.ok(rshell.now() - before < 1, "it waited for the process too")
end)

spec.test("a cancelled task that catches everything holds up nobody", function(t)
    local stubborn = tasks.spawn(function()
        while true do pcall(sleep, 60) end
    end)
    local nested = tasks.spawn(function()
        while true do
            coroutine.wrap(function() pcall(sleep, 60) end)()
        end
    end)
    local loop = tasks.spawn(function()
        pcall(sleep, 60)
        while true do pcall(function() while true do end end) end
    end)
    sleep(0.01)
    stubborn:close()
    nested:close()
    loop:close()
    t.same({stubborn.done, nested.done, loop.done}, {true, true, true})
end)

spec.test("a timeout ends a loop that catches everything", function(t)
    t.raises("timeout", tasks.timeout, 0.02, function()
        while true do pcall(sleep, 60) end
    end)
    local n = 0
    for i = 1, 3000000 do n = i end
    t.eq(n, 3000000)
end)

spec.finish()
