package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local m = require("machines").get()
local other = require("machines").other()
local programs = require "programs"

-- The arguments that a program gets, as a table.
local function argv_of(c, ...)
    local out = {}
    for arg in c(...):gmatch "([^\0]*)\0" do out[#out + 1] = arg end
    return out
end

-- Prints each of its arguments and a NUL.
local args = m.cmd.sh["-c"]['for arg; do printf "%s\\0" "$arg"; done']["sh"]

-- ---- arguments ----

spec.test("a call runs and returns what was printed", function(t)
    t.eq(m.echo "hello", "hello\n")
    t.eq(m.echo("a", "b"), "a b\n")
    t.eq(m.echo(), "\n")
    t.eq(m["true"](), "")
end)

spec.test("bound arguments run nothing and change nothing", function(t)
    local echo = m.echo
    local c = echo["a"]["b"]
    t.eq(c(), "a b\n")
    t.eq(c "c", "a b c\n")
    t.eq(c(), "a b\n")
    t.eq(echo(), "\n")
    t.eq(echo[{"x", "y"}](), "x y\n")
    t.eq(echo:bind("p", "q")(), "p q\n")
    t.eq(echo:bind()(), "\n")
    t.same(c.argv, {"echo", "a", "b"})
    c.argv[2] = "changed"
    t.same(c.argv, {"echo", "a", "b"})
end)

local SHELLISH = "$HOME `id` $(id) * ~ ; | & > # 'q' \"d\" \\"

spec.table("an argument", {
    {name = "a string", "x", {"x"}},
    {name = "an empty string", "", {""}},
    {name = "what a shell would read", SHELLISH, {SHELLISH}},
    {name = "lines", "a\nb\r\n\tc ", {"a\nb\r\n\tc "}},
    {name = "an option", "--help", {"--help"}},
    {name = "an integer", 42, {"42"}},
    {name = "the least integer", math.mininteger, {"-9223372036854775808"}},
    {name = "a float", 0.1, {"0.1"}},
    {name = "a float that needs all digits", 0.1 + 0.2, {"0.30000000000000004"}},
    {name = "a float without a fraction", 10 / 2, {"5"}},
    {name = "a large float", 1e300, {"1e+300"}},
    {name = "a table", {"a", "b"}, {"a", "b"}},
    {name = "an empty table", {}, {}},
    {name = "tables in a table", {"a", {"b", {3}}, {}}, {"a", "b", "3"}},
    {name = "a path", m:path "/tmp/a b", {"/tmp/a b"}},
    {name = "paths in a table", {m:path "/a", m:path "/b"}, {"/a", "/b"}},
    {name = "a command", m.ls["-l"]["a b"], {"ls", "-l", "a b"}},
    {name = "another machine's command", other.ls["x"], {"ls", "x"}},
}, function(t, c)
    t.same(argv_of(args, c[1]), c[2])
    t.same(argv_of(args[c[1]]), c[2])
    local framed = table.move(c[2], 1, #c[2], 2, {"-"})
    framed[#framed + 1] = "-"
    t.same(argv_of(args:bind("-", c[1], "-")), framed)
end)

spec.test("every byte but NUL arrives in an argument", function(t)
    t.same(argv_of(args, programs.ALL_BUT_NUL), {programs.ALL_BUT_NUL})
    for b = 1, 255 do t.same(argv_of(args["<" .. string.char(b) .. ">"]), {"<" .. string.char(b) .. ">"}) end
end)

spec.test("many arguments, and large ones", function(t)
    local many = {}
    for i = 1, 5000 do many[i] = "argument " .. i end
    t.same(argv_of(args, many), many)
    local large = ("x"):rep(100000)
    t.same(argv_of(args, large), {large})
end)

spec.table("what is no argument", {
    {name = "nil", function() return m.echo(nil) end, "not nil"},
    {name = "nil in the middle", function() return m.echo("a", nil, "b") end, "not nil"},
    {name = "a bound nil", function() return m.echo[nil] end, "not nil"},
    {name = "a boolean", function() return m.echo(true) end, "not a boolean"},
    {name = "a bound boolean", function() return m.echo[false] end, "not a boolean"},
    {name = "a function", function() return m.echo(print) end, "not a function"},
    {name = "a machine", function() return m.echo(m) end, "not a machine"},
    {name = "a file", function() return m.echo(io.stdout) end, "not a FILE"},
    {name = "NUL", function() return m.echo "a\0b" end, "NUL"},
    {name = "a bound NUL", function() return m.echo["\0"] end, "NUL"},
    {name = "NUL in a table", function() return m.echo {"a", {"b\0"}} end, "NUL"},
    {name = "NUL in a script", function() return m:sh "echo \0" end, "NUL"},
    {name = "a hole", function() return m.echo {"a", nil, "b"} end, "not nil"},
    {name = "options", function() return m.echo {timeout = 3} end, "field 'timeout'"},
    {name = "a table with a metatable", function() return m.echo(setmetatable({}, {})) end, "not a table"},
    {name = "a path of another machine", function() return m.echo(other:path "/tmp") end, "/tmp is a path of"},
    {name = "a pipeline", function() return m.echo(m.ls | m.cat) end, "a pipeline can't be an argument"},
    {name = "a redirected command", function() return m.echo(m.ls:to "/tmp/x") end, "redirections or options"},
    {name = "a command with input", function() return m.echo(m.cat << "x") end, "redirections or options"},
    {name = "a command with options", function() return m.echo(m.ls:with {timeout = 3}) end, "redirections or options"},
}, function(t, c)
    t.match(t.raises("usage", c[1]).message, c[2])
end)

spec.test("a table that holds itself is no argument", function(t)
    local list = {"a"}
    list[2] = list
    t.raises("usage", m.echo, list)
    t.match(t.raises("usage", m.echo, {n = 1, "a"}).hint, "c:with")
end)

-- ---- names ----

spec.test("programs by name, by path, by path object", function(t)
    local sh = tostring(m:which "sh")
    for _, c in ipairs {m.sh, m["echo"], m.cmd.echo} do t.ok(c) end
    t.eq(m[sh]["-c"]["echo hi"](), "hi\n")
    t.eq(m[m:path(sh)]["-c"]["echo hi"](), "hi\n")
    t.eq(m.cmd[sh]["-c"]["echo hi"](), "hi\n")
    t.eq(m.cmd.sh["-c"]["echo hi"](), "hi\n")
end)

spec.test("a member of machines is the member, m.cmd has every name", function(t)
    for _, name in ipairs {"host", "name", "env", "path", "sh", "ssh", "su", "session", "uname", "arch", "home"} do
        t.same(m.cmd[name].argv, {name})
    end
    t.eq(m.uname .. "\n", m.cmd.uname "-s")
    t.eq(m.cmd.env["-i"]["A=1"]["env"](), "A=1\n")
end)

spec.test("a method of machines that is meant as a command", function(t)
    for _, name in ipairs {"sh", "sudo", "su", "doas", "ssh"} do
        local e = t.raises("usage", function() return m[name]["-x"] end)
        t.match(e.message, "m%." .. name .. " is a method of machines")
        t.match(e.hint, "m%.cmd%." .. name)
        t.raises("usage", m.echo, m[name])
    end
    t.eq(m.sh(m, "echo hi")(), "hi\n")
end)

spec.test("_ in a name falls back to -", function(t)
    local dir <close> = m:tempdir()
    local with_dash, with_both = dir / "rs-spec-dash", dir / "rs-spec_both"
    for _, p in ipairs {with_dash, with_both, dir / "rs-spec-both"} do
        p:write("#!/bin/sh\necho \"${0##*/}\" \"$@\"\n", {mode = 493})
    end
    local there = m:with {env = {PATH = tostring(dir) .. ":" .. m.env.PATH}}
    t.eq(there.rs_spec_dash "x", "rs-spec-dash x\n")
    t.eq(there.cmd.rs_spec_dash(), "rs-spec-dash\n")
    t.eq(there["rs-spec_both"](), "rs-spec_both\n", "the name as it is written comes first")
    t.same(there.rs_spec_dash["x"].argv, {"rs_spec_dash", "x"})
    t.eq(there.cmd.env[there.rs_spec_dash["x"]](), "rs-spec-dash x\n", "also as an argument")
    t.raises("notfound", there[tostring(dir) .. "/rs_spec_dash"])
    t.match(t.raises("notfound", there.rs_spec_none).message, "'rs_spec_none' or 'rs%-spec%-none' in PATH")
end)

spec.table("what names no program", {
    {name = "nil", nil}, {name = "a number", 1}, {name = "a boolean", true}, {name = "a table", {}},
    {name = "an empty name", ""}, {name = "NUL", "a\0b"}, {name = "another machine's path", other:path "/bin/ls"},
}, function(t, c)
    t.raises("usage", function() return m[c[1]] end)
    t.raises("usage", function() return m.cmd[c[1]] end)
end)

spec.test("a program that isn't there is notfound when it runs", function(t)
    local c = m["no-such-program"]["x"]
    local e = t.raises("notfound", c)
    t.eq(e.name, "no-such-program")
    t.eq(e.command, "no-such-program x")
    t.eq(e.host, m.name)
    t.match(e.message, "no program 'no%-such%-program' in PATH %(")
    t.ok(e.message:find(m.env.PATH, 1, true))
    t.match(t.raises("notfound", m["/no/such/program"]).message, "can't run /no/such/program: no such file")
    t.raises("notfound", c.run, c)
    t.raises("notfound", c.popen, c)
    t.raises("notfound", c.lines, c)
    t.raises("notfound", function() return m.ls | c & TF end)
    t.raises("notfound", function() return (m.echo | c)() end)
    t.raises("notfound", function() return (c | m.cat)() end)
end)

spec.test("what can't run says why", function(t)
    local dir <close> = m:tempdir()
    local function file(name, text, mode)
        local p = dir / name
        p:write(text, {mode = mode})
        return m[p]
    end
    t.raises("denied", file("plain", "#!/bin/sh\n", 420))
    t.raises("denied", m[dir])
    t.match(t.raises("notfound", file("lost", "#!/no/interpreter\n", 493)).message, "interpreter")
    local e = t.raises("it is no program that the system knows", file("text", "echo hi\n", 493))
    t.match(e.hint, "#!/bin/sh")
    local long = t.raises("argument list too long", m.echo, ("x"):rep(200000))
    t.eq(long.name, "echo")
    t.ok(#tostring(long) < 400000)
end)

-- ---- nesting ----

spec.test("a command as an argument: its argv is appended, nothing is quoted", function(t)
    local env = m.cmd.env
    local inner = args["a b"]["$x"]["'"]
    t.same(argv_of(env[inner]), {"a b", "$x", "'"})
    t.same(argv_of(env["A=1"][env["B=2"][inner]]), {"a b", "$x", "'"})
    t.same(env["-i"][m.ls["-l"]].argv, {"env", "-i", "ls", "-l"})
    t.same(m.cmd.sudo[m.ifconfig["-a"]].argv, {"sudo", "ifconfig", "-a"})
    t.same(m.xargs["-n"][1][m.echo["x"]].argv, {"xargs", "-n", "1", "echo", "x"})
end)

spec.test("under ssh the inner command is one argument, quoted for sh", function(t)
    local inner = other.printf["%s\n"]["a b"]["$x"]["it's"][""]
    local c = m.cmd.ssh["host"][inner]
    t.eq(#c.argv, 3)
    t.eq(m:sh(c.argv[3])(), m.printf["%s\n"]("a b", "$x", "it's", ""))
    t.same(m.cmd["/usr/bin/ssh"]["host"][m.ls["a b"]].argv, {"/usr/bin/ssh", "host", "ls 'a b'"})
    t.same(m.cmd.sudo[m.cmd.ssh["host"][m.ls["a b"]]].argv, {"sudo", "ssh", "host", "ls 'a b'"})
    local bytes = other.printf["%s"][programs.ALL_BUT_NUL]
    t.eq(m:sh(m.cmd.ssh["host"][bytes].argv[3])(), programs.ALL_BUT_NUL)
end)

-- ---- methods as arguments ----

spec.test("a string key that is a member is the member", function(t)
    local docker = m.docker
    for _, name in ipairs {"bind", "run", "text", "json", "popen", "lines", "iter", "with", "from", "to", "append",
            "err_to", "err_to_out"} do
        t.eq(rshell.type(docker[name]), "method", name)
        t.same(docker:bind(name).argv, {"docker", name})
        t.same(docker[{name}].argv, {"docker", name})
    end
    t.eq(tostring(docker.run), "method 'run' of commands")
end)

spec.table("a method without its command", {
    {name = "indexed", function() return m.docker["run"]["--rm"] end},
    {name = "called", function() return m.docker["run"]() end},
    {name = "called with a string", function() return m.docker["run"]("--rm") end},
    {name = "called with another command", function() return m.docker["run"](m.ls) end},
    {name = "passed", function() return m.echo(m.docker["run"]) end},
    {name = "passed in a table", function() return m.echo {m.docker.text} end},
    {name = "bound", function() return m.cmd.sudo[m.docker["run"]] end},
}, function(t, c)
    local e = t.raises("usage", c[1])
    t.match(e.message, "is a method of commands")
    t.match(e.hint, 'c:bind%("%l+"%) or c%[{"%l+"}%]')
end)

spec.test("a method that is kept works with its command", function(t)
    local c = m.echo["x"]
    local text = c.text
    t.eq(text(c), "x")
    t.eq(text(m.echo["x"], "y"), "x y")
    t.eq(select(2, pcall(m.echo.text, m.echo, "z")), "z")
end)

-- ---- results ----

spec.test("run returns code, stdout, stderr, codes", function(t)
    t.same({m:sh("echo out; echo err >&2; exit 3"):run()}, {3, "out\n", "err\n", {3}})
    t.same({m.echo:run {"a", "b"}}, {0, "a b\n", "", {0}})
    t.same({m.echo:run "a"}, {0, "a\n", "", {0}})
    t.same({m.echo:run(m:path "/a")}, {0, "/a\n", "", {0}})
    t.same({m.echo:run(5)}, {0, "5\n", "", {0}})
    t.eq(select("#", m.echo:run()), 5)
end)

spec.test("a signal: no code, the signal's name is the fifth value", function(t)
    for name, number in pairs {TERM = 15, KILL = 9, HUP = 1, USR1 = 10, PIPE = 13} do
        local r = table.pack(m:sh("kill -" .. name .. " $$"):run())
        t.eq(r[1], nil)
        t.same(r[4], {128 + number})
        t.eq(r[5], name)
    end
    local e = t.raises("process", m:sh "kill -KILL $$")
    t.eq(e.code, nil)
    t.eq(e.signal, "KILL")
    t.match(e.message, "was ended by signal KILL$")
end)

spec.test("text is without the final newlines", function(t)
    t.eq(m.printf:text "a\\n\\nb\\n\\n\\n", "a\n\nb")
    t.eq(m.printf:text "\\n", "")
    t.eq(m.printf["%s"]:text "x", "x")
    t.raises("process", m["false"].text, m["false"])
end)

spec.test("json", function(t)
    t.same(m.echo:json '{"a": [1, 2.5, "x"], "b": true}', {a = {1, 2.5, "x"}, b = true})
    t.same(m.echo["[]"]:json(), {})
    local e = t.raises("parse", m.echo.json, m.echo, "{,")
    t.match(e.message, "^`echo '{,'` printed no JSON: line 1")
    t.eq(e.stdout, "{,\n")
    t.raises("process", function() m:sh("echo 1; exit 1"):json() end)
end)

spec.test("a bad status raises kind process, with all that is known", function(t)
    local c = m:sh "echo out; echo err >&2; exit 7"
    local e = t.raises("process", c)
    t.eq(e.code, 7)
    t.eq(e.signal, nil)
    t.eq(e.stdout, "out\n")
    t.eq(e.stderr, "err\n")
    t.eq(e.command, tostring(c))
    t.eq(e.host, m.name)
    t.eq(e.message, "`" .. tostring(c) .. "` exited with status 7")
    local printed = tostring(e)
    t.match(printed, "exited with status 7\n  out| out\n  err| err$")
    t.eq(t.raises("process", m["false"], "a b").command, "false 'a b'", "the arguments of the call too")
end)

spec.test("control characters are escaped in print, exact in the fields", function(t)
    local e = t.raises("process", m:sh "printf 'a\\033[31mb'; exit 1")
    t.eq(e.stdout, "a\27[31mb")
    t.match(tostring(e), "out| a\\x1b%[31mb")
end)

spec.test("a long command is shortened in the message, not in the field", function(t)
    local e = t.raises("process", m["false"], ("é"):rep(500))
    t.eq(e.command, "false '" .. ("é"):rep(500) .. "'")
    t.ok(#e.message < 300 and utf8.len(e.message))
end)

-- ---- retcode ----

spec.table("retcode", {
    {3, 3, true}, {0, 3, false}, {0, 0, true}, {{0, 3}, 3, true}, {{1, 2}, 3, false}, {{}, 0, false}, {"any", 3, true},
    {255, 255, true}, {-1, 255, false},
}, function(t, c)
    local run = m:sh("exit " .. c[2])
    local ok, e = pcall(run:with {retcode = c[1]})
    t.eq(ok, c[3])
    if not ok then t.eq(e.kind, "process") end
    t.eq(run:with {retcode = c[1]} & TF, c[3])
    t.eq(run:run(nil, {retcode = c[1]}), c[2], "run never raises on the status")
end)

spec.test("retcode counts a signal as 128 and its number", function(t)
    local killed = m:sh "kill -TERM $$"
    t.eq(killed:with {retcode = 143}(), "")
    t.eq(killed:with {retcode = {0, 143}}(), "")
    t.eq(killed:with {retcode = "any"}(), "")
    t.raises("process", killed:with {retcode = 15})
end)

-- ---- input and output ----

spec.test("input: a string, an option, an argument of run", function(t)
    t.eq((m.cat << "text")(), "text")
    t.eq((m.cat << 42)(), "42")
    t.eq((m.cat << "")(), "")
    t.eq(m.cat:with {input = "a"}(), "a")
    t.eq(select(2, m.cat:run(nil, {input = "b"})), "b")
    t.eq(select(2, (m.cat << "a"):run(nil, {input = "b"})), "b", "what is said last")
    t.eq((m.cat:with {input = "a"} << "c")(), "c")
    t.eq(m.cat(), "", "without any it is empty")
end)

spec.test("all bytes, in both directions", function(t)
    t.eq((m.cat << programs.ALL_BYTES)(), programs.ALL_BYTES)
    local data = programs.ALL_BYTES:rep(20000)
    t.ok((m.cat << data)() == data)
    local _, out, err = (m:sh "tee /dev/stderr" << data):run()
    t.ok(out == data and err == data)
end)

spec.test("a program that doesn't read its input", function(t)
    local large = ("x"):rep(1000000)
    t.eq((m["true"] << large)(), "")
    t.eq((m.head["-c"][3] << large)(), "xxx")
end)

spec.test("standard input is never ours", function(t)
    t.eq(m:sh("cat; echo done")(), "done\n")
end)

spec.test("max_output: exactly so much is fine, past it the call raises", function(t)
    local c = m.printf["%s"]["12345"]
    t.eq(c:with {max_output = 5}(), "12345")
    local e = t.raises("io", c:with {max_output = 4})
    t.eq(e.stdout, "1234")
    t.match(e.message, "printed more than max_output %(4 bytes%)")
    t.match(e.hint, "max_output")
    t.eq(e.command, "printf %s 12345")
    t.raises("max_output", m:sh("echo x >&2"):with {max_output = 1})
    t.eq(m["true"]:with {max_output = 0}(), "")
    t.eq(t.raises("io", m.yes:with {max_output = 100}).stdout, ("y\n"):rep(50))
    t.eq(#t.raises("io", function() m.yes:run(nil, {max_output = 100000}) end).stdout, 100000)
end)

spec.test("more than fits in a pipe, on both outputs", function(t)
    local script = "i=0; while [ $i -lt 20000 ]; do echo out $i; echo err $i >&2; i=$((i + 1)); done"
    local code, out, err = m:sh(script):run()
    t.eq(code, 0)
    t.eq(select(2, out:gsub("\n", "")), 20000)
    t.eq(err, (out:gsub("out", "err")))
end)

spec.test("a call ends when the program has ended and its output was read to the end", function(t)
    t.eq(m:sh("(sleep 0.3; echo late) & echo early")(), "early\nlate\n")
end)

-- ---- options ----

spec.table("options that are wrong", {
    {{timeuot = 1}, "no option 'timeuot', did you mean 'timeout'"},
    {{timeout = "1"}, "'timeout': a number of seconds expected, got string"},
    {{timeout = -1}, "'timeout': a number of seconds expected, got %-1"},
    {{line_timeout = 0 / 0}, "'line_timeout'"},
    {{retcode = "some"}, "retcode is"},
    {{retcode = {"1"}}, "retcode is"},
    {{retcode = {ok = 1}}, "retcode is"},
    {{retcode = 1.5}, "'retcode': an integer or table or string expected"},
    {{umask = 512}, "'umask': a umask"},
    {{umask = "089"}, "'umask': a umask"},
    {{umask = "1000"}, "'umask': a umask"},
    {{umask = ""}, "'umask': a umask"},
    {{user = 5}, "'user'"},
    {{user = "a\0b"}, "'user'"},
    {{env = "A=1"}, "'env'"},
    {{env = {["A=B"] = "1"}}, "can't hold '='"},
    {{env = {A = "1\0"}}, "NUL"},
    {{env = {[""] = "1"}}, "empty"},
    {{env = {A = {}}}, "A"},
    {{max_output = -1}, "'max_output'"},
    {{input = {}}, "'input'"},
    {{pty = "yes"}, "'pty'"},
    {{pty = {rows = 0}}, "rows"},
    {{pty = {columns = 80}}, "no option 'columns'"},
    {{cwd = 5}, "a path is a string"},
    {{pipefail = 1}, "'pipefail'"},
    {5, "a table of options expected, got number"},
}, function(t, c)
    t.match(t.raises("usage", function() m.echo:with(c[1])() end).message, c[2])
    t.match(t.raises("usage", function() m.echo:run(nil, c[1]) end).message, c[2])
    t.raises("usage", function() m.echo:popen(c[1]) end)
end)

spec.test("numbers may be whole floats, and a umask octal text", function(t)
    t.eq(m:sh "umask":with {umask = "027"}:text(), "0027")
    t.eq(m:sh "umask":with {umask = 18.0}:text(), "0022")
    t.eq(m:sh "exit 3":run({}, {retcode = 3.0}), 3)
    t.eq(m:sh "exit 3":with {retcode = {2.0, 3.0}}(), "")
    t.eq(m:sh "stty size":with {pty = {rows = 10.0, cols = 20.0}}():match "%d+ %d+", "10 20")
end)

spec.test("options: the later ones win, a command is never changed", function(t)
    local c = m:sh "exit 3"
    local fine = c:with {retcode = 3}
    t.eq(fine(), "")
    t.raises("process", c)
    t.raises("process", fine:with {retcode = 0})
    t.eq(fine:with()(), "")
    t.eq(fine:with {}(), "")
    t.eq((m:sh "exit 3"):with {retcode = 3}:with {timeout = 60}(), "")
end)

spec.test("cwd, env and umask of view, command and call: the innermost wins", function(t)
    local dir <close> = m:tempdir()
    for _, name in ipairs {"a", "a/sub", "b", "c"} do (dir / name):mkdir() end
    local show = m:sh 'printf "%s %s %s" "${PWD##*/}" "$A" "$B"; umask'
    local function setting(name, umask)
        return {cwd = dir / name, env = {A = name, [name == "a" and "B" or "C"] = "kept"}, umask = umask}
    end
    local v = m:with(setting("a", 7))
    t.eq(v:sh(show.argv[3])(), "a a kept0007\n")
    t.eq(v:sh(show.argv[3]):with(setting("b", 23))(), "b b kept0027\n")
    t.eq(select(2, v:sh(show.argv[3]):with(setting("b", 23)):run(nil, setting("c", 63))), "c c kept0077\n")
    t.eq(v:sh(show.argv[3]):with {cwd = "sub"}(), "sub a kept0007\n", "relative to the view's")
    t.eq((m.echo | v:sh(show.argv[3])):with(setting("c", 63))(), "c c kept0077\n", "a pipeline's are its stages'")
    t.eq(m.cwd, m:path(m.cwd), "and nothing has moved")
end)

spec.test("env: unset, empty, numbers, names that are no words of sh, every byte", function(t)
    local env = m.cmd.env["-0"]
    local function value(name, opts)
        return ("\0" .. env:with(opts)()):match("\0" .. name:gsub("%p", "%%%0") .. "=([^\0]*)\0")
    end
    t.eq(value("A", {env = {A = ""}}), "")
    t.eq(value("HOME", {env = {HOME = false}}), nil)
    t.eq(value("N", {env = {N = 5}}), "5")
    t.eq(value("odd.name-1 x", {env = {["odd.name-1 x"] = "v"}}), "v")
    t.eq(value("A", {env = {A = programs.ALL_BUT_NUL}}), programs.ALL_BUT_NUL)
    t.eq(m:with {env = {A = "1"}}:sh("echo $A"):with {env = {A = false}}(), "\n")
end)

spec.test("a directory that isn't there", function(t)
    local e = t.raises("notfound", m.pwd:with {cwd = "/no/such"})
    t.eq(e.path, "/no/such")
    t.match(e.message, "can't enter /no/such")
    t.raises("notfound", m:at("/no/such").pwd)
    t.raises("usage", function() m.pwd:with {cwd = other:path "/"}() end)
end)

spec.test("the program is looked up in the PATH it gets", function(t)
    local dir <close> = m:tempdir();
    (dir / "rs-spec-tool"):write("#!/bin/sh\necho found\n", {mode = 493})
    local path = tostring(dir) .. ":" .. m.env.PATH
    t.eq(m["rs-spec-tool"]:with {env = {PATH = path}}(), "found\n")
    local e = t.raises("notfound", m["rs-spec-tool"]:with {env = {PATH = "/nowhere:/else"}})
    t.match(e.message, "in PATH %(/nowhere:/else%)")
    t.eq(m["./rs-spec-tool"]:with {cwd = dir}(), "found\n", "a relative name starts at cwd")
end)

spec.test("user", function(t)
    t.raises("notfound", m.id:with {user = "no-such-user"})
    t.match(t.raises("no user 'no%-such%-user'", m.id:with {user = "no-such-user"}).command, "^id$")
    if m.user ~= "root" then
        t.raises("denied", m.id:with {user = "root"})
        t.skip "only root can become others"
    end
    t.eq(m.id["-un"]:with {user = "nobody"}(), "nobody\n")
    t.eq(m:with {user = "nobody"}.id["-un"](), "nobody\n")
    t.eq(m:with({user = "nobody"}).user, "nobody")
    t.eq((m.id["-un"] | m:sh "cat; id -un"):with {user = "nobody"}(), "nobody\nnobody\n")
    t.eq(m.id["-G"]:with {user = "nobody"}(), m.id["-G"] "nobody", "its groups, none of ours")
    t.eq(m:with({user = "nobody"}).id["-un"]:with {user = "root"}(), "root\n")
end)

-- ---- operators and their traps ----

spec.test("precedence: redirections bind tighter than &, & tighter than |", function(t)
    local dir <close> = m:tempdir()
    local f = dir / "f"
    t.eq((m.cat << "x" | m.tr["x"]["y"])(), "y")
    t.eq(m.cat << "x" >> f & TF, true)
    t.eq(f:read(), "x")
    t.eq((m.echo["a"] | m.cat >> f)(), "")
    t.eq(f:read(), "xa\n")
end)

spec.table("operators used wrongly", {
    {name = "a | (b & TF)", function() return m["true"] | (m["true"] & TF) end, "not of a boolean", "%(a | b%) & TF"},
    {name = "a | b & RETCODE", function() return m["true"] | m["true"] & RETCODE end, "not of a number", "%(a | b%)"},
    {name = "a | string", function() return m["true"] | "cat" end, "not of a string"},
    {name = "string | a", function() return "cat" | m["true"] end, "not of a string"},
    {name = "not c & TF", function() return not m["true"] & TF end, "not a boolean", "not %(c & TF%)"},
    {name = "true & FG", function() return true & FG end, "FG runs a command, not a boolean", "not %(c & FG%)"},
    {name = "c & c", function() return m.ls & m.ls end, "& takes FG, BG"},
    {name = "c & number", function() return m.ls & 5 end, "& takes FG, BG, TEE, TF, RETCODE or NOHUP, not a number"},
    {name = "FG(nil)", function() return FG(nil) end, "FG runs a command, not a nil"},
    {name = "c > file", function() return m.ls > m.cat end, "compare", "c:to%(path%)"},
    {name = "c < file", function() return m.cat < m:path "/etc/passwd" end, "compare", "c:from%(path%)"},
    {name = "c > string", function() return m.ls > "file" end, "compare", "c:to%(path%)"},
    {name = "c << path", function() return m.cat << m:path "/etc/passwd" end, "<< takes a string", "c:from"},
    {name = "string << c", function() return "text" << m.cat end, "command << string"},
    {name = "string >> c", function() return "text" >> m.cat end, "command >> path"},
    {name = "c >> number", function() return m.cat >> 5 end, "a path, function or stream expected"},
}, function(t, c)
    local e = t.raises("usage", c[1])
    t.match(e.message, c[2])
    if c[3] then t.match(e.hint, c[3]) end
end)

-- ---- looks ----

spec.table("tostring is the line, quoted for sh", {
    {m.ls, "ls"}, {m.ls["-l"]["a b"], "ls -l 'a b'"}, {m.echo["it's"][""], "echo 'it'\\''s' ''"},
    {m.ls | m.grep["x y"] | m.wc, "ls | grep 'x y' | wc"},
    {m.ls:to "/tmp/a b", "ls > '/tmp/a b'"}, {m.ls:append "/tmp/x", "ls >> /tmp/x"}, {m.ls >> "/x", "ls >> /x"},
    {m.cat:from "/x", "cat < /x"}, {m.ls:err_to "/x", "ls 2> /x"}, {m.ls:err_to_out(), "ls 2>&1"},
    {m.ls:to "/x":err_to_out(), "ls > /x 2>&1"}, {m.cat << "secret", "cat"},
    {m.ls:with {timeout = 3}, "ls"},
}, function(t, c)
    t.eq((tostring(c[1]):gsub("'it'\\''s'", "'it'\\''s'")), c[2])
end)

spec.test("what tostring gives means the same to sh", function(t)
    local c = m.printf["%s|"]["a b"]["$HOME"]["'"]["\n"]["\\"][""]
    t.eq(m:sh(tostring(c))(), c())
end)

spec.test("equality", function(t)
    t.ok(m.ls == m.ls)
    t.ok(m.ls["-l"]["x"] == m.ls:bind("-l", "x"))
    t.ok(m.ls ~= m.ls["-l"])
    t.ok(m["a b"] ~= m.a["b"])
    t.ok(m.ls ~= other.ls)
    t.ok((m.ls | m.cat) == (m.ls | m.cat))
    t.ok((m.ls | m.cat) ~= (m.cat | m.ls))
    t.ok(m.ls:to "/x" == m.ls:to(m:path "/x"))
    t.ok(m.ls:to "/x" ~= m.ls:append "/x")
    t.ok(m.ls:to(print) == m.ls:to(print))
    t.ok(m.ls:to(print) ~= m.ls)
    t.ok((m.cat << "a") ~= (m.cat << "b"))
    t.ok(m.ls:with {retcode = {0, 1}, env = {A = "1"}} == m.ls:with {env = {A = "1"}, retcode = {0, 1}})
    t.ok(m.ls:with {timeout = 1} ~= m.ls)
    t.ok(m:at("/tmp").ls == m:at("/tmp").ls)
    t.ok(m:at("/tmp").ls ~= m.ls)
    t.ok(m.ls ~= "ls")
end)

spec.test("machine, and members that aren't there", function(t)
    t.ok(m.ls.machine == m)
    t.ok(m:at("/tmp").ls.machine == m:at "/tmp")
    local e = t.raises("usage", function() return (m.ls | m.cat).txet end)
    t.match(e.message, "no member 'txet', did you mean 'text'")
    t.raises("usage", function() return (m.ls | m.cat).argv end)
    t.raises("usage", function() return (m.ls | m.cat)["-l"] end)
end)

spec.test("a method of machines that isn't there", function(t)
    t.match(t.raises("usage", function() m:uptme() end).hint, "no method 'uptme'.*m%.uptme%(")
    t.match(t.raises("usage", function() m:put("a", "b") end).hint, "did you mean 'upload'")
    t.match(t.raises("usage", function() m:run "ls" end).hint, "did you mean 'sh'")
end)

spec.test("a method of commands that isn't there", function(t)
    local ls = m.ls
    local e = t.raises("usage", function() ls:with_cwd "/" end)
    t.match(e.message, "no method 'with_cwd', did you mean 'with'")
    t.match(e.hint, "c:bind%(\"with_cwd\"%)")
    t.raises("usage", function() ls["-l"]:nohup() end)
    t.raises("usage", function() ls:formulate(m.cat) end)
    t.eq(m.echo["a"](m.echo), "a echo\n", "another command may be an argument")
    t.eq(m.echo.a "b", "a b\n")
end)

spec.test("a line where a program's name is expected", function(t)
    t.match(t.raises("notfound", m["ls -l"]).hint, "m:sh%(line%)")
    t.eq(t.raises("notfound", m["no-such-program"]).hint, nil)
end)

spec.test("commands don't change", function(t)
    t.match(t.raises("usage", function() m.ls.timeout = 3 end).hint, "c:with")
    t.raises("usage", function() (m.ls | m.cat).timeout = 3 end)
end)

spec.test("what is no command in a pipeline", function(t)
    t.match(t.raises("usage", function() return m.ls | nil end).message, "not of a nil")
    t.match(t.raises("usage", function() return m.ls | false end).message, "not of a boolean")
    t.match(t.raises("usage", function() return m.ls | m.docker["run"] end).hint, "c:bind")
end)

spec.test("what is no JSON: where", function(t)
    local e = t.raises("parse", function() m.printf:json '[1,\n  x]' end)
    t.same({e.line, e.column}, {2, 3})
end)

spec.test("signals without a name", function(t)
    local code, _, _, codes, signal = m:sh "kill -34 $$":run()
    t.eq(code, nil)
    t.ok(signal, "there is something to call it")
    t.ok(codes[1] > 128)
    t.raises("process", m:sh "kill -34 $$")
end)

spec.test("methods without their object", function(t)
    t.raises("usage", function() m.ls.text() end)
    t.raises("usage", function() m.ls.run {"-l"} end)
end)

spec.finish()
