-- What code that runs on two machines relies on: memory that runs out, calls that go through several connections,
-- library functions that are given functions of the other side, ends.

local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path

local agent = require "agent"
local rshell = require "rshell"
local spec = require "spec"

local here = rshell.here
local m = agent.machine()
local conn = m:connect()

local MB = 1024 * 1024

local function error_of(fn, ...)
    local ok, e = pcall(fn, ...)
    return not ok and e or nil
end

-- ---- memory ----

spec.test("a value that is too large for the other side is an error; the connection lives on", function(t)
    local c <close> = m:connect{memory = 10 * MB}
    local e = error_of(c.call, c, function(s) return #s end, ("x"):rep(50 * MB))
    t.eq(e.kind, "remote")
    t.match(e.message, "memory")
    t.eq(c:call(function(s) return #s end, ("x"):rep(MB)), MB)
    local got = c:call(function(give) return select(2, pcall(give)) end, function() return ("x"):rep(50 * MB) end)
    t.match(tostring(got), "memory")
    t.eq(c:eval "1", 1)
end)

spec.test("who has used up all memory can be told so, and free it", function(t)
    local c <close> = m:connect{memory = 3 * MB}
    local e = error_of(c.execute, c, "t = {} while true do t[#t + 1] = ('x'):rep(50) .. #t end")
    t.match(e.message, "memory")
    for _ = 1, 3 do t.match(error_of(c.execute, c, "while true do t = {t} end").message, "memory") end
    c:execute "t = nil"
    t.eq(c:eval "1", 1)
end)

spec.test("many that want all of the memory at once", function(t)
    local c <close> = m:connect{memory = 3 * MB}
    local tasks = {}
    for i = 1, 10 do
        tasks[i] = rshell.spawn(c.execute, c, [[
            local t = {}
            while true do
                t[#t + 1] = ('x'):rep(50) .. #t
                if #t % 1000 == 0 then sleep(0) end
            end]])
    end
    for _, one in ipairs(tasks) do t.match(error_of(one.await, one).message, "memory") end
    t.eq(c:eval "1", 1)
end)

spec.test("100 MB there and back", function(t)
    local s = ("x"):rep(100 * MB)
    local n, back = conn:call(function(v) return #v, v end, s)
    t.same({n, back == s}, {100 * MB, true})
end)

-- ---- two connections ----

spec.test("a function of one connection, called by another", function(t)
    local a, b = m:connect(), m:connect()
    local f = a:execute "calls = 0 return function(x) calls = calls + 1 return x * 3, nil, 'y' end"
    t.same({b:call(function(g) return g(5) end, f)}, {15, nil, "y"})
    t.eq(a.namespace.calls, 1)
    t.eq(b:call(function(g) return g end, f), f, "it comes back as itself")
    local e = error_of(b.call, b, function(g) g() end, a:execute "return function() error {code = 7} end")
    t.same({e.kind, e.code}, {"remote", 7})
    local object = a:execute "return setmetatable({n = 1}, {__index = {up = function(s) s.n = s.n + 1 return s.n end}})"
    t.same({b:call(function(o) return o.n, o:up(), o.n end, object)}, {1, 2, 2})
    a:close()
    e = error_of(b.call, b, function(g) g() end, f)
    t.eq(e.kind, "closed")
    t.eq(b:eval "1", 1)
    b:close()
end)

spec.test("a cancel and a timeout cross both connections", function(t)
    local a, b <close> = m:connect(), m:connect()
    local waits = a:execute "return function() ok = pcall(sleep, 60) error 'woken' end"
    local loops = a:execute "return function() started = true while true do end end"
    for _, f in ipairs {waits, loops} do
        local through = rshell.spawn(function() return b:call(function(g) return g() end, f) end)
        rshell.sleep(0.1)
        through:cancel()
        t.eq(error_of(through.await, through, 10).kind, "cancelled")
    end
    t.same({a.namespace.ok, a.namespace.started}, {false, true})
    local e = error_of(function() b:with{timeout = 0.2}:call(function(g) g() end, loops) end)
    t.eq(e.kind, "timeout")
    t.same({a:eval "1", b:eval "2"}, {1, 2})
    a:close()
end)

spec.test("callbacks that make calls, from many tasks", function(t)
    local tasks, sum = {}, 0
    local function times(i, j)
        rshell.sleep(0.001)
        return conn:call(function(a, b) return a * b end, i, j)
    end
    for i = 1, 20 do
        tasks[i] = rshell.spawn(conn.call, conn, function(cb, n)
            local s = 0
            for j = 1, 10 do s = s + cb(n, j) end
            return s
        end, times, i)
    end
    for _, one in ipairs(tasks) do sum = sum + one:await() end
    t.eq(sum, 210 * 55)
end)

-- ---- plain Lua around calls ----

spec.test("library functions take functions of the other side", function(t)
    local list = {3, 1, 2}
    table.sort(list, conn:teleport(function(a, b) return a < b end))
    t.same(list, {1, 2, 3})
    t.same({("abc"):gsub("%w", conn:teleport(string.upper))}, {"ABC", 3})
    t.same({conn:call(function(l, less, double)
        table.sort(l, less)
        return l, (table.concat(l):gsub("%d", double))
    end, {1, 3, 2}, function(a, b) return a > b end, function(x) return x .. x end)}, {{3, 2, 1}, "332211"})
    t.match(error_of(table.sort, list, 5), "bad argument #2 to '[%a.]*sort'")
    t.match(error_of(string.gsub, "x", "x", io.stdout), "bad argument #3 to '[%a.]*gsub'")
    local sort, gsub = table.sort, string.gsub
    t.same({conn:call(function() return sort == table.sort, gsub == string.gsub end)}, {true, true})
end)

spec.test("calls in coroutines, iterators, metamethods, closers", function(t)
    local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(conn:eval(tostring(i))) end end)
    t.same({co(), co(), co()}, {1, 2, 3})
    local object = setmetatable({}, {__index = function(_, k) return conn:eval("'" .. k .. "'") end})
    t.eq(object.name, "name")
    local closed
    do
        local _ <close> = setmetatable({}, {__close = function() closed = conn:eval "true" end})
    end
    t.eq(closed, true)
    local sum = 0
    local upto = "local i = 0 return function() i = i + 1 if i < 5 then return i end end"
    for v in conn:execute(upto) do sum = sum + v end
    t.eq(sum, 10)
    t.same(conn:call(function(next_one)
        local list = {}
        local function give() for _ = 1, 3 do coroutine.yield(next_one()) end end
        for v in coroutine.wrap(give) do list[#list + 1] = v end
        return list
    end, function() sum = sum + 1 return sum end), {11, 12, 13})
end)

spec.test("modules go by reference", function(t)
    for _, name in ipairs {"fs", "proc", "json", "string", "os"} do
        t.eq(type(conn:eval(name)), "userdata", name)
    end
    t.eq(conn:eval "fs", conn.modules.fs)
    t.eq(conn:eval "string".upper "x", "X")
    t.match(tostring(conn:eval "fs"), "^module")
    t.eq(type(conn:eval "{fs = fs}".fs), "userdata")
end)

-- ---- errors ----

spec.test("errors that went through three levels read in order", function(t)
    local e = error_of(function()
        conn:call(function(back) local r = back() return r end, function()
            local function there()
                local function deepest() error {code = 7, message = "deep"} end
                deepest()
            end
            local r = conn:call(there)
            return r
        end)
    end)
    t.same({e.kind, e.code, e.message, e.host}, {"remote", 7, "deep", "agent"})
    local hops = {}
    for line in e.traceback:gmatch "[^\n]+" do
        if not line:find "^\t" then hops[#hops + 1] = line end
    end
    t.same(hops, {"on agent:", "on the controller:", "on agent:", "here:"})
    t.match(e.traceback, "^on agent:\n.-deepest")
end)

spec.test("a table that was raised is told by what is in it, where that is short", function(t)
    local e = error_of(conn.execute, conn, "error {code = 7, why = 'two\\nlines', ok = true}")
    t.eq(e.message, [[{code = 7, ok = true, why = "two\nlines"}]])
    t.match(error_of(conn.execute, conn, "error {print}").message, "^table: ")
    t.match(error_of(conn.execute, conn, "error {deep = {}}").message, "^table: ")
end)

spec.test("an error that nobody catches prints both sides, ours last", function(t)
    local dir <close> = here:tempdir()
    local script = dir / "x.lua"
    script:write [[
        local conn = require "rshell".here:connect()
        local function ours() conn:call(function() local function theirs() error "bo\27o" end theirs() end) end
        ours()
    ]]
    local both = here.cmd.sh[{"-c", "\"$@\" 2>&1; echo status $?", "sh"}]
    local said = tostring(both(os.getenv "RSHELL", "run", tostring(script)))
    t.match(said, "bo\\x1bo.-theirs.-here:.-ours.-status 1")
    t.eq(said:find("\27", 1, true), nil)
end)

-- ---- ends ----

spec.test("what is closed says so, at every use", function(t)
    local c = m:connect()
    local modules, space, f = c.modules, c.namespace, c:execute "return function() end"
    t.ok(modules.json)
    local pid = c.pid
    c:close()
    for name, use in next, {
        eval = function() c:eval "1" end, execute = function() c:execute "" end, call = function() c:call(print) end,
        teleport = function() c:teleport(function() end) end, ping = function() c:ping() end,
        provide = function() c:provide("x", {}) end, modules = function() return modules.fs end,
        index = function() return space.x end, assign = function() space.x = 1 end, proxy = function() f() end,
        text = function() return tostring(f) end, copy = function() c:copy(space) end,
        pairs = function() pairs(space) end, length = function() return #space end,
        known = function() return modules.json end, stdio = function() c:stdio(nil) end,
        interact = function() c:interact() end, batch = function() c:batch(function(b) b:eval "1" end) end,
        async = function() c:async(print):await() end, view = function() c:with{timeout = 1}:eval "1" end,
    } do
        local ok, e = pcall(use)
        t.same({ok, not ok and e.kind}, {false, "closed"}, name)
    end
    t.same({c.pid, c.closed, c.machine == m}, {pid, true, true})
end)

spec.test("what is printed is seen at once, in order with what we print", function(t)
    local dir <close> = here:tempdir()
    local script = dir / "x.lua"
    script:write [[
        local conn = require "rshell".here:connect()
        print "A"
        conn:execute [=[print 'B' io.stderr:write 'C\n' io.write 'D\n']=]
        print "E"
        conn:call(function(p) print "F" p "G" print "H" end, print)
        print "I"
    ]]
    local sh = here.cmd.sh[{"-c", "exec 2>&1; exec \"$@\"", "sh", os.getenv "RSHELL", "run", tostring(script)}]
    t.eq(tostring(sh()):gsub("%s", ""), "ABCDEFGHI")
end)

conn:close()
m:close()
spec.finish()
