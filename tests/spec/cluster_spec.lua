package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local cluster = require "rshell.cluster"
local err = require "rshell.shared.error"
local here = require "rshell.here"
local machine = require "rshell.machine"
local task = require "rshell.task"
local view = require "rshell.view"

-- ---- machines that are local, and a connector that counts ----

local function local_machine(name, on_close)
    local conn = here.connection(name)
    conn.close = function(c)
        if c.closed then return end
        c.closed = true
        if on_close then on_close(name) end
    end
    local v = view.new(conn)
    conn.root = v
    return machine.of(v)
end

--- A connector: behave(name, try) may wait or raise. Counts what goes on at once.
local function connector(behave)
    local c = {tries = {}, now = 0, most = 0, total = 0, closed = {}, opts = {}}
    function c.connect(name, opts)
        c.tries[name] = (c.tries[name] or 0) + 1
        c.opts[name] = opts
        c.total = c.total + 1
        c.now = c.now + 1
        c.most = math.max(c.most, c.now)
        local _ <close> = setmetatable({}, {__close = function() c.now = c.now - 1 end})
        if behave then behave(name, c.tries[name]) end
        return local_machine(name, function(closed) c.closed[#c.closed + 1] = closed end)
    end
    return c
end

local function make(hosts, opts, behave)
    local c = connector(behave)
    opts = opts or {}
    opts.connect = c.connect
    opts.retry_delay = opts.retry_delay or 0.001
    return cluster.new(hosts, opts), c
end

--- Counts how many are inside at once.
local function gauge()
    local g = {now = 0, most = 0, total = 0}
    function g.pass()
        g.total = g.total + 1
        g.now = g.now + 1
        g.most = math.max(g.most, g.now)
        local _ <close> = setmetatable({}, {__close = function() g.now = g.now - 1 end})
        task.sleep(0.002)
    end
    return g
end

local function refused(name)
    err.raise {kind = "connect", host = name, message = "refused", name = "ECONNREFUSED"}
end

-- ---- hosts ----

spec.table("hosts", {
    {"web[1-3]!web2", {"web1", "web3"}},
    {"b,a[10-11],a9", {"a9", "a10", "a11", "b"}},
    {{"b", "a[2-1]", n = 1}, false},
    {{"b[1-2]", "a", "b2"}, {"b1", "b2", "a"}, name = "a list keeps its order"},
    {"", {}},
}, function(t, c)
    if not c[2] then
        t.raises("parse", make, c[1])
        return
    end
    local web = make(c[1])
    t.same(web.hosts, c[2])
    t.eq(#web, #c[2])
end)

spec.test("machines that are given stay the caller's", function(t)
    local closed = {}
    local a = local_machine("a", function() closed[1] = "a" end)
    local web, c = make {a, "b"}
    local r = web:each(function(m, name) return m.name .. name end)
    t.eq(r.a.value, "aa")
    t.eq(r.b.value, "bb")
    t.same(c.tries, {b = 1})
    t.ok(web:machine "a" == a)
    web:close()
    web:close()
    t.same(closed, {})
    t.same(c.closed, {"b"})
    t.raises("usage", make, {a, a})
end)

spec.test("what isn't a cluster", function(t)
    t.raises("usage", cluster.new)
    t.raises("usage", cluster.new, 7)
    t.match(t.raises("usage", cluster.new, "a", {limt = 1}).message, "did you mean 'limit'")
    for name, value in pairs {limit = 0, retries = -1, retry_delay = -1} do
        t.match(t.raises("usage", cluster.new, "a", {[name] = value}).message, "or more expected", name)
    end
end)

spec.test("groups", function(t)
    local web = make("@web,x", {groups = {web = "web[1-2]"}})
    t.same(web.hosts, {"web1", "web2", "x"})
    t.same(web:select("@web").hosts, {"web1", "web2"})
end)

spec.test("looks", function(t)
    local web = make("web[1-20]", {limit = 7})
    t.eq(tostring(web), "cluster of 20 hosts (web[1-20])")
    t.eq(web.limit, 7)
    t.eq(tostring(web.ls["-l"]:bind("a b", {"c"})), "ls -l 'a b' c")
    t.eq(tostring(web.cmd), "commands of 20 hosts")
    web:close()
    t.match(tostring(web), "closed")
    t.ok(web.closed)
    t.raises("closed", function() return web.uptime() end)
    t.raises("usage", function() return web[1] end)
    t.raises("usage", function() web.limit = 3 end)
end)

-- ---- commands ----

spec.test("a command runs on all", function(t)
    local web <close> = make "web[1-3]"
    local r = web.echo("a b", 1)
    t.eq(tostring(r), "3 ok")
    t.same(r.ok, {"web1", "web2", "web3"})
    t.same(r.web2, {host = "web2", status = "ok", value = "a b 1\n", stdout = "a b 1\n", stderr = "", code = 0})
    t.eq(tostring(web["echo"]["x"]("y"):fold()), ("-"):rep(15) .. "\nweb[1-3] (3)\n" .. ("-"):rep(15) .. "\nx y")
    t.eq(web.cmd.printf("%s", "z").web1.value, "z")
end)

spec.test("a status that isn't 0 fails", function(t)
    local web <close> = make "web[1-2]"
    local r = web:sh("echo out; echo err >&2; exit 3")
    t.eq(tostring(r), "2 failed")
    t.eq(r.web1.code, 3)
    t.eq(r.web1.stdout, "out\n")
    t.eq(r.web1.stderr, "err\n")
    t.eq(r.web1.error.kind, "process")
    t.eq(r.web1.error.host, "web1")
    r = web:sh("exit 3", {retcode = {0, 3}})
    t.eq(tostring(r), "2 ok")
    t.eq(r.web1.code, 3)
end)

spec.test("sh has values, and options at the end", function(t)
    local web <close> = make "a"
    t.eq(web:sh('echo "$1/$2"', "x y", 2).a.value, "x y/2\n")
    t.eq(web:sh('printf %s "$E$1"', "v", {env = {E = "e"}}).a.value, "ev")
    t.eq(web:sh("cat", {input = "hello"}).a.value, "hello")
end)

spec.test("run", function(t)
    local web <close> = make "a"
    t.eq(web:run({"echo", "a", "b"}).a.value, "a b\n")
    t.eq(web:run({"pwd"}, {cwd = "/"}).a.value, "/\n")
    t.eq(web:run("echo", "a", {limit = 1}).a.value, "a\n")
    t.eq(web.pwd:with{cwd = "/", limit = 3}().a.value, "/\n")
    t.eq(web:run("sleep", "10", {timeout = 0.02}).a.status, "timeout")
    t.eq(web:run({"no-such-program-here"}).a.error.kind, "notfound")
end)

spec.test("wrong arguments are told at once", function(t)
    local web, c = make "a"
    for _, fn in ipairs {
        function() web.echo(nil) end, function() web.echo(true) end, function() web.echo "\0" end,
        function() web:echo() end, function() web:run {} end, function() web:run({"a"}, {limits = 1}) end,
        function() web:run("a", {serial = 0}) end, function() web:sh() end, function() web:each() end,
        function() web:each(print, {limit = 0}) end, function() return web[""] end, function() web.each(print) end,
    } do
        t.raises("usage", fn)
    end
    t.eq(c.total, 0)
end)

-- ---- each ----

spec.test("each keeps the order, whoever is first", function(t)
    local web <close> = make("web[1-20]", {}, function(name) task.sleep(tonumber(name:match "%d+") % 5 * 0.002) end)
    local r = web:each(function(m)
        task.sleep(math.random() * 0.005)
        return m.name
    end)
    local order = {}
    for host, value in r:each() do
        t.eq(host, value)
        order[#order + 1] = host
    end
    t.same(order, web.hosts)
end)

spec.test("connects once, when it is wanted", function(t)
    local web <close>, c = make "web[1-5]"
    t.eq(c.total, 0)
    web:select("web[1-2]"):each(function() end)
    t.eq(c.total, 2)
    web:each(function() end)
    web:each(function() end)
    t.eq(c.total, 5)
end)

spec.test("two broadcasts at once share connections", function(t)
    local web <close>, c = make("web[1-5]", {}, function() task.sleep(0.005) end)
    local a, b = task.spawn(function() return web:each(function() end) end), task.spawn(web.true_, web)
    b:cancel()
    local d = task.spawn(function() return web:each(function() end) end)
    t.eq(#a:await().ok, 5)
    t.eq(#d:await().ok, 5)
    t.eq(c.total, 5)
end)

spec.test("one who is cancelled while it connects leaves that to the next", function(t)
    local started = task.event()
    local web <close>, c = make("a", {}, function(_, try)
        if try > 1 then return end
        started:notify()
        task.sleep(60)
    end)
    local first = task.spawn(function() return web:each(function() end) end)
    started:wait()
    local second = task.spawn(function() return web:each(function() end) end)
    task.sleep(0)
    first:cancel()
    t.eq(second:await(5).a.status, "ok")
    t.raises("cancelled", first.await, first)
    t.same(c.tries, {a = 2})
    t.eq(c.now, 0)
end)

spec.test("a machine that was lost is connected anew", function(t)
    local web <close>, c = make "a"
    web:each(function(m) m:close() end)
    t.eq(web:each(function(m) return m.closed end).a.value, false)
    t.eq(c.total, 2)
end)

spec.test("the options go to the connector, but ours", function(t)
    local web <close>, c = make("a", {user = "u", port = 1, limit = 3, retries = 1, timeout = 9})
    web:each(function() end)
    t.same(c.opts.a, {user = "u", port = 1, timeout = 9})
end)

-- ---- limits ----

spec.test("never more than limit at once: 200 machines", function(t)
    local web <close>, c = make("n[1-200]", {limit = 10}, function() task.sleep(0.001) end)
    local g = gauge()
    local r = web:each(g.pass)
    t.eq(#r.ok, 200)
    t.eq(g.total, 200)
    t.eq(g.most, 10)
    t.ok(c.most <= 10 and c.most > 1, "connecting: " .. c.most)
    g = gauge()
    web:each(g.pass, {limit = 3})
    t.eq(g.most, 3)
    g = gauge()
    web:each(g.pass, {limit = 500})
    t.eq(g.most, 200)
end)

spec.test("64 at once unless told", function(t)
    local web <close> = make "n[1-100]"
    local g = gauge()
    web:each(function() end) -- connects: then all that may start do so in one turn
    web:each(g.pass)
    t.eq(g.most, 64)
    t.eq(web.limit, 64)
end)

spec.test("the gate holds for all broadcasts together", function(t)
    local web <close>, c = make("n[1-30]", {limit = 4}, function() task.sleep(0.001) end)
    local tasks = {}
    for i = 1, 3 do
        local part = web:select(("n[%d-%d]"):format(i * 10 - 9, i * 10))
        tasks[i] = task.spawn(function() return part:each(function() end) end)
    end
    for _, one in ipairs(tasks) do t.eq(#one:await().ok, 10) end
    t.eq(c.most, 4)
end)

spec.test("serial batches, with the limit inside", function(t)
    local web <close> = make "n[1-10]"
    local g, log = gauge(), {}
    web:each(function(_, name)
        log[#log + 1] = "+" .. name
        g.pass()
        log[#log + 1] = "-" .. name
    end, {serial = 4, limit = 3})
    t.eq(g.most, 3)
    local open, seen = 0, 0
    for _, entry in ipairs(log) do
        if entry:sub(1, 1) == "+" then
            local batch = (tonumber(entry:match "%d+") - 1) // 4
            t.ok(seen - open >= batch * 4, entry .. " began before the batch ahead was done")
            open, seen = open + 1, seen + 1
        else
            open = open - 1
        end
    end
    t.eq(seen, 10)
end)

-- ---- failures ----

spec.test("a host that fails stops no other", function(t)
    local web <close> = make("n[1-20]", {retries = 0}, function(name)
        if name == "n3" then refused(name) end
        if name == "n4" then err.raise {kind = "auth", message = "no key fits"} end
        if name == "n5" then err.raise {kind = "timeout", message = "no answer"} end
    end)
    local r = web:each(function(m)
        if m.name == "n6" then error("oops", 0) end
        if m.name == "n7" then err.raise {kind = "cancelled", message = "by hand"} end
        return 1
    end)
    t.same(r.failed, {"n3", "n4", "n5", "n6", "n7"})
    t.eq(tostring(r), "15 ok, 1 failed, 2 unreachable, 1 timeout, 1 cancelled")
    t.eq(r.n6.error, "oops")
    t.eq(r.n7.status, "cancelled")
end)

spec.test("refused twice, then let in", function(t)
    local web <close>, c = make("n[1-10]", {}, function(name, try)
        if try <= 2 then refused(name) end
    end)
    t.eq(tostring(web:each(function() end)), "10 ok")
    for _, name in ipairs(web.hosts) do t.eq(c.tries[name], 3, name) end
end)

spec.test("retries end, and only the refused come back", function(t)
    local kinds = {a = "connect", b = "auth", c = "hostkey", d = "timeout", e = "connect"}
    local web <close>, c = make("a,b,c,d,e", {retries = 2}, function(name)
        err.raise {kind = kinds[name], message = "no", name = name == "e" and "ENOTFOUND" or nil}
    end)
    local r = web:each(function() t.fail "must not be called" end)
    t.same(c.tries, {a = 3, b = 1, c = 1, d = 1, e = 1})
    t.eq(tostring(r), "4 unreachable, 1 timeout")
end)

spec.test("never more than limit, also when they come back", function(t)
    local web <close>, c = make("n[1-40]", {limit = 5}, function(name, try)
        task.sleep(0.001)
        if try <= 2 then refused(name) end
    end)
    t.eq(tostring(web:each(function() end)), "40 ok")
    t.eq(c.most, 5)
    t.eq(c.total, 120)
end)

spec.test("each result is told when it is there, a failed connection's too", function(t)
    local web, told = make("n[1-4]", {retries = 0}, function(name)
        if name == "n3" then err.raise {kind = "auth", message = "no"} end
    end), {}
    local function done(result) told[#told + 1] = result.host .. " " .. result.status end
    local r = web:each(function(_, name)
        if name == "n2" then error "not me" end
        task.sleep(name == "n1" and 0.05 or 0)
    end, {done = done})
    t.eq(#told, 4)
    t.eq(told[4], "n1 ok")
    table.sort(told)
    t.same(told, {"n1 ok", "n2 failed", "n3 unreachable", "n4 ok"})
    told = {}
    web:select "n1,n4":run("true", "x", {done = done})
    t.eq(#told, 2)
    t.raises("usage", function() web:each(print, {done = 5}) end)
    t.eq(#r, 4)
end)

spec.test("stop_on_error starts no more", function(t)
    local web <close> = make "n[1-20]"
    local ran = 0
    local r = web:each(function(m)
        ran = ran + 1
        task.sleep(0.001)
        if m.name == "n3" then error "oops" end
    end, {limit = 4, stop_on_error = true})
    t.eq(r.n3.status, "failed")
    t.eq(r.n4.status, "ok", "what was under way is finished")
    t.eq(r.n20.status, "skipped")
    t.eq(#r.ok + 1, ran)
    t.ok(ran <= 8, "ran " .. ran)
    r = web:each(function()
        task.sleep(0.001)
        error "oops"
    end, {serial = 5, stop_on_error = true})
    t.eq(tostring(r), "5 failed, 15 skipped")
    t.eq(tostring(web:run("false", {limit = 1, stop_on_error = true})), "1 failed, 19 skipped")
end)

spec.test("a time for each host", function(t)
    local web <close> = make "n[1-3]"
    local r = web:each(function(m) if m.name == "n2" then task.sleep(60) end end, {timeout = 0.2})
    t.eq(tostring(r), "2 ok, 1 timeout")
    t.eq(r.n2.error.kind, "timeout")
end)

-- ---- cancelling ----

spec.test("cancelling the caller cancels all", function(t)
    local web <close> = make("n[1-10]", {limit = 4})
    local began, ended = 0, 0
    local run = task.spawn(function()
        return web:each(function()
            began = began + 1
            local _ <close> = setmetatable({}, {__close = function() ended = ended + 1 end})
            task.sleep(60)
        end)
    end)
    while began < 4 do task.sleep(0.001) end
    run:cancel()
    t.raises("cancelled", run.await, run)
    t.eq(began, 4, "the next ones were not begun")
    t.eq(ended, 4)
    t.eq(tostring(web:each(function() end)), "10 ok", "the cluster goes on")
end)

--- Whether a process is gone, or will be in a moment: it was killed.
local function ended(pid)
    for _ = 1, 200 do
        local f <close> = io.open(("/proc/%d/stat"):format(pid))
        if not f then return true end
        task.sleep(0.01)
    end
    return false
end

spec.test("a timeout of the caller ends what runs on the hosts", function(t)
    local web <close> = make "n[1-3]"
    local dir = t.tmp()
    local script = ("echo $$ > '%s'/$1; exec sleep 60"):format(dir)
    t.raises("timeout", task.timeout, 1, function()
        return web:each(function(m) return m:sh(script, m.name)() end)
    end)
    for _, name in ipairs(web.hosts) do
        local f = t.ok(io.open(dir .. "/" .. name), name .. " had begun")
        local pid = f:read "n"
        f:close()
        t.ok(ended(pid), name)
    end
    t.raises("timeout", task.timeout, 0.1, function() return web:run("sleep", "60") end)
end)

spec.test("cancelling ends the waiting for a refused host", function(t)
    local web <close>, c = make("a", {retries = 50, retry_delay = 60}, refused)
    t.raises("timeout", task.timeout, 0.02, function() return web:each(function() end) end)
    t.same(c.tries, {a = 1})
end)

-- ---- parts, and the end ----

spec.test("select", function(t)
    local web, c = make "db[1-2],web[1-4]"
    t.same(web:select("web*!web2").hosts, {"web1", "web3", "web4"})
    t.same(web:select("~.*[12]").hosts, {"db1", "db2", "web1", "web2"})
    t.same(web:select("*&web[3-9]").hosts, {"web3", "web4"})
    t.match(t.raises("usage", web.select, web, "web5").message, "no host 'web5' in this cluster, did you mean 'web1'")
    t.raises("usage", function() return web:machine "x" end)
    local part = web:select "web[1-2]"
    t.raises("usage", function() return part:machine "web3" end)
    t.eq(tostring(part.echo "x"), "2 ok")
    part:close()
    t.eq(part.closed, false, "a part closes nothing")
    t.same(c.closed, {})
    web:close()
    table.sort(c.closed)
    t.same(c.closed, {"web1", "web2"})
    t.raises("closed", function() return part.echo "x" end)
end)

spec.test("a list keeps its order in a part", function(t)
    t.same(make({"c", "b", "a"}):select("a,c").hosts, {"c", "a"})
end)

spec.test("<close> closes all that were opened", function(t)
    local count
    do
        local web <close>, c = make "n[1-20]"
        count = c.closed
        web:each(function() end)
    end
    t.eq(#count, 20)
end)

spec.test("closed while a host is being connected", function(t)
    local web, c = make("a", {}, function() task.sleep(0.01) end)
    local run = task.spawn(function() return web:each(function() end) end)
    task.sleep(0.001)
    web:close()
    t.eq(run:await().a.error.kind, "closed")
    t.same(c.closed, {"a"})
end)

spec.test("rshell.cluster is it", function(t)
    local rshell = require "rshell"
    t.eq(rshell.cluster, cluster.new)
    t.eq(rshell.nodeset, require "rshell.nodeset")
end)

spec.finish()
