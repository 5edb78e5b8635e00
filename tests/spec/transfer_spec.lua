-- Copies in one stream: requests, what is left when they fail, and far ends that are odd. copy_spec.lua has the rest.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local bare = require "bare"
local odd = require "odd"
local proc = require "rshell.sys.proc"
local rshell = require "rshell"

local copy, here = rshell.copy, rshell.here

local function fill(dir, n, size)
    dir:mkdir {parents = true, exist_ok = true}
    for i = 1, n do (dir / ("f" .. i)):write(("x"):rep(size) .. i) end
    return dir
end

--- Names, types, contents; times and modes too unless plain.
local function picture(dir, coarse)
    local lines = {}
    for p in dir:walk {stat = true} do
        local s = p.stat
        local line = ("%s %s"):format(p:relative_to(dir), s.type)
        if s.type == "file" then line = ("%s %q"):format(line, p:checksum "md5") end
        line = line .. (s.type == "link" and s.target or (" %o %.9f"):format(s.mode,
            coarse and math.floor(s.mtime) or s.mtime))
        lines[#lines + 1] = line
    end
    return lines
end

local function names(dir)
    local list = {}
    for p in dir:iterdir() do list[#list + 1] = p.name end
    table.sort(list)
    return list
end

local function wait_until(t, what, fn)
    for _ = 1, 1000 do
        if fn() then return end
        rshell.sleep(0.02)
    end
    t.ok(false, what)
end

-- ---- requests ----

spec.test("a thousand files are two requests, the same again is one", function(t)
    local m, connector = bare.machine()
    local from, to = odd.dir(t, here), odd.dir(t, m)
    local src = fill(from / "src", 1000, 10)
    local function requests(fn, ...)
        local before = connector.count
        local r = fn(...)
        return connector.count - before, r
    end
    local n, r = requests(copy, src, to / "dst")
    t.same({n, r.files, r.skipped}, {2, 1000, 0})
    n, r = requests(copy, src, to / "dst")
    t.same({n, r.files, r.skipped}, {1, 0, 1000})
    n, r = requests(copy, to / "dst", from / "back")
    t.same({n, r.files, r.skipped}, {2, 1000, 0})
    n, r = requests(copy, to / "dst", from / "back", {checksum = true})
    t.same({n, r.files, r.skipped}, {2, 0, 1000})
    t.same(picture(from / "back"), picture(src))
end)

-- ---- all kinds of ends ----

local function tree(dir)
    local d = fill(dir / "src", 3, 1000)
    for i, name in ipairs(odd.names) do (d / name):write(name .. i):touch {mtime = 1e9 + i} end
    (d / "sub"):mkdir():join "empty":mkdir();
    (d / "sub/ro"):mkdir():join "f":write("f", {mode = "440"});
    (d / "sub/ro"):touch {mtime = 1.1e9}:chmod "555";
    (d / ("sub/" .. ("l"):rep(250))):symlink(("t"):rep(300));
    (d / "hard"):link(d / "f1");
    (d / "big"):write(odd.bytes:rep(3000)):touch {mtime = 1234567890.123456}
    return d
end

local function kinds()
    return {
        here = here, sh = (bare.machine("/bin/sh", nil, "sh")), mksh = (bare.machine("/bin/mksh", nil, "mksh")),
        busybox = (bare.machine("ash", {busybox = true}, "busybox")),
    }
end

for _, route in ipairs {
    {"here", "sh"}, {"sh", "here"}, {"here", "busybox"}, {"busybox", "here"}, {"sh", "busybox"}, {"busybox", "mksh"},
} do
    spec.test(("from %s to %s"):format(route[1], route[2]), function(t)
        local all = kinds()
        local a, b = all[route[1]], all[route[2]]
        local coarse = route[2] == "busybox"
        local src, to = here:path(tree(odd.dir(t, here))), odd.dir(t, b)
        src = a:path(tostring(src))
        copy(src, to / "dst")
        t.same(picture(here:path(to / "dst" .. ""), coarse), picture(here:path(src .. ""), coarse))
        t.same(names(to), {"dst"})
        local r = copy(src, to / "dst")
        t.same({r.files, r.bytes}, {0, 0}, "twice");
        (here:path(src .. "") / "sub/new"):write "new"
        here:path(src .. "", "f2"):delete()
        r = copy(src, to / "dst", {delete = true})
        t.same({r.files, r.bytes}, {1, 3}, "only what changed")
        t.same(picture(here:path(to / "dst" .. ""), coarse), picture(here:path(src .. ""), coarse))
    end)
end

spec.test("without tar all is copied file by file", function(t)
    local path = odd.dir(t, here)
    for _, tool in ipairs {
        "cat", "chmod", "cp", "cmp", "dd", "find", "head", "id", "ln", "ls", "mkdir", "mktemp", "mv", "readlink", "rm",
        "rmdir", "sed", "sh", "sleep", "stat", "tail", "touch", "tr", "wc", "xargs", "sha256sum", "truncate", "grep",
    } do
        (path / tool):symlink(here:which(tool) .. "")
    end
    local m = bare.machine("/bin/sh", {path = path .. ""})
    local src, to = fill(odd.dir(t, here) / "src", 5, 300000), odd.dir(t, here)
    copy(src, m:path(to .. "", "dst"))
    t.same(picture(to / "dst"), picture(src))
end)

-- ---- failures ----

spec.test("a file that can't be read ends the copy with its name", function(t)
    local m, src, to = bare.machine(), odd.dir(t, here), odd.dir(t, here)
    fill(src / "s", 3, 10);
    (src / "s/f2"):chmod "000"
    if (src / "s/f2"):access "r" then t.skip "root reads everything" end
    local e = t.raises("io", copy, src / "s", m:path(to .. "", "d"))
    t.eq(e.path, src .. "/s/f2")
end)

spec.test("no room over there: the right error, and nothing is left", function(t)
    local m = bare.machine("/bin/sh", {noise = "trap '' XFSZ; ulimit -f 64"})
    local src, to = odd.dir(t, here), odd.dir(t, here)
    fill(src / "s", 3, 10);
    (src / "s/big"):write(("x"):rep(2000000))
    local e = t.raises("io", copy, src / "s", m:path(to .. "", "d"))
    t.same({e.name, e.path}, {"EFBIG", to .. "/d/big"})
    t.same(names(to), {})
    fill(to / "d", 1, 5)
    local before = picture(to / "d")
    t.raises("io", copy, src / "s", m:path(to .. "", "d"))
    t.same(picture(to / "d"), before)
    t.raises("io", copy, src / "s/big", m:path(to .. "", "one"))
    t.same(names(to), {"d"})
end)

--- Copies until so much was sent, then calls fn, and gives what the copy raised.
local function interrupted(t, src, dst, fn, after)
    local done
    local task = rshell.spawn(copy, src, dst, {progress = function(p)
        if p.bytes < (after or 3000000) or done then return end
        done = true
        fn()
        rshell.sleep(0.2)
    end})
    local ok, e = pcall(task.await, task)
    t.eq(ok, false)
    return e
end

spec.test("the script is killed: its watcher cleans up", function(t)
    local m, connector = bare.machine()
    local src, to = odd.dir(t, here), odd.dir(t, here)
    fill(src / "s", 20, 1000000)
    local run, last = connector.run, nil
    function connector:run(...)
        last = run(self, ...)
        return last
    end
    local e = interrupted(t, src / "s", m:path(to .. "", "d"), function() proc.kill(last.pids[1], "KILL") end)
    t.ok(e.kind == "io" or e.kind == "protocol" or e.kind == "closed", tostring(e))
    last:release() -- as a server does, at once
    wait_until(t, "something is left", function() return #names(to) == 0 end)
end)

spec.test("the stream is cut: nothing is left, also where something was", function(t)
    local m = bare.machine()
    local src, to = odd.dir(t, here), odd.dir(t, here)
    fill(src / "s", 20, 1000000);
    (to / "d"):mkdir():join "f1":write "old"
    local task
    task = rshell.spawn(function()
        return copy(src / "s", m:path(to .. "", "d"), {progress = function(p)
            if p.bytes > 3000000 then task:cancel() end
        end})
    end)
    t.raises("cancelled", task.await, task)
    t.same(names(to / "d"), {"f1"})
    t.eq((to / "d/f1"):read(), "old")
    fill(here:path(to, "big"), 1, 30000000)
    local down
    down = rshell.spawn(function()
        return copy(m:path(to .. "", "big"), src / "back", {progress = function() down:cancel() end})
    end)
    t.raises("cancelled", down.await, down)
    if (src / "back"):exists() then t.same(names(src / "back"), {}) end
end)

-- ---- a real server ----

spec.test("a full disk and a server that dies", function(t)
    local bed <close> = require "bed".new()
    if not bed.account then t.skip "needs an account of its own" end
    local m <close> = rshell.ssh("127.0.0.1", bed:options())
    local src, disk = fill(odd.dir(t, here) / "s", 5, 700000), here:path(bed.home, "disk"):mkdir()
    if here.mount:bind("-t", "tmpfs", "-o", "size=2m,mode=777", "none", disk):run() ~= 0 then t.skip "no mounts" end
    local _ <close> = setmetatable({}, {__close = function() here.umount(disk) end})
    local e = t.raises("io", m.upload, m, src, disk .. "/d")
    t.same({e.name, e.host, e.path:match "^(.*)/f%d$"}, {"ENOSPC", "127.0.0.1", disk .. "/d"})
    t.same(names(disk), {})
    e = interrupted(t, src, m:path(bed.home, "d"), function() here.pkill("-KILL", "-u", bed.user, "sshd") end, 1000000)
    t.same({e.kind, e.host}, {"closed", "127.0.0.1"})
    t.match(e.message, "lost")
    wait_until(t, "something is left", function()
        return #names(here:path(bed.home)) == 1 and here.cmd.pgrep:bind("-u", bed.user):run() == 1
    end)
end)

-- A tar over there that packs what nobody asked for.
local EVIL = [[
case $1 in --version) echo "tar (GNU tar) 9";; *) cat "${0%/*}/archive";; esac]]

spec.test("names that nobody asked for go nowhere", function(t)
    local tar = require "rshell.shared.tar"
    local dir, to = odd.dir(t, here), odd.dir(t, here)
    local parts = {}
    for _, name in ipairs {"../evil", "/tmp/evil", "./a/../../evil", "./a", "./none", "a"} do
        parts[#parts + 1] = tar.header {name = name, type = "file", size = 4, mode = 420, mtime = 0}
        parts[#parts + 1] = "evil" .. tar.padding(4)
    end
    parts[#parts + 1] = tar.header {
        name = "./l", type = "link", target = "/etc/passwd", size = 0, mode = 511, mtime = 0,
    }
    parts[#parts + 1] = tar.ending(0);
    (dir / "archive"):write(table.concat(parts));
    (dir / "tar"):write("#!/bin/sh\n" .. EVIL, {mode = "755"});
    (dir / "src"):mkdir():join "a":write "good";
    (dir / "src/l"):write "a file"
    local m = bare.machine("/bin/sh", {path = dir .. ":" .. os.getenv "PATH"})
    copy(m:path(dir .. "", "src"), to / "dst")
    t.same(names(to), {"dst"})
    t.same(names(to / "dst"), {"a", "l"})
    t.eq((to / "dst/l"):read(), "a file")
    t.eq((to.parent / "evil"):exists(), false);
    (dir / "archive"):write("no archive " .. ("z"):rep(2000))
    local e = t.raises("protocol", copy, m:path(dir .. "", "src"), to / "dst2")
    t.match(e.message, "no tar archive")
end)

spec.test("holes stay holes here, and big files take little memory", function(t)
    local m, src, to = bare.machine(), odd.dir(t, here), odd.dir(t, here)
    local f = (src / "f"):touch():truncate(128 << 20)
    require "programs".bounded(t, 60, function()
        copy(m:path(f .. ""), to / "f")
        copy(f, m:path(to .. "", "g"))
    end)
    t.eq((to / "f"):size(), 128 << 20)
    t.eq((to / "g"):size(), 128 << 20)
    t.ok(tonumber(here.stat("-c", "%b", to / "f")) < 1000)
end)

spec.test("what is under way when a copy fails has come to its end before that is told", function(t)
    local fs = require "rshell.sys.fs"
    local from, to = odd.dir(t, here), odd.dir(t, require("rshell.here").new "other")
    for i = 1, 5 do (from / ("src/d" .. i)):mkdir {parents = true} end
    here.mkfifo(from / "src/fifo")
    -- As on a slow machine: a request that nobody waits for any more is served all the same.
    local mkdir, late = fs.mkdir, 0
    t.defer(function() fs.mkdir = mkdir end)
    function fs.mkdir(...)
        return rshell.spawn(function(...)
            late = late + 1
            rshell.sleep(0.1)
            late = late - 1
            return mkdir(...)
        end, ...):await()
    end
    local e = t.raises("usage", copy, from / "src", to / "dst")
    t.match(e.message, "fifo")
    t.eq(late, 0)
end)

spec.finish()
