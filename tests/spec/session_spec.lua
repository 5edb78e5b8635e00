-- m:session(): scripts in one shell, exact bytes, and how it ends.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local m = require("machines").get()
local odd = require "odd"
local rshell = require "rshell"
local session = require "rshell.session"
local task = require "rshell.task"

-- A session with a certain shell.
local function open(t, shell, view)
    local s = session.new(require "rshell.machine".test(view or m), shell)
    t.defer(s.close, s)
    return s
end

local SHELLS = {}
for _, argv in ipairs {{"sh"}, {"dash"}, {"bash"}, {"bash", "--posix"}, {"busybox", "sh"}, {"mksh"}} do
    if pcall(m.which, m, argv[1]) then
        SHELLS[#SHELLS + 1] = {name = table.concat(argv, " "), argv = argv, mksh = argv[1] == "mksh"}
    end
end

local function in_shells(name, fn)
    spec.table(name, SHELLS, function(t, shell) return fn(t, open(t, shell.argv), shell) end)
end

local function gives(t, s, script, code, out, e)
    local c, o, x = s:run(script, {timeout = 20})
    t.same({c, o, x}, {code, out, e or ""}, script)
end

in_shells("keeps its state", function(t, s)
    gives(t, s, "cd /; x=1; f() { return 4; }; export E=exported", 0, "")
    gives(t, s, 'pwd; echo "$x"', 0, "/\n1\n")
    gives(t, s, "f", 4, "")
    gives(t, s, "printenv E", 0, "exported\n")
    gives(t, s, "umask 027", 0, "")
    t.match(select(2, s:run "umask"), "^0*27\n$")
    gives(t, s, "unset x; echo ${x-unset}", 0, "unset\n")
end)

in_shells("the outputs are exact", function(t, s)
    gives(t, s, "printf abc; printf def >&2; (exit 3)", 3, "abc", "def")
    gives(t, s, "", 0, "")
    gives(t, s, "\n\n", 0, "")
    gives(t, s, "printf '\\n\\n'", 0, "\n\n")
    gives(t, s, "# a comment", 0, "")
    gives(t, s, "printf '\\001'; printf '\\001\\001' >&2", 0, "\1", "\1\1")
    gives(t, s, "echo 'it'\\''s' \"a  b\" \\\\", 0, "it's a  b \\\n")
    gives(t, s, "cat <<END\nx\nEND", 0, "x\n")
    gives(t, s, "echo \\\n  a", 0, "a\n")
end)

in_shells("every byte comes through", function(t, s)
    local escapes, bytes = {}, {}
    for c = 0, 255 do escapes[#escapes + 1], bytes[#bytes + 1] = ("\\%03o"):format(c), string.char(c) end
    local all = table.concat(bytes)
    gives(t, s, "printf '" .. table.concat(escapes) .. "'", 0, all)
    local text = all:gsub("[%z\1-\31'\\\127]", "")
    gives(t, s, "printf %s '" .. text .. "'", 0, text)
end)

in_shells("a script has no input", function(t, s)
    gives(t, s, "cat; echo $?", 0, "0\n")
    gives(t, s, "read x; echo $?", 0, "1\n")
    gives(t, s, "sh -c 'cat'", 0, "")
end)

in_shells("what a script redirects stays so", function(t, s)
    local dir = tostring(odd.dir(t, m))
    gives(t, s, "exec >" .. dir .. "/log; echo one", 0, "")
    gives(t, s, "echo two; echo err >&2", 0, "", "err\n")
    gives(t, s, "exec 2>" .. dir .. "/err; echo lost >&2", 0, "", "")
    gives(t, s, "exec 5<" .. dir .. "/log", 0, "")
    gives(t, s, "read a <&5; [ $a = one ]", 0, "")
    t.eq(m:sh("cat " .. dir .. "/log " .. dir .. "/err")(), "one\ntwo\nlost\n")
    gives(t, s, "exec >&-", 0, "")
    gives(t, s, "true", 0, "")
end)

in_shells("what it starts does not hold our pipes", function(t, s)
    gives(t, s, "ls /proc/self/fd | tr '\\n' ' '", 0, "0 1 2 3 ")
end)

-- Each in a session of its own: some bash ends itself when one of these follows another.
in_shells("a syntax error harms only its script", function(t, _, shell)
    if shell.mksh then t.skip "this shell ends at any" end
    for _, script in ipairs {"if", "echo 'open", 'echo "open', "echo $(", "}", "done", "( ", "case x in", "echo `"} do
        local s <close> = open(t, shell.argv)
        gives(t, s, "x=kept", 0, "")
        local code, out, e = s:run(script, {timeout = 20})
        -- An open substitution is complete for some.
        if code == 0 then t.note(shell.name, "takes", script) else t.ok(code > 0 and out == "" and e ~= "", script) end
        gives(t, s, 'echo "$x"', 0, "kept\n")
    end
end)

in_shells("traces show the script alone", function(t, s, shell)
    if shell.mksh then t.skip "this shell traces what is behind it, too" end
    gives(t, s, "set -x", 0, "")
    local _, out, e = s:run "echo traced"
    t.eq(out, "traced\n")
    t.match(e, "^%++ echo traced\n$")
    _, _, e = s:run "case $- in *x*) echo $- >/dev/null;; esac; set +x"
    t.match(e, "set %+x\n$")
    gives(t, s, "echo quiet", 0, "quiet\n")
    gives(t, s, "set -v", 0, "")
    gives(t, s, "echo quiet", 0, "quiet\n")
end)

in_shells("exit ends it", function(t, s)
    local code, out, e = s:run "echo last; echo words >&2; exit 3"
    t.same({code, out, e}, {3, "last\n", "words\n"})
    t.eq(s.closed, true)
    local raised = t.raises("closed", s.run, s, "true")
    t.match(tostring(raised), "has ended with status 3")
    t.raises("closed", s.popen, s, "true")
    s:close()
    s:close()
end)

in_shells("set -e ends it at a failure", function(t, s)
    gives(t, s, "set -e", 0, "")
    gives(t, s, "true", 0, "")
    gives(t, s, "false; echo not reached", 1, "")
    t.eq(s.closed, true)
end)

in_shells("exec replaces it", function(t, s)
    gives(t, s, "exec sh -c 'echo other; exit 5'", 5, "other\n")
    t.eq(s.closed, true)
end)

in_shells("a signal ends it", function(t, s)
    local code, out, _, signal = s:run "echo before; kill -TERM $$; sleep 1"
    t.eq(code, nil)
    t.eq(out, "before\n")
    t.eq(signal, "TERM")
    t.match(tostring(t.raises("closed", s.run, s, "true")), "was ended by TERM")
end)

in_shells("its traps run", function(t, s)
    gives(t, s, "trap 'echo bye' EXIT", 0, "")
    gives(t, s, "exit", 0, "bye\n")
end)

in_shells("many scripts", function(t, s)
    gives(t, s, "n=0", 0, "")
    for i = 1, 200 do gives(t, s, "n=$((n + 1)); echo $n", 0, i .. "\n") end
end)

in_shells("much output on both", function(t, s)
    local code, out, e = s:run [[
        i=0; while [ $i -lt 300 ]; do i=$((i + 1)); head -c 10000 /dev/zero; head -c 10000 /dev/zero >&2; done]]
    t.eq(code, 0)
    t.ok(out == ("\0"):rep(3000000) and e == ("\0"):rep(3000000))
end)

in_shells("a large script", function(t, s)
    local text = ("x"):rep(300000)
    gives(t, s, "x=" .. text .. "; echo ${#x}", 0, "300000\n")
end)

spec.test("the view's settings", function(t)
    local dir = tostring(odd.dir(t, m))
    local view = m:with {cwd = dir, env = {SESSION_X = "a 'b'", HOME = false}, umask = tonumber("027", 8)}
    local s = open(t, nil, view)
    gives(t, s, 'pwd -P; echo "$SESSION_X"; echo "${HOME-none}"; umask', 0,
        m:sh("cd " .. dir .. " && pwd -P")() .. "a 'b'\nnone\n0027\n")
    t.eq(s.machine, view)
    t.ok(s.pid > 1)
end)

spec.test("a shell that isn't there", function(t)
    t.raises("notfound", open, t, {"no-such-shell"})
    t.raises("notfound", open, t, nil, m:at "/no/such/folder")
end)

spec.test("misuse", function(t)
    local s = open(t)
    t.raises("usage", s.run, s, nil)
    t.raises("usage", s.run, s, {"echo"})
    t.raises("usage", s.run, s, "echo \0")
    t.match(tostring(t.raises("usage", s.run, s, "true", {timeuot = 1})), "did you mean 'timeout'")
    t.raises("usage", s.run, "true")
    t.match(tostring(t.raises("usage", function() return s.pipen end)), "did you mean 'popen'")
    gives(t, s, "echo fine", 0, "fine\n")
end)

spec.test("one at a time", function(t)
    local s = open(t)
    local first = task.spawn(s.run, s, "sleep 0.2; echo first")
    task.sleep(0.05)
    t.match(tostring(t.raises("usage", s.run, s, "echo second")), "one at a time")
    t.eq(tostring(s), "session on " .. m.name .. " (running)")
    local _, out = first:await()
    t.eq(out, "first\n")
    t.eq(tostring(s), "session on " .. m.name .. " (idle)")
    gives(t, s, "echo second", 0, "second\n")
end)

spec.test("several sessions at once", function(t)
    local tasks = {}
    for i = 1, 8 do
        tasks[i] = task.spawn(function()
            local s <close> = m:session()
            s:run("x=" .. i)
            local _, out = s:run "sleep 0.05; echo $x"
            return out
        end)
    end
    for i, one in ipairs(tasks) do t.eq(one:await(), i .. "\n") end
end)

spec.test("a timeout ends it", function(t)
    local s = open(t, nil, m:with {timeout = 0.3})
    gives(t, s, "true", 0, "")
    local before = rshell.now()
    local e = t.raises("timeout", s.run, s, "echo printed; echo complained >&2; sleep 60")
    t.ok(rshell.now() - before < 5)
    t.same({e.stdout, e.stderr}, {"printed\n", "complained\n"})
    t.eq(s.closed, true)
    t.raises("closed", s.run, s, "true")
    s = open(t)
    t.raises("timeout", s.run, s, "sleep 60", {timeout = 0.05})
end)

spec.test("a cancel ends it", function(t)
    local s = open(t)
    local runner = task.spawn(s.run, s, "sleep 60")
    task.sleep(0.05)
    runner:close()
    t.eq(s.closed, true)
    t.raises("closed", s.run, s, "true")
end)

spec.test("the shell dies between scripts", function(t)
    local s = open(t)
    m:sh("kill -KILL " .. s.pid)()
    local code, out, e, signal = s:run "true"
    t.same({code, out, e, signal}, {nil, "", "", "KILL"})
    t.raises("closed", s.run, s, "true")
end)

-- A process that runs; one that has ended may wait for its new parent.
local function runs(pid)
    return m:sh('kill -0 "$1" && ! grep -q "^State:.Z" /proc/"$1"/status', pid):run() == 0
end

spec.test("closing ends what it left running", function(t)
    local s = open(t)
    local _, out = s:run "sleep 60 >/dev/null 2>&1 & echo $!"
    local pid = out:match "%d+"
    t.eq(runs(pid), true)
    s:close()
    for _ = 1, 50 do
        if not runs(pid) then break end
        task.sleep(0.02)
    end
    t.eq(runs(pid), false)
    t.eq(tostring(s), "session on " .. m.name .. " (closed)")
end)

spec.test("its own exit leaves it running", function(t)
    local s = open(t)
    local code, pid = s:run "sleep 60 & echo $!; exit 0" -- holds the pipes open
    t.eq(code, 0)
    t.eq(m:sh("kill " .. pid):run(), 0)
end)

spec.test("dropped, it ends", function(t)
    local pid
    do
        local s = m:session()
        pid = s.pid
    end
    for _ = 1, 100 do
        collectgarbage()
        if not runs(pid) then return end
        task.sleep(0.02)
    end
    t.fail "the shell still runs"
end)

spec.test("<close>", function(t)
    local kept
    do
        local s <close> = m:session()
        kept = s
    end
    t.eq(kept.closed, true)
end)

-- ---- popen ----

in_shells("popen: output while it comes", function(t, s)
    local p <close> = s:popen "echo one; echo err >&2; sleep 0.05; printf two; x=kept; (exit 4)"
    t.eq(p.stdout:read "l", "one")
    t.eq(p.code, nil)
    t.raises("usage", s.run, s, "true")
    t.eq(p.stdout:read "a", "two")
    t.eq(p.stderr:read "a", "err\n")
    t.eq(p:wait(), 4)
    t.eq(p.code, 4)
    gives(t, s, "echo $x", 0, "kept\n")
end)

spec.test("popen: formats", function(t)
    local s = open(t)
    local p = s:popen "printf 'a\\nbb\\n\\nccc'"
    t.eq(p.stdout:read(1), "a")
    t.eq(p.stdout:read "L", "\n")
    t.eq(p.stdout:read "l", "bb")
    t.eq(p.stdout:read {exact = 2}, "\nc")
    t.eq(p.stdout:read(0), "")
    t.eq(p.stdout:read {exact = 9}, "cc")
    t.eq(p.stdout:read "l", nil)
    t.eq(p.stdout:read(5), nil)
    t.eq(p.stdout:read "a", "")
    t.raises("usage", p.stdout.read, p.stdout, "x")
    t.raises("usage", p.stdout.read, p.stdout, -1)
    t.eq(p:wait(), 0)
    local got = {}
    p = s:popen "echo 1; echo 2; printf 3"
    for line in p.stdout:lines() do got[#got + 1] = line end
    t.same(got, {"1", "2", "3"})
    gives(t, s, "echo next", 0, "next\n")
end)

spec.test("popen: lines of any length", function(t)
    local s = open(t)
    local p = s:popen "head -c 200000 /dev/zero; echo; for i in 1 2 3; do head -c 70000 /dev/zero; echo; done"
    for _, n in ipairs {200000, 70000, 70000, 70000} do t.eq(#p.stdout:read "l", n) end
    t.eq(p.stdout:read "l", nil)
end)

spec.test("popen: wait reads what was not read", function(t)
    local s = open(t)
    local p = s:popen "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; (exit 2)"
    t.eq(p:wait(), 2)
    t.eq(#p.stdout:read "a", 300000)
    t.eq(#p.stderr:read "a", 300000)
    t.eq(p:wait(), 2)
end)

spec.test("popen: a slow reader slows the script", function(t)
    local s = open(t)
    local p <close> = s:popen "head -c 100000000 /dev/zero; echo >&2"
    t.eq(#p.stdout:read {exact = 100000}, 100000)
    task.sleep(0.05)
    t.ok(collectgarbage "count" < 50000)
    t.raises("timeout", p.stderr.read, p.stderr, "l", 0.05)
end)

spec.test("popen: a read that ends by its timeout loses nothing", function(t)
    local s = open(t)
    local p = s:popen "printf ab; sleep 0.2; echo c"
    t.raises("timeout", p.stdout.read, p.stdout, "l", 0.05)
    t.eq(p.stdout:read "l", "abc")
    t.eq(p:wait(), 0)
    t.raises("timeout", function()
        p = s:popen "sleep 0.3; echo d"
        p:wait(0.05)
    end)
    t.eq(p:wait(), 0)
    t.eq(p.stdout:read "a", "d\n")
end)

spec.test("popen: closing a script that runs closes the session", function(t)
    local s = open(t)
    local p = s:popen "sleep 60"
    p:close()
    p:close()
    t.eq(s.closed, true)
    t.raises("closed", p.stdout.read, p.stdout)
    t.raises("closed", p.wait, p)
    local other = open(t)
    p = other:popen "true"
    t.eq(p:wait(), 0)
    p:close()
    t.eq(other.closed, false)
end)

spec.test("popen: dropped, the session goes on", function(t)
    local s = open(t)
    do local _ = s:popen "head -c 1000000 /dev/zero; x=done" end
    for _ = 1, 200 do
        collectgarbage()
        task.sleep(0.01)
        local ok, code, out = pcall(s.run, s, "echo $x")
        if ok then
            t.same({code, out}, {0, "done\n"})
            return
        end
    end
    t.fail "it never went on"
end)

spec.test("popen: what is dropped and ends with its session is no failed task", function(t)
    local script = [[
        local function reap() for _ = 1, 3 do collectgarbage() sleep(0.1) end end
        local s = here:session()
        s:popen "sleep 500"
        reap()
        here.kill("-KILL", "--", "-" .. s.pid)
        reap()
        s = nil
        reap()]]
    local program = require "rshell".here[require "waits".RSHELL]
    t.same({program:run({"run", "-e", script}, {timeout = 60})}, {0, "", "", {0}})
end)

spec.test("popen: exit", function(t)
    local s = open(t)
    local p = s:popen "echo last; exit 7"
    t.eq(p.stdout:read "a", "last\n")
    t.eq(p:wait(), 7)
    t.eq(s.closed, true)
end)

spec.test("popen: tostring", function(t)
    local s = open(t)
    local p = s:popen "true"
    t.eq(tostring(p), "script of a session (running)")
    p:wait()
    t.eq(tostring(p), "script of a session (ended)")
    t.raises("usage", function() return p.stdin end)
end)

spec.finish()
