-- Copies through an agent's own frames: what is kept on demand, what is left when they fail. copy_spec.lua has the
-- rest, agent_trips_spec.lua how many round trips they take.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local agent = require "agent"
local odd = require "odd"
local rshell = require "rshell"

local copy, here = rshell.copy, rshell.here
local BIG = 3000000

local m, connector = agent.machine()
m["true"]() -- it starts

local function names(dir)
    local list = {}
    for p in dir:iterdir() do list[#list + 1] = p.name end
    table.sort(list)
    return list
end

local function blocks(p) return tonumber(here.stat("-c", "%b", p .. "")) end

--- Both ways: fn(t, from, to).
local function ways(name, fn)
    spec.test(name .. ", up", function(t) fn(t, odd.dir(t, here), odd.dir(t, m)) end)
    spec.test(name .. ", down", function(t) fn(t, odd.dir(t, m), odd.dir(t, here)) end)
end

local function break_off(t, src, dst, opts, after)
    opts.progress = function(p)
        if p.bytes >= after then error "broken off" end
    end
    t.raises("broken off", copy, src, dst, opts)
    opts.progress = nil
end

-- ---- one channel ----

spec.test("no channel, no tar and no find but the agent's own", function(t)
    local before = connector.count
    local src, to = odd.dir(t, here), odd.dir(t, m);
    (src / "d"):mkdir():join "f":write "f"
    copy(src / "d", to / "d")
    copy(to / "d", src / "back")
    t.eq((src / "back/f"):read(), "f")
    t.eq(connector.count - before, 0)
end)

spec.test("a server with MaxSessions 1", function(t)
    local bed <close> = require "bed".odd "one_session"
    local far <close> = rshell.ssh("127.0.0.1", bed:options {agent = true})
    local src, to = odd.dir(t, here), far:tempdir();
    (src / "d"):mkdir():join "f":write "f"
    local cat <close> = far.cat:popen()
    t.eq(copy(src / "d", to / "d").files, 1)
    t.eq(copy(to / "d", src / "back").files, 1)
    t.eq((src / "back/f"):read(), "f")
    local _, sessions = bed:log():gsub("Starting session", "")
    t.ok(sessions <= 1, "one session")
    cat:close()
    to:close()
end)

-- ---- content ----

ways("holes stay holes", function(t, from, to)
    local f = (from / "f"):touch():truncate(64 << 20)
    local h <close> = f:open "r+"
    h:seek("set", 20 << 20)
    h:write "data in the middle"
    h:close()
    local g = (from / "end"):write("x"):truncate(8 << 20)
    local r = copy(from, to / "d")
    t.same({r.files, r.bytes}, {2, 72 << 20})
    t.eq((to / "d/f"):checksum "sha256", f:checksum "sha256")
    t.eq((to / "d/end"):checksum "sha256", g:checksum "sha256")
    t.ok(blocks(to / "d/f") < 1000 and blocks(to / "d/end") < 1000, "holes were filled")
end)

ways("checksums compare contents in one go", function(t, from, to)
    local src = (from / "s"):mkdir();
    (src / "b/c"):up(1):mkdir();
    (src / "b/c"):write "one";
    (src / "a"):write(("x"):rep(BIG))
    copy(src, to / "d");
    (to / "d/b/c"):write "two":touch {mtime = (src / "b/c"):mtime()};
    (to / "d/a"):touch {mtime = 1e9}
    local r = copy(src, to / "d", {checksum = true})
    t.same({r.files, r.bytes, r.skipped}, {1, 3, 1})
    t.eq((to / "d/b/c"):read(), "one")
    t.eq((to / "d/a"):mtime(), (src / "a"):mtime())
end)

ways("files of a tree are continued in its stream", function(t, from, to)
    local src = (from / "s"):mkdir();
    (src / "d"):mkdir()
    local big = (src / "d/big"):write(odd.bytes:rep(BIG // #odd.bytes * 3))
    break_off(t, src, to / "d", {resume = true}, BIG)
    local left = names(to / "d/d")
    t.eq(#left, 1)
    local size = (to / "d/d" / left[1]):size()
    t.ok(size > 0 and size < big:size())
    local r = copy(src, to / "d", {resume = true, delete = true})
    t.eq(r.bytes, big:size() - size)
    t.eq((to / "d/d/big"):checksum "md5", big:checksum "md5")
    t.same(names(to / "d/d"), {"big"})
end)

-- ---- on demand ----

ways("hard links, on demand", function(t, from, to)
    local src = (from / "s"):mkdir();
    (src / "a"):write(("x"):rep(1000));
    (src / "d"):mkdir();
    (src / "d/b"):link(src / "a");
    (src / "z"):link(src / "a")
    copy(src, to / "plain")
    t.ok((to / "plain/a"):stat().ino ~= (to / "plain/z"):stat().ino)
    local keep = {preserve = {links = true}}
    local r = copy(src, to / "d", keep)
    t.same({r.files, r.bytes}, {3, 1000}, "its bytes go once")
    local ino = (to / "d/a"):stat().ino
    t.same({(to / "d/d/b"):stat().ino, (to / "d/z"):stat().ino}, {ino, ino})
    t.same(copy(src, to / "d", keep), {files = 0, bytes = 0, skipped = 3});
    (src / "a"):append "more"
    copy(src, to / "d", keep)
    t.eq((to / "d/z"):stat().ino, (to / "d/a"):stat().ino, "also where one was there")
    t.eq((to / "d/z"):size(), 1004);
    (to / "d/z"):delete():write "another file"
    t.eq(copy(src, to / "d", keep).files, 1)
    t.eq((to / "d/z"):stat().ino, (to / "d/a"):stat().ino)
end)

local function has_xattrs(dir)
    return here.cmd.python3("-c", [[
import os, sys
try: os.setxattr(sys.argv[1], "user.rshell", b"1"); print("yes")
except OSError: print("no")]], dir .. "") == "yes\n"
end

local function xattrs(p)
    return here.cmd.python3("-c", [[
import os, sys
print({n: os.getxattr(sys.argv[1], n) for n in sorted(os.listxattr(sys.argv[1])) if n.startswith("user.")})]], p .. "")
end

ways("extended attributes, on demand", function(t, from, to)
    if not pcall(here.which, here, "python3") or not has_xattrs(from) then t.skip "no extended attributes" end
    local src = (from / "s"):mkdir();
    (src / "f"):write "f"
    for _, p in ipairs {src, src / "f"} do
        here.cmd.python3("-c", 'import os, sys; os.setxattr(sys.argv[1], "user.a", bytes(range(256)))', p .. "")
    end
    copy(src, to / "plain")
    t.eq(xattrs(to / "plain/f"), "{}\n")
    local keep = {preserve = {xattrs = true}}
    copy(src, to / "d", keep)
    t.eq(xattrs(to / "d"), xattrs(src))
    t.eq(xattrs(to / "d/f"), xattrs(src / "f"))
    here.cmd.python3("-c", [[
import os, sys
os.setxattr(sys.argv[1], "user.b", b"2")
os.removexattr(sys.argv[1], "user.a")]], src .. "/f")
    t.eq(copy(src, to / "d", keep).files, 0)
    t.eq(xattrs(to / "d/f"), "{'user.b': b'2'}\n")
end)

ways("owners, on demand", function(t, from, to)
    if here.id["-u"]:text() ~= "0" then t.skip "needs root" end
    local src = (from / "s"):mkdir();
    (src / "f"):write("f", {mode = "4755"});
    (src / "l"):symlink "f"
    here.chown("-h", "daemon:bin", src .. "", src .. "/l")
    here.chown("daemon:12345", src .. "/f")
    here.chmod("4755", src .. "/f")
    copy(src, to / "plain")
    t.same({(to / "plain/f"):owner(), (to / "plain/f"):mode()}, {"root", tonumber("755", 8)})
    local keep = {preserve = {owner = true}}
    copy(src, to / "d", keep)
    local st = (to / "d/f"):stat()
    t.same({st.owner, st.gid, st.mode}, {"daemon", 12345, tonumber("4755", 8)})
    t.same({(to / "d"):owner(), (to / "d/l"):lstat().group}, {"daemon", "bin"})
    here.chown("root:root", to .. "/d/f")
    t.eq(copy(src, to / "d", keep).files, 0)
    t.same({(to / "d/f"):owner(), (to / "d/f"):mode()}, {"daemon", tonumber("4755", 8)})
end)

local function has_acls(dir) return here.setfacl:run {"-m", "u:daemon:r", dir .. ""} == 0 end
local function acl(p) return here.getfacl:text("-c", "-E", p .. "") end

ways("access control lists, on demand", function(t, from, to)
    local src = (from / "s"):mkdir();
    (src / "d"):mkdir()
    if not pcall(here.which, here, "setfacl") or not has_acls(src / "d") then t.skip "no access control lists" end
    here.setfacl("-m", "d:u:daemon:rwx,d:g:bin:r", src .. "/d");
    (src / "d/f"):write "inherits";
    (src / "f"):write "f"
    here.setfacl("-m", "u:daemon:rw,g:bin:rx", src .. "/f");
    (src / "none"):write("none", {mode = "640"})
    copy(src, to / "plain")
    t.eq(acl(to / "plain/d"):find "daemon", nil)
    local keep = {preserve = {acls = true}}
    here.setfacl("-m", "d:u:games:rwx", to .. "") -- what is new would get it
    copy(src, to / "d", keep)
    for _, name in ipairs {".", "d", "d/f", "f", "none"} do t.eq(acl(to / "d" / name), acl(src / name), name) end
    t.match(acl(to / "d/d/f"), "user:daemon:rwx")
    t.eq((to / "d/none"):mode(), tonumber("640", 8))
    t.eq(copy(src, to / "d", keep).files, 0)
    here.setfacl("-b", src .. "/f")
    here.setfacl("-m", "u:games:r", src .. "/none")
    t.eq(copy(src, to / "d", keep).files, 0)
    for _, name in ipairs {"f", "none"} do t.eq(acl(to / "d" / name), acl(src / name), name) end
end)

spec.test("who is named in an access control list is meant by name", function(t)
    local tree, sys = require "rshell.tree", require "rshell.sys.tree"
    local to = odd.dir(t, here)
    if not pcall(here.which, here, "setfacl") or not has_acls(to) then t.skip "no access control lists" end
    local function text(s) return tree.number(#s) .. s end
    local function entry(tag, rights, id) return ("<I2I2I4"):pack(tag, rights, id) end
    local none = 0xffffffff
    local list = ("<I4"):pack(2) .. entry(1, 6, none) .. entry(2, 4, 71234) .. entry(4, 4, none)
        .. entry(8, 4, 71235) .. entry(16, 4, none) .. entry(32, 0, none)
    local attributes = "\2" .. text "system.posix_acl_access" .. text(list)
    local plan = tree.owners(tree.number(71234) .. text "daemon", tree.number(71235) .. text "bin")
        .. tree.step("f", "", 0, "", 416, nil, nil, nil, nil, attributes)
    local u <close> = assert(sys.unpacker(to .. "/f", plan))
    local n = tree.number
    assert(u:write(n(1) .. n(0) .. n(1) .. n(1 << 1) .. "x" .. n(0)))
    assert(u:finish())
    t.match(acl(to / "f"), "user:daemon:r%-%-.*group:bin:r%-%-")
end)

spec.test("what can't be kept is said", function(t)
    local bare = require "bare".machine()
    local src = (odd.dir(t, here) / "f"):write "f"
    local e = t.raises("usage", copy, src, bare:path "/nowhere/f", {preserve = {owner = true}})
    t.match(e.message, "owner")
    t.match(t.raises("usage", copy, src, m:path "/nowhere/f", {preserve = {owners = true}}).message, "owner")
end)

-- ---- failures ----

ways("what can't be read ends it with its name", function(t, from, to)
    local src = (from / "s"):mkdir();
    (src / "a"):write "a";
    (src / "d"):mkdir():join "f":write("f", {mode = 0})
    if (src / "d/f"):access "r" then t.skip "root reads everything" end
    local e = t.raises("denied", copy, src, to / "d")
    t.eq(e.path, src .. "/d/f")
    t.eq((to / "d/a"):read(), "a", "what has come stays")
end)

spec.test("a full disk: the right error, and no half of a file", function(t)
    local src, disk = odd.dir(t, here), odd.dir(t, here)
    if here.mount:bind("-t", "tmpfs", "-o", "size=2m", "none", disk):run() ~= 0 then t.skip "no mounts" end
    local _ <close> = setmetatable({}, {__close = function() here.umount("-l", disk) end})
    for i = 1, 5 do (src / ("f" .. i)):write(("x"):rep(700000)) end
    for _, to in ipairs {m:path(disk .. "", "far"), disk / "near"} do
        local from = to.machine == m and src or m:path(src .. "")
        local e = t.raises("io", copy, from, to)
        t.same({e.name, e.host, e.path}, {"ENOSPC", to.machine.name, to .. "/f3"})
        t.same(names(to), {"f1", "f2"})
        to:delete {recursive = true}
    end
end)

ways("a limit on the size of files: the right error, and whoever writes goes on", function(t, from, to)
    local src = (from / "s"):mkdir();
    (src / "a"):write "a";
    (src / "b"):write(("b"):rep(2 * BIG))
    local there, pid = to.machine, m:sh "echo $PPID":text()
    if there == here then pid = tostring(require "rshell.sys.host".pid()) end
    local before = here.prlimit:text("--pid", pid, "-f", "-o", "SOFT", "--noheadings")
    here.prlimit("--pid", pid, "--fsize=" .. BIG .. ":")
    t.defer(function() here.prlimit("--pid", pid, "--fsize=" .. before .. ":") end)
    local e = t.raises("io", copy, src, to / "d")
    t.same({e.name, e.host, e.path}, {"EFBIG", there.name, to .. "/d/b"})
    t.same(names(to / "d"), {"a"})
    t.raises("io", function() (to / "x"):write(("x"):rep(2 * BIG)) end)
    if there ~= here then t.eq(m:sh "echo $PPID":text(), pid, "the same agent") end
    t.eq(select(5, there:sh "ulimit -c 0; kill -XFSZ $$":run()), "XFSZ", "programs are told as ever")
end)

ways("the place vanishes", function(t, from, to)
    local src = (from / "s"):mkdir()
    for i = 1, 20 do (src / ("f" .. i)):write(("x"):rep(BIG)) end
    local place = to / "d"
    local e = t.raises("notfound", copy, src, place, {progress = function(p)
        if p.bytes <= 2 * BIG then return end
        for _ = 1, 100 do -- a file may come into it while it is being deleted
            if not place:exists() or pcall(place.delete, place, {recursive = true}) then break end
        end
    end})
    t.ok(e.path:find(to .. "/d", 1, true) == 1)
    t.same(names(to), {})
end)

ways("a file that becomes shorter comes as it is", function(t, from, to)
    local src = (from / "s"):mkdir();
    (src / "a"):write(("x"):rep(20 * BIG))
    local done
    local r = copy(src, to / "d", {progress = function(p)
        if done or p.bytes < BIG then return end
        done = true;
        (src / "a"):truncate(10)
    end})
    t.eq(r.files, 1)
    t.eq((to / "d/a"):read(), ("x"):rep(10))
end)

ways("one that does has all that its copy was to have", function(t, from, to)
    local src = (from / "s"):mkdir();
    (src / "d"):mkdir():join "a":write(("x"):rep(20 * BIG), {mode = "640"});
    (src / "d/l"):link(src / "d/a");
    (src / "d"):touch {mtime = 1e9}:chmod "555"
    local done
    local opts = {resume = true, preserve = {links = true}, progress = function(p)
        if done or p.bytes < BIG then return end
        done = true;
        (src / "d/a"):truncate(10)
    end}
    local r = copy(src, to / "d", opts)
    t.same({r.files, done}, {2, true})
    t.same(names(to / "d/d"), {"a", "l"}, "nothing in part is left")
    t.same({(to / "d/d/l"):read(), (to / "d/d/l"):stat().ino}, {("x"):rep(10), (to / "d/d/a"):stat().ino})
    t.same({(to / "d/d"):mtime(), (to / "d/d"):mode(), (to / "d/d/a"):mode()},
        {1e9, tonumber("555", 8), tonumber("640", 8)})
end)

ways("a folder that becomes a link to elsewhere leads nothing there", function(t, from, to)
    local src, elsewhere = (from / "s"):mkdir(), odd.dir(t, here);
    (src / "a"):mkdir():join "big":write(("x"):rep(10 * BIG));
    (src / "z"):mkdir():join "f":write "f"
    local done
    local e = t.raises("io", copy, src, to / "d", {progress = function(p)
        if done or p.bytes < BIG then return end
        done = true
        local z = to / "d/z"
        while not z:exists() do rshell.sleep(0.01) end -- folders are made first, but what is told so far was only sent
        z:rename "was"
        z:symlink(elsewhere .. "")
    end})
    t.same({e.name, e.path}, {"ENOTDIR", to .. "/d/z/f"})
    t.same(names(elsewhere), {})
end)

ways("a copy that is cancelled leaves no half of a file", function(t, from, to)
    local src = (from / "s"):mkdir();
    (src / "a"):write(("x"):rep(20 * BIG))
    local task
    task = rshell.spawn(function()
        return copy(src, to / "d", {progress = function(p)
            if p.bytes > BIG then task:cancel() end
        end})
    end)
    t.raises("cancelled", task.await, task)
    t.same(names(to / "d"), {})
    t.eq((to / "d"):exists(), true, "the agent goes on")
end)

spec.test("an agent that is killed leaves no half of a file", function(t)
    local bed <close> = require "bed".new()
    local far <close> = rshell.ssh("127.0.0.1", bed:options {agent = true})
    local src, to = odd.dir(t, here), here:path(bed.home, "d");
    (src / "a"):write(("x"):rep(20 * BIG))
    local function stop()
        return rshell.spawn(function()
            local done
            return copy(src, far:path(to .. ""), {progress = function(p)
                if done or p.bytes < BIG then return end
                done = true
                here.pkill:bind("-KILL", "-u", bed.user, "-f", "rshell-agent"):run()
            end})
        end)
    end
    local task = stop()
    local e = t.raises("closed", task.await, task)
    t.eq(e.host, "127.0.0.1")
    t.same(names(to), {})
    t.eq(far:upload(src, to .. "").files, 1, "the next operation has a new agent")
end)

-- ---- a target that lies ----

spec.test("names of a list that are none are refused", function(t)
    local tree = require "rshell.tree"
    local function list(...)
        local out = {"\0\0\0\0"}
        for _, e in ipairs {...} do
            out[#out + 1] = string.char(e[1]) .. e[2] .. ("\0"):rep(9) .. tree.number(#e[3]) .. e[3]
        end
        return table.concat(out)
    end
    t.eq(tree.read(list({0, "d", ""}, {1, "f", "a"})).root.names[1], "a")
    t.eq(tree.read(list()).root, nil)
    for _, bad in ipairs {
        {{0, "d", ""}, {1, "f", ".."}}, {{0, "d", ""}, {1, "f", "."}}, {{0, "d", ""}, {1, "f", ""}},
        {{0, "d", ""}, {1, "f", "a/b"}}, {{0, "d", ""}, {1, "f", "/etc"}}, {{0, "d", ""}, {1, "f", "a\0b"}},
        {{0, "d", ""}, {2, "f", "a"}}, {{0, "d", ""}, {0, "d", ""}}, {{1, "f", "a"}}, {{0, "x", ""}},
    } do
        local got, _, name = tree.read(list(table.unpack(bad)))
        t.same({got, name}, {nil, "EPROTOCOL"})
    end
    local whole = list({0, "d", ""}, {1, "f", "abc"})
    for n = 5, #whole - 1 do tree.read(whole:sub(1, n)) end
end)

spec.test("a pack that is none is refused", function(t)
    local tree, sys = require "rshell.tree", require "rshell.sys.tree"
    local to = odd.dir(t, here)
    local plan = tree.owners("", "") .. tree.step("d", "", nil, nil, 493) .. tree.step("f", "a", 0, "", 420)
    local n = tree.number
    local good = n(1) .. n(0) .. n(3) .. n(3 << 1) .. "abc" .. n(0)
    for i, pack in ipairs {
        good:sub(1, -2), n(2) .. good:sub(2), good .. "x", n(1) .. n(4) .. n(3), n(1) .. n(0) .. n(3) .. n(4 << 1),
        ("\255"):rep(11), n(1) .. n(0) .. n(3) .. n(1), good:sub(1, -2) .. good, n(1) .. n(1) .. n(3) .. n(4) .. "bc",
    } do
        local u <close> = assert(sys.unpacker((to / ("d" .. i)) .. "", plan))
        local ok, _, name = u:write(pack)
        if ok then ok, _, name = u:finish() end
        t.eq(ok, nil, "pack " .. i)
        t.ok(name == "EPROTOCOL" or name == "EEOF", name)
    end
    local u <close> = assert(sys.unpacker(to .. "/good", plan))
    for i = 1, #good do t.ok(u:write(good:sub(i, i))) end
    t.ok(u:finish())
    t.same(u:missing(), {})
    t.eq((to / "good/a"):read(), "abc")
end)

spec.test("blocks of a pack are read, metered and written, which takes their bytes", function(t)
    local tree, sys = require "rshell.tree", require "rshell.sys.tree"
    local dir = odd.dir(t, here)
    local data = ("0123456789abcdef"):rep(1 << 16)
    local from = (dir / "from"):mkdir();
    (from / "a"):write(data)
    local plan = tree.owners("", "") .. tree.step("d", "", nil, nil, 493) .. tree.step("f", "a", 0, "", 420)
    local p <close> = assert(sys.packer(from .. "", tree.name(0, "a")))
    local u <close> = assert(sys.unpacker(dir .. "/to", plan))
    local meter, n, files, bytes = tree.meter(), 0, nil, nil
    for block in function() return p:next() end do
        t.ok(#block > 0)
        t.eq(#block:text(), #block)
        files, bytes = meter:add(block)
        t.ok(u:write(block))
        t.eq(#block, 0)
        n = n + 1
    end
    t.ok(n > 1)
    t.same({files, bytes}, {1, #data})
    t.ok(u:finish())
    t.ok((dir / "to/a"):read() == data)
end)

spec.finish()
