package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local machines = require "machines"
local m, other = machines.get(), machines.other()

-- ---- facts ----

spec.test("name, host, port, user", function(t)
    t.eq(type(m.name), "string")
    t.eq(type(m.host), "string")
    t.eq(m.user, m.id:text "-un")
    if machines.kind == "local" then
        t.same({m.name, m.host, m.port}, {"here", "localhost"})
        t.eq(m, rshell.here)
        t.eq(m, rshell.localhost)
        t.eq(m, here)
        t.eq(m.backend, "local")
    end
    t.ok(({["local"] = true, agent = true, bare = true})[m.backend])
    t.ne(m.name, other.name)
end)

spec.test("uname, os, arch, home", function(t)
    t.eq(m.uname, m.cmd.uname:text "-s")
    t.eq(m.os, m.uname:lower())
    t.eq(m.arch, machines.emulates() or m.cmd.uname:text "-m")
    t.eq(m.home, m:sh 'echo "$HOME"':text())
end)

spec.test("facts", function(t)
    local facts = m:facts()
    t.eq(facts.uname.sysname, m.uname)
    t.eq(facts.hostname, m.cmd.uname:text "-n")
    t.eq(facts.cpus.count, tonumber(m.getconf:text "_NPROCESSORS_ONLN"))
    t.ok(facts.memory.total > 0)
end)

spec.test("ping is a time", function(t)
    local seconds = m:ping()
    t.eq(math.type(seconds), "float")
    t.ok(seconds >= 0 and seconds < 60)
end)

-- ---- which, python ----

spec.test("which", function(t)
    local sh = m:which "sh"
    t.eq(rshell.type(sh), "path")
    t.eq(tostring(sh), m:sh "command -v sh":text())
    t.eq(m:which("no-such-program", "sh"), sh, "the first that is found")
    t.eq(m:which("sh", "ls"), sh)
    t.eq(m:which(tostring(sh)), sh, "a path")
    t.eq(m:which("no-such-program", tostring(sh)), sh)
end)

spec.test("which: no such program", function(t)
    local e = t.raises("notfound", m.which, m, "no-such-program")
    t.eq(e.name, "no-such-program")
    t.eq(e.host, m.name)
    t.eq(e.path, m.env.PATH)
    t.eq(e.message, "no program 'no-such-program' in PATH (" .. m.env.PATH .. ")")
    e = t.raises("notfound", m.which, m, "no-such-a", "no-such-b")
    t.match(e.message, "no program 'no%-such%-a' or 'no%-such%-b' in PATH")
    t.raises("notfound", m.which, m, "/no/such")
    t.raises("notfound", m.which, m, "/")
end)

spec.test("which searches the view's PATH, for what can run", function(t)
    local dir <close> = m:tempdir()
    local one, two = dir / "one", dir / "two"
    for _, d in ipairs {one, two} do d:mkdir() end
    (two / "tool"):write("#!/bin/sh\n", {mode = 493})
    local v = m:with {env = {PATH = ("%s:/no/such:%s"):format(one, two)}}
    t.eq(v:which "tool", two / "tool")
    ;(one / "tool"):mkdir()
    t.eq(v:which "tool", two / "tool", "a directory is no program")
    ;(one / "tool"):rmdir();
    (one / "tool"):write("#!/bin/sh\n", {mode = 420})
    t.eq(v:which "tool", two / "tool", "it can't be run");
    (one / "tool"):chmod(493)
    t.eq(v:which "tool", one / "tool")
    t.raises("notfound", v.which, v, "sh")
    local relative = m:at(dir):with {env = {PATH = "one"}}
    t.eq(relative:which "tool", one / "tool", "relative to cwd")
    t.eq(m:at(one):which "./tool", one / "tool")
    t.match(t.raises("notfound", relative.which, relative, "x").message, "in PATH %(one%)")
end)

spec.table("which: misuse", {{}, {5}, {""}, {"a\0b"}, {nil, "sh"}, {"sh", false}, {{}}, {m}}, function(t, c)
    t.raises("usage", m.which, m, table.unpack(c, 1, 2))
end)

spec.test("python", function(t)
    local dir <close> = m:tempdir()
    for _, name in ipairs {"python", "python3"} do
        (dir / name):write("#!/bin/sh\necho " .. name .. " $1\n", {mode = 493})
    end
    local v = m:with {env = {PATH = tostring(dir)}}
    t.eq(v.python["x"]:with {env = {PATH = m.env.PATH}}(), "python3 x\n");
    (dir / "python3"):delete()
    t.eq(v.python["x"]:with {env = {PATH = m.env.PATH}}(), "python x\n");
    (dir / "python"):delete()
    t.raises("notfound", function() return v.python end)
end)

-- ---- sh ----

spec.test("sh runs a script with sh", function(t)
    t.eq(m:sh "echo a; echo b"(), "a\nb\n")
    t.eq(m:sh("echo $#; for a; do echo \"<$a>\"; done", "x y", 5, {"$z"})(), "3\n<x y>\n<5>\n<$z>\n")
    t.same(m:sh("x", "y").argv, {"sh", "-c", "x", "sh", "y"})
    t.eq(m:sh("echo $0 $1")["bound"](), "sh bound\n")
    for _, bad in ipairs {5, false, {}, m} do t.raises("usage", m.sh, m, bad) end
    t.raises("usage", m.sh, m)
end)

-- ---- views ----

spec.test("at and with: views with settings of their own", function(t)
    local dir <close> = m:tempdir();
    (dir / "sub"):mkdir()
    local before = tostring(m.cwd)
    local v = m:at(dir)
    t.eq(v.pwd:text(), tostring(dir))
    t.eq(v:at "sub".pwd:text(), tostring(dir / "sub"))
    t.eq(v:at("sub"):at("..").pwd:text(), tostring(dir))
    t.eq(tostring(v.cwd), tostring(dir))
    t.eq(v:path "x", dir / "x")
    local w = v:with {env = {A = "1", B = 2}, umask = 63, cwd = "sub"}
    t.eq(w:sh "pwd; echo $A $B; umask":text(), tostring(dir / "sub") .. "\n1 2\n0077")
    t.eq(w:with {env = {B = false}}:sh "echo $A ${B-unset}; umask":text(), "1 unset\n0077")
    t.eq(w.env.A, "1")
    t.eq(v.env.A, nil)
    t.eq(m.env.A, nil)
    t.eq(tostring(m.cwd), before, "the original is never touched")
    t.eq(v.pwd:text(), tostring(dir))
    t.eq(v.name, m.name)
    t.eq(v.home, m.home)
end)

spec.test("a view keeps what it was made of", function(t)
    local dir <close> = m:tempdir()
    local v, w
    do
        local _ <close> = m.cwd(dir)
        local _ <close> = m.env {RS_SPEC = "1"}
        v, w = m:with {}, m:at "."
    end
    t.eq(v:sh "pwd; echo $RS_SPEC":text(), tostring(dir) .. "\n1")
    t.eq(w:sh "pwd; echo $RS_SPEC":text(), tostring(dir) .. "\n1")
    t.ne(m.pwd:text(), tostring(dir))
    v.cwd:chdir "/"
    t.eq(v.pwd:text(), "/")
    t.eq(w.pwd:text(), tostring(dir))
    v.env.RS_SPEC = "2"
    t.eq(v:sh "echo $RS_SPEC":text(), "2")
    t.eq(w:sh "echo $RS_SPEC":text(), "1")
end)

spec.test("closing a view closes nothing", function(t)
    do
        local v <close> = m:at "/"
        t.eq(v.pwd:text(), "/")
    end
    local v = m:with {timeout = 60}
    v:close()
    v:close()
    t.eq(v.closed, false)
    t.eq(v.echo(), "\n")
    t.eq(m.echo(), "\n")
end)

spec.test("timeout of a view", function(t)
    local v = m:with {timeout = 0.2}
    for _, fn in ipairs {v.sleep["1000"], function() v.sleep["1000"]:popen():wait() end,
            function() for _ in v.sleep["1000"]:lines() do end end, function() (v.sleep["1000"] & BG):wait() end} do
        local e = t.raises("timeout", fn)
        t.eq(e.host, m.name)
        t.match(e.message, "0.2 s")
    end
    t.eq(v.sleep["0.5"]:with {timeout = 60}(), "", "a command's own time wins")
    t.eq(v:with {timeout = 60}.sleep "0.5", "")
    t.eq(v:path "/":is_dir(), true)
end)

spec.test("a timeout while something else than a program is asked", function(t)
    local dir <close> = m:tempdir()
    local fifo = dir / "fifo"
    m.mkfifo(fifo)
    local v = m:with {timeout = 0.2}
    local e = t.raises("timeout", function() v:path(fifo):read() end)
    t.eq(e.host, m.name)
    m:sh('timeout 5 sh -c \'echo > "$0"\' "$1" || :', fifo)()
end)

spec.table("with: options that are wrong", {
    {{tiemout = 1}, "no option 'tiemout', did you mean 'timeout'"}, {{timeout = "x"}, "'timeout'"},
    {{timeout = -1}, "'timeout'"},
    {{umask = 512}, "'umask'"}, {{umask = -1}, "'umask'"}, {{env = 5}, "'env'"}, {{env = {[""] = "x"}}, "empty"},
    {{env = {["A=B"] = "x"}}, "="}, {{env = {A = "\0"}}, "NUL"}, {{user = 5}, "'user'"}, {{cwd = 5}, "a path is"},
    {{cwd = other:path "/"}, "is a path of"}, {{retcode = 0}, "no option 'retcode'"}, {5, "a table of options"},
}, function(t, c) t.match(t.raises("usage", m.with, m, c[1]).message, c[2]) end)

spec.test("at: misuse", function(t)
    for _, bad in ipairs {5, true, {}, "", "a\0b", other:path "/"} do t.raises("usage", m.at, m, bad) end
    t.raises("usage", m.at, m)
end)

-- ---- scopes of tasks ----

spec.test("tasks with scopes of their own don't disturb each other", function(t)
    local dir <close> = m:tempdir()
    local tasks = {}
    for i = 1, 10 do
        (dir / ("d" .. i)):mkdir()
        tasks[i] = rshell.spawn(function()
            local _ <close> = m.cwd(dir / ("d" .. i))
            local _ <close> = m.env {RS_SPEC = i}
            for _ = 1, 5 do
                t.eq(m:sh "echo ${PWD##*/} $RS_SPEC":text(), ("d%d %d"):format(i, i))
                rshell.sleep(0)
            end
            return tostring(m.cwd)
        end)
    end
    local before = tostring(m.cwd)
    for i = 1, 10 do t.eq(tasks[i]:await(), tostring(dir / ("d" .. i))) end
    t.eq(tostring(m.cwd), before)
    t.eq(m.env.RS_SPEC, nil)
end)

spec.test("a task goes on in the scopes in which it was made", function(t)
    local dir <close> = m:tempdir()
    local task
    do
        local _ <close> = m.cwd(dir)
        task = rshell.spawn(function()
            rshell.sleep(0.05)
            return m.pwd:text()
        end)
    end
    t.ne(m.pwd:text(), tostring(dir))
    t.eq(task:await(), tostring(dir))
end)

spec.test("a view's scopes are its own", function(t)
    local dir <close> = m:tempdir()
    local v = m:at "/"
    do
        local _ <close> = v.cwd(dir)
        t.eq(v.pwd:text(), tostring(dir))
        t.ne(m.pwd:text(), tostring(dir))
        t.eq(v.ls["-d"]["."]:with {cwd = "/"}(), ".\n")
    end
    t.eq(v.pwd:text(), "/")
end)

-- ---- equality, looks, members ----

spec.test("equality", function(t)
    t.ok(m:at "/" == m:at "/")
    t.ok(m:at(m.cwd) == m)
    t.ok(m:with {} == m)
    t.ok(m:at "/" ~= m:at "/tmp" and m:with {timeout = 5} ~= m and m:with {umask = 0} ~= m)
    t.ok(m:with {env = {A = "1"}} == m:with {env = {A = "1"}})
    t.ok(m:with {env = {A = "1"}} ~= m:with {env = {A = "2"}})
    t.ok(m:with {env = {A = "1"}} ~= m)
    t.ok(m ~= other and m ~= m.ls)
end)

spec.test("tostring", function(t)
    t.match(tostring(m), "^machine " .. m.name .. " %(%l+")
    t.eq(tostring(m.cmd), "commands of " .. m.name)
    t.match(tostring(m.sudo), "method 'sudo' of machines")
    t.eq(rshell.type(m), "machine")
    t.eq(getmetatable(m), false)
end)

spec.test("what can't be set", function(t)
    for _, key in ipairs {"name", "cwd", "x", "env"} do
        t.match(t.raises("usage", function() m[key] = 1 end).message, "'" .. key .. "' can't be set")
    end
end)

spec.test("members are called with a colon", function(t)
    for _, name in ipairs {"which", "sh", "path", "at", "with", "facts", "ping", "close", "tempdir"} do
        t.match(t.raises("usage", function() return m[name]() end).message, "with a colon", name)
        t.match(t.raises("usage", function() return m[name] "x" end).message, "a machine expected, got string", name)
    end
end)

spec.test("here:close() does nothing", function(t)
    if machines.kind ~= "local" then t.skip "only the local machine" end
    local v <close> = rshell.here
    v:close()
    t.eq(v.closed, false)
    t.eq(v.echo(), "\n")
end)

-- ---- the module ----

spec.test("the module rshell", function(t)
    local r = require "rshell"
    for _, name in ipairs(r.globals()) do t.eq(r[name], _ENV[name], name) end
    t.eq(math.type(r.now()), "float")
    t.eq(r.quote("a b", "it's"), "'a b' 'it'\\''s'")
    t.same(r.split "a 'b c' \"d\"", {"a", "b c", "d"})
    t.eq(r.type(5), "number")
    local e = t.raises("usage", function() return r.sleeep end)
    t.match(e.message, "rshell has no member 'sleeep', did you mean 'sleep'")
    t.raises("usage", function() return r[1] end)
end)

spec.test("names of later parts say so when they are used", function(t)
    for _, name in ipairs {"inventory", "playbook", "serve", "join"} do
        t.eq(t.raises("usage", rshell[name], "x").message, name .. ": not in this version")
        t.eq(t.raises("usage", function() return rshell[name].member end).message, name .. ": not in this version")
        t.match(tostring(rshell[name]), name)
    end
end)

spec.finish()
