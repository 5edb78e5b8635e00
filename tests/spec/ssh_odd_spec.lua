-- Servers that are met out there: each in its own way less than OpenSSH as it comes.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local beds = require "bed"
local odd = require "odd"
local programs = require "programs"
local rshell = require "rshell"

local here, ssh, spawn = rshell.here, rshell.ssh, rshell.spawn

if here.id["-u"]:text() ~= "0" then
    print "1..0 # SKIP needs root, for accounts"
    return
end

local servers = {}

--- A machine on a server of its kind, which all tests share.
local function open(t, name)
    servers[name] = servers[name] or beds.odd(name)
    local m = ssh("127.0.0.1", servers[name]:options())
    t.defer(m.close, m)
    return m
end

local function count(text, pattern) return select(2, text:gsub(pattern, "")) end

-- ---- what works on all of them ----

spec.table("all that a shell can do", {
    {"dropbear"}, {"one_session"}, {"noise"}, {"forced_shell"}, {"no_tty"},
}, function(t, c)
    local m = open(t, c[1])
    t.same({m:sh("echo out; echo err >&2; exit 3"):run()}, {3, "out\n", "err\n", {3}})
    t.same({m:sh("kill -KILL $$"):run()}, {nil, "", "", {137}, "KILL"})
    t.ok((m.cat << odd.bytes)() == odd.bytes)
    t.same({(m:sh("echo a; echo b >&2; exit 2") | m.cat):run()}, {0, "a\n", "b\n", {2, 0}})
    local dir <close> = m:tempdir()
    local f = dir / "it's\n"
    t.ok(f:write(odd.bytes):read() == odd.bytes)
    t.same(dir:list(), {f})
    t.eq(m:at(dir).pwd(), tostring(dir) .. "\n")
    t.eq(m:with {env = {["a.b"] = "c d"}}.env["a.b"], "c d")
    t.raises("notfound", m["no-such-program"])
    t.eq(m:sh("head -c 3000000 /dev/zero | tr '\\0' x")(), ("x"):rep(3000000))
end)

spec.table("what is ended is ended as a whole", {
    {"dropbear"}, {"one_session"}, {"noise"}, {"forced_shell"},
}, function(t, c)
    local m = open(t, c[1])
    local word = ("9%07d"):format(math.random(9999999))
    local family = m:sh("sleep $1 & trap '' TERM; sleep $1; :", word)
    t.raises("timeout", family:with {timeout = 0.3})
    local p <close> = family:popen()
    rshell.sleep(0.1)
    p:close()
    t.ok(programs.none_with(here, word))
end)

-- ---- MaxSessions 1 ----

spec.test("MaxSessions 1: what runs for long holds up nobody", function(t)
    local m = open(t, "one_session")
    local running = {}
    for i = 1, 4 do running[i] = m.cat:popen() end
    t.eq(m.echo["x"](), "x\n")
    for i = 4, 1, -1 do
        running[i].stdin:write(i .. "\n")
        t.eq(running[i].stdout:read "l", tostring(i))
    end
    running[2]:kill "TERM"
    t.same({running[2]:wait()}, {nil, "TERM"})
    local tasks = {}
    for i = 1, 12 do tasks[i] = spawn(function() return m.echo[i]() end) end
    for i = 1, 12 do t.eq(tasks[i]:await(), i .. "\n") end
end)

spec.test("MaxSessions 1: where no more connections can be made, work waits its turn", function(t)
    local bed <close> = beds.odd "one_session"
    local m <close> = ssh("127.0.0.1", bed:options())
    local p = m.cat:popen()
    here:path(bed.dir, "keys", bed.user):delete()
    local waiting = spawn(function() return m.echo["x"]() end)
    t.raises("timeout", waiting.await, waiting, 1)
    p.stdin:close()
    t.eq(p:wait(), 0)
    t.eq(waiting:await(20), "x\n")
    -- What is to be ended has the only session: the signal goes that way too.
    t.raises("timeout", m.sleep["1000"]:with {timeout = 0.2})
    t.eq(m.echo["y"](), "y\n")
end)

spec.test("MaxSessions 0: an error, not a wait without end", function(t)
    local bed <close> = beds.new {config = {"MaxSessions 0"}}
    for _, agent in ipairs {true, false} do
        local opts = bed:options()
        if agent then opts.agent = nil else opts.agent = false end
        local m <close> = ssh("127.0.0.1", opts)
        for _ = 1, 2 do
            local e = t.raises("denied", rshell.timeout, 20, m.echo, "x")
            t.match(e.message, "the server opens no session for this account %(MaxSessions%): .*open failed")
        end
    end
end)

-- ---- new keys after each MB ----

spec.test("RekeyLimit 1M: tens of MB both ways", function(t)
    local bed <close> = beds.new {config = {"RekeyLimit 1M", "LogLevel DEBUG"}}
    local m <close> = ssh("127.0.0.1", bed:options())
    local mb, size = odd.bytes:rep(1366):sub(1, 2 ^ 20), 24
    local p = m.cat:popen()
    local writer = spawn(function()
        for i = 1, size do p.stdin:write(mb, i, "\n") end
        p.stdin:close()
    end)
    for i = 1, size do
        if p.stdout:read {exact = #mb} ~= mb then t.fail("MB " .. i .. " is not what was sent") end
        t.eq(p.stdout:read "l", tostring(i))
    end
    writer:await()
    t.eq(p.stdout:read "a", "")
    t.eq(p:wait(), 0)
    local f <close> = m:tempdir()
    local file = f / "f"
    file:write(mb:rep(10))
    t.eq(file:checksum "sha256", here:path(tostring(file)):checksum "sha256")
    t.ok(file:read() == mb:rep(10))
    t.ok(count(bed:log(), "SSH2_MSG_NEWKEYS received") > 30)
end)

spec.test("RekeyLimit 1M: many channels at once", function(t)
    local m = open(t, "rekey")
    local tasks = {}
    for i = 1, 8 do
        tasks[i] = spawn(function()
            local data = tostring(i):rep(2000000)
            return (m.cat << data)() == data
        end)
    end
    for i = 1, 8 do t.eq(tasks[i]:await(), true) end
end)

-- ---- accounts and servers that allow little ----

spec.test("an account that runs no shell says so", function(t)
    local m = open(t, "forced_command")
    for _, use in ipairs {
        function() return m.echo["x"]() end, function() return m.cat:popen() end, function() return m:session() end,
        function() return (m.echo["x"] | m.cat)() end, function() return m:path("/etc/hostname"):read() end,
    } do
        local e = t.raises("protocol", rshell.timeout, 20, use)
        t.eq(e.host, "127.0.0.1")
        t.match(e.message, "no POSIX shell answered")
        t.match(e.message, "only backups here")
        t.match(e.hint, "account")
    end
    t.eq(m.closed, false)
end)

spec.test("PermitTTY no", function(t)
    local m = open(t, "no_tty")
    local e = t.raises("denied", rshell.timeout, 20, function() return m.tty:with {pty = true}() end)
    t.eq(e.host, "127.0.0.1")
    t.match(e.message, "terminal")
    t.raises("denied", function() return m.tty:popen {pty = true} end)
    t.eq(m.echo["x"](), "x\n")
end)

-- ---- start-up files that print ----

spec.test("noise is nobody's output", function(t)
    local m = open(t, "noise")
    local p = m:sh("cat; echo e >&2"):popen()
    p.stdin:write "in"
    p.stdin:close()
    t.same({p:communicate()}, {"in", "e\n"})
    t.same({m["true"]:run()}, {0, "", "", {0}})
    t.eq(m:sh("echo x"):with {pty = true}(), "x\r\n")
end)

-- ---- a program whose reader is gone ----

spec.test("a closed output ends who writes, as a pipe would", function(t)
    local m = open(t, "forced_shell")
    local p = m.yes:popen()
    p.stdout:close()
    t.same({p:wait(20)}, {nil, "PIPE"})
    -- One that doesn't write isn't concerned.
    local q = m:sh("read x; exit 5"):popen()
    q.stdout:close()
    q.stdin:write "x\n"
    t.eq(q:wait(20), 5)
    -- Nor does it help to ignore the signal: then writing fails.
    local r = m:sh("trap '' PIPE; while echo x; do :; done"):popen()
    r.stdout:close()
    t.same({r:wait(20)}, {nil, "PIPE"})
    t.ok(programs.none_with(here, "while echo x; do :"))
end)

for _, bed in pairs(servers) do bed:close() end
spec.finish()
