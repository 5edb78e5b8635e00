-- CPU time of small operations over an agent: in our process, in the agent and in the process of a connection of RPC.
-- It says more than wall time on a machine that others use too: what is printed is the best of many rounds.
-- usage: scripts/bench calls [ROUNDS]

package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local bed <close> = require("bed").new {shell = "/bin/bash"}
local rshell = require "rshell"

local ROUNDS = tonumber(arg[1] or 20)
local CIPHER = "aes128-gcm@openssh.com"

local m <close> = rshell.ssh("127.0.0.1", bed:options {agent = true, ciphers = CIPHER})
local raw <close> = rshell.ssh("127.0.0.1", bed:options {ciphers = CIPHER})
local cat <close> = raw.cat:popen()
local conn = m:connect()
conn:execute "function nothing() end"
local path, program, nothing = m:path "/etc/passwd", m["true"], conn.namespace.nothing
local later, echo = rshell.async(nothing), ("x"):rep(130)

local function many(start)
    return function(n)
        local list = {}
        for i = 1, n do list[i] = start() end
        for i = 1, n do list[i]:await() end
    end
end

local function each(fn)
    return function(n)
        for _ = 1, n do fn() end
    end
end

local CASES = {
    {"raw echo of a stat's bytes", 500, each(function()
        cat.stdin:write(echo)
        cat.stdout:read {exact = #echo}
    end)},
    {"p:stat()", 500, each(function() path:stat() end)},
    {"an empty call", 500, each(function() nothing() end)},
    {"running true", 100, each(function() program() end)},
    {"stats in flight", 1000, many(function() return rshell.spawn(path.stat, path) end)},
    {"calls in flight", 1000, many(later)},
    {"tasks that do nothing", 1000, many(function() return rshell.spawn(function() end) end)},
}

--- Seconds that a process has run, all its threads together; it lives in this machine's /proc.
local function cpu_of(pid)
    local total = 0
    for _, thread in ipairs(here:path(("/proc/%d/task"):format(pid)):list()) do
        total = total + tonumber((thread / "schedstat"):read():match "^%d+")
    end
    return total / 1e9
end

local agent = math.tointeger(tonumber(here:path(("/proc/%d/status"):format(conn.pid)):read():match "PPid:%s*(%d+)"))
local CLOCKS = {os.clock, function() return cpu_of(agent) end, function() return cpu_of(conn.pid) end}

print(("%-30s %10s %10s %10s"):format("us each", "here", "agent", "connection"))
for _, case in ipairs(CASES) do
    local name, n, run = case[1], case[2], case[3]
    local best = {math.huge, math.huge, math.huge}
    run(n)
    for _ = 1, ROUNDS do
        collectgarbage()
        local before = {CLOCKS[3](), CLOCKS[2](), CLOCKS[1]()}
        run(n)
        for i, clock in ipairs(CLOCKS) do best[i] = math.min(best[i], (clock() - before[4 - i]) / n * 1e6) end
    end
    print(("%-30s %10.1f %10.1f %10.1f"):format(name, table.unpack(best)))
end
