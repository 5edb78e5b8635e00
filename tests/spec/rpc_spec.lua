-- Connections of RPC: a process over there, its variables, modules, output and end. What goes between the two is tested
-- by values_spec and ship_spec.

local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path

local agent = require "agent"
local programs = require "programs"
local rshell = require "rshell"
local spec = require "spec"

local here = rshell.here
local m = agent.machine()
local conn = m:connect()

local function error_of(fn, ...)
    local ok, e = pcall(fn, ...)
    return not ok and e or nil
end

local function gone(pid) return programs.gone(here, pid) end

-- ---- code ----

spec.test("eval gives all values, execute what its chunk returns", function(t)
    t.same({conn:eval "1, nil, 'x'"}, {1, nil, "x"})
    t.eq(select("#", conn:eval "nil, nil"), 2)
    t.eq(select("#", conn:execute "x = 5"), 0)
    t.same({conn:execute "local y = x * 2 return y, x"}, {10, 5})
    t.eq(conn.namespace.x, 5)
    conn.namespace.z = {1, {2}}
    t.eq(conn:eval "z[2][1]", 2)
    t.eq(conn:eval "_G.x", 5)
    conn:execute "function twice(n) return 2 * n end"
    t.eq(conn.namespace.twice(21), 42)
    t.eq(conn.builtins.string.rep("ab", 2), "abab")
end)

spec.test("what isn't Lua is told with file and line; bytecode is refused", function(t)
    local e = error_of(conn.eval, conn, "1 +")
    t.same({e.kind, e.file, e.line}, {"parse", "eval", 1})
    e = error_of(conn.execute, conn, "x = 1\ny = = 2")
    t.same({e.kind, e.file, e.line}, {"parse", "execute", 2})
    t.eq(error_of(conn.eval, conn, string.dump(function() end)).kind, "usage")
    t.eq(error_of(conn.eval, conn, 5).kind, "usage")
    t.eq(error_of(conn.execute, conn, "load(string.dump(function() return 1 end), 'x', 't')()").kind, "remote")
end)

spec.test("functions are shipped, called and kept", function(t)
    local n = 3
    t.same({conn:call(function(a, ...) return a + n, select("#", ...) end, 1, nil, nil)}, {4, 2})
    local f = conn:teleport(function(x) n = n + x return n end)
    t.same({f(1), f(1), n}, {4, 5, 3})
    t.eq(conn:call(f, 10), 15)
    t.eq(error_of(conn.call, conn, "x").kind, "usage")
    t.ne(conn:call(function() return proc.cwd() end), nil) -- luacheck: ignore
end)

spec.test("each connection has its own variables, process and end", function(t)
    local server <close> = m:deploy()
    local a, b = server:connect(), server:classic_connect()
    a:execute "x = 'a'"
    b:execute "x = 'b'"
    t.same({a:eval "x", b:eval "x"}, {"a", "b"})
    t.ne(a.pid, b.pid)
    t.eq(tostring(server), ("server on agent (pid %d)"):format(server.pid))
    local pid, other = a.pid, b.pid
    a:close()
    a:close()
    t.eq(a.closed, true)
    t.eq(error_of(a.eval, a, "1").kind, "closed")
    t.eq(b:eval "x", "b")
    server:close()
    t.same({b.closed, server.closed}, {true, true})
    t.same({gone(pid), gone(other)}, {true, true})
    t.eq(error_of(server.connect, server).kind, "closed")
    t.same({a.pid, b.pid, server.machine == m, b.machine == m}, {pid, other, true, true}, "they stay readable")
    t.eq(conn:eval "1", 1)
end)

spec.test("no zombie stays behind", function(t)
    local c = m:connect()
    local pid = c.pid
    c:execute "for _ = 1, 5 do os.execute 'true' io.popen('true'):close() end"
    local _, states = here.ps:bind("-o", "stat=", "--ppid", pid):run()
    t.eq(states:find "Z", nil, "programs of os.execute")
    c:close()
    t.ok(programs.wait_for(function() return not here:path("/proc/" .. pid):exists() end), "the connection's process")
end)

spec.test("a connection that was dropped is gone, one whose proxy is held isn't", function(t)
    local server <close> = m:deploy()
    local pid
    local held
    do
        local a, b = server:connect(), server:connect()
        pid = a.pid
        held = b:execute "return function() return 'still there' end"
    end
    collectgarbage()
    collectgarbage()
    t.eq(gone(pid), true)
    t.eq(held(), "still there")
end)

-- ---- where it runs ----

spec.test("it starts in the view's directory, environment and umask", function(t)
    local c <close> = m:at("/usr"):with{env = {RSHELL_TEST = "set"}, umask = 63}:connect()
    t.same({c:eval "proc.cwd(), os.getenv 'RSHELL_TEST'"}, {"/usr", "set"})
    local dir <close> = m:tempdir()
    c:call(function(path) fs.write(path, "x") end, tostring(dir / "f")) -- luacheck: ignore
    t.eq((dir / "f"):stat().mode, 384)
    for _, at in ipairs {m, here} do
        local e = error_of(function() at:at("/there/is/none"):connect() end)
        t.same({e.kind, e.path, e.host, e.message}, {"notfound", "/there/is/none", at.name,
            "can't enter /there/is/none: no such file or directory"})
        local view <close> = at:at("/usr"):with{env = {RSHELL_TEST = "set"}}:connect()
        t.same({view:eval "proc.cwd(), os.getenv 'RSHELL_TEST'"}, {"/usr", "set"})
    end
end)

spec.test("a view's timeout is the connection's", function(t)
    local c <close> = m:with{timeout = 0.3}:connect()
    local slow = c:execute [[
        local function wait() sleep(60) end
        return setmetatable({}, {__index = wait, __call = wait})]]
    for name, use in next, {
        loop = function() c:execute "while true do end" end, call = function() c:call(function() sleep(60) end) end, -- luacheck: ignore
        module = function() c.modules.proc.run {"sleep", "60"} end, index = function() return slow.x end,
        builtin = function() c.builtins.sleep(60) end, proxy = function() slow() end,
        future = function() rshell.async(slow)():await() end,
    } do
        local e = error_of(use)
        t.same({e.kind, e.host}, {"timeout", "agent"}, name)
        t.match(e.message, "not done after 0.3 s", name)
    end
    t.eq(c:with{timeout = 30}:eval "sleep(0.4) or 1", 1)
end)

spec.test("the local machine has connections too", function(t)
    local c = here:connect()
    local pid = c.pid
    t.same({c:eval "1 + 1", c.machine == here}, {2, true})
    c:close()
    t.eq(gone(pid), true)
end)

spec.test("a machine without an agent has none", function(t)
    local bare = require "bare".machine("/bin/sh")
    local e = error_of(bare.connect, bare)
    t.eq(e.kind, "usage")
    t.match(e.message, "RPC needs an agent")
    bare:close()
end)

-- ---- time and memory ----

spec.test("what takes too long is interrupted, in a loop too", function(t)
    local c = conn:with{timeout = 0.3}
    local e = error_of(c.execute, c, "while true do end")
    t.eq(e.kind, "timeout")
    t.match(e.message, "interrupted")
    t.eq(error_of(c.execute, c, "while true do pcall(function() while true do end end) end").kind, "timeout")
    local coroutines = "local co = coroutine.wrap(function() while true do end end) while true do pcall(co) end"
    t.eq(error_of(c.execute, c, coroutines).kind, "timeout")
    t.eq(error_of(c.execute, c, "sleep(60)").kind, "timeout")
    t.eq(conn:eval "1", 1)
    t.eq(c, conn, "a view is the same connection")
end)

spec.test("a loop holds up nobody's cancel", function(t)
    local c <close> = m:connect()
    local busy = rshell.spawn(function() return c:execute "while true do end" end)
    rshell.sleep(0.05)
    local waits = rshell.spawn(function() return c:execute "sleep(60)" end)
    rshell.sleep(0.05)
    waits:cancel()
    t.eq(error_of(waits.await, waits, 5).kind, "cancelled")
    busy:cancel()
    t.eq(error_of(busy.await, busy, 5).kind, "cancelled")
    t.eq(c:eval "1", 1)
end)

spec.test("a call into C that never ends takes its connection with it", function(t)
    local c <close> = m:connect()
    local pid = c.pid
    local e = error_of(function()
        local s = ("a"):rep(200000)
        c:with{timeout = 1}:call(function() return s:find((".-"):rep(30) .. "b") end)
    end)
    t.eq(e.kind, "timeout")
    e = error_of(c.eval, c, "1")
    t.eq(e.kind, "closed")
    t.match(e.message, "library call")
    t.eq(gone(pid), true)
    t.eq(conn:eval "1", 1)
end)

spec.test("memory has a limit, past which the connection lives on", function(t)
    local c <close> = m:connect{memory = 8 * 1024 * 1024}
    local e = error_of(c.eval, c, "('x'):rep(1e8)")
    t.eq(e.kind, "remote")
    t.match(e.message, "memory")
    t.match(error_of(c.execute, c, "local t = {} while true do t[#t + 1] = {} end").message, "memory")
    t.eq(c:eval "1", 1)
    t.eq(error_of(m.connect, m, {memori = 1}).kind, "usage")
end)

-- ---- modules ----

spec.test("the agent's modules", function(t)
    t.eq(conn.modules.fs.stat("/etc/passwd").size, here:path "/etc/passwd":size())
    t.eq(conn.modules.fs, conn.modules.fs)
    t.eq(conn.modules.string.upper "x", "X")
    t.eq(conn.modules.hash.sha1 "", "da39a3ee5e6b4b0d3255bfef95601890afd80709")
    t.eq(conn.modules.json.encode {1, 2}, "[1,2]")
    t.eq(conn.modules.host.facts().hostname, here:facts().hostname)
    t.eq(conn:eval "fs == require 'fs'", true)
    local e = error_of(conn.modules.fs.read, "/there/is/none")
    t.same({e.kind, e.path, e.host}, {"notfound", "/there/is/none", "agent"})
    for _, name in ipairs {"spawn", "run"} do
        e = error_of(conn.modules.proc[name], {"there-is-none"})
        t.same({e.kind, e.path, e.message}, {"notfound", "there-is-none",
            "can't run there-is-none: no such file or directory"})
    end
end)

spec.test("modules of ours are sent once, with what they require", function(t)
    local dir <close> = here:tempdir()
    local function module(name, text) (dir / (name .. ".lua")):write(text) end
    module("one", "local two = require 'two'\nreturn {n = two.n + 1, up = function(x) return x + require('three') end}")
    module("two", 'return {n = require("three")}')
    module("three", "loads = (loads or 0) + 1 return 40")
    module("bad", "return {\n  = 1}")
    here:path(tostring(dir) .. "/pack"):mkdir()
    here:path(tostring(dir) .. "/pack/inner.lua"):write "return 'inside'"
    local before = package.path
    package.path = tostring(dir) .. "/?.lua;" .. before
    t.defer(function() package.path = before end)
    local c <close> = m:connect()
    t.eq(c.modules.one.n, 41)
    t.eq(c.modules.one.up(2), 42)
    t.eq(c.modules["pack.inner"], "inside")
    t.eq(c.modules.pack.inner, "inside")
    local one = require "one"
    t.eq(c:call(function() return one.n end), 41)
    t.same({c.namespace.loads, c:eval "require('two').n", c.namespace.loads}, {1, 40, 1})
    local e = error_of(function() return c.modules.bad end)
    t.same({e.kind, e.line}, {"parse", 2})
    t.match(e.file, "bad.lua")
    package.loaded.one, package.loaded.two, package.loaded.three = nil, nil, nil
end)

spec.test("a module that is nowhere", function(t)
    local e = error_of(function() return conn.modules.nowhere end)
    t.eq(e.kind, "notfound")
    t.match(e.message, "fs, proc")
    t.match(e.message, "nowhere.lua")
    e = error_of(conn.execute, conn, "require 'nowhere'")
    t.eq(e.kind, "notfound")
    t.match(e.message, "nowhere.lua")
    t.eq(error_of(conn.execute, conn, "require '../../etc/passwd'").kind, "notfound")
end)

spec.test("modules that are provided", function(t)
    local c <close> = m:connect()
    local calls = 0
    c:provide("fromtable", {add = function(a, b) calls = calls + 1 return a + b end})
    t.eq(c:eval "require('fromtable').add(1, 2)", 3)
    t.eq(calls, 1, "its functions run here")
    c:provide("loader", function(name) return {name = name} end)
    t.eq(c.modules.loader.name, "loader")
    local dir <close> = here:tempdir()
    local file = dir / "text.lua"
    file:write "return {where = ...}"
    c:provide("fromfile", tostring(file))
    t.eq(c.modules.fromfile.where, "fromfile")
    c:provide("frompath", file)
    t.eq(c:eval "require('frompath').where", "frompath")
    c:provide("deep.down.there", function(name) return name end)
    t.same({c.modules.deep.down.there, c.modules["deep.down.there"]}, {"deep.down.there", "deep.down.there"})
    c:provide("fs", {mine = true})
    t.eq(c:eval "require('fs').mine", true)
    t.eq(error_of(c.provide, c, "x", 5).kind, "usage")
    t.eq(error_of(c.provide, c, "../x", {}).kind, "usage")
end)

spec.test("what is handed over in `controller`", function(t)
    t.eq(conn:eval "next(controller)", nil)
    conn.namespace.controller.greet = function(name) return "hello " .. name end
    t.eq(conn:eval "controller.greet 'you'", "hello you")
    conn.namespace.controller.greet = nil
    t.eq(conn:eval "controller.greet", nil)
end)

-- ---- output ----

spec.test("what is printed comes in order, before the result", function(t)
    local c <close> = m:connect()
    local got = {}
    local function sink(name)
        return function(chunk)
            rshell.sleep(0.01)
            got[#got + 1] = name .. ":" .. chunk
        end
    end
    c:stdio{stdout = sink "out", stderr = sink "err"}
    c:execute [[
        print("a", 1)
        io.write("b", 2, "\n")
        io.stderr:write("c\n")
        io.stdout:write("d"):write("e\n")
        os.execute("echo f; echo g >&2")
    ]]
    local all = table.concat(got)
    t.match(all, "out:a\t1\nout:b2\nerr:c\nout:dout:e\n")
    t.match(all, "out:f\n")
    t.match(all, "err:g\n")
    local dir <close> = here:tempdir()
    c:stdio{stdout = dir / "log"}
    c:execute "print 'to a file'"
    t.eq((dir / "log"):read(), "to a file\n")
    t.eq(error_of(c.stdio, c, {stdout = 5}).kind, "usage")
    t.eq(error_of(c.stdio, c, {stdot = print}).kind, "usage")
    c:stdio(nil)
end)

spec.test("what is done with proxies ends after what it printed was passed on", function(t)
    local c <close> = m:connect()
    local got
    c:stdio{stdout = function(chunk)
        rshell.sleep(0.01)
        got = chunk
    end}
    local object = c:execute [[
        local says = function(what) return function() print(what) return what end end
        return setmetatable({}, {__index = says "index", __call = says "call", __tostring = says "text"})]]
    for what, use in next, {
        index = function() return object.x end, call = function() object() end, text = function() tostring(object) end,
    } do
        got = nil
        use()
        t.eq(got, what .. "\n")
    end
    got = nil
    rshell.async(object)():await()
    t.eq(got, "call\n")
end)

spec.test("a task over there that fails and that nobody awaited is told", function(t)
    local c <close> = m:connect()
    local got = ""
    c:stdio{stderr = function(chunk) got = got .. chunk end}
    c:execute "spawn(function() error 'lost' end) spawn(sleep, 60):cancel() sleep(0)"
    for _ = 1, 500 do
        c:execute "collectgarbage() sleep(0)"
        if got ~= "" then break end
        rshell.sleep(0.01)
    end
    t.eq(got, "a task failed and nobody awaited it: execute:1: lost\n")
end)

spec.test("a sink may make calls", function(t)
    local c <close> = m:connect()
    local answers = {}
    c:stdio{stdout = function() answers[#answers + 1] = c:eval "6 * 7" end}
    c:execute "print 'x'"
    t.same(answers, {42})
end)

spec.test("output in a tight loop comes while it runs, in bounded memory", function(t)
    local c <close> = m:connect{memory = 32 * 1024 * 1024}
    local bytes = 0
    c:stdio{stdout = function(chunk) bytes = bytes + #chunk end}
    c:call(function()
        local line = ("x"):rep(999)
        for _ = 1, 50000 do print(line) end
    end)
    t.eq(bytes, 50000 * 1000)
    local seen
    local loop = rshell.spawn(function() c:execute "print 'now' while true do local x = 1 end" end)
    c:stdio{stdout = function(chunk) seen = chunk end}
    for _ = 1, 100 do
        if seen then break end
        rshell.sleep(0.05)
    end
    t.eq(seen, "now\n")
    loop:cancel()
    pcall(loop.await, loop)
end)

-- ---- programs ----

spec.test("os.execute, io.popen and os.exit", function(t)
    local c <close> = m:connect()
    c:stdio{stdout = function() end}
    t.same({c:eval "os.execute 'exit 3'"}, {nil, "exit", 3})
    t.same({c:eval "os.execute 'kill -9 $$'"}, {nil, "signal", 9})
    t.same({c:eval "os.execute()"}, {true})
    t.same({c:execute "local f = io.popen 'echo a; echo b' return f:read 'l', f:read 'a', f:close()"},
        {"a", "b\n", true, "exit", 0})
    t.same({c:execute "local f = io.popen('cat >&2; exit 2', 'w') f:write 'x' return f:close()"}, {nil, "exit", 2})
    t.same({c:execute "local list = {} for l in io.popen 'seq 3':lines() do list[#list + 1] = l end return list"},
        {{"1", "2", "3"}})
    local write, popen = io.write, io.popen
    local got = {}
    c:stdio{stdout = function(chunk) got[#got + 1] = chunk end}
    c:call(io.write, "a", 1, "\n")
    c:call(function() write(popen "echo b":read "L") end)
    c:execute "string, io = 5, 6"
    t.eq(c:call(string.upper, "x"), "X", "whatever the variables there are")
    t.eq(table.concat(got), "a1\nb\n")
    local e = error_of(c.call, c, os.exit, 3)
    t.eq(e.kind, "closed")
    t.match(e.message, "os.exit")
    t.eq(c.closed, true)
    t.eq(conn:eval "1", 1)
end)

spec.test("programs that leave something in the background, and those of calls that are cancelled", function(t)
    local c <close> = m:connect()
    local got = {}
    c:stdio{stdout = function(chunk) got[#got + 1] = chunk end}
    local dir <close> = m:tempdir()
    local leave = ("echo $$ > %s/pid; sleep 60 & echo $! > %s/left; echo here"):format(dir, dir)
    local function left() return tonumber((dir / "left"):read()) end
    t.same({c:call(function(s) return os.execute(s) end, leave)}, {true, "exit", 0})
    t.eq(table.concat(got), "here\n")
    c:call(os.execute, "kill " .. left())
    t.same({c:call(function(s)
        local p = io.popen(s)
        return p:read "l", p:close()
    end, leave)}, {"here", true, "exit", 0})
    c:call(os.execute, "kill " .. left())
    local e = error_of(function()
        c:with{timeout = 0.5}:call(os.execute, ("echo $$ > %s/pid; while :; do sleep 0.1; done"):format(dir))
    end)
    t.eq(e.kind, "timeout")
    t.eq(gone(tonumber((dir / "pid"):read())), true)
end)

spec.test("a sleeping child misses no call", function(t)
    local c <close> = m:connect()
    local slow = rshell.spawn(function() return c:eval "os.execute 'sleep 60'" end)
    t.eq(c:eval "1", 1)
    slow:cancel()
    t.eq(error_of(slow.await, slow).kind, "cancelled")
end)

spec.test("standard input is empty", function(t)
    t.eq(conn:eval "io.read 'l'", nil)
    t.eq(conn:eval "io.read 'a'", "")
end)

-- ---- several ----

spec.test("servers on several machines", function(t)
    local other = agent.machine(nil, nil, "second")
    do
        local d <close> = rshell.MultiServerDeployment{m, other}
        local a, b = d:connect_all()
        t.same({#d, d[1].machine == m, d[2].machine == other}, {2, true, true})
        t.same({a.machine == m, b.machine == other}, {true, true})
        t.eq(#d:connections(), 2)
        t.eq(b:eval "1", 1)
        local pid = b.pid
        d:close()
        t.same({a.closed, b.closed, gone(pid)}, {true, true, true})
    end
    local bare = require "bare".machine("/bin/sh")
    local e = error_of(rshell.MultiServerDeployment, {m, bare, other})
    t.same({e.kind, e.host}, {"usage", bare.name})
    local part <close> = rshell.MultiServerDeployment({m, bare, other}, {partial = true})
    t.eq(#part, 2)
    t.eq(part.errors[bare.name].kind, "usage")
    t.eq(error_of(rshell.MultiServerDeployment, {}).kind, "usage")
    bare:close()
    other:close()
    t.eq(error_of(part[2].connect, part[2]).kind, "closed")
end)

spec.test("endpoints", function(t)
    local e <close> = rshell.endpoints()
    e:add("one", m):add("two", conn)
    t.same({e:exists "one", e:exists "three"}, {true, false})
    t.eq(e:call("one", function(x) return x + 1 end, 1), 2)
    t.same(e:multicall{one = {function(a, b) return a + b end, 1, 2}, two = {function() return "two" end}},
        {one = 3, two = "two"})
    local failed = error_of(e.multicall, e, {one = {function() error "broken" end}, two = {function() return 2 end}})
    t.same(failed.results, {two = 2})
    t.match(failed.errors.one.message, "broken")
    t.match(failed.message, "one: ")
    t.eq(error_of(e.call, e, "three", print).kind, "notfound")
    t.eq(error_of(e.add, e, "one", m).kind, "exists")
    t.eq(error_of(e.add, e, "x", 5).kind, "usage")
    for _, what in ipairs {5, "x", {}} do t.eq(error_of(e.multicall, e, {one = what}).kind, "usage") end
    e:remove "one"
    t.eq(e:exists "one", false)
    e:close()
    e:close()
    t.eq(conn.closed, false, "what it was given stays open")
    for _, use in ipairs {
        function() e:call("two", print) end, function() e:add("x", m) end, function() e:multicall {two = print} end,
    } do t.eq(error_of(use).kind, "closed") end
end)

-- ---- the end ----

spec.test("who dies over there fails all who wait, at once", function(t)
    local c = m:connect()
    local waits = rshell.spawn(function() return c:execute "sleep(60)" end)
    rshell.sleep(0.05)
    here.cmd.kill("-9", tostring(c.pid))
    local e = error_of(waits.await, waits, 10)
    t.eq(e.kind, "closed")
    t.match(e.message, "KILL")
    t.eq(conn:eval "1", 1, "others go on")
    t.eq(m.closed, false)
end)

spec.test("the machine's end is the connection's", function(t)
    local other = agent.machine(nil, nil, "third")
    local server = other:deploy()
    local c = server:connect()
    local pid, proxy = c.pid, c:execute "return function() end"
    other:close()
    t.same({c.closed, server.closed}, {true, true})
    t.eq(error_of(c.eval, c, "1").kind, "closed")
    t.eq(error_of(proxy).kind, "closed")
    t.eq(gone(pid), true)
end)

conn:close()
m:close()
spec.finish()
