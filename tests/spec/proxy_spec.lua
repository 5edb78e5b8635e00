package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local proxy = require "proxy"
local net = require "rshell.sys.net"
local task = require "rshell.task"

-- The link that other specs count round trips with, and break: tests/tools/proxy.c.

task.on_unobserved(function() end)

--- A server that says what it was told, line by line.
local function echo(t)
    local l = assert(net.listen(0, "127.0.0.1"))
    local server = task.spawn(function()
        for s in function() return l:accept() end do
            task.spawn(function()
                for line in function() return s:read "L" end do s:write(line) end
                s:write "bye\n"
                s:close()
            end)
        end
    end)
    t.defer(function()
        server:close()
        l:close()
    end)
    return l.port
end

local function link_to(t, delay)
    local link = proxy.new(echo(t), {delay = delay})
    t.defer(link.close, link)
    return link
end

local function connect(link) return assert(net.connect("127.0.0.1", link.port)) end

local function ask(s, line)
    s:write(line .. "\n")
    return s:read "l"
end

local function reset(t, s) t.raises("reset by peer", s.read, s, "l") end

spec.test("it forwards both ways, and what ends at one side ends at the other", function(t)
    local link = link_to(t)
    local s <close> = connect(link)
    t.eq(ask(s, "hello"), "hello")
    local much = ("x"):rep(300000)
    t.eq(ask(s, much), much)
    s:shutdown()
    t.eq(s:read "a", "bye\n")
    local stat = link:stat()
    t.eq(stat.connections, 1)
    t.eq(stat.up, 6 + 300001)
    t.eq(stat.down, 6 + 300001 + 4)
end)

spec.test("nobody behind it", function(t)
    local l = assert(net.listen(0, "127.0.0.1"))
    local port = l.port
    l:close()
    local link <close> = proxy.new(port)
    t.raises("reset by peer", function()
        local s <close> = connect(link)
        s:read "l"
    end)
end)

spec.test("round trips are counted, whatever the ends do in between", function(t)
    local link = link_to(t, 0.1)
    local s
    t.eq(link:trips(function()
        if s then s:close() end
        s = connect(link)
        t.eq(ask(s, "a"), "a")
    end, 2), 2, "the handshake is one")
    t.eq(link:trips(function() ask(s, "a") end, 1), 1)
    t.eq(link:trips(function() for _ = 1, 3 do ask(s, "a") end end, 3), 3, "one after the other")
    t.eq(link:trips(function()
        for i = 1, 3 do s:write(i .. "\n") end
        for i = 1, 3 do t.eq(s:read "l", tostring(i)) end
    end, 1), 1, "all at once")
    t.eq(link:trips(function()
        ask(s, "a")
        s:write "nobody waits for the answer\n"
    end, 1), 1, "only those that were over")
    s:read "l"
    s:close()
end)

spec.test("many connections take as many round trips as one", function(t)
    local link = link_to(t, 0.1)
    local n = link:trips(function()
        local tasks = {}
        for i = 1, 20 do
            tasks[i] = task.spawn(function()
                local s <close> = connect(link)
                ask(s, "a")
                ask(s, "b")
            end)
        end
        for _, each in ipairs(tasks) do each:await() end
    end, 3)
    t.eq(n, 3)
end)

spec.test("it is as late as it was told", function(t)
    local link = link_to(t)
    local s <close> = connect(link)
    ask(s, "a")
    link:delay(0.05)
    local before = task.now()
    ask(s, "a")
    t.ok(task.now() - before >= 0.1)
end)

spec.test("frozen, nothing passes until it is thawed", function(t)
    local link = link_to(t)
    local s <close> = connect(link)
    ask(s, "a")
    link:freeze()
    s:write "b\n"
    t.raises("timeout", task.timeout, 0.2, s.read, s, "l")
    link:thaw()
    t.eq(s:read "l", "b")
end)

spec.test("cut, both sides see a reset", function(t)
    local link = link_to(t)
    local s <close> = connect(link)
    ask(s, "a")
    link:cut()
    reset(t, s)
    t.eq(link:stat().open, 0)
    local again <close> = connect(link)
    t.eq(ask(again, "b"), "b", "new ones go on")
end)

spec.test("a connection can be stopped after so many bytes", function(t)
    local link = link_to(t)
    link:after("down", 3, "freeze")
    local s <close> = connect(link)
    s:write "hello\n"
    t.eq(s:read {exact = 3}, "hel")
    t.raises("timeout", task.timeout, 0.2, s.read, s, 1)
    link:after()
    link:thaw()
    t.eq(s:read "l", "lo")
    link:after("up", 4, "cut")
    local other <close> = connect(link)
    other:write "hello\n"
    reset(t, other)
    t.eq(link:stat().up, 6 + 4)
end)

spec.finish()
