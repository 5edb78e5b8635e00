package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local machines = require "machines"
local m, other = machines.get(), machines.other()
local programs = require "programs"

-- What a task does when it is cancelled, and which of it ends the programs. Each gets a command that tells its pid in a
-- file and then prints lines for ever, slowly.
local WAITS = {
    {name = "output", function(c) return c() end},
    {name = "run", function(c) return c:run() end},
    {name = "text", function(c) return c:text() end},
    {name = "TF", function(c) return c & TF end},
    {name = "TEE", function(c) return c:to "/dev/null" & TEE end},
    {name = "FG", function(c) return c:to "/dev/null" & FG end},
    {name = "popen, wait", function(c) return c:to "/dev/null":popen():wait() end},
    {name = "popen, wait with a time", function(c) return c:to "/dev/null":popen():wait(60) end},
    {name = "popen, communicate", function(c) return c:popen():communicate() end},
    {name = "popen, read in a block that closes it", function(c)
        local p <close> = c:popen()
        return p.stdout:read "a"
    end},
    {name = "lines", function(c)
        for _ in c:lines() do rshell.sleep(0) end
    end},
    {name = "the body of lines", function(c)
        for _ in c:lines() do rshell.sleep(1000) end
    end},
    {name = "iter", function(c)
        for _ in c:iter() do rshell.sleep(0) end
    end},
    {name = "the body of iter", function(c)
        for _ in c:iter() do rshell.sleep(1000) end
    end},
    {name = "BG, wait", function(c) return (c & BG):wait() end},
    {name = "BG, wait with a time", function(c) return (c & BG):wait(60) end},
    {name = "BG, stdout", function(c) return (c & BG).stdout end},
    {name = "to a function", function(c) return c:to(function() end)() end},
    {name = "to a function that waits", function(c) return c:to(function() rshell.sleep(1000) end)() end},
    {name = "from a function that waits", function(c) return c:from(function() rshell.sleep(1000) end)() end},
    {name = "to a file of another machine", function(c) return c:to(other:path "/dev/null")() end},
    {name = "a pipeline", function(c) return (c | m.cat | c)() end},
    {name = "a pipeline across machines", function(c) return (c | other.cat | c)() end},
    {name = "lines across machines", function(c)
        for _ in (c | other.cat | c):lines() do rshell.sleep(0) end
    end},
    {name = "popen across machines", function(c) return (c | other.cat | c):popen():communicate() end},
}

local SCRIPTS = {
    ["that prints"] = "echo $$ >> $1; while :; do echo line; sleep 0.05; done",
    ["that is silent"] = "echo $$ >> $1; exec sleep 1000",
    ["that ignores TERM"] = "trap '' TERM HUP; echo $$ >> $1; sleep 1000; :",
}

for kind, script in pairs(SCRIPTS) do
    spec.table("cancel ends a program " .. kind, WAITS, function(t, c)
        local dir <close> = m:tempdir()
        local pids = dir / "pids"
        local waiting = rshell.spawn(c[1], m:sh(script, pids))
        local n = c.name:find "pipeline" or c.name:find "across" and 2
        local seen = t.ok(programs.pids_in(pids, n and 2 or 1))
        waiting:cancel()
        t.raises("cancelled", waiting.await, waiting)
        for _, pid in ipairs(seen) do t.ok(programs.gone(m, pid)) end
    end)
end

spec.table("rshell.timeout ends what a task waits for", {
    {name = "output", function(c) return c() end},
    {name = "lines", function(c) for _ in c:lines() do rshell.sleep(0) end end},
    {name = "across machines", function(c) return (c | other.cat)() end},
    {name = "to a function", function(c) return c:to(function() end)() end},
}, function(t, c)
    local dir <close> = m:tempdir()
    local pids = dir / "pids"
    pids:touch()
    t.raises("timeout", rshell.timeout, 0.5, c[1], m:sh(SCRIPTS["that is silent"], pids))
    for pid in pids:read():gmatch "%d+" do t.ok(programs.gone(m, tonumber(pid))) end
end)

spec.test("a task that was cancelled before it ran starts nothing", function(t)
    local dir <close> = m:tempdir()
    local waiting = rshell.spawn(m.touch, dir / "f")
    waiting:cancel()
    t.raises("cancelled", waiting.await, waiting)
    t.eq((dir / "f"):exists(), false)
    local f = m.touch[dir / "f"] & BG
    f:close()
    t.raises("cancelled", f.wait, f)
    t.eq((dir / "f"):exists(), false)
end)

spec.test("one of many: the others go on", function(t)
    local dir <close> = m:tempdir()
    local go = dir / "go"
    local tasks = {}
    for i = 1, 10 do
        tasks[i] = rshell.spawn(m:sh('until [ -e "$1" ]; do sleep 0.02; done; echo $2', go, i))
    end
    for i = 1, 10, 2 do tasks[i]:cancel() end
    go:touch()
    for i = 1, 10 do
        if i % 2 == 0 then
            t.eq(tasks[i]:await(), i .. "\n")
        else
            t.raises("cancelled", tasks[i].await, tasks[i])
        end
    end
end)

spec.test("an interrupt ends everything", function(t)
    if machines.kind ~= "local" then t.skip "the other rshell runs here" end
    local dir <close> = m:tempdir()
    local pids = dir / "pids"
    local script = [[
        local c = here:sh("echo $$ >> $1; exec sleep 1000", ...)
        local ignoring = here:sh("trap '' INT TERM HUP; echo $$ >> $1; sleep 1000; :", ...)
        c:popen()
        local f = ignoring & BG
        spawn(function() for _ in c:lines() do end end)
        spawn(function() return (c | require("rshell.here").new("other").cat)() end)
        ignoring()]]
    for _, sig in ipairs {"INT", "TERM", "HUP"} do
        pids:write ""
        local p = m[os.getenv "RSHELL"]:bind("-e", script, pids):popen()
        local seen = t.ok(programs.pids_in(pids, 5))
        m.kill("-" .. sig, p.pid)
        local _, errors = p:communicate()
        t.eq(p.termsig, sig)
        t.eq(errors, "")
        for _, pid in ipairs(seen) do t.ok(programs.gone(m, pid)) end
    end
end)

spec.test("KILL of us ends our programs too", function(t)
    if machines.kind ~= "local" then t.skip "the other rshell runs here" end
    local dir <close> = m:tempdir()
    local pids = dir / "pids"
    local p = m[os.getenv "RSHELL"]:bind("-e", "here:sh('echo $$ >> $1; exec sleep 1000', ...)()", pids):popen()
    local pid = t.ok(programs.pids_in(pids, 1))[1]
    p:kill "KILL"
    p:wait()
    t.ok(programs.gone(m, pid))
end)

spec.finish()
