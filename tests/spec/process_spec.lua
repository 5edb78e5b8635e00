package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local machines = require "machines"
local m, other = machines.get(), machines.other()
local programs = require "programs"

-- ---- streams ----

spec.test("stdin, stdout, stderr", function(t)
    local p = m:sh("cat; echo err >&2; exit 3"):popen()
    t.eq(math.type(p.pid), "integer")
    t.eq(p:poll(), nil)
    t.eq(p.code, nil)
    p.stdin:write "one\n"
    t.eq(p.stdout:read "l", "one")
    p.stdin:write("two", "\n", 3, "\n")
    t.eq(p.stdout:read "L", "two\n")
    t.eq(p.stdout:read(100), "3\n")
    p.stdin:close()
    t.eq(p.stdout:read(1), nil)
    t.eq(p.stdout:read "a", "")
    t.eq(p.stderr:read "a", "err\n")
    t.eq(p:wait(), 3)
    t.eq(p.code, 3)
    t.eq(p.termsig, nil)
    t.eq(p:poll(), 3)
    t.ok(p.machine == m)
end)

spec.test("read(n) gives what is there, read{exact=n} waits", function(t)
    local p = m:sh("printf abc; read x; printf def"):popen()
    t.eq(p.stdout:read(100), "abc")
    p.stdin:write "\n"
    t.eq(p.stdout:read {exact = 2}, "de")
    t.eq(p.stdout:read {exact = 5}, "f")
    t.eq(p.stdout:read {exact = 5}, nil)
    p:close()
end)

spec.table("what read and write don't take", {
    {"read", "x"}, {"read", ""}, {"read", "ll"}, {"read", -1}, {"read", 1.5}, {"read", true}, {"read", {}},
    {"read", {exct = 1}}, {"read", {exact = -1}}, {"read", {exact = "1"}}, {"read", {exact = 1, 2}}, {"lines", "x"},
    {"write", nil}, {"write", {}}, {"write", true},
}, function(t, c)
    local p <close> = m.cat:popen()
    local stream = c[1] == "write" and p.stdin or p.stdout
    t.match(t.raises("usage", stream[c[1]], stream, c[2]).message, "expected")
    p.stdin:write "still works":close()
    t.eq(p.stdout:read {exact = 5.0}, "still")
    t.eq(p.stdout:read(2.0), " w")
end)

spec.test("read within a time", function(t)
    local p <close> = m:sh("printf ab; read x; echo c"):popen()
    t.eq(p.stdout:read({exact = 2}, 60), "ab")
    t.raises("timeout", p.stdout.read, p.stdout, 1, 0.01)
    p.stdin:write "\n"
    t.eq(p.stdout:read "l", "c", "nothing is lost by it")
end)

spec.test("lines of a stream", function(t)
    local p = m.printf["a\\n\\nb"]:popen()
    local got = {}
    for line in p.stdout:lines() do got[#got + 1] = line end
    t.same(got, {"a", "", "b"})
    t.eq(p:wait(), 0)
end)

spec.test("all bytes pass, both ways at once", function(t)
    local data = programs.ALL_BYTES:rep(10000)
    local out, err = m:sh("tee /dev/stderr"):popen():communicate(data)
    t.ok(out == data)
    t.ok(err == data)
end)

spec.test("communicate", function(t)
    local p = m:sh("cat; echo e >&2; exit 2"):popen()
    t.same({p:communicate "in"}, {"in", "e\n"})
    t.eq(p.code, 2)
    t.same({m.cat:popen():communicate()}, {"", ""})
    t.same({m["true"]:popen():communicate(("x"):rep(1000000))}, {"", ""}, "one that doesn't read")
    local q = m.cat:popen()
    q.stdin:write "a"
    t.eq(q:communicate "b", "ab")
    t.raises("usage", q.communicate, q, 5)
    t.raises("usage", function() m.cat:from "/dev/null":popen():communicate "x" end)
    t.eq(m.cat:from "/dev/null":popen():communicate(), "")
    local big = m.yes:popen {max_output = 100}
    t.raises("max_output", big.communicate, big)
end)

spec.test("options of popen", function(t)
    local dir <close> = m:tempdir()
    local p = m:sh("pwd; echo $A; umask; cat"):popen {cwd = dir, env = {A = "1"}, umask = 63, input = "x"}
    t.eq(p.stdin, nil)
    t.eq(p:communicate(), tostring(dir) .. "\n1\n0077\nx")
    t.raises("usage", m.cat.popen, m.cat, {lines = 1})
    t.raises("usage", m.cat.popen, m.cat, {line_timeout = 1})
    t.eq(m.echo["x"]:to(dir / "f"):popen():wait(), 0)
    t.eq((dir / "f"):read(), "x\n")
    t.eq(m.echo["x"]:to(dir / "f"):popen().stdout, nil)
end)

-- ---- waiting ----

spec.test("wait", function(t)
    t.eq(m["true"]:popen():wait(), 0)
    t.eq(m["true"]:popen():wait(60), 0)
    local p = m.cat:popen()
    local e = t.raises("timeout", p.wait, p, 0.01)
    t.match(e.message, "`cat` still runs after 0.01 s")
    t.eq(e.host, m.name)
    t.eq(e.command, "cat")
    t.raises("timeout", p.wait, p, 0)
    t.eq(p:poll(), nil, "it still runs")
    p.stdin:close()
    t.eq(p:wait(), 0)
    t.eq(p:wait(), 0, "again")
    t.eq(p:wait(0), 0)
    t.raises("usage", p.wait, p, "1")
    t.raises("usage", p.wait, p, -1)
end)

spec.test("several tasks wait", function(t)
    local p = m.cat:popen()
    local tasks = {}
    for i = 1, 3 do tasks[i] = rshell.spawn(p.wait, p) end
    local impatient = rshell.spawn(p.wait, p, 0.01)
    t.raises("timeout", impatient.await, impatient)
    p.stdin:close()
    for i = 1, 3 do t.eq(tasks[i]:await(), 0) end
end)

spec.test("a loop around poll sees the end", function(t)
    local p = m["true"]:popen()
    repeat local code = p:poll() until code
    t.eq(p:poll(), 0)
end)

-- ---- signals ----

spec.table("kill", {
    {nil, "TERM"}, {"TERM", "TERM"}, {"SIGTERM", "TERM"}, {"sigkill", "KILL"}, {9, "KILL"}, {"INT", "INT"},
    {15, "TERM"}, {15.0, "TERM"},
}, function(t, c)
    local p = m.cat:popen()
    p:kill(c[1])
    t.same({p:wait()}, {nil, c[2]})
    t.eq(p.code, nil)
    t.eq(p.termsig, c[2])
    t.ok(p:poll() > 128)
    p:kill(c[1])
    t.eq(p.termsig, c[2], "afterwards it does nothing")
end)

spec.test("signals that there aren't", function(t)
    local p <close> = m.cat:popen()
    for _, sig in ipairs {"FOO", "", 1000, -1, 1.5, {}} do t.raises("usage", p.kill, p, sig) end
    t.eq(p:kill(0), nil)
    t.eq(p:poll(), nil)
end)

spec.test("STOP and CONT", function(t)
    local p <close> = m.cat:popen()
    p:kill "STOP"
    p.stdin:write "x\n"
    t.raises("timeout", p.stdout.read, p.stdout, 1, 0.1)
    p:kill "CONT"
    t.eq(p.stdout:read "l", "x")
end)

-- A command that prints its pid and those of a child and a grandchild, all of which ignore TERM where that is wanted.
-- They have a word among their arguments, which is the second result.
local families = 0
local function family(ignore)
    families = families + 1
    local word = ("1000.%d%d"):format(require("rshell.sys.host").pid(), families)
    local trap = ignore and "trap '' TERM; " or ""
    local inner = trap .. "echo $$; sleep " .. word
    return m:sh(trap .. "echo $$; sh -c '" .. trap .. "echo $$; sh -c \"$1\"; :' sh \"$1\"; :", inner), word
end

local function read_pids(stream)
    local pids = {}
    for i = 1, 3 do pids[i] = tonumber(stream:read "l") end
    return pids
end

local function all_gone(t, pids)
    t.ok(#pids >= 3)
    for _, pid in ipairs(pids) do t.ok(programs.gone(m, pid), "still there: " .. pid) end
end

spec.test("kill reaches the whole group", function(t)
    local p = family():popen()
    local pids = read_pids(p.stdout)
    p:kill()
    t.eq(select(2, p:wait()), "TERM")
    all_gone(t, pids)
    p = family(true):popen()
    pids = read_pids(p.stdout)
    p:kill()
    t.raises("timeout", p.wait, p, 0.05)
    p:kill "KILL"
    t.eq(select(2, p:wait()), "KILL")
    all_gone(t, pids)
end)

spec.table("close ends the whole group", {
    {name = "that ends by itself", false}, {name = "that ignores TERM", true},
}, function(t, c)
    local pids
    do
        local p <close> = family(c[1]):popen()
        pids = read_pids(p.stdout)
    end
    all_gone(t, pids)
    local p = family(c[1]):popen()
    pids = read_pids(p.stdout)
    p:close()
    p:close()
    all_gone(t, pids)
    t.eq(p.code, nil)
    t.eq(p.termsig, c[1] and "KILL" or "TERM")
    t.same({p:wait()}, {nil, p.termsig})
    t.raises("closed", p.stdout.read, p.stdout)
    p:kill()
    p.stdout:close()
end)

spec.test("what a program leaves in the background lives on when its output isn't ours", function(t)
    local p = m:sh("sleep 1000 >/dev/null 2>&1 & echo $!"):popen()
    local pid = tonumber(p.stdout:read "l")
    t.eq(p:wait(), 0)
    p:close()
    t.ok(programs.alive(m, pid))
    m.kill(pid)
    t.ok(programs.gone(m, pid))
    pid = tonumber(m:sh("sleep 1000 >/dev/null 2>&1 & echo $!")())
    t.ok(programs.alive(m, pid))
    m.kill(pid)
    t.ok(programs.gone(m, pid))
end)

spec.test("what it leaves with our pipe in its hands ends with close", function(t)
    local p = m:sh("sleep 1000 & echo $!"):popen()
    local pid = tonumber(p.stdout:read "l")
    t.eq(p:wait(), 0)
    t.ok(programs.alive(m, pid))
    p:close()
    t.ok(programs.gone(m, pid))
end)

-- ---- timeouts ----

--- Seconds in which all of it has begun, on a slow machine too.
local function patience()
    local began = rshell.now();
    (m["true"] | other.cat)()
    return math.max(0.3, 4 * (rshell.now() - began))
end

spec.table("timeout ends the whole group", {
    {name = "a call", function(c, o) return c:with(o)() end},
    {name = "run", function(c, o) return c:run(nil, o) end},
    {name = "text", function(c, o) return c:with(o):text() end},
    {name = "TF", function(c, o) return c & TF(o) end},
    {name = "RETCODE", function(c, o) return c & RETCODE(o) end},
    {name = "BG", function(c, o) return (c & BG(o)):wait() end},
    {name = "communicate", function(c, o) return c:popen(o):communicate() end},
    {name = "a pipeline", function(c, o) return (c | m.cat):with(o)() end},
    {name = "across machines", function(c, o) return (c | other.cat):with(o)() end},
    {name = "a view", function(c, o) return m:with(o).cmd[c.argv[1]](table.unpack(c.argv, 2)) end},
}, function(t, c)
    for _, ignore in ipairs {false, true} do
        local members, word = family(ignore)
        local e = t.raises("timeout", c[1], members, {timeout = patience()})
        t.match(e.message, "^`sh %-c .* was not done after [%d.]+ s and was ended$")
        t.eq(e.host, m.name)
        t.match(e.stdout, "^[%d\n]*$")
        t.ok(programs.none_with(m, word))
    end
end)

spec.test("a timeout's error has what was printed", function(t)
    local e = t.raises("timeout", m:sh("echo out; echo err >&2; exec sleep 1000"):with {timeout = 3})
    t.eq(e.stdout, "out\n")
    t.eq(e.stderr, "err\n")
    t.match(tostring(e), "ended\n  out| out\n  err| err$")
end)

spec.test("timeout of popen: the program's time, whoever waits", function(t)
    local c, word = family()
    local p = c:popen {timeout = 0.5}
    t.match(p.stdout:read "a", "^[%d\n]*$")
    local e = t.raises("timeout", p.wait, p)
    t.match(e.message, "was not done after 0.5 s")
    t.eq(p.termsig, "TERM")
    t.ok(programs.none_with(m, word))
    t.raises("timeout", p.wait, p, 60)
    t.eq(m["true"]:popen {timeout = 60}:wait(), 0)
    t.eq(m:with({timeout = 60}).echo:popen():communicate(), "\n")
end)

spec.test("an impatient wait ends nothing", function(t)
    local p <close> = m.cat:popen {timeout = 60}
    t.raises("still runs", p.wait, p, 0.05)
    t.eq(p:poll(), nil)
end)

spec.table("line_timeout: so long without output", {
    {name = "run", function(c, o) return c:run(nil, o) end},
    {name = "TEE", function(c, o) return c:err_to_out():to(function() end) & TEE(o) end},
    {name = "BG", function(c, o) return (c & BG(o)):wait() end},
    {name = "a pipeline", function(c, o) return (c | m.cat):run(nil, o) end},
    {name = "across machines", function(c, o) return (c | other.cat):run(nil, o) end},
    {name = "to a function", function(c, o) return c:to(function() end):run(nil, o) end},
}, function(t, c)
    local steady = m:sh "for i in 1 2 3 4 5 6; do echo $i; sleep 0.2; done"
    c[1](steady, {line_timeout = 3})
    local e = t.raises("timeout", c[1], m:sh "echo a; sleep 1000", {line_timeout = 0.3})
    t.match(e.message, "printed nothing for 0.3 s and was ended$")
end)

spec.test("line_timeout: a slow reader is no idle program", function(t)
    local seen = 0
    m:sh("echo a; echo b"):to(function(block)
        seen = seen + #block
        rshell.sleep(0.4)
    end):with {line_timeout = 0.1}()
    t.eq(seen, 4)
end)

spec.test("a program that keeps our pipe open and left its group doesn't hold up the end", function(t)
    local dir <close> = m:tempdir()
    local pids = dir / "pids"
    local escape = m:sh("setsid sh -c 'echo $$ >> $0; exec sleep 1000' $1 & wait", pids)
    local ways = {escape, escape | other.cat, escape:to(function() end), escape:to(function() end):err_to_out()}
    for n, c in ipairs(ways) do
        local waiting = rshell.spawn(t.raises, "timeout", c:with {timeout = 2})
        local pid = t.ok(programs.pids_in(pids, n))[n]
        waiting:await()
        t.ok(programs.alive(m, pid), "it went its own way")
        m.kill(pid)
        t.ok(programs.gone(m, pid))
    end
end)

spec.test("what we may not signal is told as still running", function(t)
    if machines.kind ~= "local" or m.user ~= "root" then t.skip "needs root here" end
    local dir <close> = m:tempdir()
    dir:chmod(493)
    local sh = dir / "sh"
    m.cp(m:which "dash", sh)
    sh:chmod(2541) -- setuid
    local script = [[
        local sh, file, way = ...
        local c = here[sh]["-p"]["-c"]["echo $$ > $1; exec setpriv --reuid=0 sleep 1000"]["sh"][file]
        if way == "job" then c = c | require("rshell.here").new("other").cat end
        local _, e = pcall(c:with {timeout = 1})
        print(e.kind, e.message:match "; still running: pid (%d+)$")]]
    for _, way in ipairs {"run", "job"} do
        local file = dir / way
        file:write("", {mode = 438})
        local out = m[os.getenv "RSHELL"]:bind("-e", script, sh, file, way):with {user = "nobody"}()
        local pid = file:read():match "%d+"
        t.eq(out, "timeout\t" .. pid .. "\n")
        m.kill(pid)
        t.ok(programs.gone(m, tonumber(pid)))
    end
end)

-- ---- backpressure ----

spec.test("a reader that stops reading stops the writer", function(t)
    local dir <close> = m:tempdir()
    local count = dir / "count"
    local writer = m:sh("while :; do printf %1000s; echo >> $1; done", count)
    for hops, c in ipairs {writer, writer | other.cat} do
        count:write ""
        local p <close> = c:popen()
        t.ok(p.stdout:read(1))
        local size
        repeat
            local before = size
            rshell.sleep(0.3)
            size = count:size()
        until size == before
        t.ok(size < hops * machines.under_way(), "it wrote " .. size .. " kB")
    end
end)

spec.test("a program that doesn't read stops who writes", function(t)
    local p <close> = m.sleep["1000"]:popen()
    local written = 0
    t.raises("timeout", rshell.timeout, 0.5, function()
        while true do
            p.stdin:write(("x"):rep(10000))
            written = written + 10000
        end
    end)
    t.ok(written < 1000 * machines.under_way())
end)

spec.test("writing to one that has ended raises closed", function(t)
    local p = m["true"]:popen()
    p:wait()
    t.raises("closed", function()
        for _ = 1, 100 do p.stdin:write(("x"):rep(100000)) end
    end)
    t.eq(p:wait(), 0)
end)

-- ---- attached, and again ----

spec.test("attach: one source after the other, and what is printed meanwhile waits", function(t)
    local dir <close> = m:tempdir()
    local far <close> = other:tempdir();
    (far / "b"):write "two\n"
    local p <close> = m:sh("while read x; do echo got $x; done; echo err >&2; exit 3"):popen()
    t.same({p:attach {stdin = "one\n"}}, {nil, "detached"}, "a string is what it reads")
    t.same({p:attach {stdin = far / "b"}}, {nil, "detached"}, "a path object is a file, also of another machine")
    local three = {"three", "\n"}
    t.same({p:attach {stdin = function() return table.remove(three, 1) end}}, {nil, "detached"})
    local cat <close> = other.cat:popen()
    cat.stdin:write "four\n"
    cat.stdin:close()
    t.same({p:attach {stdin = cat.stdout}}, {nil, "detached"}, "a stream")
    p.stdin:write "five\n"
    t.eq(p.stdout:read "l", "got one")
    local out, errors = {}, dir / "errors"
    errors:write "before\n"
    p.stdin:close()
    local function keep(block) out[#out + 1] = block end
    t.same({p:attach {stdout = keep, stderr = tostring(errors), append = true}}, {3})
    t.eq(table.concat(out), "got two\ngot three\ngot four\ngot five\n")
    t.eq(errors:read(), "before\nerr\n")
    t.same({p:attach {stdout = keep}}, {3}, "one that has ended")
    t.eq(p:wait(), 3)
end)

spec.test("attach: nothing is lost, however often it is detached", function(t)
    local p <close> = m:sh("i=0; while [ $i -lt 30000 ]; do i=$((i+1)); echo $i; done"):popen()
    local out, times, code = {}, 0, nil
    local function keep(block)
        rshell.sleep(0.002) -- a block is under way when the time is over
        out[#out + 1] = block
    end
    repeat
        times = times + 1
        local ok, got = pcall(p.attach, p, {stdout = keep, timeout = 0.001})
        if ok then code = got else t.eq(got.kind, "timeout") end
    until ok
    t.ok(times > 1)
    t.eq(code, 0)
    local expected = {}
    for i = 1, 30000 do expected[i] = i .. "\n" end
    t.ok(table.concat(out) == table.concat(expected))
end)

spec.test("attach: ends with the process, whatever its source has", function(t)
    local p <close> = m:sh("read x; echo $x; exit 4"):popen()
    local function endless() return ("x"):rep(1000) .. "\n" end
    t.same({p:attach {stdin = endless, stdout = function() end}}, {4})
    local q <close> = m:sh("echo ready; exec sleep 1000"):popen()
    t.eq(q.stdout:read "l", "ready")
    rshell.spawn(function()
        rshell.sleep(0.1)
        q:kill "TERM"
    end)
    t.same({q:attach {stdin = function() rshell.sleep(1000) end}}, {nil, "TERM"})
end)

spec.test("attach: a time, a cancel, a failure", function(t)
    local p <close> = m.cat:popen()
    local e = t.raises("timeout", p.attach, p, {stdout = print, timeout = 0.05})
    t.match(tostring(e), "still runs after 0.05 s.*p:attach%(%) attaches it again")
    e = t.raises("usage", p.attach, p, {stdin = function() return 5 end})
    t.match(e.message, "gave a number")
    p.stdin:write "x\n"
    t.raises("usage", p.attach, p, {stdout = function() rshell.here:path "":nosuch() end})
    t.eq(p:poll(), nil, "it goes on")
    p.stdin:write "y\n"
    t.eq(p.stdout:read "l", "y")
    local task = rshell.spawn(p.attach, p, {stdout = print})
    rshell.sleep(0.05)
    t.match(t.raises("usage", p.attach, p, {stdout = print}).message, "`cat` is attached already")
    task:cancel()
    t.raises("cancelled", task.await, task)
    t.eq(p.termsig, "TERM", "a cancel ends it, as that of a wait")
    t.match(t.raises("closed", p.attach, p).message, "the process was closed: cat")
end)

spec.table("attach: what makes no sense:", {
    {{stdn = "x"}, "no option 'stdn', did you mean 'stdin'"},
    {{stdin = 5}, "attach: stdin: a path, function or stream expected, got number"},
    {{stdout = true}, "attach: stdout: a path, function or stream expected, got boolean"},
    {{stdin = "", escape = "x"}, "'escape' is a key of our terminal"},
    {{escape = "xy"}, "escape is one key"},
    {{escape = true}, "escape is one key"},
    {{append = true}, "'append' is for a file"},
    {name = "no stdout", {stdout = print}, "its output is not ours", "elsewhere"},
    {name = "no stderr", {stderr = print}, "its error output is not ours", "elsewhere"},
    {{stdin = "x"}, "its standard input is not ours", "elsewhere"},
}, function(t, c)
    local elsewhere = m.cat:from "/dev/null":to "/dev/null":err_to "/dev/null"
    local p <close> = (c[3] and elsewhere or m.cat):popen()
    t.match(t.raises("usage", p.attach, p, c[1]).message, c[2])
end)

spec.test("attach: what & BG gives can't be", function(t)
    local f <close> = m.cat & BG
    local e = t.raises("usage", function() f:attach() end)
    t.match(e.hint, "popen")
end)

-- ---- pty ----

spec.test("pty: a terminal of the given size", function(t)
    local stty = m.stty["size"]
    t.eq(stty:with {pty = true}(), "24 80\r\n")
    t.eq(stty:with {pty = {rows = 50}}(), "50 80\r\n")
    t.eq(stty:with {pty = {rows = 10, cols = 132}}(), "10 132\r\n")
    t.eq(m:sh("test -t 0 && test -t 1 && test -t 2 && echo yes"):with {pty = true}(), "yes\r\n")
    t.eq(m:sh("test -t 0 || test -t 1 || test -t 2 || echo no")(), "no\n")
    t.match(m:sh("ps -o tty= -p $$; echo x >/dev/tty"):with {pty = true}(), "^pts/%d+%s*x\r\n$")
end)

spec.test("pty: both outputs in one, input is echoed and has an end", function(t)
    t.same({m:sh("echo out; echo err >&2"):run(nil, {pty = true})}, {0, "out\r\nerr\r\n", "", {0}})
    t.eq((m.cat << "hello\n"):with {pty = true}(), "hello\r\nhello\r\n")
    local quiet = m:sh "stty -echo; echo ready; cat" << "no newline"
    t.match(quiet:with {pty = true}(), "ready\r\nno newline$")
    t.eq(m.cat:with {pty = true}(), "", "without any it is empty")
end)

spec.test("pty: popen, resize, close of stdin", function(t)
    local p = m:sh("while read x; do echo got $x; stty size; done; echo end"):popen {pty = true}
    t.eq(p.stderr, nil)
    p:resize(33, 99)
    p.stdin:write "a\n"
    t.eq(p.stdout:read "l", "a\r")
    t.eq(p.stdout:read "l", "got a\r")
    t.eq(p.stdout:read "l", "33 99\r")
    p.stdin:close()
    t.eq(p.stdout:read "a", "end\r\n")
    t.eq(p:wait(), 0)
    t.raises("usage", p.resize, p, 0, 5)
    t.raises("usage", p.resize, p, 5)
    local q <close> = m.cat:popen()
    t.raises("io", q.resize, q, 10, 10)
end)

spec.test("pty: signals from the keyboard, and its end", function(t)
    local p = m:sh("echo $$; exec sleep 1000"):popen {pty = true}
    local pid = tonumber(p.stdout:read "l":match "%d+")
    p.stdin:write "\3"
    t.same({p:wait()}, {nil, "INT"})
    t.ok(programs.gone(m, pid))
    p = m:sh("trap '' HUP TERM; echo $$; sleep 1000; :"):popen {pty = true}
    pid = tonumber(p.stdout:read "l":match "%d+")
    p:close()
    t.ok(programs.gone(m, pid))
    t.raises("timeout", m.sleep["1000"]:with {pty = true, timeout = 0.2})
end)

--- Reads until this has come; what has.
local function read_until(t, stream, text)
    local got = ""
    while not got:find(text, 1, true) do got = got .. t.ok(stream:read(4096, 60), "no " .. text .. " in " .. got) end
    return got
end

spec.test("pty: input that is raw arrives as it is", function(t)
    local p <close> = m:sh("stty raw -echo; echo ready; head -c 5 | od -An -tx1"):popen {pty = true}
    read_until(t, p.stdout, "ready")
    p.stdin:write "\3\4\26\28\r"
    read_until(t, p.stdout, "03 04 1a 1c 0d")
    t.eq(p:wait(), 0)
end)

spec.test("pty: a shell in it has jobs", function(t)
    local p <close> = m.cmd.bash:bind("--norc", "--noprofile", "-i"):with {env = {PS1 = "=", HISTFILE = "/dev/null"}}
        :popen {pty = true}
    local function say(line, answer)
        p.stdin:write(line .. "\n")
        return read_until(t, p.stdout, answer)
    end
    say("echo up$((1))", "up1")
    p.stdin:write "(echo go$((1)); exec sleep 1000)\n"
    read_until(t, p.stdout, "go1")
    p.stdin:write "\26"
    read_until(t, p.stdout, "Stopped")
    say("jobs", "Stopped")
    say("bg; jobs", "Running")
    say("fg", "sleep 1000")
    local got = ""
    repeat -- until the shell has given it the terminal
        p.stdin:write "\3"
        p.stdin:write "echo over$((1))\n"
        local ok, block = pcall(p.stdout.read, p.stdout, 4096, 1)
        got = got .. (ok and t.ok(block) or "")
    until got:find "over1"
    p.stdin:write "exit 7\n"
    while p.stdout:read(4096, 60) do end
    t.eq(p:wait(), 7)
end)

-- ---- looks ----

spec.test("tostring", function(t)
    local p = m.cat["a b"]:from "/dev/null":err_to "/dev/null":popen()
    t.match(tostring(p), "^process %d+ `cat 'a b' < /dev/null 2> /dev/null` %(")
    p:wait()
    t.match(tostring(p), "%(exited with 1%)$")
    local q = m.cat:popen()
    t.eq(tostring(q), ("process %d `cat` (running)"):format(q.pid))
    q:close()
    t.match(tostring(q), "%(ended by TERM%)$")
    t.eq(rshell.type(q), "process")
end)

spec.test("members that aren't there, and that can't be set", function(t)
    local p <close> = m.cat:popen()
    local e = t.raises("usage", function() return p.stdut end)
    t.match(e.message, "a process has no member 'stdut', did you mean 'stdout'")
    t.raises("usage", function() return p[1] end)
    t.raises("usage", function() p.code = 1 end)
    t.raises("usage", p.wait)
    t.raises("usage", p.kill, m)
end)

-- ---- dropped ----

spec.test("a dropped process goes on, whatever it prints", function(t)
    local dir <close> = m:tempdir()
    local f = dir / "f"
    m:sh("i=0; while [ $i -lt 20000 ]; do echo $i; echo $i >&2; i=$((i + 1)); done; echo done > $1", f):popen()
    collectgarbage()
    collectgarbage()
    t.ok(programs.wait_for(function() return f:exists() and f:read() == "done\n" end))
end)

spec.test("a dropped process ends with the program", function(t)
    if machines.kind ~= "local" then t.skip "the other rshell runs here" end
    local dir <close> = m:tempdir()
    local pids = dir / "pids"
    local script = [[
        local pids = ...
        local c = here:sh("trap '' TERM HUP; echo $$ >> $1; sleep 1000; :", pids)
        c:popen()
        kept = c:popen()
        future = c & BG
        repeat sleep(0.01) until select(2, here:path(pids):read():gsub("\n", "")) == 3]]
    pids:touch()
    m[os.getenv "RSHELL"]("-e", script, pids)
    local seen = programs.pids_in(pids, 3)
    t.eq(#seen, 3)
    for _, pid in ipairs(seen) do t.ok(programs.gone(m, pid)) end
end)

spec.test("what it has used", function(t)
    local p = m.cmd.sh["-c"]["i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; read x"]:popen()
    t.eq(p.rusage, nil, "while it runs")
    p:communicate "x\n"
    local used = p.rusage
    if machines.is_bare() then return t.eq(used, nil) end
    t.ok(used.user + used.system > 0 and used.user + used.system < 100)
    t.ok(used.memory > 100000 and used.memory < 1 << 30)
    local both = (m.cmd.sh["-c"][":"] | m.cmd.sh["-c"]["cat >/dev/null"]):popen()
    both:wait()
    t.ok(both.rusage.memory > 100000, "a pipeline")
    p:close()
end)

spec.finish()
