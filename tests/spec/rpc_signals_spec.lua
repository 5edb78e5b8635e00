-- A connection whose process is told again and again to look at its link, as it is when a call of it is cancelled. That
-- comes at any instruction: amid code of ours nothing else may run, or what somebody is about to wait for has happened
-- before it waits.

local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path

local agent = require "agent"
local rshell = require "rshell"
local spec = require "spec"

local m = agent.machine()

spec.table("where others may run amid code that doesn't wait", {
    {name = "in the user's", chunk = "@mine.lua", runs = true},
    {name = "not in that of calls", chunk = "@rshell/shared/some.lua", runs = false},
    {name = "not in that of the agent", chunk = "@agent/some.lua", runs = false},
}, function(t, c)
    local conn <close> = m:connect()
    conn.namespace.pid = conn.pid
    conn:execute [==[
        looping = [[
            local env = ...
            env.proc.kill(env.pid, "URG")
            local seen = false
            for _ = 1, 10 do seen = seen or env.ran or math.type(1) == nil end
            return seen
        ]]
    ]==]
    local first = conn:async(function(chunk)
        _ENV.ran = false
        local seen, n = load(_ENV.looping, chunk)(_ENV), 0
        while not _ENV.ran and n < 1e8 do n = n + 1 end
        return seen, _ENV.ran
    end, c.chunk)
    local second = conn:async(function() _ENV.ran = true end)
    t.same({first:await()}, {c.runs, true})
    second:await()
end)

--- Does fn while processes are nudged all the time.
local function nudged(conn, fn)
    local nudger <close> = rshell.here:sh("while kill -URG $1; do :; done", tostring(conn.pid)):popen()
    fn()
    nudger:kill(9)
end

spec.test("callbacks in each other", function(t)
    local conn <close> = m:connect()
    local function back(depth)
        if depth == 0 then return 1 end
        return conn:call(function(f, d) return f(d - 1) + 1 end, back, depth)
    end
    nudged(conn, function()
        for _ = 1, 600 do t.eq(rshell.timeout(60, back, 4), 5) end
    end)
end)

spec.test("a batch, a queue of its own, and calls from several tasks", function(t)
    local conn <close> = m:connect()
    local function work()
        for _ = 1, 40 do
            t.eq(conn:batch(function(b)
                local x = b:eval "1"
                for _ = 1, 5 do x = b:call(function(v) return v + 1 end, x) end
                return x
            end), 6)
            t.eq(conn:call(function(f) return f(2) end, function(x) return x + 1 end), 3)
        end
    end
    nudged(conn, function()
        local tasks = {}
        for i = 1, 4 do tasks[i] = rshell.spawn(work) end
        for _, one in ipairs(tasks) do one:await(60) end
    end)
end)

m:close()
spec.finish()
