-- The local machine against C, sh, Lua, Python and plumbum. usage: scripts/bench local

local bench = require "bench"

local rshell_program = os.getenv "RSHELL"
local spawn_program = os.getenv "RSHELL_BENCH_SPAWN"

-- ---- start ----

local function runs(...)
    local c = here.cmd[(...)]:bind(select(2, ...))
    return function() c() end
end

bench.compare("start, wall", 40, {
    {"lua5.4 -e ''", runs("lua5.4", "-e", "")},
    {"rshell -e ''", runs(rshell_program, "-e", "")},
    {"python3 -c pass", runs("/usr/bin/python3", "-c", "pass")},
}, "ms", 1e3)

local function memory(...)
    local c = here.cmd["/usr/bin/time"]:bind("-f", "%M", ...)
    return function()
        local _, _, err = c:run()
        return tonumber(err)
    end
end

bench.compare("start, resident", 3, {
    {"lua5.4 -e ''", memory("lua5.4", "-e", "")},
    {"rshell -e ''", memory(rshell_program, "-e", "")},
    {"python3 -c pass", memory("/usr/bin/python3", "-c", "pass")},
}, "MB", 1 / 1024)

-- ---- processes ----

local N = 500

local function prints_seconds(...)
    local c = here.cmd[(...)]:bind(select(2, ...))
    return function() return tonumber(c:text()) end
end

local OURS = [[
local n, c = tonumber(arg[1]), here["true"]
local before = rshell.now()
for _ = 1, n do c() end
print((rshell.now() - before) / n)]]

local PLUMBUM = [[
import sys, time
from plumbum import local
n, c = int(sys.argv[1]), local["true"]
before = time.monotonic()
for _ in range(n): c()
print((time.monotonic() - before) / n)]]

local cases = {
    {"posix_spawn in C", prints_seconds(spawn_program, N)},
    {"rshell, here['true']()", prints_seconds(rshell_program, "-e", OURS, N)},
}
if here["/usr/bin/python3"]["-c"]["import plumbum"] & TF then
    cases[3] = {"plumbum, local['true']()", prints_seconds("/usr/bin/python3", "-c", PLUMBUM, N // 10)}
end
bench.compare("a process, start to status", 5, cases, "us", 1e6)

-- ---- pipes ----

local GB = tostring(1 << 30)
local head, cat = here.head["-c"][GB]["/dev/zero"], here.cat

bench.compare("1 GB through two stages", 5, {
    {"sh", function() here:sh("head -c " .. GB .. " /dev/zero | cat >/dev/null")() end},
    {"rshell", function() (head | cat:to "/dev/null")() end},
}, "s", 1)

local INTO_MEMORY = [[
local n = #here.head["-c"]["100000000"]["/dev/zero"]:with{max_output = 1 << 30}()
assert(n == 100000000)]]

local PYTHON_MEMORY = [[
import subprocess
assert len(subprocess.run(["head", "-c", "100000000", "/dev/zero"], stdout=subprocess.PIPE).stdout) == 100000000]]

bench.compare("100 MB of output into memory", 5, {
    {"python3 subprocess", runs("/usr/bin/python3", "-c", PYTHON_MEMORY)},
    {"rshell", runs(rshell_program, "-e", INTO_MEMORY)},
}, "ms", 1e3)
