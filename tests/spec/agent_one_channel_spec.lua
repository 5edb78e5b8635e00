-- One channel carries everything: a server that allows one session is enough for all that an agent does, at once.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local bed = require "bed"
local odd = require "odd"
local rshell = require "rshell"

local here = rshell.here
local MIB = 1 << 20

local server <close> = bed.odd "one_session"
local m <close> = rshell.ssh("127.0.0.1", server:options {agent = true})

--- Says back what it gets, on as many connections as come.
local function echo_server(l)
    return rshell.spawn(function()
        while true do
            local c = l:accept()
            rshell.spawn(function()
                for block in function() return c:read(65536) end do c:write(block) end
                c:close()
            end)
        end
    end)
end

spec.test("commands, files, trees, tunnels, streams, events and code, all at once", function(t)
    local near, far <close> = odd.dir(t, here), m:tempdir()
    for i = 1, 50 do (near / ("f" .. i)):write(("x"):rep(i * 1000)) end
    local l <close> = m:listen(0)
    local _ <close> = echo_server(l)
    local tunnel <close> = m:tunnel(0, l.port)
    local conn <close> = m:connect()
    local events = 0
    local steady <close> = m:sh "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done":popen()
    local listening = rshell.spawn(pcall, function()
        for line in steady.stdout:lines() do
            events = events + 1
            assert(line == tostring(events))
        end
    end)
    local data = odd.bytes:rep(MIB // #odd.bytes)
    local jobs = {
        command = function(i) t.eq(m.echo(i), i .. "\n") end,
        both_ways = function() t.ok((m.cat << data)() == data) end,
        bulk = function() t.eq(#m.head["-c"][4 * MIB]["/dev/zero"](), 4 * MIB) end,
        up = function(i) t.eq(rshell.copy(near, far / ("t" .. i)).files, 50) end,
        down = function(i)
            (far / ("d" .. i)):write(data)
            t.ok((far / ("d" .. i)):read() == data)
        end,
        tunnel = function(i)
            local s <close> = here:connect_sock(tunnel.lport, "127.0.0.1")
            local sent = ("%d\n"):format(i):rep(50000)
            local writing = rshell.spawn(function()
                s:write(sent)
                s:shutdown()
            end)
            t.ok(s:read "a" == sent)
            writing:await()
        end,
        code = function(i) t.eq(conn:eval(("%d + 1"):format(i)), i + 1) end,
        timeout = function() t.raises("timeout", m.sleep["1000"]:with {timeout = 0.05}) end,
        lines = function()
            local n = 0
            for _ in m.seq["2000"]:lines() do n = n + 1 end
            t.eq(n, 2000)
        end,
    }
    local tasks = {}
    for _, job in pairs(jobs) do
        tasks[#tasks + 1] = rshell.spawn(function() for i = 1, 4 do job(i) end end)
    end
    for _, task in ipairs(tasks) do task:await() end
    t.ok(events > 0)
    steady:close()
    listening:await()
end)

spec.test("where others are stuck or have much to say, questions are answered", function(t)
    local l <close> = m:listen(0)
    local tunnel <close> = m:tunnel(0, l.port)
    local s <close> = here:connect_sock(tunnel.lport, "127.0.0.1")
    local silent <close> = l:accept() -- and nobody reads it
    local stuck <close> = rshell.spawn(function() while true do s:write(("x"):rep(MIB)) end end)
    local unread <close> = m.yes:popen()
    local filling <close> = rshell.spawn(function()
        while true do m.head["-c"][8 * MIB]["/dev/zero"]:to(function() end)() end
    end)
    for i = 1, 50 do
        t.eq(m:path("/"):stat().type, "dir")
        t.eq(m.echo(i), i .. "\n")
    end
    t.eq(stuck.done, false)
    t.eq(filling.done, false)
    t.ok(silent:read(1) == "x" and unread.stdout:read(1) == "y")
end)

spec.test("300 streams", function(t)
    local l <close> = m:listen(0)
    local _ <close> = echo_server(l)
    local streams = {}
    for i = 1, 300 do streams[i] = m:connect_sock(l.port, "127.0.0.1") end
    for i, s in ipairs(streams) do s:write(i .. "\n") end
    for i, s in ipairs(streams) do t.eq(s:read "l", tostring(i)) end
    for _, s in ipairs(streams) do s:close() end
    t.eq(m.echo "x", "x\n")
end)

m:close()
server:close()
spec.finish()
