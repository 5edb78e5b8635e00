-- How an agent comes, what makes it impossible, how it goes, and that nothing of it stays.
local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path

local agent = require "agent"
local agents = require "rshell.agents"
local log = require "rshell.log"
local programs = require "programs"
local rshell = require "rshell"
local spec = require "spec"
local task = require "rshell.task"

local here = rshell.here

-- ---- looking for it ----

--- Numbers of processes whose command line has this in it.
local function having(words)
    local pids = {}
    for _, p in ipairs(here:list_processes()) do
        if p.args:find(words, 1, true) then pids[#pids + 1] = p.pid end
    end
    return pids
end

--- What the agent of m is: its number over there.
local function pid_of(m)
    return math.tointeger(tonumber((m:sh "echo $PPID":text())))
end

--- Its guard: the child that isn't a program of ours.
local function guard_of(pid)
    for _, p in ipairs(here:list_processes()) do
        if p.ppid == pid and p.args:find("rshell-guard", 1, true) then return p.pid end
    end
end

local function gone(pid) return programs.gone(here, pid) end

--- A program over there that nobody else has, which doesn't mind TERM.
local count = 0
local function stubborn(m)
    count = count + 1
    local seconds = ("%d.%s"):format(3600 + count, here:path "/proc/self":resolve().name)
    local p = m:sh("trap '' TERM; echo ready; sleep $1; sleep $1", seconds):popen()
    assert(p.stdout:read "l" == "ready")
    return p, "sleep " .. seconds
end

-- ---- it comes ----

spec.test("it starts with the first operation, once for all who come together", function(t)
    local m <close>, connector = agent.machine()
    t.eq(connector.count, 0)
    local tasks = {}
    for i = 1, 5 do tasks[i] = rshell.spawn(function() return m:path("/etc"):is_dir() end) end
    for i = 1, 5 do t.eq(tasks[i]:await(), true) end
    t.eq(connector.count, 1)
    t.eq(m.echo "x", "x\n")
    t.eq(connector.count, 1, "all else goes through it")
    t.eq(m.backend, "agent")
end)

spec.test("no file of it is anywhere once it answers", function(t)
    local m <close> = agent.machine()
    local exe = here:path("/proc", tostring(pid_of(m)), "exe"):readlink()
    t.eq(here:path(t.ok(tostring(exe):match "^(.*) %(deleted%)$")):exists(), false)
end)

spec.test("its umask, its folder and its environment are those of the login", function(t)
    local m <close> = agent.machine("/bin/sh", {noise = "umask 027; cd /usr; export RS_TEST=yes"})
    t.eq(m:sh "umask"(), "0027\n")
    t.eq(tostring(m.cwd), "/usr")
    t.eq(m.env.RS_TEST, "yes")
end)

spec.test("many programs at once, where few files may be open; they have the limit that there was", function(t)
    local m <close> = agent.machine("/bin/sh", {noise = "ulimit -Sn 100"})
    local running = {}
    for i = 1, 100 do running[i] = m.cat:popen() end
    t.eq(m:sh "ulimit -Sn"(), "100\n")
    t.eq(m:sh "ulimit -Sn":with {pty = true}(), "100\r\n")
    for _, p in ipairs(running) do p:close() end
end)

spec.test("what no program can be given is an error of one call, whatever its size", function(t)
    local m <close> = agent.machine()
    local many, env = {}, {}
    for i = 1, 40000 do many[i] = ("y"):rep(100) end
    for i = 1, 40 do env["RS_" .. i] = ("z"):rep(100000) end
    local calls = {
        function() m.echo(many) end, function() m.cmd.env:with {env = env}() end,
        function() m.echo(("x"):rep(5 << 20)) end,
        function() (m.cat | m.echo[many])() end, function() (m.cat | m.cat):with {env = env}() end,
    }
    for _, call in ipairs(calls) do
        local e = t.raises("argument list too long", call)
        t.ok(#tostring(e) < 1000)
    end
    t.eq(m.echo "x", "x\n")
end)

spec.test("what a big call took over there is given back soon", function(t)
    if here:path "/proc/self/maps":read():find "libasan" then t.skip "the address sanitizer keeps what is freed" end
    local m <close> = agent.machine()
    local status = here:path("/proc", tostring(pid_of(m)), "status")
    local function resident() return tonumber(status:read():match "VmRSS:%s*(%d+)") end
    local dir <close> = m:tempdir();
    (dir / "f"):write(("x"):rep(40 << 20))
    t.eq(#(dir / "f"):read(), 40 << 20)
    t.ok(programs.wait_for(function() return resident() < 20000 end), "in KiB")
end)

spec.test("commands leave nothing open, here and over there", function(t)
    local m <close> = agent.machine()
    local pid = pid_of(m)
    local function open()
        return {#here:path("/proc/self/fd"):list(), #here:path("/proc", tostring(pid), "fd"):list()}
    end
    local function at_once(fn)
        local tasks = {}
        for i = 1, 60 do tasks[i] = rshell.spawn(fn, i) end
        for _, one in ipairs(tasks) do one:await() end
    end
    local function all()
        at_once(function(i) t.eq(m.echo(i), i .. "\n") end)
        at_once(function(i) t.eq((m.cat << tostring(i))(), tostring(i)) end)
        at_once(function() t.raises("notfound", m["no-such-program"]) end)
        at_once(function() t.raises("timeout", m.sleep["1000"]:with {timeout = 0.1}) end)
        at_once(function() m.cat:popen():close() end)
        at_once(function() return m.stty["size"]:with {pty = true}() end)
    end
    all()
    local before = open()
    all()
    t.ok(programs.wait_for(function()
        local now = open()
        return now[1] <= before[1] and now[2] <= before[2]
    end))
end)

for _, shell in ipairs {"/bin/bash", "/bin/mksh", "busybox sh", "/bin/dash"} do
    spec.test("login shell: " .. shell, function(t)
        local m <close> = agent.machine(shell, {noise = "echo welcome; echo to this machine >&2"})
        t.eq(m.echo "x", "x\n")
        t.eq(m.backend, "agent")
    end)
end

spec.test("names in a list of processes say what it is", function(t)
    local m <close> = agent.machine()
    local pid = pid_of(m)
    t.match(here.ps:text("-o", "args=", "-p", pid), "^rshell%-agent %S+@%S+$")
    t.ok(programs.wait_for(function() return guard_of(pid) end))
end)

spec.test("the one with glibc, which is embedded where musl is missing", function(t)
    local program = here:path(os.getenv "RSHELL").parent / "src/agent/agent"
    if not program:exists() then t.skip "not in this build" end
    local image = here.gzip["-1"]["-c"][program]()
    local m <close> = agent.machine("/bin/sh", {images = function() return image end})
    t.eq(m.echo "x", "x\n")
    t.eq(m.backend, "agent")
    t.eq(m:path "/etc/passwd":stat().owner, "root")
    local l <close> = m:listen(0)
    local s <close> = m:connect_sock(l.port, "localhost")
    local c <close> = l:accept()
    s:write "over there\n"
    t.eq(c:read "l", "over there")
end)

-- ---- it can't come ----

--- Runs fn and gives the warnings.
local function warnings(fn)
    local texts = {}
    log.sink(function(level, _, text)
        if level == "warning" then texts[#texts + 1] = text end
    end)
    local ok, e = pcall(fn)
    task.sleep(0.01)
    log.sink(nil)
    if not ok then error(e, 0) end
    return texts
end

spec.test("no image for this CPU: the shell serves, and it is said once", function(t)
    local m <close> = agent.machine("/bin/sh", {images = function() end})
    local texts = warnings(function()
        t.eq(m.echo "x", "x\n")
        t.eq(m:path("/etc"):is_dir(), true)
    end)
    t.eq(#texts, 1)
    t.match(texts[1], "no agent there: there is none for Linux")
    t.eq(m.backend, "bare")
end)

spec.test("a shell that says nothing is told as that, and not waited for without an end", function(t)
    local m <close> = agent.machine("/bin/sh", {noise = "exec sleep 4719", seconds = 0.5})
    local e = t.raises("timeout", function() m.echo "x" end)
    t.match(tostring(e), "^agent: its shell did not answer within 0.5 s\n.*start%-up files")
    t.raises("timeout", function() m:path("/etc"):is_dir() end)
end)

spec.test("agent=true makes that an error", function(t)
    local m <close> = agent.machine("/bin/sh", {images = function() end, must = true})
    local e = t.raises("usage", function() m.echo "x" end)
    t.match(e.message, "no agent can run there: there is none for Linux")
end)

spec.test("another CPU than thought: the image for it is sent", function(t)
    local asked = {}
    local m <close> = agent.machine("/bin/sh", {arch = "aarch64", images = function(arch)
        asked[#asked + 1] = arch
        return agents.image(arch) or "not an image"
    end})
    t.eq(m.echo "x", "x\n")
    t.eq(m.backend, "agent")
    t.eq(asked[1], "aarch64")
    t.eq(asked[#asked], here.arch)
end)

spec.table("an image that isn't run, where there is no /proc, leaves nothing", {
    {name = "dash"}, {name = "bash", sh = "/bin/bash"}, {name = "mksh", sh = "/bin/mksh"},
    {name = "busybox", busybox = true},
}, function(t, c)
    if here.user ~= "root" then t.skip "needs root: mounts in a namespace of its own" end
    local dir <close> = here:tempdir()
    local image = (here.cmd.printf["\\177ELFnonsense"] | here.cmd.gzip["-c"])()
    local noise = "mount -t tmpfs none /proc;export XDG_RUNTIME_DIR=" .. dir
    local m <close> = agent.machine("unshare -m " .. (c.sh or "sh"), {
        images = function() return image end, sh = c.sh, busybox = c.busybox, noise = noise,
    })
    local texts = warnings(function() t.eq(m.echo "x", "x\n") end)
    t.match(texts[1], "doesn't run the agent")
    t.eq(m.backend, "bare")
    t.same(dir:list(), {})
end)

spec.test("an image that isn't one: the shell serves", function(t)
    local m <close> = agent.machine("/bin/sh", {images = function() return "this is no gzip file" end})
    local texts = warnings(function() t.eq(m.echo "x", "x\n") end)
    t.match(texts[1], "no room for the agent")
    t.eq(m.backend, "bare")
end)

spec.test("no place in which programs can be run: the shell serves", function(t)
    if here.user ~= "root" then t.skip "needs root: mounts in a namespace of its own" end
    local mounts = "for d in /dev/shm /tmp /var/tmp /root;do mount -t tmpfs -o noexec none $d;done"
    local m <close> = agent.machine("unshare -m sh", {noise = mounts .. ";export HOME=/root XDG_RUNTIME_DIR="})
    local texts = warnings(function() t.eq(m.echo "x", "x\n") end)
    t.match(texts[1], "no folder in which programs can be run")
end)

spec.test("no gzip over there: the program comes as it is", function(t)
    local dir <close> = here:tempdir()
    for _, name in ipairs {"uname", "mkdir", "rm", "chmod", "dd", "cat", "sh", "echo"} do
        (dir / name):symlink(tostring(here:which(name)))
    end
    local m <close>, connector = agent.machine("/bin/sh", {path = tostring(dir)})
    t.eq(m.echo "x", "x\n")
    t.eq(m.backend, "agent")
    t.eq(connector.count, 2)
end)

spec.test("a full folder: the next one is taken", function(t)
    if here.user ~= "root" then t.skip "needs root: mounts in a namespace of its own" end
    local full = "mount -t tmpfs -o size=64k none /dev/shm;export XDG_RUNTIME_DIR="
    local m <close>, connector = agent.machine("unshare -m sh", {noise = full})
    t.eq(m.echo "x", "x\n")
    t.eq(m.backend, "agent")
    t.eq(connector.count, 2)
end)

spec.test("no file may be large, no file system is writable", function(t)
    local m <close> = agent.machine("/bin/sh", {noise = "ulimit -f 10"})
    local texts = warnings(function() t.eq(m.echo "x", "x\n") end)
    t.match(texts[1], "no room")
end)

-- ---- it goes ----

local ENDS = {
    {name = "the machine is closed", function(m) m:close() end},
    {name = "the agent is killed", function(_, pid) here.kill("-9", pid) end},
    {name = "the agent gets TERM", function(_, pid) here.kill("-TERM", pid) end},
    {name = "its guard is killed, and then the agent", function(_, pid, guard)
        here.kill("-9", guard)
        programs.wait_for(function() return guard_of(pid) ~= guard and guard_of(pid) end)
        here.kill("-9", pid)
    end},
    {name = "the agent gets HUP", function(_, pid) here.kill("-HUP", pid) end},
}

spec.table("nothing stays when", ENDS, function(t, case)
    local m <close> = agent.machine()
    local dir = tostring(m:tempdir())
    local pid = pid_of(m)
    local socket = here:path(("/tmp/rst-agent-%d.sock"):format(pid))
    local _, words = stubborn(m)
    local listener = m:listen(tostring(socket))
    local guard = t.ok(programs.wait_for(function() return guard_of(pid) end))
    t.ok(programs.wait_for(function() return #having(words) > 0 end))
    t.ok(listener and socket:exists())
    case[1](m, pid, guard)
    t.ok(gone(pid), "the agent")
    t.ok(gone(guard), "its guard")
    t.ok(programs.wait_for(function() return #having(words) == 0 end), "what it had started")
    t.eq(socket:exists(), false)
    t.eq(here:path(dir):exists(), false)
end)

spec.test("its death fails all who wait, at once, and the next operation starts another", function(t)
    local m <close>, connector = agent.machine()
    local pid = pid_of(m)
    local waiting = {}
    for i = 1, 3 do waiting[i] = rshell.spawn(function() return m.sleep "1000" end) end
    local p = m.sleep["1000"]:popen()
    task.sleep(0.05)
    here.kill("-9", pid)
    for i = 1, 3 do
        local e = t.raises("closed", function() waiting[i]:await(5) end)
        t.match(e.message, "killed by KILL")
    end
    t.raises("closed", function() p:wait(5) end)
    t.eq(m.closed, false)
    t.eq(m.echo "again", "again\n")
    t.ne(pid_of(m), pid)
    t.eq(connector.count, 2)
end)

spec.test("what start-up files have said is not taken for its last words", function(t)
    local m <close> = agent.machine("/bin/sh", {noise = "echo welcome >&2"})
    local waiting = rshell.spawn(function() return m.sleep "1000" end)
    here.kill("-9", pid_of(m))
    local e = t.raises("closed", function() waiting:await(20) end)
    t.match(e.message, "killed by KILL")
end)

spec.test("streams go on by themselves, not with the next heartbeat", function(t)
    local m <close> = agent.machine(nil, {keepalive = 120})
    rshell.timeout(60, function()
        for _ = 1, 3 do
            local p <close> = m.head["-c"]["100000000"]["/dev/zero"]:popen()
            local n = 0
            for block in function() return p.stdout:read(1 << 20) end do n = n + #block end
            t.eq(n, 100000000)
        end
    end)
end)

spec.test("what was left open closes after its machine, without harm", function(t)
    local m = agent.machine()
    local s, l = m:session(), m:listen(0)
    local things = {s, l, m:tunnel(0, 22), m.cat:popen(), m:connect_sock(l.port), m:path "/etc/passwd":open()}
    s:run "true"
    m:close()
    for _, thing in ipairs(things) do thing:close() end
    t.raises("closed", function() s:run "true" end)
    t.raises("closed", function() m.echo "x" end)
end)

spec.test("what is to outlive it does", function(t)
    local m = agent.machine()
    local pid = m.sleep["1000"] & NOHUP
    local own = pid_of(m)
    m:close()
    t.ok(gone(own))
    t.ok(programs.alive(here, pid))
    here.kill(pid)
end)

spec.finish()
