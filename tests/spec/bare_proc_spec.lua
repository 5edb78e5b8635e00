package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local bare = require "bare"
local programs = require "programs"
local task = require "rshell.task"
local here = require "rshell".here
local sys = require "rshell.sys.proc"
local shell = require "rshell.bare.shell"

-- What is special to processes and questions over sh: round trips, trailers, ways to kill, the watcher. That they
-- behave as everywhere else is for the other specs, with RSHELL_SPEC_MACHINE=bare.

local SHELLS = {{name = "sh", "/bin/sh"}, {name = "busybox", "ash", {busybox = true}}}
for _, name in ipairs {"bash", "mksh"} do
    if here:sh("command -v $1 >/dev/null", name):run() == 0 then
        local path = tostring(here:which(name))
        SHELLS[#SHELLS + 1] = {name = name, path, {sh = path}}
    end
end

--- A module over a shell, and its connector.
local function new(name, login, opts)
    local connector = bare.connector(login or "/bin/sh", opts)
    return require("rshell.bare." .. name).new(shell.new(connector)), connector
end

-- ---- the same answers as here ----

local CASES = {
    {name = "argv", {argv = {"printf", "<%s>", "", " a ", "-n", "\\", "$x", "\n", "'", "\xff\1"}}},
    {name = "input", {argv = {"cat"}, input = programs.ALL_BYTES:rep(500)}},
    {name = "stderr and a code", {argv = {"sh", "-c", "echo e >&2; echo o; exit 7"}}},
    {name = "both in one", {argv = {"sh", "-c", "echo e >&2; echo o"}, stderr = "out"}},
    {name = "null", {argv = {"sh", "-c", "echo e >&2; echo o; cat"}, stdout = "null"}},
    {name = "a signal", {argv = {"sh", "-c", "kill -USR1 $$"}}},
    {name = "env", {argv = {"sh", "-c", 'echo "$A|${B-unset}|$C"'}, env = {A = "a\n'b", B = false, C = ""}}},
    {name = "odd names", {argv = {"env"}, env = {["A.b"] = "x", PATH = "/usr/bin:/bin"}, pick = "A%.b=x\n"}},
    {name = "names of shells", {argv = {"env"}, env = {SHLVL = "7", PS1 = "p", UID = "5"}, pick = "UID=5\n"}},
    {name = "no PATH", {argv = {"sh", "-c", "echo x"}, env = {PATH = false}}},
    {name = "cwd, umask", {argv = {"sh", "-c", "pwd; umask"}, cwd = "/", umask = 63}},
    {name = "another name", {argv = {"no_such", "x"}, other = "echo"}},
    {name = "a pipeline", {stages = {{argv = {"printf", "b\na\n"}}, {argv = {"sort"}}, {argv = {"cat"}}}}},
    {name = "codes", {stages = {{argv = {"sh", "-c", "exit 3"}}, {argv = {"false"}}, {argv = {"true"}}}}},
    {name = "input of a pipeline", {stages = {{argv = {"cat"}}, {argv = {"wc", "-c"}}}, input = ("x"):rep(200000)}},
    {name = "stderr of stages", {stages = {{argv = {"sh", "-c", "echo e >&2"}}, {argv = {"cat"}}}}},
    {name = "no program", {argv = {"no-such-program"}}},
    {name = "no program in a folder", {argv = {"/no/such"}}},
    {name = "not below a file", {argv = {"/etc/passwd/x"}}},
    {name = "no permission", {argv = {"/etc/passwd"}}},
    {name = "a folder", {argv = {"/etc"}}},
    {name = "no cwd", {argv = {"true"}, cwd = "/no/such"}},
    {name = "a file as cwd", {argv = {"true"}, cwd = "/etc/passwd"}},
    {name = "no file to read", {argv = {"cat"}, stdin = {path = "/no/such"}}},
    {name = "no folder to write in", {argv = {"true"}, stdout = {path = "/no/such"}}},
    {name = "a folder to write", {argv = {"true"}, stderr = {path = "/etc"}}},
    {name = "the second stage", {stages = {{argv = {"sleep", "100"}}, {argv = {"no-such-program"}}}}},
    {name = "too long", {argv = {"true", ("x"):rep(200000)}}},
    {name = "nobody", {argv = {"true"}, user = "no-such-user"}},
    {name = "max_output", {argv = {"printf", "123456"}, max_output = 3}, loose = true},
}

for _, on in ipairs(SHELLS) do
    local proc, connector = new("proc", on[1], on[2])
    spec.table("run as here, " .. on.name, CASES, function(t, c)
        local before = connector.count
        local want, got = {sys.run(c[1])}, {proc.run(c[1])}
        if c.loose then want[1].exits, got[1].exits = nil, nil end
        if c[1].pick then
            t.match(got[1].stdout, c[1].pick)
        else
            t.same(got, want)
        end
        if got[1] and not got[1].reason then t.eq(connector.count - before, 1, "round trips") end
    end)
end

spec.test("files", function(t)
    local proc = new "proc"
    local dir <close> = here:tempdir()
    local f = tostring(dir / "it's a file")
    t.ok(proc.run {argv = {"echo", "1"}, stdout = {path = f}, umask = 23})
    t.eq((dir / "it's a file"):stat().mode, 416)
    t.ok(proc.run {stages = {{argv = {"echo", "2"}}, {argv = {"cat"}, stdout = {path = f, append = true}}}})
    t.eq(t.ok(proc.run {argv = {"cat"}, stdin = {path = f}}).stdout, "1\n2\n")
    t.ok(proc.run {argv = {"true"}, stdout = {path = f}})
    t.eq((dir / "it's a file"):read(), "")
end)

spec.test("what sh would run as a script of its own, and interpreters that aren't there", function(t)
    local proc = new "proc"
    local dir <close> = here:tempdir()
    local wanted = {
        ["echo hello\n"] = {"ENOEXEC", "exec"}, [""] = {"ENOEXEC", "exec"},
        ["#!/no/such -x\n"] = {"ENOENT", "interpreter"},
    }
    for text, want in pairs(wanted) do
        local file = dir / "file"
        file:write(text, {mode = 493})
        local spec_ = {argv = {tostring(file)}}
        local r, _, name, where = proc.run(spec_)
        t.eq(r, nil)
        t.same({name, where.step}, want)
        t.same({proc.run(spec_)}, {sys.run(spec_)})
    end
end)

spec.test("nothing of ours is left in the program", function(t)
    local proc = new "proc"
    local children = "import os\ntry: os.wait()\nexcept ChildProcessError: print('none')"
    if here:sh("command -v python3 >/dev/null"):run() == 0 then
        t.eq(t.ok(proc.run {argv = {"python3", "-c", children}}).stdout, "none\n")
    end
    local fds = {argv = {"sh", "-c", "cd /proc/self/fd && echo *"}}
    t.eq(t.ok(proc.run(fds)).stdout, sys.run(fds).stdout)
end)

-- ---- round trips ----

spec.test("which: one", function(t)
    local proc, connector = new "proc"
    t.eq(proc.which({"no-such", "sh"}, os.getenv "PATH", "/"), sys.which({"no-such", "sh"}, os.getenv "PATH", "/"))
    t.eq(connector.count, 1)
    t.same({proc.which({"no-such"}, "/bin::x", "/")}, {sys.which({"no-such"}, "/bin::x", "/")})
    t.eq(proc.cwd(), sys.cwd())
end)

local QUESTIONS = {
    {"uname"}, {"os_release"}, {"users"}, {"groups"}, {"user"}, {"group"}, {"user_groups"}, {"home"}, {"hostname"},
    {"cpus"}, {"interfaces"}, {"user", 0}, {"user", "no-such-user"}, {"group", 0}, {"group", "nobody-such"},
    {"user_groups", "root"}, {"user_groups", 0}, {"home", "root"}, {"home", 4000000},
}

for _, on in ipairs(SHELLS) do
    spec.table("the host's answers are those of here, in one round trip, " .. on.name, QUESTIONS, function(t, c)
        local host, connector = new("host", on[1], on[2])
        t.same({host[c[1]](c[2])}, {require "rshell.sys.host"[c[1]](c[2])}, c[1])
        t.eq(connector.count, 1)
    end)
end

spec.table("answers that change are like those of here", {
    {"memory"}, {"loadavg"}, {"uptime"}, {"pid"}, {"mounts"}, {"mounts", {sizes = true}}, {"facts"}, {"env"},
}, function(t, c)
    local host, connector = new "host"
    local got, want = t.ok(host[c[1]](c[2])), require "rshell.sys.host"[c[1]](c[2])
    t.eq(connector.count, 1)
    t.eq(math.type(got) or type(got), math.type(want) or type(want))
    if type(want) ~= "table" then return end
    for k, v in pairs(want) do t.eq(type(got[k]), type(v), k) end
end)

spec.test("processes are those of here", function(t)
    local p <close> = here:sh("sleep 100 & echo x; wait"):bind("a  b\n==> /proc/1/cmdline <==\n"):popen()
    t.ok(p.stdout:read "l")
    local host, connector = new "host"
    local seen = {}
    for _, each in ipairs(t.ok(host.processes())) do seen[each.pid] = each end
    t.eq(connector.count, 1)
    for _, want in ipairs(require "rshell.sys.host".processes()) do
        if want.pid == p.pid then
            local got = t.ok(seen[want.pid])
            got.rss, got.stat = want.rss, want.stat
            t.same(got, want)
            return
        end
    end
    error "it is not in the list"
end)

spec.test("export -p of every shell", function(t)
    local parse = require "rshell.bare.host.exports"
    for _, on in ipairs(SHELLS) do
        local proc = new("proc", on[1], on[2])
        local value = "a 'b' \"c\" \\ $x `y`\nexport FAKE='1'\n\t\xc3\xa9!"
        local r = t.ok(proc.run {argv = {on[1], "-c", "export -p"}, env = {V = value, EMPTY = ""}})
        local env = parse(r.stdout)
        t.eq(env.V, value, on.name)
        t.eq(env.EMPTY, "", on.name)
        t.eq(env.FAKE, nil, on.name)
    end
end)

-- ---- ways to end ----

--- Two processes that would run for long, told on stdout.
local FAMILY = {argv = {"sh", "-c", "trap '' HUP; echo $$; sleep 1000 & echo $!; wait"}}

local function family(t, proc, how)
    local spec_ = {argv = FAMILY.argv, pty = how}
    local h = t.ok(proc.spawn(spec_))
    return h, {tonumber(h.stdout:read "l":match "%d+"), tonumber(h.stdout:read "l":match "%d+")}
end

local function all_gone(t, pids)
    for _, pid in ipairs(pids) do t.ok(programs.gone(here, pid)) end
end

spec.table("the whole group ends", {
    {name = "kill on a second channel", function(h) return h:kill "KILL" end},
    {name = "stop", function(h) return h:stop() end},
}, function(t, c)
    local h, pids = family(t, (new "proc"))
    t.ok(c[1](h))
    t.ok(h:wait(5))
    all_gone(t, pids)
    h:release()
end)

spec.test("the SSH signal request serves where no second channel is to be had", function(t)
    local proc, connector = new "proc"
    local h, pids = family(t, proc)
    connector.full = function() return true end
    t.ok(h:kill "TERM")
    t.same(h:wait(5), {{signal = "TERM"}})
    t.eq(connector.signalled, 1)
    all_gone(t, pids)
    local other, more = family(t, proc)
    t.same(other:stop(), {{signal = "TERM"}})
    all_gone(t, more)
end)

spec.test("what leads no group ends by the numbers of the parents", function(t)
    local sh = shell.new((select(2, new "proc")))
    local p <close> = here:sh("sh -c 'sleep 1000 & echo $$ $!; wait' & wait"):popen()
    local middle, leaf = p.stdout:read "l":match "(%d+) (%d+)"
    local ch = t.ok(sh:open "sleep 100")
    local ended = {exit = function() return {} end, wait = function() return {} end}
    require "rshell.bare.kill".stop(sh, ended, tonumber(middle))
    all_gone(t, {tonumber(middle), tonumber(leaf)})
    ch:signal "KILL"
    ch:close()
end)

spec.test("signals to processes", function(t)
    local proc = new "proc"
    t.same({proc.kill(999999, "TERM")}, {sys.kill(999999, "TERM")})
    t.same({proc.kill(-999999, 0)}, {sys.kill(-999999, 0)})
    t.eq(proc.signal "sigterm", 15)
    t.eq(proc.signal_name(9), "KILL")
    t.eq(pcall(proc.kill, 0), false)
    t.eq(pcall(proc.kill, -1), false)
end)

spec.test("keep: a session of its own, known by its number", function(t)
    local proc = new "proc"
    for _, stages in ipairs {{{argv = {"sleep", "1000"}}}, {{argv = {"sleep", "1000"}}, {argv = {"cat"}}}} do
        for _, s in ipairs(stages) do s.stdin, s.stderr = nil, "null" end
        stages[#stages].stdout = "null"
        local h = t.ok(proc.spawn {stages = stages, keep = true})
        t.ok(programs.alive(here, h.pids[1]))
        t.eq(here.ps("-o", "sid=", "-p", h.pids[1]):match "%d+", tostring(h.pids[1]))
        t.same({h:wait(0.1)}, {nil, "timed out", "ETIMEOUT"})
        t.ok(h:stop(5))
        t.ok(programs.gone(here, h.pids[1]))
    end
end)

-- ---- the watcher ----

spec.test("what runs ends soon after its server, and its watcher with it", function(t)
    local mark = "watched-" .. math.random(0)
    local script = [[
        local lib, mark = ...
        package.path = lib .. "/?.lua;" .. package.path
        local connector = require "bare".connector("/bin/sh", {keep = true})
        local proc = require "rshell.bare.proc".new(require "rshell.bare.shell".new(connector))
        local stay = "trap '' HUP TERM; echo $$; sleep 1000 & echo $!; wait; wait; sleep 1000"
        local h = proc.spawn {argv = {"sh", "-c", stay, mark}}
        print(h.stdout:read "l")
        print(h.stdout:read "l")
        io.stdout:flush()
        sleep(1000)]]
    local lib = arg[0]:gsub("[^/]*$", "") .. "../lib"
    local server = here[os.getenv "RSHELL" or "/proc/self/exe"]:bind("-e", script, lib, mark):popen()
    local pids = {tonumber(server.stdout:read "l"), tonumber(server.stdout:read "l")}
    server:kill "KILL"
    server:close() -- and is gone from the list of processes, as a server is
    local before = task.now()
    all_gone(t, pids)
    t.ok(task.now() - before < 4, "it took long")
    t.ok(programs.none_with(here, mark))
end)

spec.test("the watcher leaves in peace what a program has put in the background", function(t)
    local proc = new("proc", "/bin/sh", {keep = true})
    local pid = tonumber(t.ok(proc.run {argv = {"sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"}}).stdout)
    task.sleep(1.5)
    t.ok(programs.alive(here, pid))
    here.kill(pid)
end)

spec.finish()
