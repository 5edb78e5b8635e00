package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local waits = require "waits"
local task = require "rshell.task"
local proc = require "rshell.sys.proc"
local net = require "rshell.sys.net"

local nap, is_kind, promptly = waits.nap, waits.is_kind, waits.promptly

task.on_unobserved(function() end)

local function exists(path)
    local r = proc.run {argv = {"test", "-e", path}}
    return r.exits[1].code == 0
end

-- A name in the abstract namespace that nobody else has.
local function abstract()
    return ("@rshell-spec-%s-%d"):format(tostring {}:match "%w+$", math.random(1000000))
end

-- A listener that doesn't answer any more, since its queue is full.
local function silent(t)
    local l = assert(net.listen(abstract(), nil, {backlog = 1}))
    local held = {}
    for i = 1, 20 do
        held[i] = net.connect(l.path, nil, {timeout = 0.02})
        if not held[i] then break end
    end
    t.defer(function()
        l:close()
        for _, s in ipairs(held) do s:close() end
    end)
    return l
end

-- ---- resolve ----

spec.test("addresses are their own answer", function(t)
    t.same(net.resolve "127.0.0.1", {{address = "127.0.0.1", family = "ipv4"}})
    t.same(net.resolve "::1", {{address = "::1", family = "ipv6"}})
    t.same(net.resolve("10.1.2.3", {port = 80}), {{address = "10.1.2.3", family = "ipv4", port = 80}})
    t.same(net.resolve("0:0:0:0:0:0:0:1", {timeout = 60}), {{address = "::1", family = "ipv6"}})
end)

spec.test("names are looked up", function(t)
    local found = t.ok(net.resolve("localhost", {port = 0}))
    t.ok(#found > 0)
    for _, a in ipairs(found) do
        t.ok(a.family == "ipv4" and a.address:find "^127%." or a.family == "ipv6" and a.address == "::1", a.address)
        t.eq(a.port, 0)
    end
    local none, text, name = net.resolve "no-such-host.invalid"
    t.eq(none, nil)
    t.match(name, "^EAI_")
    t.ok(#text > 0)
    -- In place, and several at once.
    table.sort({1, 2}, function(a, b) t.ok(net.resolve "localhost") return a < b end)
    local tasks = {}
    for i = 1, 100 do tasks[i] = task.spawn(net.resolve, "localhost") end
    for i = 1, 100 do t.same(tasks[i]:await(), net.resolve "localhost") end
end)

spec.test("lookups may be given up", function()
    for i = 1, 20 do
        local a = task.spawn(net.resolve, "no-such-host-" .. i .. ".invalid")
        task.sleep(0)
        a:close()
        net.resolve("no-such-host-" .. i .. ".invalid", {timeout = 0})
    end
    collectgarbage()
    nap()
end)

spec.test("misuse raises", function(t)
    for _, host in ipairs {"", "a\0b", "/a\0b", {}, true} do
        t.eq(pcall(net.resolve, host), false, spec.show(host))
        t.eq(pcall(net.connect, host, 1), false, spec.show(host))
        t.eq(pcall(net.listen, 0, host), false, spec.show(host))
    end
    for _, port in ipairs {-1, 65536, 1 << 40, 1.5, "x", {}} do
        t.eq(pcall(net.connect, "127.0.0.1", port), false, spec.show(port))
        t.eq(pcall(net.listen, port), false, spec.show(port))
        t.eq(pcall(net.resolve, "127.0.0.1", {port = port}), false, spec.show(port))
    end
    t.eq(pcall(net.connect, "127.0.0.1", 0), false)
    t.eq(pcall(net.connect, "127.0.0.1"), false)
    t.eq(pcall(net.connect, "127.0.0.1", 1, 5), false)
    t.eq(pcall(net.connect, "127.0.0.1", 1, {timeout = "x"}), false)
    t.eq(pcall(net.listen, 0, nil, {backlog = {}}), false)
    t.eq(pcall(net.listen), false)
end)

-- ---- TCP ----

spec.test("a connection, and who it is from", function(t)
    local l <close> = assert(net.listen(0))
    t.eq(math.type(l.port), "integer")
    t.eq(l.address, "127.0.0.1")
    t.eq(l.path, nil)
    t.eq(l.closed, false)
    t.eq(tostring(l), "listener on port " .. l.port)
    local c <close> = assert(net.connect("127.0.0.1", l.port))
    local s <close>, peer = assert(l:accept())
    t.eq(peer.family, "ipv4")
    t.eq(peer.address, "127.0.0.1")
    t.ok(peer.port > 0 and peer.port ~= l.port)
    c:write "ping"
    t.eq(s:read {exact = 4}, "ping")
    s:write "pong"
    s:shutdown()
    t.eq(c:read "a", "pong")
    c:write "late"
    c:shutdown()
    t.eq(s:read "a", "late")
    local d <close> = assert(net.connect("localhost", l.port, {timeout = 60}))
    t.ok(l:accept(60))
    t.ok(d)
end)

spec.test("what can't be connected to", function(t)
    local l = assert(net.listen(0))
    local port = l.port
    l:close()
    t.same({net.connect("127.0.0.1", port)}, {nil, "connection refused", "ECONNREFUSED"})
    t.match(select(3, net.connect("no-such-host.invalid", 1)), "^EAI_")
    t.same({net.connect("/no/such/socket")}, {nil, "no such file or directory", "ENOENT"})
    t.same({net.connect(abstract())}, {nil, "connection refused", "ECONNREFUSED"})
    t.eq(select(3, net.connect("/" .. ("x"):rep(200))), "ENAMETOOLONG")
    t.eq(select(3, net.connect("@" .. ("x"):rep(200))), "ENAMETOOLONG")
    t.eq(select(3, net.connect "/etc/passwd"), "ECONNREFUSED")
end)

spec.test("a server that doesn't answer", function(t)
    local l = silent(t)
    local start = task.now()
    t.same({net.connect(l.path, nil, {timeout = 0.1})}, {nil, "timed out", "ETIMEOUT"})
    t.ok(task.now() - start >= 0.1)
    is_kind(t, select(2, promptly(t, pcall, task.timeout, 0.05, net.connect, l.path)), "timeout")
    local waiting = task.spawn(net.connect, l.path, nil, {timeout = waits.FOREVER})
    nap()
    t.eq(waiting.status, "waiting")
    local first = assert(l:accept()) -- there is room now
    t.ok(waiting:await()):close()
    first:close()
end)

spec.test("a port in use fails at once", function(t)
    local l <close> = assert(net.listen(0))
    t.same({net.listen(l.port)}, {nil, "address already in use", "EADDRINUSE"})
    t.same({net.listen(l.port, "localhost")}, {nil, "address already in use", "EADDRINUSE"})
    t.eq(select(3, net.listen(0, "192.0.2.1")), "EADDRNOTAVAIL")
    t.match(select(3, net.listen(0, "no-such-host.invalid")), "^EAI_")
    t.eq(l.closed, false)
    -- A connection that is ending doesn't keep the port.
    local port = l.port
    local c = assert(net.connect("127.0.0.1", port))
    local s = assert(l:accept())
    s:close()
    t.eq(c:read "a", "")
    c:close()
    l:close()
    assert(net.listen(port)):close()
end)

spec.test("listening everywhere, and on one address", function(t)
    local l <close> = assert(net.listen(0, "*"))
    local c <close> = assert(net.connect("127.0.0.1", l.port))
    local s <close>, peer = assert(l:accept())
    t.match(peer.address, "127%.0%.0%.1$")
    t.ok(c and s)
    t.same({net.listen(l.port, "*")}, {nil, "address already in use", "EADDRINUSE"})
    local l2 <close> = assert(net.listen(0, "127.0.0.2"))
    t.eq(l2.address, "127.0.0.2")
    t.eq(select(3, net.connect("127.0.0.1", l2.port)), "ECONNREFUSED")
    local l6 = net.listen(0, "::1")
    if not l6 then t.skip "no IPv6 here" end
    local c6 <close> = assert(net.connect("::1", l6.port))
    local s6 <close>, peer6 = assert(l6:accept())
    t.eq(peer6.family, "ipv6")
    t.eq(peer6.address, "::1")
    t.ok(c6 and s6)
    l6:close()
end)

spec.test("accept waits, in order, and may time out", function(t)
    local l <close> = assert(net.listen(0))
    t.same({l:accept(0)}, {nil, "timed out", "ETIMEOUT"})
    t.same({l:accept(0.02)}, {nil, "timed out", "ETIMEOUT"})
    local seen, tasks = {}, {}
    for i = 1, 5 do
        tasks[i] = task.spawn(function()
            local s <close> = assert(l:accept())
            seen[#seen + 1] = i .. s:read {exact = 1}
        end)
    end
    nap()
    tasks[2]:close() -- leaves the queue
    for _, name in ipairs {"a", "b", "c", "d"} do
        local c <close> = assert(net.connect("127.0.0.1", l.port))
        c:write(name)
        nap()
    end
    for i, a in ipairs(tasks) do if i ~= 2 then a:await(60) end end
    table.sort(seen)
    t.same(seen, {"1a", "3b", "4c", "5d"})
    is_kind(t, select(2, pcall(task.timeout, 0.02, l.accept, l)), "timeout")
    local c <close> = assert(net.connect("127.0.0.1", l.port))
    local s <close> = assert(l:accept())
    t.ok(c and s)
end)

spec.test("closing a listener wakes who accepts, and is harmless twice", function(t)
    local l = assert(net.listen(0))
    local tasks = {}
    for i = 1, 3 do tasks[i] = task.spawn(function() return l:accept() end) end
    nap()
    l:close()
    l:close()
    for i = 1, 3 do t.same({tasks[i]:await()}, {nil, "closed", "ECLOSED"}) end
    t.same({l:accept()}, {nil, "closed", "ECLOSED"})
    t.eq(l.closed, true)
    t.eq(tostring(l), "listener (closed)")
    do local _ <close> = l end
end)

spec.test("a listener that is dropped frees its port", function(t)
    local path = t.tmp() .. "/s"
    local function listen()
        assert(net.listen(path))
        return assert(net.listen(0)).port
    end
    local port = listen()
    collectgarbage()
    collectgarbage()
    t.eq(exists(path), false)
    assert(net.listen(port)):close()
end)

spec.test("connections that nobody accepts are closed with the listener", function(t)
    local l = assert(net.listen(0))
    local c <close> = assert(net.connect("127.0.0.1", l.port))
    l:close()
    local ok, got = promptly(t, pcall, c.read, c, "a")
    t.ok(ok and got == "" or got.kind == "closed")
end)

spec.test("500 connections at once", function(t)
    local l <close> = assert(net.listen(0))
    local served = 0
    local server = task.spawn(function()
        while true do
            local s = l:accept()
            if not s then return end
            task.spawn(function()
                s:pump(s)
                s:close()
                served = served + 1
            end)
        end
    end)
    local tasks = {}
    for i = 1, 500 do
        tasks[i] = task.spawn(function()
            local c <close> = assert(net.connect("127.0.0.1", l.port))
            local text = ("client %d\n"):format(i):rep(100)
            c:write(text)
            c:shutdown()
            t.eq(c:read "a", text)
        end)
    end
    for i = 1, 500 do tasks[i]:await() end
    l:close()
    server:await()
    while served < 500 do nap() end
end)

-- ---- unix sockets ----

spec.test("a unix socket, whose file goes with it", function(t)
    local path = t.tmp() .. "/with a space"
    local l = assert(net.listen(path))
    t.eq(l.path, path)
    t.eq(l.port, nil)
    t.eq(l.address, nil)
    t.eq(tostring(l), "listener on " .. path)
    t.same({net.listen(path)}, {nil, "address already in use", "EADDRINUSE"})
    local c <close> = assert(net.connect(path))
    local s <close>, peer = assert(l:accept())
    t.same(peer, {family = "unix"})
    c:write "x"
    t.eq(s:read(1), "x")
    s:shutdown()
    t.eq(c:read "a", "")
    t.eq(exists(path), true)
    l:close()
    t.eq(exists(path), false)
    t.eq(select(3, net.connect(path)), "ENOENT")
    assert(net.listen(path)):close()
end)

spec.test("only a file that is still ours is removed", function(t)
    local path = t.tmp() .. "/s"
    local l = assert(net.listen(path))
    os.remove(path)
    local other = assert(net.listen(path))
    l:close()
    t.eq(exists(path), true)
    assert(net.connect(path)):close()
    other:close()
    t.eq(exists(path), false)

    l = assert(net.listen(path))
    os.remove(path)
    io.open(path, "w"):close()
    l:close()
    t.eq(exists(path), true)
    t.same({net.listen(path)}, {nil, "address already in use", "EADDRINUSE"})
    t.eq(select(3, net.listen(path .. "/x")), "ENOTDIR")
    t.eq(select(3, net.listen "/no/such/folder/s"), "ENOENT")
    t.eq(select(3, net.listen("/" .. ("x"):rep(200))), "ENAMETOOLONG")
    os.remove(path)
end)

spec.test("the abstract namespace", function(t)
    local name = abstract()
    local l <close> = assert(net.listen(name))
    t.eq(l.path, name)
    t.eq(select(3, net.listen(name)), "EADDRINUSE")
    t.eq(exists(name), false)
    local c <close> = assert(net.connect(name))
    local s <close>, peer = assert(l:accept())
    t.same(peer, {family = "unix"})
    s:write "x"
    t.eq(c:read(1), "x")
    l:close()
    assert(net.listen(name)):close()
end)

-- ---- limits ----

spec.test("no fds left is an error like others", function(t)
    local code = [[
        local net = require "rshell.sys.net"
        local l = assert(net.listen(0))
        local held, text, name = {}, nil, nil
        repeat
            local c
            c, text, name = net.connect("127.0.0.1", l.port)
            held[#held + 1] = c
        until not c
        io.stdout:write(name, " ", (select(3, l:accept())), " ", (select(3, net.listen(0))), "\n")
        for _, c in ipairs(held) do c:close() end
        assert(l:accept(60)):close()
        print "over"
    ]]
    local r = proc.run {
        argv = {"sh", "-c", 'ulimit -n 60; exec "$@"', "sh", waits.RSHELL, "run", "-e", code}, timeout = 120,
    }
    t.eq(r.stdout, "EMFILE EMFILE EMFILE\nover\n", r.stderr)
end)

spec.finish()
