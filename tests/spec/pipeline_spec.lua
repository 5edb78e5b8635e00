package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local machines = require "machines"
local m, other = machines.get(), machines.other()
local programs = require "programs"

-- The same test with all stages on one machine, and on two.
local function both(name, fn)
    spec.test(name, function(t) fn(t, m, m) end)
    spec.test(name .. ", across machines", function(t) fn(t, m, other) end)
end

both("a pipeline", function(t, a, b)
    t.eq((a.echo["hello"] | b.tr["a-z"]["A-Z"])(), "HELLO\n")
    t.eq((a.printf["b\\na\\nb\\n"] | b.sort | a.uniq["-c"]):text(), "      1 a\n      2 b")
    t.eq((a.printf["3\\n1\\n2\\n"] | b.sort | b.head["-n2"] | a.tail["-n1"] | b.cat)(), "2\n")
    t.eq(((a.echo["x"] | b.cat) | (a.cat | b.cat))(), "x\n", "of pipelines")
end)

both("arguments of the call go to the first stage", function(t, a, b)
    local c = a.echo["a"] | b.cat
    t.eq(c("b", "c"), "a b c\n")
    t.eq(select(2, c:run {"d"}), "a d\n")
    t.eq(c:bind("e")(), "a e\n")
    t.eq(c(), "a\n")
end)

both("input goes to the first stage, all bytes pass", function(t, a, b)
    local data = programs.ALL_BYTES:rep(10000)
    local c = a.cat | b.cat | a.cat
    t.ok((c << data)() == data)
    t.ok(((a.cat << data) | b.cat)() == data)
    t.ok(c:with {input = data}() == data)
    t.ok(select(2, c:run(nil, {input = data})) == data)
    t.eq(c(), "")
end)

both("every stage's status; the last counts", function(t, a, b)
    local c = a:sh "cat; exit 3" | b:sh "cat; exit 4" | a:sh "cat; exit 5"
    local code, out, err, codes, signal = c:run()
    t.same({code, out, err, codes, signal}, {5, "", "", {3, 4, 5}})
    local e = t.raises("process", c)
    t.eq(e.code, 5)
    t.same(e.codes, {3, 4, 5})
    t.eq(e.command, tostring(c))
    t.eq((a["false"] | b["true"])(), "")
    t.raises("process", a["true"] | b["false"])
    t.same(select(4, (a:sh "kill -TERM $$" | b.cat):run()), {143, 0})
    local killed = a.cat | b:sh "kill -TERM $$"
    if a == b and machines.is_bare() then -- sh can't tell a signal from an exit with that code
        t.same({killed:run()}, {143, "", "", {0, 143}})
    else
        t.same({killed:run()}, {[2] = "", [3] = "", [4] = {0, 143}, [5] = "TERM"})
    end
end)

both("pipefail: the last stage that failed counts", function(t, a, b)
    local c = (a:sh "exit 3" | b:sh "exit 4" | a["true"]):with {pipefail = true}
    t.eq(c:run(), 4)
    local e = t.raises("process", c)
    t.eq(e.code, 4)
    t.match(e.message, "exited with status 4 in stage 2, `sh %-c 'exit 4' sh`$")
    t.eq(e.host, b.name)
    t.raises("process", (a["false"] | b["true"]):with {pipefail = true})
    t.eq((a["true"] | b["true"]):with {pipefail = true}(), "")
    t.eq((a["false"] | b["true"] | a["true"]):run(nil, {pipefail = true}), 1)
    t.eq(c:with {retcode = 4} & TF, false, "3 isn't accepted")
    t.eq(c:with {retcode = {0, 3, 4}}:run(), 4)
    t.eq(c:with {retcode = {0, 3, 4}} & TF, true)
end)

both("a stage's retcode is what it may exit with", function(t, a, b)
    local grep = a.grep["x"]:with {retcode = {0, 1}}
    t.eq(((grep << "y") | b.cat):with {pipefail = true}(), "")
    t.raises("process", ((a.grep["x"] << "y") | b.cat):with {pipefail = true})
    t.eq((a.echo | b:sh("cat; exit 3"):with {retcode = 3})(), "\n")
    t.raises("process", (a.echo | b:sh("cat; exit 3"):with {retcode = 3}):with {retcode = 0})
    t.eq((a.echo | b:sh("cat; exit 3")):with {retcode = 3}(), "\n")
end)

both("what all stages print on stderr", function(t, a, b)
    local _, _, err = (a:sh "echo one >&2" | b:sh "cat; echo two >&2"):run()
    local lines = {}
    for line in err:gmatch "[^\n]+" do lines[#lines + 1] = line end
    table.sort(lines)
    t.same(lines, {"one", "two"})
    t.match(t.raises("process", a:sh "echo one >&2" | b["false"]).stderr, "one")
end)

both("err_to_out of a stage goes into the pipe", function(t, a, b)
    t.eq((a:sh("echo out; echo err >&2"):err_to_out() | b.sort)(), "err\nout\n")
end)

both("a reader that ends early ends who writes", function(t, a, b)
    t.same({(a.yes | b.head["-n1"]):run()}, {0, "y\n", "", {141, 0}})
    t.same(select(4, (a.yes | b.cat | a.cat | b.cat | a.head["-n1"]):run()), {141, 141, 141, 141, 0})
    t.same(select(4, (a.yes | b["true"]):run()), {141, 0})
    t.same(select(4, (a.yes | a.cat | b.head["-n1"] | a.cat | b.cat):run()), {141, 141, 0, 0, 0})
end)

both("redirections of a stage in the middle", function(t, a, b)
    local dir <close> = a:tempdir()
    local there <close> = b:tempdir()
    local f, g = dir / "f", there / "g"
    t.eq((a.echo["x"]:to(f) | b.cat)(), "", "nothing is left for the pipe")
    t.eq(f:read(), "x\n")
    g:write "from g\n"
    t.eq((a.echo["x"] | b.cat:from(g) | a.cat)(), "from g\n")
    t.eq((a:sh("echo out; echo err >&2"):err_to(f) | b.cat)(), "out\n")
    t.eq(f:read(), "err\n")
    t.eq((a.echo["x"] | (b.cat >> g) | a.cat)(), "")
    t.eq(g:read(), "from g\nx\n")
    local got = {}
    t.eq((a.echo["y"] | b.cat:to(function(block) got[#got + 1] = block end) | a.cat)(), "")
    t.eq(table.concat(got), "y\n")
    t.eq((a.echo["y"] | (b.cat << "own") | a.cat)(), "own")
    t.eq((a.echo["y"] | b.cat:from(function() end) | a.cat)(), "")
    t.eq((a.echo["y"] | b.cat:with {input = "own"})(), "own")
    local errors = {}
    t.eq((a.echo["y"] | b:sh("cat; echo e >&2"):err_to(function(x) errors[#errors + 1] = x end) | a.cat)(), "y\n")
    t.eq(table.concat(errors), "e\n")
end)

both("what writes to a stage that reads a file is told so", function(t, a, b)
    t.same(select(4, (a.yes | b.cat:from "/dev/null"):run()), {141, 0})
    t.same(select(4, (a.yes | b.cat:from(function() end)):run()), {141, 0})
end)

both("options of stages and of the whole", function(t, a, b)
    local dir <close> = a:tempdir()
    local show = a:sh "pwd; echo $A"
    local pipe = show:with {cwd = dir, env = {A = "1"}} | b:sh "cat; echo $A"
    t.eq(pipe(), tostring(dir) .. "\n1\n\n")
    t.eq(pipe:with {env = {A = "2"}}(), tostring(dir) .. "\n2\n2\n")
    t.eq(pipe:with {cwd = "/"}(), "/\n1\n\n")
    t.eq(select(2, pipe:run(nil, {cwd = "/", env = {A = "3"}})), "/\n3\n3\n")
end)

both("timeouts of stages and of the whole", function(t, a, b)
    for _, c in ipairs {(a.sleep["1000"] | b.cat):with {timeout = 0.2}, a.sleep["1000"]:with {timeout = 0.2} | b.cat,
            a.cat | b.sleep["1000"]:with {timeout = 0.2}} do
        local e = t.raises("timeout", c)
        t.match(e.message, "was not done after 0.2 s")
        t.eq(e.command, tostring(c))
    end
end)

both("what is printed before a timeout is in its error", function(t, a, b)
    local c = (a:sh "echo $$; sleep 1000" | b:sh "cat; echo err >&2"):with {timeout = 1}
    local e = t.raises("timeout", c)
    t.match(e.stdout, "^%d+\n$")
    t.ok(programs.gone(a, tonumber(e.stdout:match "%d+")))
end)

both("max_output", function(t, a, b)
    local e = t.raises("io", (a.yes | b.cat):with {max_output = 10})
    t.eq(e.stdout, "y\ny\ny\ny\ny\n")
    t.eq((a.printf["12345"] | b.cat):with {max_output = 5}(), "12345")
    t.raises("max_output", (a.cat | b:sh "yes >&2"):with {max_output = 10})
end)

both("a stage that isn't there: all that has started is ended", function(t, a, b)
    local dir <close> = a:tempdir()
    local pids = dir / "pids"
    local long = a:sh("echo $$ >> $1; exec sleep 1000", pids)
    t.raises("notfound", long | b["no-such-program"])
    t.raises("notfound", long | b.cat:from "/no/such")
    t.raises("notfound", long | b.cat:with {cwd = "/no/such"})
    for line in (pids:exists() and pids:read() or ""):gmatch "%d+" do t.ok(programs.gone(a, tonumber(line))) end
end)

both("popen: stdin of the first, stdout of the last, all statuses", function(t, a, b)
    local p = (a.cat | b.tr["a-z"]["A-Z"] | a:sh "cat; exit 3"):popen()
    p.stdin:write "hello\n"
    p.stdin:close()
    t.eq(p.stdout:read "a", "HELLO\n")
    t.eq(p:wait(), 3)
    t.eq(p.code, 3)
    local q = (a.cat | b.cat):popen()
    q.stdin:write "x\n"
    t.eq(q.stdout:read "l", "x") -- both run
    q:kill()
    t.same({q:wait()}, {nil, "TERM"})
end)

both("lines, iter, and the modifiers", function(t, a, b)
    local got = {}
    for line in (a.seq["3"] | b.cat):lines() do got[#got + 1] = line end
    t.same(got, {"1", "2", "3"})
    for line in (a.yes | b.cat):lines() do
        got[#got + 1] = line
        if #got == 5 then break end
    end
    t.eq(got[5], "y")
    t.eq((a["true"] | b["false"]) & TF, false)
    t.eq((a["true"] | b:sh "exit 5") & RETCODE, 5)
    local f = (a.echo["x"] | b.cat) & BG
    t.eq(f.stdout, "x\n")
end)

spec.test("a pipeline has no terminal", function(t)
    t.match(t.raises("usage", (m.ls | m.cat):with {pty = true}).message, "a pipeline has no pty")
    t.raises("usage", m.ls:with {pty = true} | m.cat)
    t.raises("usage", function() return (m.ls | m.cat):run(nil, {pty = true}) end)
end)

spec.test("between neighbours on one machine there is a kernel pipe", function(t)
    local c = m:sh "readlink /proc/$$/fd/1" | m:sh "cat; readlink /proc/$$/fd/0"
    local write, read = c():match "^(pipe:%[%d+%])\n(pipe:%[%d+%])\n$"
    t.eq(read, write)
end)

spec.test("100 stages", function(t)
    local c = m.echo["x"]
    for _ = 2, 100 do c = c | m.cat end
    t.eq(c(), "x\n")
    t.eq(#select(4, c:run()), 100)
end)

spec.test("100 MB across two machines in bounded memory", function(t)
    programs.bounded(t, 20, function()
        local c = m:sh "head -c 100000000 /dev/zero" | other.cat | m.wc["-c"]
        t.eq(c:text(), "100000000")
        t.eq((m:sh "head -c 100000000 /dev/zero" | other:sh "sleep 0.3; wc -c"):text(), "100000000")
    end)
end)

spec.test("a pipeline across machines that is dropped ends with the program", function(t)
    if machines.kind ~= "local" then t.skip "the other rshell runs here" end
    local dir <close> = m:tempdir()
    local pids = dir / "pids"
    local script = [[
        local pids = ...
        local other = require("rshell.here").new "other"
        local c = here:sh("echo $$ >> $1; exec cat", pids) | other:sh("echo $$ >> $1; exec cat", pids)
        c:popen()
        collectgarbage()
        repeat sleep(0.01) until select(2, here:path(pids):read():gsub("\n", "")) == 2]]
    pids:touch()
    m[os.getenv "RSHELL"]("-e", script, pids)
    local seen = programs.pids_in(pids, 2)
    t.eq(#seen, 2)
    for _, pid in ipairs(seen) do t.ok(programs.gone(m, pid)) end
end)

spec.finish()
