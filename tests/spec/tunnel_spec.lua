-- m:tunnel: both directions, half-close, counts and the end.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local machines = require "machines"
local m = machines.get()
local odd = require "odd"
local rshell = require "rshell"
local task = require "rshell.task"

local here = rshell.here

-- What listens where the tunnel comes out: fn(stream) for each connection. Gives its place.
local function service(t, machine, place, fn)
    local l = machine:listen(place)
    local tasks = {}
    local acceptor = task.spawn(function()
        while true do
            local s = l:accept()
            tasks[#tasks + 1] = task.spawn(function()
                local _ <close> = s
                pcall(fn, s)
            end)
        end
    end)
    t.defer(function()
        l:close()
        acceptor:close()
        for _, one in ipairs(tasks) do one:close() end
    end)
    return l.path or l.port
end

-- A folder for sockets on a machine; where it has no listeners of its own on them, it is ours, and open to its account.
local function socket_dir(t, machine)
    if machine == here or not machines.lacks "unix listeners" then return tostring(odd.dir(t, machine)) end
    local dir = odd.dir(t, here)
    dir:chmod "755"
    return tostring(dir)
end

-- A service on a unix socket that a machine can connect to.
local function unix_service(t, machine, dir, fn)
    if machine == here or not machines.lacks "unix listeners" then return service(t, machine, dir .. "/d", fn) end
    local place = service(t, here, dir .. "/d", fn)
    here:path(place):chmod "777"
    return place
end

-- Answers each line, and the end of what it got with "end".
local function echo(s)
    for line in s:lines() do s:write("<", line, ">\n") end
    s:write "end"
end

local WAYS = {
    {name = "forward", from = here, to = m},
    {name = "reverse", from = m, to = here, reverse = true},
}

local function both_ways(name, fn)
    spec.table(name, WAYS, function(t, way)
        local function open(lport, dport, opts)
            opts = opts or {}
            opts.reverse = way.reverse
            local tunnel = m:tunnel(lport, dport, opts)
            t.defer(tunnel.close, tunnel)
            return tunnel
        end
        return fn(t, way, open)
    end)
end

local function wait_for(t, condition, note)
    for _ = 1, 500 do
        if condition() then return end
        task.sleep(0.01)
    end
    t.fail(note)
end

both_ways("bytes pass, and the end of one side only", function(t, way, open)
    local tunnel = open(0, service(t, way.to, 0, echo))
    local c <close> = way.from:connect_sock(tunnel.lport)
    c:write "one\n"
    t.eq(c:read "l", "<one>")
    t.eq(tunnel.connections, 1)
    c:write "two\n"
    c:shutdown()
    t.eq(c:read "a", "<two>\nend")
    wait_for(t, function() return tunnel.connections == 0 end, "the connection stays")
    t.eq(tunnel.sent, 8)
    t.eq(tunnel.received, 15)
end)

both_ways("binary data", function(t, way, open)
    local all = {}
    for i = 0, 255 do all[i + 1] = string.char(i) end
    local data = table.concat(all):rep(4000)
    local got
    local tunnel = open(0, service(t, way.to, 0, function(s)
        got = s:read "a"
        s:write(got)
    end))
    local c <close> = way.from:connect_sock(tunnel.lport)
    local writer = task.spawn(function()
        c:write(data)
        c:shutdown()
    end)
    t.ok(c:read "a" == data)
    t.ok(got == data)
    writer:await()
    t.eq(tunnel.sent, #data)
    t.eq(tunnel.received, #data)
end)

both_ways("unix sockets on either side", function(t, way, open)
    local near, far = socket_dir(t, way.from), socket_dir(t, way.to)
    local dport = unix_service(t, way.to, far, echo)
    local mixed = open(0, dport)
    local c <close> = way.from:connect_sock(mixed.lport)
    c:write "y\n"
    t.eq(c:read "l", "<y>")
    if way.from ~= here and machines.lacks "unix listeners" then
        t.match(t.raises("usage", open, near .. "/l", dport).hint, "openssh")
        return
    end
    local tunnel = open(near .. "/l", dport)
    t.eq(tunnel.lport, near .. "/l")
    t.eq(tunnel.dport, far .. "/d")
    do
        local c2 <close> = way.from:connect_sock(near .. "/l")
        c2:write "x\n"
        t.eq(c2:read "l", "<x>")
    end
    tunnel:close()
    t.eq(way.from:path(near, "l"):exists(), false)
end)

both_ways("many connections at once", function(t, way, open)
    local tunnel = open(0, service(t, way.to, 0, echo))
    local clients = {}
    for i = 1, 40 do
        clients[i] = task.spawn(function()
            local c <close> = way.from:connect_sock(tunnel.lport)
            c:write(i, "\n")
            local line = c:read "l"
            task.sleep(0.05)
            c:shutdown()
            return line .. c:read "a"
        end)
    end
    for i, c in ipairs(clients) do t.eq(c:await(), "<" .. i .. ">end") end
    wait_for(t, function() return tunnel.connections == 0 end, "connections stay")
end)

both_ways("closing drops what is open and frees the port", function(t, way, open)
    local tunnel = open(0, service(t, way.to, 0, echo))
    local c <close> = way.from:connect_sock(tunnel.lport)
    c:write "x\n"
    c:read "l"
    local port = tunnel.lport
    tunnel:close()
    tunnel:close()
    t.eq(tunnel.closed, true)
    t.eq(tunnel.connections, 0)
    local ok, line = pcall(c.read, c, "l", 5)
    t.ok(not ok or line == nil, "the connection is still open")
    t.raises("connect", way.from.connect_sock, way.from, port)
    t.eq(open(port, 1).lport, port)
end)

both_ways("closing while connections come in", function(t, way, open)
    local dport = service(t, way.to, 0, echo)
    for i = 0, 20 do
        local tunnel, streams = open(0, dport), {}
        for k = 1, 3 do streams[k] = way.from:connect_sock(tunnel.lport) end
        task.sleep(i / 10000)
        tunnel:close()
        t.eq(tunnel.connections, 0)
        for _, s in ipairs(streams) do
            local ok, line = pcall(s.read, s, "l", 5)
            t.ok(not ok and line.kind ~= "timeout" or ok and line == nil, "a connection is still open")
            s:close()
        end
    end
end)

both_ways("the server ends first", function(t, way, open)
    local tunnel = open(0, service(t, way.to, 0, function(s) s:write "bye" end))
    local c <close> = way.from:connect_sock(tunnel.lport)
    t.eq(c:read "a", "bye")
    c:close()
    wait_for(t, function() return tunnel.connections == 0 end, "the connection stays")
end)

both_ways("a client that goes away amid the data", function(t, way, open)
    local tunnel = open(0, service(t, way.to, 0, function(s)
        while true do s:write(("x"):rep(65536)) end
    end))
    local c = way.from:connect_sock(tunnel.lport)
    t.eq(#c:read {exact = 100000}, 100000)
    c:close()
    wait_for(t, function() return tunnel.connections == 0 end, "the connection stays")
end)

both_ways("nobody listens at the other end", function(t, way, open)
    local l = way.to:listen(0)
    local port = l.port
    l:close()
    local tunnel = open(0, port)
    local c <close> = way.from:connect_sock(tunnel.lport)
    local ok, line = pcall(c.read, c, "l", 5)
    t.ok(not ok or line == nil)
    wait_for(t, function() return tunnel.connections == 0 end, "the connection stays")
    -- Later somebody does.
    local fixed <close> = way.to:listen(port)
    local c2 <close> = way.from:connect_sock(tunnel.lport)
    local s <close> = fixed:accept(5)
    s:write "now\n"
    t.eq(c2:read("l", 5), "now")
end)

both_ways("a slow reader holds up the writer, and nobody else", function(t, way, open)
    local sent = 0
    local tunnel = open(0, service(t, way.to, 0, function(s)
        if s:read "l" == "slow" then
            for _ = 1, 1000 do
                s:write(("x"):rep(65536))
                sent = sent + 65536
            end
        else
            s:write "quick\n"
        end
    end))
    local slow <close> = way.from:connect_sock(tunnel.lport)
    slow:write "slow\n"
    slow:read(1)
    local quick <close> = way.from:connect_sock(tunnel.lport)
    quick:write "quick\n"
    t.eq(quick:read("l", 5), "quick")
    task.sleep(0.2)
    t.ok(sent < 40 << 20, sent .. " bytes were taken from a server whose client doesn't read")
end)

both_ways("a place that is taken raises at once", function(t, way, open)
    local taken <close> = way.from:listen(0)
    t.eq(t.raises("io", open, taken.port, 1).name, "EADDRINUSE")
    if way.from ~= here and machines.lacks "unix listeners" then return end
    t.raises("notfound", open, odd.dir(t, way.from) .. "/none/s", 1)
end)

both_ways("hosts", function(t, way, open)
    local port = service(t, way.to, 0, echo)
    local tunnel = open(0, port, {host = "127.0.0.1", lhost = "127.0.0.1"})
    local c <close> = way.from:connect_sock(tunnel.lport, "127.0.0.1")
    c:write "x\n"
    t.eq(c:read "l", "<x>")
    t.match(tostring(tunnel), ":127%.0%.0%.1:" .. tunnel.lport .. " %-> .*:127%.0%.0%.1:" .. port .. " %(1 open%)$")
end)

spec.test("members", function(t)
    local tunnel = m:tunnel(0.0, 9.0)
    t.eq(math.type(tunnel.dport), "integer")
    t.eq(tunnel.dport, 9)
    t.raises("usage", function() tunnel.lport = 5 end)
    t.eq(tunnel.reverse, false)
    t.eq(tunnel.connections, 0)
    t.eq(tunnel.closed, false)
    t.eq(tostring(tunnel), ("tunnel here:%d -> %s:9 (0 open)"):format(tunnel.lport, m.name))
    tunnel:close()
    t.match(tostring(tunnel), "%(closed%)$")
    t.match(tostring(t.raises("usage", function() return tunnel.recieved end)), "did you mean 'received'")
end)

spec.test("<close> and the collector", function(t)
    local port
    do
        local tunnel <close> = m:tunnel(0, 9)
        port = tunnel.lport
    end
    t.raises("connect", here.connect_sock, here, port)
    do port = m:tunnel(0, 9).lport end
    wait_for(t, function()
        collectgarbage()
        local ok, s = pcall(here.connect_sock, here, port)
        if ok then s:close() end
        return not ok
    end, "a dropped tunnel still listens")
end)

spec.test("a tunnel outlives the task that made it", function(t)
    local dport = service(t, m, 0, echo)
    local tunnel <close> = task.spawn(m.tunnel, m, 0, dport):await()
    local c <close> = here:connect_sock(tunnel.lport)
    c:write "x\n"
    t.eq(c:read("l", 5), "<x>")
end)

spec.test("a port in quotes", function(t)
    local e = t.raises("usage", m.tunnel, m, "8080", 80)
    t.match(e.message, "a port is a number: 8080, not \"8080\"")
    t.match(e.hint, "%./8080")
end)

spec.test("misuse", function(t)
    for _, bad in ipairs {-1, 65536, 1.5, true, ""} do
        t.raises("usage", m.tunnel, m, bad, 80)
        t.raises("usage", m.tunnel, m, 0, bad)
    end
    t.raises("usage", m.tunnel, m, 0, 0)
    t.raises("usage", m.tunnel, m, 0)
    t.match(tostring(t.raises("usage", m.tunnel, m, 0, 80, {revers = true})), "did you mean 'reverse'")
end)

spec.finish()
