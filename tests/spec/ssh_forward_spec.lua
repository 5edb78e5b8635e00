-- Ports over there, where a server has its own way: what sockets_spec and tunnel_spec can't see on every machine.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local connect = require "rshell.ssh.connect"
local bed <close> = require "bed".new()

local function open(from) return connect.open("127.0.0.1", (from or bed):options()) end

local function wait_for(t, condition, note)
    for _ = 1, 500 do
        if condition() then return end
        sleep(0.02)
    end
    t.fail(note)
end

local function listens(port)
    local ok, s = pcall(here.connect_sock, here, port)
    if ok then s:close() end
    return ok
end

--- A port that nobody has.
local function free_port()
    local l <close> = here:listen(0)
    return l.port
end

spec.test("one listener a port; closing gives it back", function(t)
    local m <close> = open()
    local l = m:listen(0)
    local e = t.raises("io", m.listen, m, l.port)
    t.eq(e.name, "EADDRINUSE")
    t.eq(e.host, "127.0.0.1")
    local port = l.port
    l:close()
    t.ok(not listens(port))
    local again <close> = m:listen(port)
    t.eq(again.port, port)
    t.ok(listens(port))
end)

spec.test("a port of somebody else, a port that is root's", function(t)
    local m <close> = open()
    local taken <close> = here:listen(0)
    t.eq(t.raises("io", m.listen, m, taken.port).name, "EADDRINUSE")
    local first = tonumber(here:path "/proc/sys/net/ipv4/ip_unprivileged_port_start":read()) or 1024
    if first < 1024 then t.skip "here everybody may listen on all ports" end
    local e = t.raises("denied", m.listen, m, 1023)
    t.match(e.hint, "root")
end)

spec.test("a dropped listener goes", function(t)
    local m <close> = open()
    local port = m:listen(0).port
    wait_for(t, function()
        collectgarbage()
        return not listens(port)
    end, "it still listens")
    local again <close> = m:listen(port)
    t.ok(listens(again.port))
end)

--- Starts something, and cancels it.
local function give_up(fn, ...)
    local asking = spawn(fn, ...)
    sleep(0)
    asking:cancel()
    pcall(asking.await, asking)
end

spec.test("a listener that was given up is taken back", function(t)
    local m <close> = open()
    for _ = 1, 10 do
        local port = free_port()
        give_up(m.listen, m, port)
        wait_for(t, function()
            collectgarbage()
            m:ping()
            return not listens(port)
        end, "it listens")
    end
end)

spec.test("answers reach who asked: listeners and pings at once, some given up", function(t)
    local m <close> = open()
    local taken <close> = here:listen(0)
    local tasks, want = {}, {}
    for i = 1, 30 do
        local port = i % 3 == 0 and taken.port or free_port()
        want[i] = i % 3 ~= 0
        tasks[#tasks + 1] = spawn(pcall, m.listen, m, port)
        local ping = spawn(m.ping, m)
        sleep(0)
        if i % 2 == 0 then ping:cancel() else t.ok(ping:await() >= 0) end
        pcall(ping.await, ping)
    end
    for i, one in ipairs(tasks) do
        local ok, l = one:await()
        t.eq(ok, want[i], "listener " .. i)
        if ok then l:close() end
    end
end)

spec.test("a server that allows no forwarding", function(t)
    local strict <close> = require "bed".new {config = {"AllowTcpForwarding no", "AllowStreamLocalForwarding no"}}
    local m <close> = open(strict)
    t.raises("denied", m.listen, m, 0)
    t.raises("denied", m.listen, m, free_port())
    t.raises("denied", m.tunnel, m, 0, 80, {reverse = true})
    t.raises("denied", m.connect_sock, m, 80)
    t.eq(m.echo "works", "works\n")
end)

--- Ends what serves our connections, as a machine that is switched off does.
local function kill_sessions()
    for pid in here.cmd.pgrep("-P", bed.server.pid):gmatch "%d+" do
        here.pkill:with {retcode = "any"}("-KILL", "-P", pid)
        here.kill:with {retcode = "any"}("-KILL", pid)
    end
end

spec.test("the connection is lost", function(t)
    local m = open()
    local forward, reverse = m:tunnel(0, 9), m:tunnel(0, 9, {reverse = true})
    local l = m:listen(0)
    local waiter = spawn(l.accept, l)
    sleep(0.02)
    kill_sessions()
    t.raises("closed", waiter.await, waiter, 10)
    wait_for(t, function()
        return tostring(forward):find "%(defunct%)$" and tostring(reverse):find "%(defunct%)$"
    end, tostring(forward) .. ", " .. tostring(reverse))
    t.ok(l.closed)
    t.raises("closed", l.accept, l)
    l:close()
    reverse:close()
    forward:close()
    m:close()
end)

spec.finish()
