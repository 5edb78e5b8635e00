-- What an agent over SSH leaves behind when its connection ends in a bad way, at every step of its start and while all
-- kinds of things are under way: nothing over there, and an error for everybody who waits here.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path

local agents = require "rshell.agents"
local beds = require "bed"
local busy = require "busy"
local leftovers = require "leftovers"
local log = require "rshell.log"
local programs = require "programs"
local proxy = require "proxy"
local rshell = require "rshell"
local spec = require "spec"

local here, ssh = rshell.here, rshell.ssh

if here.id["-u"]:text() ~= "0" then
    print "1..0 # SKIP needs root, for accounts"
    return
end

local LATEST = 30 -- seconds, for machines that are slow
local BUSY = 20 -- files, processes and sockets of ours that are there when all is under way
local HEARTBEAT = 0.5 -- seconds, where a link is silent; twice as long where what works was taken for dead
local TRIES = 4
local LANES = 4 -- that work at once: each has an account and a link of its own

local bed <close> = beds.new()
local folder <close> = here:tempdir()

local function new_lane(i)
    local lane = {link = proxy.new(bed.port), here = (folder / ("lane" .. i)):mkdir()}
    lane.user, lane.home = bed:add_account()
    lane.who = {user = lane.user, home = lane.home}
    proxy.trust(bed, lane.link)
    return lane
end

local lanes = {}
for i = 1, LANES do lanes[i] = new_lane(i) end

-- ---- a machine that will break ----

--- In this process. Without a heartbeat of its own it is busy as long as it likes.
local function open(lane, heartbeat)
    local opts = bed:options {user = lane.user, port = lane.link.port, keepalive = heartbeat}
    opts.agent = nil
    return ssh("127.0.0.1", opts)
end

-- In another one, which says when it does what it shall do, and then waits.
local CHILD = [[
    package.path = arg[7] .. ";" .. package.path
    local m = ssh("127.0.0.1", {user = arg[1], port = math.tointeger(arg[2]), keyfile = arg[3], known_hosts = arg[4],
        config = false})
    local kept = ""
    if arg[5] == "" then
        m.echo "x"
    else
        kept = require "busy".start(m, arg[5], here:path(arg[6])).kept
        sleep(0.5)
    end
    print(kept)
    io.flush()
    sleep(1000)]]

local function child(lane, dir)
    return here[os.getenv "RSHELL"]["-e"][CHILD][{
        lane.user, lane.link.port, bed.key, bed.known_hosts, dir or "", lane.here, package.path,
    }]:err_to "/dev/null":popen()
end

-- ---- ways to break it ----

local function pkill(lane, how, pattern)
    here.pkill:bind("-KILL", "-u", lane.user, how, pattern):with {retcode = "any"}()
end

--- What does it: act(lane, p), where p is the process that another rshell is; after(lane) once all has been seen.
local RSHELL_KILLED = {"rshell is killed", other = true, act = function(_, p) p:kill "KILL" end}
local SESSION_KILLED = {"the server's session is killed", act = function(lane) pkill(lane, "-x", "sshd") end}
local CUT = {"the link is cut", act = function(lane) lane.link:cut() end}

local function guards(lane)
    return tonumber(here.cmd.pgrep:bind("-c", "-u", lane.user, "-x", "rshell-guard"):with {retcode = "any"}())
end

-- Each has a successor, but that of a context in a loop.
local GUARDS_KILLED = {
    "the guards are killed, and the link is cut", act = function(lane)
        local n = guards(lane)
        pkill(lane, "-x", "rshell-guard")
        programs.wait_for(function() return guards(lane) >= n - 1 end)
        lane.link:cut()
    end,
}
local SILENT = {
    "the link is silent", heartbeat = HEARTBEAT, act = function(lane)
        lane.silent = true -- the server's own session waits as long as it likes
        lane.link:freeze()
    end,
    after = function(lane)
        lane.silent = nil
        lane.link:thaw()
    end,
}

--- What is killed over there may start again, or be replaced by the shell: nobody needs to fail.
local START_KILLED = {
    "what runs over there is killed", spared = true,
    act = function(lane) pkill(lane, "-x", "sh|dd|gzip|rshell-agent") end,
}
-- The next operation starts another one.
local AGENT_KILLED = {
    "the agent is killed", restarts = true, act = function(lane) pkill(lane, "-x", "rshell-agent") end,
}

-- ---- every step of its start ----

--- Bytes each way: once it is connected, and once the first answer has come.
local function measure(lane)
    lane.link:reset()
    local m <close> = open(lane)
    lane.link:settle()
    local before = lane.link:stat()
    m.echo "x"
    lane.link:settle()
    local after = lane.link:stat()
    return {up = before.up, down = before.down, up_all = after.up, down_all = after.down}
end

local IMAGE = #agents.image(here.arch)

-- n are the sizes that measure gives. The image comes after the exec, and before less than 1 KB of messages.
local STEPS = {
    {"before the exec", "up", function(n) return n.up + 1 end, ways = {RSHELL_KILLED, SESSION_KILLED, CUT}},
    {"in the exec", "up", function(n) return n.up + 600 end, ways = {SESSION_KILLED, CUT}},
    {"where the image begins", "up", function(n) return n.up_all - IMAGE - IMAGE // 600 - 1000 end, clean = true},
    {"early in the image", "up", function(n) return n.up_all - IMAGE * 9 // 10 end, clean = true},
    {"late in the image", "up", function(n) return n.up_all - IMAGE // 10 end, clean = true},
    {"where the image ends", "up", function(n) return n.up_all - 1000 end, clean = true},
    {"before its HELLO comes", "down", function(n) return n.down + 150 end, clean = true},
    {"before its answer comes", "down", function(n) return n.down_all - 80 end, clean = true},
    {"after its answer", clean = true},
}

--- Where the answer has come in fewer packets than when it was measured, all has.
local function reached(lane, direction, bytes, answer)
    return programs.wait_for(function() return lane.link:stat()[direction] >= bytes or answer.done end)
end

--- Does it, and sees how long all that is not to be ignored takes to go.
local function break_it(lane, way, p, before, ignore)
    local start = rshell.now()
    way.act(lane, p)
    return rshell.spawn(leftovers.gone, lane.who, before, ignore, start)
end

--- One step, one way: what was seen.
local function break_start(lane, step, way)
    local seen, before = {}, leftovers.list(lane.who)
    local direction, at = step[2], step[2] and step[3](lane.sizes)
    lane.link:reset()
    lane.link:after(direction, at, "freeze")
    local p = way.other and child(lane)
    local m = not p and open(lane)
    local waiter = m and rshell.spawn(m.echo, "x")
    local answer = waiter or rshell.spawn(function() return p.stdout:read "l" end)
    if direction then
        seen.reached = reached(lane, direction, at, answer)
        rshell.sleep(0.05) -- until what has come is read over there
    else
        seen.reached = answer:await(LATEST)
    end
    seen.files = step.clean and leftovers.files(lane.who, before) or {}
    local going = break_it(lane, way, p, before)
    lane.link:after(nil)
    lane.link:thaw()
    if waiter then seen.ok, seen.value = pcall(waiter.await, waiter, LATEST) end
    if way.spared then m:close() end
    seen.gone, seen.left = going:await()
    if p then
        pcall(answer.await, answer, LATEST)
        p:close()
    end
    if m then m:close() end
    return seen
end

-- ---- while all kinds of things are under way ----

--- What the account wants to keep: its files, and the program that is to outlive us.
local function wanted(lane, dir, kept)
    return function(line)
        local _, stop = line:find(dir, 1, true)
        if stop then return not line:find("rshell-", stop, true) and not line:find("socket$", stop) end
        return line:find(("^process %%S+ +%d "):format(kept)) or lane.silent and line:find "sshd:"
    end
end

--- The tasks that have ended, and how.
local function ends_of(tasks, seconds)
    local ends = {}
    for name, t in pairs(tasks) do
        local ok, e = pcall(t.await, t, seconds)
        if t.done then ends[name] = ok and "ended" or e end
    end
    return ends
end

local function break_work(lane, way, heartbeat)
    local dir = lane.home .. "/data"
    here.install("-d", "-o", lane.user, dir)
    local seen, before = {}, leftovers.list(lane.who)
    local p, m, work = way.other and child(lane, dir), nil, {tasks = {}}
    if p then
        work.kept = assert(p.stdout:read "l")
    else
        m = open(lane, heartbeat)
        work = busy.start(m, dir, lane.here)
    end
    local last = rshell.now() + LATEST
    repeat
        rshell.sleep(0.2)
        seen.busy = #leftovers.since(lane.who, before)
    until seen.busy > BUSY or rshell.now() > last
    seen.early = ends_of(work.tasks, 0)
    work.stopped = way.restarts
    local going = break_it(lane, way, p, before, wanted(lane, dir, work.kept))
    seen.ends = ends_of(work.tasks, LATEST)
    if way.restarts then m:close() end
    seen.gone, seen.left = going:await()
    seen.kept = programs.alive(here, work.kept)
    here.kill(work.kept)
    seen.whole = busy.whole(here:path(dir))
    if m then m:close() end
    if way.after then way.after(lane) end
    if p then p:close() end
    here.rm("-rf", dir)
    return seen
end

--- Whether something that worked was taken for dead.
local function was_hasty(ran, seen)
    if not ran then return tostring(seen):find "no heartbeat" ~= nil end
    for _, e in pairs(seen.early) do
        if tostring(e):find "no heartbeat" then return true end
    end
    return false
end

--- The same, with heartbeats that this machine has the time for.
local function break_silently(lane, way)
    local heartbeat, ran, seen = way.heartbeat, nil, nil
    for _ = 1, TRIES do
        ran, seen = pcall(break_work, lane, way, heartbeat)
        if not was_hasty(ran, seen) then break end
        heartbeat = 2 * heartbeat
    end
    if not ran then error(seen, 0) end
    return seen
end

-- ---- a shell that is killed before its image comes ----

local STARTS = 20
local STALE = "/dev/shm/.rshell-rs0123456789abcdef"

--- While starts are made, every shell is killed as soon as it is seen. Then there is one more.
local function kill_shells(lane)
    local before, seen = leftovers.list(lane.who), {}
    local killer = here:sh("while :; do pkill -KILL -u $1 -x sh; done", lane.user):popen()
    for _ = 1, STARTS do
        local m <close> = open(lane)
        pcall(rshell.timeout, LATEST, m.echo, "x")
    end
    killer:close()
    here.install("-o", lane.user, "/dev/null", STALE)
    local m <close> = open(lane)
    seen.value, seen.backend = m.echo "x", m.backend
    seen.files = leftovers.files(lane.who, before)
    m:close()
    seen.gone, seen.left = leftovers.gone(lane.who, before)
    here.rm("-f", STALE)
    return seen
end

-- ---- all of it ----

local jobs, starts, works = {}, {}, {}

local function add(list, name, run, ...)
    local job = {name = name, run = run, args = {...}}
    job.way = job.args[#job.args]
    list[#list + 1], jobs[#jobs + 1] = job, job
end

local shells = {}
add(shells, "shells", kill_shells)
for _, way in ipairs {RSHELL_KILLED, SESSION_KILLED, AGENT_KILLED, GUARDS_KILLED, CUT, SILENT} do
    add(works, way[1], way.heartbeat and break_silently or break_work, way)
end
for _, step in ipairs(STEPS) do
    for _, way in ipairs(step.ways or {RSHELL_KILLED, SESSION_KILLED, START_KILLED, CUT}) do
        add(starts, ("%s %s"):format(way[1], step[1]), break_start, step, way)
    end
end

--- Each lane takes the next one that nobody has.
local function run_jobs(lane)
    lane.sizes = measure(lane)
    while #jobs > 0 do
        local job = table.remove(jobs, 1)
        job.ran, job.seen = pcall(rshell.timeout, TRIES * LATEST, job.run, lane, table.unpack(job.args))
    end
end

log.sink(function() end)
rshell.parallel(lanes, run_jobs)
log.sink(nil)

local slowest = 0

local function is_clean(t, seen)
    t.ok(seen.gone, seen.left)
    slowest = math.max(slowest, seen.gone)
end

--- An error that says what has happened, and where.
local function tells(e)
    return type(e) == "table" and e.kind == "closed" and e.host == "127.0.0.1"
        and (e.message:find "^the connection to the agent is gone: ." or e.message:find "^the connection was lost: .")
end

spec.table("nothing stays while it starts, and who waits is told, when", starts, function(t, c)
    local seen = c.seen
    if not c.ran then error(seen, 0) end
    t.ok(seen.reached, "it came so far")
    t.same(seen.files, {})
    is_clean(t, seen)
    if c.way.other or not c.args[1][2] then return end
    if not seen.ok then return t.ok(tells(seen.value), tostring(seen.value)) end
    -- What had come out before it broke may still arrive.
    t.ok(c.way.spared or c.args[1][2] == "down")
    t.eq(seen.value, "x\n")
end)

spec.table("nothing stays of what is under way, and who waits is told, when", works, function(t, c)
    local seen = c.seen
    if not c.ran then error(seen, 0) end
    t.same(seen.early, {})
    t.ok(seen.busy > BUSY, seen.busy)
    t.ok(seen.kept, "what is to outlive us")
    t.ok(seen.whole, "what was being written is old or new")
    is_clean(t, seen)
    local others = {}
    for name, e in pairs(seen.ends) do
        if not tells(e) and not (c.way.restarts and e == "ended") then others[name] = tostring(e) end
    end
    t.same(others, {})
end)

spec.test("what a shell leaves that is killed as it begins goes with the next start", function(t)
    local seen = shells[1].seen
    if not shells[1].ran then error(seen, 0) end
    t.eq(seen.value, "x\n")
    t.eq(seen.backend, "agent")
    t.same(seen.files, {})
    is_clean(t, seen)
end)

print(("# the last to go took %.2f s"):format(slowest))
spec.finish()
