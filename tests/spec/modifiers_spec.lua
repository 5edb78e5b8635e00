package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local machines = require "machines"
local m, other = machines.get(), machines.other()
local programs = require "programs"

local RSHELL = os.getenv "RSHELL"

-- Another rshell that runs Lua code on this machine; arguments are `...` there.
local function lua(code, ...)
    return rshell.here[RSHELL]:bind("-e", code, ...)
end

-- The same, run: code, stdout, stderr.
local function another(code, ...)
    return lua(code, ...):run()
end

local function local_only(t)
    if machines.kind ~= "local" then t.skip "the other rshell runs here" end
end

-- ---- TF, RETCODE ----

spec.test("TF", function(t)
    t.eq(m["true"] & TF, true)
    t.eq(m["false"] & TF, false)
    t.eq(TF & m["false"], false)
    t.eq(TF(m["true"]), true)
    t.eq(m:sh "exit 1" & TF {retcode = 1}, true)
    t.eq(m:sh "exit 1" & TF {retcode = {0, 1}}, true)
    t.eq(m["true"] & TF {retcode = 1}, false)
    t.eq(m:sh "exit 1":with {retcode = 1} & TF, true)
    t.eq(m:sh "kill $$" & TF, false)
    t.eq((m["true"] | other["false"]) & TF, false)
    t.eq(not (m["true"] & TF), false)
    t.raises("notfound", function() return m["no-such-program"] & TF end)
end)

spec.test("RETCODE", function(t)
    t.eq(m:sh "exit 7" & RETCODE, 7)
    t.eq(RETCODE(m["true"]), 0)
    t.eq(m:sh "kill -KILL $$" & RETCODE, 137)
    t.eq((m:sh "exit 3" | m["true"]) & RETCODE, 0)
    t.eq((m:sh "exit 3" | m["true"]) & RETCODE {pipefail = true}, 3)
end)

spec.test("options of modifiers", function(t)
    local dir <close> = m:tempdir()
    t.eq(m:sh "test $(pwd) = $1 -a $A = 1":bind(dir) & TF {cwd = dir, env = {A = "1"}}, true)
    t.eq(m:sh "test $(umask) = 0077" & TF {umask = 63}, true)
    t.eq(m:sh "read x; test $x = hello" & TF {input = "hello\n"}, true)
    t.eq(m:sh "test -t 0" & TF {pty = true}, true)
    t.raises("timeout", function() return m.sleep["1000"] & TF {timeout = 0.1} end)
    t.raises("timeout", function() return m.sleep["1000"] & RETCODE {line_timeout = 0.1} end)
    t.eq(TF(m["false"], {retcode = 1}), true)
    t.eq(RETCODE(m:sh "exit $(umask)", {umask = "0007"}), 7)
    t.raises("usage", TF, m["true"], {retcodes = 1})
    t.raises("usage", TF, m["true"], 1)
end)

spec.table("options that are wrong", {
    {function() return TF {retcodes = 1} end, "TF: no option 'retcodes', did you mean 'retcode'"},
    {function() return TF {timeout = "x"} end, "TF: option 'timeout'"},
    {function() return m.ls & TF {retcode = "x"} end, "TF: retcode is"},
    {function() return FG {max_output = 5} end, "FG: no option 'max_output'"},
    {function() return FG {pty = true} end, "FG: no option 'pty'"},
    {function() return FG {line_timeout = 5} end, "FG: no option 'line_timeout'"},
    {function() return NOHUP {timeout = 5} end, "NOHUP: no option 'timeout'"},
    {function() return NOHUP {append = 1} end, "NOHUP: option 'append'"},
    {function() return m.ls & NOHUP {stdout = 5} end, "NOHUP: stdout: a path"},
    {function() return TF {stdout = "x"} end, "TF: no option 'stdout'"},
    {function() return m.ls:with {timeout = 5} & NOHUP end, "NOHUP: the option 'timeout' can't be kept"},
    {function() return m.ls:with {pty = true} & FG end, "FG: the option 'pty' can't be kept"},
}, function(t, c) t.match(t.raises("usage", c[1]).message, c[2]) end)

-- ---- BG ----

spec.test("BG is a future", function(t)
    local dir <close> = m:tempdir()
    local go = dir / "go"
    local f = m:sh('until [ -e "$1" ]; do sleep 0.01; done; echo out; echo err >&2; exit 3', go) & BG
    t.eq(f:ready(), false)
    t.match(tostring(f), "^future of `sh %-c .*%(running%)$")
    t.match(t.raises("timeout", f.wait, f, 0.05).message, "still runs after 0.05 s")
    go:touch()
    t.eq(f.stdout, "out\n")
    t.eq(f.stderr, "err\n")
    t.eq(f.code, 3)
    t.eq(f.signal, nil)
    t.eq(f:ready(), true)
    t.match(tostring(f), "%(ready%)$")
    local e = t.raises("process", f.wait, f)
    t.eq(e.code, 3)
    t.eq(e.stderr, "err\n")
    t.raises("process", f.wait, f)
end)

spec.test("BG: waiting", function(t)
    local f = m.echo["x"] & BG
    t.eq(f:wait(), f)
    t.eq(f:wait(60), f)
    t.eq(BG(m.echo["y"]).stdout, "y\n")
    t.eq((m:sh "exit 3" & BG {retcode = 3}):wait().code, 3)
    t.eq((m:sh "kill -KILL $$" & BG).signal, "KILL")
    t.eq((m:sh "kill -KILL $$" & BG).code, nil)
    t.raises("usage", f.wait, f, "1")
    local e = t.raises("usage", function() return f.stdotu end)
    t.match(e.message, "a future has no member 'stdotu', did you mean 'stdout'")
    t.raises("timeout", function() (m.sleep["1000"] & BG {timeout = 0.1}):wait() end)
    local g = m["no-such-program"] & BG
    t.raises("notfound", g.wait, g)
    t.raises("notfound", function() return g.stdout end)
end)

spec.test("BG starts with the settings of then", function(t)
    local dir <close> = m:tempdir()
    local f, g
    do
        local _ <close> = m.cwd(dir)
        local _ <close> = m.env {RS_SPEC = "1"}
        f = m:sh "pwd; echo $RS_SPEC" & BG
    end
    g = m:sh "pwd; echo $RS_SPEC" & BG
    t.eq(f.stdout, tostring(dir) .. "\n1\n")
    t.eq(g.stdout, tostring(m.cwd) .. "\n\n")
end)

spec.test("BG: many at once", function(t)
    local dir <close> = m:tempdir()
    local futures = {}
    for i = 1, 30 do
        futures[i] = m:at(dir):sh("touch $1; until [ $(ls | wc -l) = 30 ]; do sleep 0.02; done; echo $1", i) & BG
    end
    for i = 1, 30 do t.eq(futures[i].stdout, i .. "\n") end
end)

spec.test("BG: close ends it, twice without harm", function(t)
    local dir <close> = m:tempdir()
    local pids = dir / "pids"
    local f = m:sh("echo $$ >> $1; exec sleep 1000", pids) & BG
    local pid = t.ok(programs.pids_in(pids, 1))[1]
    f:close()
    f:close()
    t.ok(programs.gone(m, pid))
    t.raises("cancelled", f.wait, f)
    do
        local g <close> = m:sh("echo $$ >> $1; exec sleep 1000", pids) & BG
        pid = t.ok(programs.pids_in(pids, 2))[2]
        t.eq(g:ready(), false)
    end
    t.ok(programs.gone(m, pid))
    local h = m.echo & BG
    h:wait()
    h:close()
    t.eq(h.stdout, "\n")
end)

spec.test("a dropped future goes on", function(t)
    local dir <close> = m:tempdir()
    local f = dir / "f"
    local _ = m:sh("sleep 0.2; echo done > $1", f) & BG
    _ = nil
    collectgarbage()
    collectgarbage()
    t.ok(programs.wait_for(function() return f:exists() and f:read() == "done\n" end))
end)

-- ---- TEE ----

spec.test("TEE keeps", function(t)
    local quiet = m:sh("echo out; echo err >&2"):to "/dev/null":err_to "/dev/null"
    local r = quiet & TEE
    t.same({r.code, r.stdout, r.stderr, r.signal}, {0, "", ""})
    t.eq(tostring(r), "result (status 0, 0 bytes out, 0 bytes err)")
    t.match(t.raises("usage", function() return r.output end).message, "a result has no member 'output'")
    t.raises("process", function() return m:sh "exit 3" & TEE end)
    t.eq((m:sh "exit 3" & TEE {retcode = 3}).code, 3)
    t.eq((m:sh "kill -KILL $$" & TEE {retcode = "any"}).signal, "KILL")
    t.raises("timeout", function() return m.sleep["1000"] & TEE {timeout = 0.1} end)
end)

spec.test("TEE shows while it runs", function(t)
    local_only(t)
    local code, out, err = another [[
        local r = here:sh "echo out; echo err >&2; printf more" & TEE
        io.write("[", r.stdout, "][", r.stderr, "]")]]
    t.same({code, out, err}, {0, "out\nmore[out\nmore][err\n]", "err\n"})
    local dir <close> = m:tempdir()
    local fifo = dir / "fifo"
    m.mkfifo(fifo)
    local p = lua([[TEE(here:sh("echo first; read x < $1; echo second", ...))]], fifo):popen()
    t.eq(p.stdout:read "l", "first")
    m:sh('echo > "$1"', fifo)()
    t.eq(p.stdout:read "l", "second")
    t.eq(p:wait(), 0)
    code, out = another [[pcall(function() return here:sh "echo shown; exit 1" & TEE end)]]
    t.same({code, out}, {0, "shown\n"})
end)

-- ---- FG ----

spec.test("FG: our own streams, true", function(t)
    local_only(t)
    local code, out, err = (lua [[print((here:sh "cat; echo err >&2" & FG) == true)]] << "in\n"):run()
    t.same({code, out, err}, {0, "in\ntrue\n", "err\n"})
    code, out = another [[io.write "before "; FG(here.echo["during"]); print "after"]]
    t.same({code, out}, {0, "before during\nafter\n"})
    code, out = another [[print(select(2, pcall(function() return here:sh "exit 3" & FG end)).code)]]
    t.same({code, out}, {0, "3\n"})
    code, out = another [[print(here:sh "exit 3" & FG{retcode = 3})]]
    t.same({code, out}, {0, "true\n"})
    code, out = another [[print(select(2, pcall(function() return here.sleep["1000"] & FG{timeout = 0.1} end)).kind)]]
    t.same({code, out}, {0, "timeout\n"})
    code, out = another [[
        local other = require("rshell.here").new "other"
        FG(here.echo["x"] | other.cat | here.cat)
        FG(here.cat << "y\n")]]
    t.same({code, out}, {0, "x\ny\n"})
end)

spec.test("FG at a terminal: it has it, and gives it back", function(t)
    local_only(t)
    local script = [[
        FG(here:sh 'test -t 0 && test -t 1 && echo tty; read x; echo got $x; stty -echo')
        print("back", io.read "l")]]
    local p = lua(script):popen {pty = true}
    t.eq(p.stdout:read "l", "tty\r")
    p.stdin:write "one\n"
    t.eq(p.stdout:read "l", "one\r")
    t.eq(p.stdout:read "l", "got one\r")
    p.stdin:write "two\n"
    t.match(p.stdout:read "a", "back\ttwo\r\n$")
    t.eq(p:wait(), 0)
end)

spec.test("FG at a terminal: ^C is for the program", function(t)
    local_only(t)
    local p = lua([[
        local ok, e = pcall(function() return here.cat & FG end)
        print(ok, e.signal)]]):popen {pty = true}
    -- A shell loses an INT that comes between the fork and the exec of its command; cat runs once it answers.
    p.stdin:write "ready\n"
    t.eq(p.stdout:read "l", "ready\r")
    t.eq(p.stdout:read "l", "ready\r")
    p.stdin:write "\3"
    t.match(p.stdout:read "a", "false\tINT\r\n$")
    t.eq(p:wait(), 0)
end)

-- ---- NOHUP ----

spec.test("NOHUP outlives us", function(t)
    local_only(t)
    local dir <close> = m:tempdir()
    local code, out = another("print(here.sleep['1000'] & NOHUP)")
    t.eq(code, 0)
    local pid = math.tointeger(tonumber(out))
    t.ok(programs.alive(m, pid))
    t.eq(m.ps:text("-o", "args=", "-p", pid), "sleep 1000")
    m.kill(pid)
    t.ok(programs.gone(m, pid))
    local pids = dir / "pids"
    code, out = another("print((here:sh('echo $$ > $1; exec sleep 1000', ...) | here.cat) & NOHUP)", pids)
    t.eq(code, 0)
    pid = math.tointeger(tonumber(out))
    t.ok(programs.alive(m, pid))
    m.kill(t.ok(programs.pids_in(pids, 1)))
    t.ok(programs.gone(m, pid), "its input has ended")
end)

spec.test("NOHUP: output to /dev/null unless given", function(t)
    local dir <close> = m:tempdir()
    local function wait_for(name, text)
        t.ok(programs.wait_for(function() return (dir / name):exists() and (dir / name):read() == text end), name)
    end
    local c = m:sh 'fds=$(readlink /proc/$$/fd/[012]); echo "$fds" > $1; echo out; echo err >&2'
    t.eq(math.type(c:bind(dir / "fds") & NOHUP), "integer")
    wait_for("fds", "/dev/null\n/dev/null\n/dev/null\n")
    NOHUP(c["/dev/null"]:to(dir / "a"))
    wait_for("a", "out\n")
    local _ = c["/dev/null"] & NOHUP {stdout = dir / "b", stderr = tostring(dir / "c")}
    wait_for("b", "out\n")
    wait_for("c", "err\n")
    _ = c["/dev/null"] & NOHUP {stdout = dir / "b", stderr = dir / "c", append = true}
    wait_for("b", "out\nout\n")
    wait_for("c", "err\nerr\n")
    _ = c["/dev/null"]:err_to_out() & NOHUP {stdout = dir / "d"}
    wait_for("d", "out\nerr\n")
    _ = m:at(dir):sh "echo $A; pwd" & NOHUP {stdout = "e", cwd = "/", env = {A = "1"}}
    wait_for("e", "1\n/\n")
    _ = m:sh "cat > $1":bind(dir / "g"):from(dir / "e") & NOHUP
    wait_for("g", "1\n/\n")
end)

spec.test("NOHUP can't be where bytes pass through us", function(t)
    local null = other:path "/dev/null"
    for _, c in ipairs {m.cat << "x", m.cat:to(function() end), m.cat | other.cat, m.cat:from(null)} do
        t.match(t.raises("usage", function() return c & NOHUP end).message, "can't outlive rshell")
    end
    t.raises("notfound", function() return m["no-such-program"] & NOHUP end)
    t.raises("usage", function() return m.cat & NOHUP {stdout = other:path "/dev/null"} end)
end)

-- ---- looks ----

spec.test("looks", function(t)
    for name, modifier in pairs {FG = FG, BG = BG, TEE = TEE, TF = TF, RETCODE = RETCODE, NOHUP = NOHUP} do
        t.eq(tostring(modifier), name)
        t.eq(tostring(modifier {}), name)
        t.eq(rshell[name], modifier)
        t.eq(rshell.type(modifier), "modifier")
        t.raises("usage", modifier, m)
        t.raises("usage", modifier, "ls")
        t.raises("usage", modifier)
    end
end)

spec.finish()
