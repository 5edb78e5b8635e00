package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local host = require "rshell.sys.host"

local function output(command)
    local p <close> = assert(io.popen(command))
    return (p:read "a":gsub("\n$", ""))
end

local function file(name)
    local f <close> = io.open(name, "rb")
    return f and f:read "a"
end

local function is_integer(t, v, note)
    t.eq(math.type(v), "integer", note)
    t.ok(v >= 0, note)
end

spec.test("uname", function(t)
    local u = host.uname()
    t.eq(u.sysname, output "uname -s")
    t.eq(u.nodename, output "uname -n")
    t.eq(u.release, output "uname -r")
    t.eq(u.version, output "uname -v")
    t.eq(u.machine, output "uname -m")
    t.eq(host.hostname(), u.nodename)
end)

spec.test("os_release is what sh reads", function(t)
    local os_release = t.ok(host.os_release())
    local name = file "/etc/os-release" and "/etc/os-release" or "/usr/lib/os-release"
    for _, key in ipairs {"ID", "NAME", "VERSION_ID", "PRETTY_NAME", "HOME_URL"} do
        local set = output(". " .. name .. "; echo ${" .. key .. "+set}")
        local value = output(". " .. name .. "; printf %s \"$" .. key .. '"')
        t.eq(os_release[key:lower()], set == "set" and value or nil, key)
    end
end)

spec.test("env is the process's", function(t)
    local env = host.env()
    t.eq(env.PATH, os.getenv "PATH")
    for name, value in pairs(env) do t.eq(value, os.getenv(name), name) end
    t.eq(env[""], nil)
end)

spec.test("pid, home", function(t)
    t.eq(tostring(host.pid()), file "/proc/self/stat":match "^%d+")
    t.eq(host.home(), os.getenv "HOME" or host.user().home)
    t.eq(host.home "root", host.user("root").home)
    t.eq(host.home(0), host.user(0).home)
    t.same({host.home "no-such-user"}, {nil, "no user 'no-such-user'", "ENOTFOUND"})
end)

spec.test("memory", function(t)
    local m = host.memory()
    for _, name in ipairs {"total", "free", "available", "swap_total", "swap_free", "buffers", "cached"} do
        is_integer(t, m[name], name)
    end
    t.eq(m.total, file "/proc/meminfo":match "MemTotal:%s*(%d+) kB" * 1024)
    t.ok(m.free <= m.total and m.available <= m.total)
end)

spec.test("cpus, loadavg, uptime", function(t)
    local c = host.cpus()
    t.eq(tostring(c.count), output "getconf _NPROCESSORS_ONLN")
    t.eq(tostring(c.usable), output "nproc")
    if c.cores then t.ok(c.cores >= 1 and c.sockets >= 1 and c.sockets <= c.cores) end
    local load = host.loadavg()
    t.eq(#load, 3)
    for _, v in ipairs(load) do t.eq(math.type(v), "float") end
    t.near(host.uptime(), tonumber(file "/proc/uptime":match "^%S+"), 5)
end)

spec.test("interfaces", function(t)
    local lo
    for _, i in ipairs(t.ok(host.interfaces())) do
        t.eq(type(i.name), "string")
        is_integer(t, i.index)
        is_integer(t, i.mtu)
        t.eq(i.state, (file("/sys/class/net/" .. i.name .. "/operstate") or i.state):match "%S+")
        local address = file("/sys/class/net/" .. i.name .. "/address")
        if address and #address == 18 then t.eq(i.mac .. "\n", address) end
        if i.name == "lo" then lo = i end
        for _, a in ipairs(i.addresses) do
            t.ok(a.family == "ipv4" and a.prefix <= 32 or a.family == "ipv6" and a.prefix <= 128)
            t.match(a.address, a.family == "ipv4" and "^%d+%.%d+%.%d+%.%d+$" or "^[%x:.]+$")
        end
    end
    if not lo then t.skip "no loopback" end
    t.match(table.concat(lo.flags, " "), "loopback")
    if lo.addresses[1] then t.same(lo.addresses[1], {family = "ipv4", address = "127.0.0.1", prefix = 8}) end
end)

spec.test("mounts", function(t)
    local mounts = t.ok(host.mounts())
    local lines = 0
    for line in io.lines "/proc/self/mounts" do
        lines = lines + 1
        local m = mounts[lines]
        local words = {}
        for word in line:gmatch "%S+" do
            words[#words + 1] = word:gsub("\\(%d%d%d)", function(o) return string.char(tonumber(o, 8)) end)
        end
        t.same({m.device, m.path, m.type, m.options}, {words[1], words[2], words[3], words[4]})
        t.eq(m.total, nil)
    end
    t.eq(#mounts, lines)
end)

spec.test("mounts with sizes", function(t)
    local root
    for _, m in ipairs(t.ok(host.mounts {sizes = true})) do
        if not m.error then
            for _, name in ipairs {"total", "free", "available", "files", "files_free"} do
                is_integer(t, m[name], m.path)
            end
        end
        if m.path == "/" then root = m end
    end
    if not root then t.skip "no root in the list" end
    local blocks = output "stat -f -c '%b %S' /"
    local count, size = blocks:match "(%d+) (%d+)"
    t.eq(root.total, math.tointeger(count * size))
end)

spec.test("users and groups are those of the files", function(t)
    local users, n = t.ok(host.users()), 0
    for line in io.lines "/etc/passwd" do
        local name, uid, gid, rest = line:match "^([^:#+-][^:]*):[^:]*:(%d+):(%d+):(.*)"
        if name then
            local gecos, home, shell = rest:match "^([^:]*):([^:]*):([^:]*)"
            local want = {name = name, uid = tonumber(uid), gid = tonumber(gid)}
            want.gecos, want.home, want.shell = gecos, home, shell
            n = n + 1
            t.same(users[n], want)
            t.same(host.user(name), want)
        end
    end
    t.eq(#users, n)
    local groups, m = t.ok(host.groups()), 0
    for line in io.lines "/etc/group" do
        local name, gid, members = line:match "^([^:#+-][^:]*):[^:]*:(%d+):(.*)"
        if name then
            m = m + 1
            t.eq(groups[m].name, name)
            t.eq(groups[m].gid, tonumber(gid))
            t.eq(table.concat(groups[m].members, ","), members)
            t.same(host.group(name), groups[m])
        end
    end
    t.eq(#groups, m)
end)

spec.test("one account", function(t)
    t.eq(tostring(host.user().uid), output "id -u")
    t.eq(tostring(host.group().gid), output "id -g")
    t.eq(host.user(0).name, "root")
    t.eq(host.group(0).gid, 0)
    t.same({host.user "no-such-user"}, {nil, "no user 'no-such-user'", "ENOTFOUND"})
    t.same({host.user(54321)}, {nil, "no user 54321", "ENOTFOUND"})
    t.same({host.group "no-such-group"}, {nil, "no group 'no-such-group'", "ENOTFOUND"})
    t.eq(host.user "0", nil)
    t.eq(host.user "", nil)
    t.eq(host.user "--help", nil)
end)

spec.test("user_groups is what id says", function(t)
    for i, u in ipairs(host.users()) do
        if i > 10 then break end
        local gids = host.user_groups(u.name)
        t.eq(gids[1], u.gid)
        local theirs = {}
        for gid in output("id -G " .. u.name):gmatch "%d+" do theirs[#theirs + 1] = tonumber(gid) end
        table.sort(gids)
        table.sort(theirs)
        t.same(gids, theirs, u.name)
    end
    t.same({host.user_groups "no-such-user"}, {nil, "no user 'no-such-user'", "ENOTFOUND"})
end)

local function by_pid(list)
    local out = {}
    for _, p in ipairs(list) do out[p.pid] = p end
    return out
end

spec.test("processes", function(t)
    local all = by_pid(t.ok(host.processes()))
    local me = t.ok(all[host.pid()])
    t.eq(me.uid, host.user().uid)
    t.eq(me.user, host.user().name)
    t.match(me.stat, "^%u$")
    t.eq(table.concat(me.argv, "\0") .. "\0", file "/proc/self/cmdline")
    t.eq(me.args, table.concat(me.argv, " "))
    t.ok(me.rss > 100000)
    t.near(me.start, os.time(), 600)
    t.ok(all[me.ppid] or me.ppid == 0)
end)

spec.test("processes with odd names and arguments", function(t)
    local dir = t.tmp()
    local name = dir .. "/a) S 1 (b\nc"
    assert(os.execute(("cp \"$(command -v sleep)\" '%s'"):format(name)))
    local p = io.popen(([['%s' 30 >/dev/null 2>&1 & echo $!]]):format(name))
    local pid = tonumber(p:read "l")
    p:close()
    t.defer(os.execute, "kill " .. pid)
    local found
    for _ = 1, 100 do
        found = by_pid(host.processes())[pid]
        if found and found.name ~= "sh" then break end
    end
    t.eq(found.name, "a) S 1 (b\nc")
    t.same(found.argv, {name, "30"})
    t.eq(found.args, name .. " 30")
    t.eq(found.ppid ~= found.pid, true)
end)

spec.test("processes that come and go do no harm", function(t)
    local p = io.popen "for i in 1 2 3 4 5 6 7 8 9; do for j in 1 2 3 4 5 6 7 8 9; do /bin/true; done; done"
    for _ = 1, 20 do
        for _, process in ipairs(t.ok(host.processes())) do t.ok(process.pid > 0 and process.args ~= "") end
    end
    p:close()
end)

spec.test("facts are the cheap ones in one table", function(t)
    local f = host.facts()
    t.same(f.uname, host.uname())
    t.same(f.os, host.os_release())
    t.same(f.cpus, host.cpus())
    t.same(f.interfaces, host.interfaces())
    t.eq(f.hostname, host.hostname())
    t.eq(f.pid, host.pid())
    t.eq(f.memory.total, host.memory().total)
    t.eq(tostring(f.uid) .. ":" .. tostring(f.gid), output "id -u" .. ":" .. output "id -g")
end)

spec.test("misuse", function(t)
    t.raises("string expected", host.user, {})
    t.raises("no such number", host.user, -1)
    t.raises("no such number", host.group, 4294967295)
    t.raises("integer", host.user, 1.5)
    t.raises("unknown option 'size'", host.mounts, {size = true})
end)

spec.finish()
