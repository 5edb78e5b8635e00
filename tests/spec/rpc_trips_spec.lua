-- How many round trips connections take. Exact, see tests/tools/proxy.c.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local proxy = require "proxy"
local spec = require "spec"
local here, ssh = require "rshell".here, require "rshell".ssh
local task = require "rshell.task"

local DELAY = 0.04

local bed <close> = require "bed".new()
local link <close> = proxy.new(bed.port, {delay = DELAY})
proxy.trust(bed, link)

local m <close> = ssh("127.0.0.1", bed:options {port = link.port, agent = true})
m["true"]()
local server = m:deploy()
local conn = server:connect()
conn:execute [[
    numbers = setmetatable({}, {__index = {up = function(self) return self end}})
    for i = 1, 10000 do numbers[i] = i end
    function twice(n) return 2 * n end
    function same(x) return x end
    function fails() error "as it should" end
    print ""
]]
local over = conn.namespace
local numbers, twice, same, fails = over.numbers, over.twice, over.same, over.fails
conn:stdio {stdout = function() end}

-- A module with five others, two levels deep.
local dir <close> = here:tempdir()
for i = 1, 3 do (dir / ("dep%d.lua"):format(i)):write("return " .. i) end
;(dir / "dep4.lua"):write "return require('dep1') + require('dep2')"
;(dir / "dep5.lua"):write "return require('dep3') + require('dep4')"
package.path = tostring(dir) .. "/?.lua;" .. package.path

local count = 0

--- A module of that kind that was never imported before.
local function fresh_module()
    count = count + 1
    local name = "top" .. count
    local file = dir / (name .. ".lua")
    file:write "return {sum = require('dep5') + require('dep4')}"
    return name
end

local function costs(t, n, fn)
    local got = link:trips(fn, n)
    t.ok(got <= n, ("%d round trips, not %d"):format(got, n))
end

spec.table("one round trip:", {
    {"a connection", function() server:connect() end},
    {"a call", function() conn:call(function(n) return n + 1 end, 1) end},
    {"a call of a proxy", function() twice(2) end},
    {"a method", function() numbers:up() end},
    {"a field", function() return numbers[5] end},
    {"an assignment", function() conn.namespace.x = {1, 2, {3}} end},
    {"eval", function() conn:eval "1, 2, 3" end},
    {"a call that prints", function() conn:execute "print 'x' io.write 'y' io.stderr:write 'z'" end},
    {"a call that fails", function() pcall(fails) end},
    {"a ping", function() conn:ping() end},
    {"a copy", function() conn:copy(numbers) end},
    {"100 calls at once", function()
        local tasks = {}
        for i = 1, 100 do tasks[i] = task.spawn(twice, i) end
        for i, each in ipairs(tasks) do assert(each:await() == 2 * i) end
    end},
    {"100 futures", function()
        local futures = {}
        for i = 1, 100 do futures[i] = conn:async(function(n) return 2 * n end, i) end
        for i, each in ipairs(futures) do assert(each:await() == 2 * i) end
    end},
    {"a batch of 20 calls, each with the result of the one before", function()
        local n = conn:batch(function(b)
            local x = b:call(function() return 0 end)
            for _ = 1, 20 do x = b:call(function(v) return v + 1 end, x) end
            return x
        end)
        assert(n == 20)
    end},
}, function(t, c)
    c[2]() -- what is asked once only
    costs(t, 1, c[2])
end)

spec.test("a callback is one more", function(t)
    conn:execute "function back(f) return f(1) + 1 end"
    local back = conn.namespace.back
    local function double(n) return 2 * n end
    costs(t, 2, function() assert(back(double) == 3) end)
    costs(t, 1, function() same(double) end)
end)

spec.test("10,000 items are at most 11", function(t)
    costs(t, 11, function()
        local sum = 0
        for _, v in ipairs(numbers) do sum = sum + v end
        assert(sum == 50005000)
    end)
end)

spec.test("a module and the five that it requires are at most 2", function(t)
    costs(t, 2, function()
        local c = server:connect()
        link:settle()
        link:reset()
        assert(c.modules[fresh_module()].sum == 9)
    end)
end)

spec.test("a link that is cut fails all who wait, with why", function(t)
    local other = server:connect()
    local nap = conn:execute "return function() sleep(60) end"
    local tasks = {
        task.spawn(conn.execute, conn, "sleep(60)"), task.spawn(nap),
        task.spawn(other.call, other, function(f) f() end, nap),
    }
    task.sleep(3 * DELAY)
    link:cut()
    for i, each in ipairs(tasks) do
        local ok, e = pcall(each.await, each, 30)
        t.same({ok, e.kind}, {false, "closed"}, "task " .. i)
        t.match(e.message, "reset")
    end
    t.same({conn.closed, other.closed, server.closed}, {true, true, true})
end)

server:close()
spec.finish()
