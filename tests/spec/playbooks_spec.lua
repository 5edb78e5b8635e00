-- The playbooks that need machines, over real servers.

local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path

local rshell = require "rshell"
local spec = require "spec"

local here = rshell.here
local bed <close> = require "bed".new()
local dir <close> = here:tempdir()
local shared = bed.tmp / "shared"
local config = dir / "config"
local SECONDS = 30 -- against hangs only

local entries = {}
for i = 1, 3 do
    entries[i] = ("Host web%d\n  HostKeyAlias [127.0.0.1]:%d\n  HostName 127.0.0.1\n  Port %d\n  User %s\n"
        .. "  IdentityFile %s\n  UserKnownHostsFile %s\n")
        :format(i, bed.port, bed.port, bed.user, bed.key, bed.known_hosts)
end
config:write(table.concat(entries), {mode = "600"})
shared:mkdir {mode = "755"}

local function playbook(name, ...)
    return here[os.getenv "RSHELL"]:bind("run", folder .. "../../playbooks/" .. name, ...)
end

spec.test("logs: a filter that is shipped", function(t)
    local log = shared / "log"
    local lines = {}
    for i = 1, 500 do lines[i] = ("%d %s\n"):format(i, i % 100 == 0 and "error: a disk is full" or "all is well") end
    log:write(table.concat(lines), {mode = "644"})
    local said = tostring(playbook("logs.lua", "web[1-3]", log, "error", config)())
    for i = 1, 3 do t.match(said, ("web%d: 5 of 500 lines\n  100 error: a disk is full\n"):format(i)) end
    t.eq(said:find "well", nil)
    local p = playbook("logs.lua", "web1", log .. ".none", "error", config):popen()
    p:wait(SECONDS)
    t.match(p.stderr:read "a", "web1: can't .-log.none")
end)

spec.test("follow: an object that is held, and calls back", function(t)
    local file = shared / "followed"
    file:write("first\nsecond\n", {mode = "644"})
    local p = playbook("follow.lua", "web1", file, 4, config):popen()
    t.eq(p.stdout:read "l", "web1:1: first")
    t.eq(p.stdout:read "l", "web1:2: second")
    file:append "thi"
    rshell.sleep(0.1)
    file:append "rd\nfourth\n"
    t.eq(p.stdout:read "l", "web1:3: third")
    t.eq(p.stdout:read "l", "web1:4: fourth")
    t.eq(p.stdout:read "l", "4 lines, and the file is closed")
    t.eq(p:wait(SECONDS), 0)
end)

spec.test("mapreduce: words of a cluster", function(t)
    (shared / "a.txt"):write("one two two\nthree Three three\n", {mode = "644"})
    ;(shared / "b.txt"):write("two\n", {mode = "644"})
    local said = tostring(playbook("mapreduce.lua", "web[1-3]", shared, config)())
    t.match(said, "^%s+9 three\n%s+9 two\n%s+3 one")
end)

spec.finish()
