-- What breaks while it is used: links, servers, disks, and ourselves. Whatever it is, the error says what and where,
-- comes in time, and leaves nothing: no fd and no process here, no process and no file over there.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local beds = require "bed"
local fs = require "rshell.sys.fs"
local programs = require "programs"
local proxy = require "proxy"
local rshell = require "rshell"

local here, ssh, spawn = rshell.here, rshell.ssh, rshell.spawn

if here.id["-u"]:text() ~= "0" then
    print "1..0 # SKIP needs root, for accounts"
    return
end

local bed <close> = beds.new()
local link <close> = proxy.new(bed.port)
proxy.trust(bed, link)

-- No error comes later than this; machines that are slow get time.
local LATEST = 20
local KINDS = {connect = true, protocol = true, closed = true, timeout = true}

--- Through the link.
local function open(opts)
    local o = bed:options {port = link.port, connect_timeout = 2, keepalive = 0.2}
    for k, v in pairs(opts or {}) do o[k] = v end
    return ssh("127.0.0.1", o)
end

-- ---- what must not be left ----

--- What is open: how many, and their targets.
local function open_files()
    collectgarbage()
    collectgarbage()
    local all = {}
    for _, n in ipairs(fs.list "/proc/self/fd") do all[#all + 1] = tostring(fs.readlink("/proc/self/fd/" .. n)) end
    table.sort(all)
    return #all, table.concat(all, " ")
end

--- The account's processes but those of the server.
local function over_there(user)
    local out = here.ps:bind("-o", "pid=,comm=,args=", "-u", user):with {retcode = {0, 1}}()
    local found = {}
    for line in out:gmatch "[^\n]+" do
        if not line:match "^%s*%d+ sshd" and not line:find "<defunct>" then found[#found + 1] = line:sub(1, 100) end
    end
    return found
end

local function temp_files(user)
    return here.find:bind("/tmp", "/dev/shm", bed.home, "-user", user, "-name", "*rshell-*"):with {retcode = "any"}()
end

--- Runs fn, and looks what is left.
local function clean(t, fn)
    local before, which = open_files()
    fn()
    t.ok(programs.wait_for(function() return open_files() <= before end),
        ("open: %s\nbefore: %s"):format(select(2, open_files()), which))
    t.ok(programs.wait_for(function() return #over_there(bed.user) == 0 end),
        "left: " .. table.concat(over_there(bed.user), "\n"))
    t.ok(programs.wait_for(function() return temp_files(bed.user) == "" end), "left: " .. temp_files(bed.user))
end

--- fn fails in time, with an error that says where.
local function breaks(t, fn, kinds)
    local ok, e = pcall(rshell.timeout, LATEST, fn)
    if ok then t.fail "nothing has failed" end
    t.ok((kinds or KINDS)[e.kind], "kind " .. tostring(e.kind) .. ": " .. tostring(e))
    t.eq(e.host, "127.0.0.1", tostring(e))
    t.ok(not tostring(e):find "was not done after 20 s", tostring(e))
end

-- ---- the link ----

--- All stages of a connection: greeting, key exchange, login, channel, output, upload.
local function use()
    local m <close> = open()
    local dir = m:tempdir()
    local f = dir / "f"
    f:write(("x"):rep(300000))
    f:read()
    m.sleep["0.1"]()
    dir:close()
end

--- How many bytes go each way in all of it.
local function sizes()
    link:after(nil)
    link:settle()
    link:reset()
    use()
    link:settle()
    return link:stat()
end

spec.table("streams of a link that is lost say where it was", {
    {name = "agent", agent = true}, {name = "bare", agent = false},
}, function(t, c)
    link:after(nil)
    clean(t, function()
        local m <close> = open {agent = c.agent}
        local p <close> = m.cat:popen()
        local listener <close> = m:listen(0)
        local out <close> = m:connect_sock(listener.port)
        local into <close> = listener:accept(LATEST)
        link:cut()
        for _, stream in ipairs {p.stdout, out, into} do
            breaks(t, function() return stream:read "a" end, {closed = true})
            breaks(t, function() while true do (stream == p.stdout and p.stdin or stream):write "x" end end,
                {closed = true})
        end
    end)
end)

local STAGES = 8

spec.table("the link at every stage", {{"cut"}, {"freeze"}}, function(t, c)
    local all = sizes()
    clean(t, function()
        for _, way in ipairs {"up", "down"} do
            local tasks = {}
            for k = 0, STAGES - 1 do
                -- The first quarter is where the most different things happen.
                local share = (k / STAGES) ^ 2
                link:after(way, math.floor(all[way] * share), c[1])
                if c[1] == "cut" then
                    breaks(t, use)
                else
                    tasks[k + 1] = spawn(breaks, t, use)
                    rshell.sleep(0.2) -- until it has begun: it is the next connection that the link looks at
                end
            end
            for _, each in pairs(tasks) do each:await() end
            link:cut() -- the server learns of it only now
        end
        link:after(nil)
    end)
end)

spec.test("the link is cut while programs run: everybody learns of it", function(t)
    clean(t, function()
        local m <close> = open()
        local p, q = m.cat:popen(), m.yes:popen()
        local future = m.sleep["1000"] & rshell.BG
        local waits = {
            spawn(function() return m.sleep["1000"]() end), spawn(p.wait, p),
            spawn(function() repeat until not q.stdout:read(100000) end), spawn(future.wait, future),
            spawn(function() for _ in m:sh("echo a; sleep 1000"):lines() do end end),
        }
        rshell.sleep(0.5)
        link:cut()
        for i, each in ipairs(waits) do
            local ok, e = pcall(each.await, each, LATEST)
            t.ok(each.done, "waiter " .. i)
            if i == 1 or i == 5 then t.same({ok, e.kind, e.host}, {false, "closed", "127.0.0.1"}) end
        end
        t.eq(m.closed, true)
        t.raises("closed", function() m.echo "x" end)
        p:close()
        q:close()
    end)
end)

spec.test("a frozen link that thaws loses nothing", function(t)
    clean(t, function()
        local m <close> = open {keepalive = 30}
        local p = m.cat:popen()
        link:freeze()
        p.stdin:write "over the ice\n"
        rshell.sleep(0.3)
        link:thaw()
        t.eq(p.stdout:read "l", "over the ice")
        p:close()
    end)
end)

-- ---- the server ----

local function kill_sessions() here.pkill:bind("-KILL", "-u", bed.user, "sshd"):with {retcode = "any"}() end

spec.test("sshd is killed while something runs", function(t)
    clean(t, function()
        local m <close> = open()
        local dir = m:tempdir()
        local busy = spawn(function() return m:sh("trap '' TERM HUP; sleep 1000; :")() end)
        local writing = spawn(function()
            local f <close> = (dir / "big"):open "w"
            while true do f:write(("x"):rep(100000)) end
        end)
        rshell.sleep(0.5)
        kill_sessions()
        for _, each in ipairs {busy, writing} do
            local _, e = pcall(each.await, each, LATEST)
            t.eq(e.kind, "closed", tostring(e))
            t.eq(e.host, "127.0.0.1")
        end
    end)
    local m <close> = open()
    t.eq(m.echo "again", "again\n")
end)

spec.test("sshd is killed in the middle of an upload: nothing has the final name", function(t)
    clean(t, function()
        local dir = bed.home .. "/up"
        here.install("-d", "-o", bed.user, dir)
        local m
        local big = ("x"):rep(40000000)
        for _, send in ipairs {
            function() m:path(dir, "f"):write(big) end,
            function()
                local from <close> = here:tempdir();
                (from / "f"):write(big)
                m:upload(from / "f", dir .. "/f")
            end,
        } do
            local again <close> = open()
            m = again
            link:reset()
            local up = spawn(send)
            programs.wait_for(function() return link:stat().up > 3000000 end)
            kill_sessions()
            local _, e = pcall(up.await, up, LATEST)
            t.eq(e.kind, "closed", tostring(e))
            t.ok(programs.wait_for(function() return #fs.list(dir) == 0 end), table.concat(fs.list(dir), " "))
        end
    end)
end)

-- ---- what a machine runs out of ----

spec.test("a full disk: an error, the old file, and nothing else", function(t)
    local dir = bed.home .. "/small"
    here.mkdir(dir)
    local mounted = here.mount:bind("-t", "tmpfs", "-o", "size=1m,mode=777", "none", dir)
    if mounted:run() ~= 0 then t.skip "no file system can be mounted here" end
    t.defer(function() here.umount(dir) end)
    clean(t, function()
        local m <close> = open()
        local f = m:path(dir, "f"):write "old"
        local from <close> = here:tempdir();
        (from / "src"):mkdir();
        (from / "src/a"):write(("x"):rep(3000000));
        (from / "src/b"):write "small"
        for _, fill in ipairs {
            function() f:write(("x"):rep(3000000)) end,
            function() f:append(("x"):rep(3000000)) end,
            function() m:upload(from / "src/a", dir .. "/f") end,
            function() m:upload(from / "src/a", dir .. "/new") end,
            function() m:upload(from / "src", dir .. "/tree") end,
        } do
            local e = t.raises("io", rshell.timeout, LATEST, fill)
            t.match(tostring(e), "no space left on device")
            t.eq(e.host, "127.0.0.1")
            m.rm("-rf", dir .. "/tree")
            t.eq(f:read(3), "old")
            f:truncate()
            f:write "old"
            t.same(fs.list(dir), {"f"})
        end
    end)
end)

spec.test("no more processes for the account: an error, no wait", function(t)
    local few <close> = beds.new {under = function() return {"prlimit", "--nproc=8"} end}
    local m <close> = ssh("127.0.0.1", few:options())
    t.eq(m.echo "x", "x\n")
    local stages = m.cat
    for _ = 1, 10 do stages = stages | m.cat end
    breaks(t, stages, {process = true, io = true, protocol = true})
    local held = {}
    breaks(t, function()
        for i = 1, 10 do held[i] = m.sleep["1000"]:popen() end
    end, {io = true, protocol = true})
    for _, p in ipairs(held) do p:close() end
    local ok, why
    programs.wait_for(function()
        ok, why = pcall(m.echo, "x")
        return ok
    end)
    t.ok(ok, ("it recovers: %s\n%s"):format(tostring(why), table.concat(over_there(few.user), "\n")))
end)

-- ---- ourselves ----

spec.test("rshell is killed while programs run over there", function(t)
    clean(t, function()
        local script = [[
            local m = ssh("127.0.0.1", {user = arg[1], port = tonumber(arg[2]), keyfile = arg[3], known_hosts = arg[4],
                config = false, host_keys = "strict"})
            local dir = m:tempdir()
            m:sh("trap '' TERM HUP INT PIPE; sleep 1000; :"):popen();
            (m:sh "trap '' TERM HUP; sleep 1000; :" | m.cat):popen()
            m.sleep["1000"]:popen {pty = true}
            local f = (dir / "open"):open "w"
            f:write "some"
            spawn(function() (dir / "whole"):write(("x"):rep(1000000)) end)
            local s = m:session()
            s:run "sleep 1000 &"
            print "up"
            s:run "sleep 1000"]]
        local file <close> = here:tempdir();
        (file / "x.lua"):write(script)
        local words = {"run", file / "x.lua", bed.user, bed.port, bed.key, bed.known_hosts}
        local p = here[os.getenv "RSHELL"][words]:popen()
        t.eq(p.stdout:read("l", LATEST), "up")
        t.ok(#over_there(bed.user) > 4)
        p:kill "KILL"
        p:wait()
        p:close()
    end)
end)

spec.finish()
