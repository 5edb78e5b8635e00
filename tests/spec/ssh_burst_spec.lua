package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local burst = require "rshell.ssh.burst"
local task = require "rshell.task"

-- Connections that are opened at once read a file once.

task.on_unobserved(function() end)

--- A reader that takes a while, and counts.
local function reader(fails)
    local r = {count = 0}
    function r.read(a, b)
        r.count = r.count + 1
        task.sleep(0.02)
        if fails and r.count <= fails then error("failed " .. r.count, 0) end
        return a, nil, b
    end
    return r
end

local function once(r) return table.pack(burst.once("key", r.read, 1, 3)) end

local function at_once(n, fn)
    local tasks, results = {}, {}
    for i = 1, n do tasks[i] = task.spawn(burst.within, fn) end
    for i, each in ipairs(tasks) do results[i] = {pcall(each.await, each)} end
    return results
end

spec.test("those at once share what one has read", function(t)
    local r = reader()
    local results = at_once(10, function() return once(r) end)
    for i = 1, 10 do t.same(results[i], {true, {1, nil, 3, n = 3}}) end
    t.eq(r.count, 1)
end)

spec.test("one after the other, each reads anew", function(t)
    local r = reader()
    for _ = 1, 3 do burst.within(once, r) end
    t.eq(r.count, 3)
    t.same(once(r), {1, nil, 3, n = 3})
    t.eq(r.count, 4, "and so does who is no part of a burst")
end)

spec.test("an error is of who got it; another one tries again", function(t)
    local r = reader(2)
    local results = at_once(5, function() return once(r) end)
    local failed = 0
    for _, result in ipairs(results) do
        if not result[1] then failed = failed + 1 end
    end
    t.eq(failed, 2)
    t.eq(r.count, 3)
    t.raises("failed 1", burst.within, once, reader(1))
end)

spec.test("one that is cancelled leaves it to the others", function(t)
    local r = reader()
    local first = task.spawn(burst.within, once, r)
    local second = task.spawn(burst.within, once, r)
    task.sleep(0)
    first:cancel()
    t.same(second:await(), {1, nil, 3, n = 3})
    t.eq(r.count, 2)
end)

spec.test("what has changed is read again", function(t)
    local r = reader()
    burst.within(function()
        once(r)
        burst.forget "key"
        once(r)
        once(r)
    end)
    t.eq(r.count, 2)
end)

spec.finish()
