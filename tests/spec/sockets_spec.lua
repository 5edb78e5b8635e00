-- m:connect_sock and m:listen.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local machines = require "machines"
local odd = require "odd"
local m, other = machines.get(), machines.other()
local rshell = require "rshell"
local task = require "rshell.task"

local function listen(t, ...)
    local l = m:listen(...)
    t.defer(l.close, l)
    return l
end

-- Both ends of a connection.
local function pair(t, ...)
    local l = listen(t, ...)
    local client = m:connect_sock(l.path or l.port)
    local server = l:accept(5)
    t.defer(client.close, client)
    t.defer(server.close, server)
    return client, server
end

local PLACES = {{name = "a port", 0}, {name = "a unix socket"}, {name = "an abstract one"}}

-- Where there can be no such listener that is an error which says so. True then.
local function impossible(t, what, place, hint)
    if not machines.lacks(what) then return false end
    local e = t.raises("usage", m.listen, m, place)
    if hint then t.match(e.hint, hint) end
    return true
end

local function no_unix(t) return impossible(t, "unix listeners", "/tmp/s", "openssh") end

local function on_each(name, fn)
    spec.table(name, PLACES, function(t, case)
        local place = case[1]
        if case.name == "a unix socket" then
            if no_unix(t) then return end
            place = odd.dir(t, m) .. "/s"
        elseif case.name == "an abstract one" then
            place = "@rshell-spec-" .. math.random(1 << 30)
            if impossible(t, "abstract sockets", place) then return end
        end
        return fn(t, place)
    end)
end

on_each("bytes go both ways", function(t, place)
    local client, server = pair(t, place)
    client:write("hello\n", 1, "\0\255\n")
    t.eq(server:read "l", "hello")
    t.eq(server:read "L", "1\0\255\n")
    server:write "back"
    server:shutdown()
    t.eq(client:read "a", "back")
    t.eq(client:read(1), nil)
    client:write "after the end"
    client:close()
    t.eq(server:read "a", "after the end")
end)

on_each("read formats", function(t, place)
    local client, server = pair(t, place)
    client:write "abcdef\nghi"
    client:close()
    t.eq(server:read {exact = 3}, "abc")
    t.eq(server:read(2), "de")
    t.eq(server:read "l", "f")
    t.eq(server:read {exact = 9}, "ghi")
    t.eq(server:read "l", nil)
end)

on_each("a reader that stops, stops the writer", function(t, place)
    local client, server = pair(t, place)
    local block, written = ("x"):rep(65536), 0
    local writer = task.spawn(function()
        for _ = 1, 500 do
            client:write(block)
            written = written + #block
        end
        client:close()
    end)
    task.sleep(0.2)
    t.ok(written < 20 << 20, written .. " bytes were written that nobody read")
    t.eq(#server:read "a", 500 * 65536)
    writer:await()
end)

spec.test("a listener tells where it is", function(t)
    local l = listen(t, 0)
    t.ok(l.port > 0 and l.port < 65536)
    t.eq(l.path, nil)
    t.match(tostring(l), "^listener at port " .. l.port .. " on ")
    if no_unix(t) then return end
    local path = odd.dir(t, m) .. "/s"
    l = listen(t, path)
    t.eq(l.path, path)
    t.eq(l.port, nil)
    t.match(tostring(l), "^listener at /.* on ")
    l:close()
    l:close()
    t.eq(l.closed, true)
    t.match(tostring(l), "^listener %(closed%) on ")
    t.eq(m:path(path):exists(), false)
end)

spec.test("paths are the machine's", function(t)
    t.raises("usage", m.listen, m, other:path "/tmp/s")
    if no_unix(t) then return end
    local dir = tostring(odd.dir(t, m))
    local l <close> = m:at(dir):listen "s"
    t.eq(l.path, dir .. "/s")
    local stream <close> = m:at(dir):connect_sock(m:path(dir, "s"))
    stream:write "x"
end)

spec.test("who connected", function(t)
    local l = listen(t, 0, "127.0.0.1")
    local client <close> = m:connect_sock(l.port, "127.0.0.1")
    client:write "x"
    local server <close>, peer = l:accept()
    t.eq(server:read(1), "x")
    t.eq(peer.family, "ipv4")
    if machines.lacks "peers" then return end
    t.eq(peer.address, "127.0.0.1")
    t.ok(math.type(peer.port) == "integer")
end)

spec.test("hosts", function(t)
    local l = listen(t, 0, "*")
    for _, host in ipairs {"127.0.0.1", "localhost"} do
        local client <close> = m:connect_sock(l.port, host)
        client:write "x"
    end
    t.raises("connect", m.connect_sock, m, l.port, "no-such-host.invalid")
end)

spec.test("nobody listens", function(t)
    local l = m:listen(0)
    local port = l.port
    l:close()
    local e = t.raises("connect", m.connect_sock, m, port)
    t.match(e.message, "can't connect to localhost:" .. port)
    local dir = odd.dir(t, m)
    e = t.raises("notfound", m.connect_sock, m, dir .. "/nobody")
    t.match(e.message, "can't connect to /.*nobody")
    t.raises("notfound", m.connect_sock, m, dir .. "/none/nobody")
end)

spec.test("a place that is taken", function(t)
    local l = listen(t, 0)
    local e = t.raises("io", m.listen, m, l.port)
    t.match(e.message, "can't listen on localhost:" .. l.port)
    t.eq(e.name, "EADDRINUSE")
    t.ok(e.hint)
    if no_unix(t) then return end
    local path = odd.dir(t, m) .. "/s"
    listen(t, path)
    t.eq(t.raises("io", m.listen, m, path).name, "EADDRINUSE")
end)

spec.test("timeouts", function(t)
    local l = listen(t, 0)
    local before = rshell.now()
    t.raises("timeout", l.accept, l, 0.05)
    local slow <close> = m:with {timeout = 0.05}:listen(0)
    t.raises("timeout", slow.accept, slow)
    t.ok(rshell.now() - before < 3)
    local client, server = pair(t, 0)
    t.raises("timeout", client.read, client, "l", 0.05)
    server:write "late\n"
    t.eq(client:read("l", 5), "late")
end)

spec.test("closing wakes who waits", function(t)
    local l = listen(t, 0)
    local waiter = task.spawn(l.accept, l)
    task.sleep(0.02)
    l:close()
    t.raises("closed", waiter.await, waiter)
    t.raises("closed", l.accept, l)
end)

spec.test("many connections at once", function(t)
    local l = listen(t, 0)
    local server = task.spawn(function()
        for _ = 1, 50 do
            local s = l:accept()
            task.spawn(function()
                s:write(s:read "l", "!\n")
                s:close()
            end)
        end
    end)
    local clients = {}
    for i = 1, 50 do
        clients[i] = task.spawn(function()
            local s <close> = m:connect_sock(l.port)
            s:write(i, "\n")
            return s:read "a"
        end)
    end
    for i, c in ipairs(clients) do t.eq(c:await(), i .. "!\n") end
    server:await()
end)

spec.test("a port in quotes", function(t)
    local e = t.raises("usage", m.connect_sock, m, "8080")
    t.match(e.message, "a port is a number: 8080, not \"8080\"")
    t.match(e.hint, "%./8080")
end)

spec.test("misuse", function(t)
    for _, bad in ipairs {-1, 65536, 1.5, true, {}, "", "a\0b"} do
        t.raises("usage", m.listen, m, bad)
        t.raises("usage", m.connect_sock, m, bad)
    end
    t.raises("usage", m.connect_sock, m, 0)
    t.raises("usage", m.connect_sock, m)
    t.raises("usage", m.connect_sock, m, 80, 5)
    t.raises("usage", m.connect_sock, m, 80, "")
    t.raises("usage", m.connect_sock, m, "/tmp/s", "localhost")
    local l = listen(t, 0)
    t.raises("usage", l.accept, l, "soon")
    t.match(tostring(t.raises("usage", function() return l.prot end)), "did you mean 'port'")
    t.ok(m:connect_sock(l.port + 0.0), "a whole float is a port")
end)

spec.finish()
