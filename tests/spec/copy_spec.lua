package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local machines = require "machines"
local odd = require "odd"
local rshell = require "rshell"

local m, other = machines.get(), machines.other()
local copy = rshell.copy

-- Every test runs on one machine and between two; where the two are of different kinds, between them only.
local function routes(name, fn)
    local all = {{"between machines", m, other}}
    local mixed = m.backend ~= other.backend or machines.kind:find("-to-", 1, true)
    if not mixed then table.insert(all, 1, {"on one machine", m, m}) end
    for _, route in ipairs(all) do
        spec.test(name .. ": " .. route[1], function(t)
            return fn(t, odd.dir(t, route[2]), odd.dir(t, route[3]), route[2] == route[3])
        end)
    end
end

-- a (741), b/, b/c, b/d/ (555), b/d/e (empty), empty/, dead -> nowhere, l -> b
local function tree(dir, name)
    local d = (dir / (name or "src")):mkdir()
    d:join "b/d":mkdir {parents = true}
    d:join "empty":mkdir {mode = "700"}
    d:join "a":write(odd.bytes, {mode = "741"}):touch {mtime = 1234567890.123456}
    d:join "b/c":write "22":touch {mtime = -0.25}
    d:join "b/d/e":write ""
    d:join "dead":symlink "nowhere"
    d:join "l":symlink "b"
    d:join "b/d":chmod "555"
    d:join "b":touch {mtime = 1.1e9}
    return d
end

-- Neither tar nor touch of busybox know fractions of seconds.
local COARSE = machines.kind:find "busybox" ~= nil

-- What makes two trees the same: a line for each entry. plain: without modes and times.
local function picture(dir, plain)
    local lines = {}
    for p in dir:walk {stat = true} do
        local s = p.stat
        local line = ("%s %s"):format(p:relative_to(dir), s.type)
        if s.type == "file" then line = ("%s %d %s"):format(line, s.size, p:checksum "md5") end
        if s.type == "link" then
            line = line .. " " .. s.target
        elseif not plain then
            line = ("%s %o %.9f"):format(line, s.mode, COARSE and math.floor(s.mtime) or s.mtime)
        end
        lines[#lines + 1] = line
    end
    return lines
end

local function counts(t, r, files, bytes, skipped)
    t.same(r, {files = files, bytes = bytes, skipped = skipped})
end

routes("a tree", function(t, from, to)
    local src = tree(from)
    local r = copy(src, to / "dst")
    counts(t, r, 5, #odd.bytes + 2, 0)
    t.same(picture(to / "dst"), picture(src))
    local time = src:mtime()
    t.same({(to / "dst"):mode(), (to / "dst"):mtime()}, {src:mode(), COARSE and math.floor(time) or time})
    t.eq(#to:list(), 1, "nothing else is left")
end)

routes("twice", function(t, from, to)
    local src = tree(from)
    copy(src, to / "dst")
    counts(t, copy(src, to / "dst"), 0, 0, 5)
    t.same(picture(to / "dst"), picture(src))
    counts(t, copy(src, to / "dst", {checksum = true}), 0, 0, 5)
    counts(t, copy(src, to / "dst", {delete = true}), 0, 0, 5)
end)

routes("one file", function(t, from, to)
    local f = (from / "f"):write(odd.bytes, {mode = "600"}):touch {mtime = 1e9}
    counts(t, copy(f, to / "g"), 1, #odd.bytes, 0)
    t.same({(to / "g"):read(), (to / "g"):mode(), (to / "g"):mtime()}, {odd.bytes, 384, 1e9})
    counts(t, copy(f, to / "g"), 0, 0, 1)
    t.same({#from:list(), #to:list()}, {1, 1})
end)

routes("only what changed", function(t, from, to)
    local src = tree(from)
    copy(src, to / "dst");
    (src / "b/c"):write "23";
    (src / "new"):write "new";
    (src / "dead"):delete():symlink "elsewhere"
    counts(t, copy(src, to / "dst"), 3, 5, 3)
    t.same(picture(to / "dst"), picture(src))
end)

routes("what is there and differs", function(t, from, to)
    local src = tree(from)
    copy(src, to / "dst");
    (to / "dst/a"):write "edited over there";
    (to / "dst/b"):chmod "700";
    (to / "dst/b/c"):chmod "600";
    (to / "dst/l"):delete()
    counts(t, copy(src, to / "dst"), 2, #odd.bytes, 3)
    t.same(picture(to / "dst"), picture(src))
end)

routes("size and time, or checksum", function(t, from, to)
    local f = (from / "f"):write "one":touch {mtime = 1e9}
    local g = (to / "g"):write "two":touch {mtime = 1e9}
    counts(t, copy(f, g), 0, 0, 1)
    t.eq(g:read(), "two", "the same size and time")
    counts(t, copy(f, g, {checksum = true}), 1, 3, 0)
    t.eq(g:read(), "one")
    g:touch {mtime = 2e9}
    counts(t, copy(f, g, {checksum = true}), 0, 0, 1)
    t.eq(g:mtime(), 1e9, "the time comes along")
    g:touch {mtime = 1e9 + (COARSE and 2 or 0.25)}
    counts(t, copy(f, g), 1, 3, 0)
end)

-- ---- where to ----

routes("dst is the final name", function(t, from, to)
    local src = tree(from);
    (to / "dst"):mkdir()
    copy(src, to / "dst")
    t.same(picture(to / "dst"), picture(src))
    copy(src, to / "dst")
    t.eq((to / "dst/src"):exists(), false)
end)

routes("a slash at the end means into", function(t, from, to)
    local src, machine = tree(from), to.machine
    copy(src, machine:path(to .. "/"))
    t.same(picture(to / "src"), picture(src));
    (to / "in"):mkdir()
    copy(src / "a", machine:path(to, "in/"))
    t.eq((to / "in/a"):read(), odd.bytes)
    copy(src / "l", to / "in/")
    t.eq((to / "in/l"):readlink(), "b", "a link is copied as a link")
    t.raises("notfound", copy, src / "a", to / "none/")
    t.raises("usage", copy, from.machine:path "/", to / "in/")
end)

routes("merging", function(t, from, to)
    local src = tree(from)
    local dst = (to / "dst"):mkdir();
    (dst / "own"):write "own";
    (dst / "b"):mkdir():join "own":write "own"
    copy(src, dst)
    t.same({(dst / "own"):read(), (dst / "b/own"):read(), (dst / "b/c"):read()}, {"own", "own", "22"})
    t.eq((dst / "b"):mtime(), 1.1e9)
end)

routes("delete", function(t, from, to)
    local src = tree(from)
    local dst = (to / "dst"):mkdir();
    (dst / "own"):write "own";
    (dst / "b/own/deep"):mkdir {parents = true}:join "f":write "";
    (dst / "x"):symlink(src .. "");
    (dst / ".h"):write ""
    copy(src, dst, {delete = true})
    t.same(picture(dst), picture(src))
    t.eq((src / "a"):exists(), true, "a link is deleted, not what it leads to")
end)

routes("things of another kind in the way", function(t, from, to)
    local src = tree(from)
    local dst = (to / "dst"):mkdir();
    (dst / "b"):write "a file where a folder comes";
    (dst / "a"):symlink "../target";
    (dst / "dead"):write "a file where a link comes";
    (to / "target"):write "target"
    copy(src, dst)
    t.same(picture(dst), picture(src))
    t.eq((to / "target"):read(), "target", "a link is replaced, not written through")
end)

routes("a folder in the way of a file", function(t, from, to)
    local f = (from / "f"):write "f"
    local dst = (to / "dst"):mkdir();
    (dst / "x"):write ""
    local e = t.raises("io", copy, f, dst)
    t.same({e.name, e.path, e.host}, {"EISDIR", dst .. "", to.machine.name})
    t.match(e.hint, "/\"")
    t.eq((dst / "x"):exists(), true)
    copy(f, dst, {delete = true})
    t.eq(dst:read(), "f");
    (from / "l"):symlink "f"
    dst:delete():mkdir()
    t.raises("io", copy, from / "l", dst)
    copy(from / "l", dst, {delete = true})
    t.eq(dst:readlink(), "f")
end)

routes("a file in the way of a folder", function(t, from, to)
    local src = tree(from)
    local dst = (to / "dst"):write "worth keeping"
    local e = t.raises("io", copy, src, dst)
    t.same({e.name, e.path, e.host}, {"ENOTDIR", dst .. "", to.machine.name})
    t.match(e.hint, "delete=true")
    t.eq(dst:read(), "worth keeping")
    copy(src, dst, {delete = true})
    t.same(picture(dst), picture(src))
    local link = (to / "link"):symlink "nowhere"
    t.raises("io", copy, src, link)
    t.eq(link:readlink(), "nowhere")
end)

routes("the place may be a link to a folder", function(t, from, to)
    local src = tree(from);
    (to / "real"):mkdir();
    (to / "dst"):symlink "real"
    copy(src, to / "dst")
    t.eq((to / "dst"):is_symlink(), true)
    t.same(picture(to / "real"), picture(src))
end)

-- ---- options ----

routes("preserve = false", function(t, from, to)
    local src = tree(from);
    (src / "exec"):write("", {mode = "777"});
    (src / "private"):write("", {mode = "600"});
    (src / "big"):write(("x"):rep(600000), {mode = "755"})
    local dst = to / "dst"
    copy(src, dst, {preserve = false})
    t.same(picture(dst, true), picture(src, true))
    t.ok((dst / "b/c"):mtime() > 1.5e9)
    local x = tonumber("100", 8)
    t.eq((dst / "exec"):mode() & x, x, "what can be executed still can")
    t.eq((dst / "big"):mode() & x, x)
    t.eq((dst / "b/c"):mode() & x, 0)
    t.eq((dst / "b/d"):access "w", true)
end)

spec.test("preserve = false heeds the umask of the view", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other)
    local src = tree(from);
    (src / "exec"):write("", {mode = "777"})
    copy(src, other:with {umask = 63}:path(to, "dst"), {preserve = false})
    t.eq((to / "dst/exec"):mode(), 448)
    t.eq((to / "dst/b/c"):mode(), 384)
    t.eq((to / "dst/b"):mode(), 448)
end)

routes("progress", function(t, from, to)
    local src, last, n = tree(from), {files = 0, bytes = 0}, 0;
    (src / "big"):write(("x"):rep(3000000))
    local r = copy(src, to / "dst", {progress = function(p)
        n = n + 1
        t.ok(p.files >= last.files and p.bytes >= last.bytes)
        t.eq(p.path:sub(1, #(src .. "")), src .. "")
        last = p
    end})
    t.ok(n >= 1)
    t.same({last.files, last.bytes}, {r.files, r.bytes})
    t.raises("boom", copy, src, to / "dst2", {progress = function() error "boom" end})
    for p in to:walk() do t.ok(not p.name:find "rshell", p .. "") end
end)

routes("options and arguments that are none", function(t, from, to, same)
    local f = (from / "f"):write ""
    t.match(t.raises("usage", copy, f, to / "g", {chekcsum = true}).message, "checksum")
    for _, opts in ipairs {
        {checksum = 1}, {delete = "yes"}, {preserve = 0}, {progress = true}, {resume = 1}, {override = true},
        "delete", true,
    } do
        t.raises("usage", copy, f, to / "g", opts)
    end
    for _, x in ipairs {"", 1, true, {}, print, m, "a\0b"} do
        t.raises("usage", copy, x, to / "g")
        t.raises("usage", copy, f, x)
    end
    t.raises("usage", copy)
    t.raises("usage", copy, f)
    t.eq((to / "g"):exists(), false)
    if not same then
        t.raises("usage", m.upload, m, f, to / "g")
        t.raises("usage", m.download, m, to / "g", f)
    end
end)

-- ---- content ----

routes("sizes", function(t, from, to)
    local src = (from / "src"):mkdir()
    local block = odd.bytes:rep(2731):sub(1, 2 ^ 21)
    for _, size in ipairs {0, 1, 4096, 262143, 262144, 262145, 524287, 524288, 524289, 1048576, 2097152} do
        (src / ("s" .. size)):write(block:sub(1, size))
    end
    copy(src, to / "dst")
    t.same(picture(to / "dst"), picture(src))
    t.same(#(to / "dst"):list(), 11)
end)

routes("names", function(t, from, to)
    local src = (from / "src"):mkdir()
    for i, name in ipairs(odd.names) do
        (src / name):write(name .. i);
        (src / ("d" .. i)):mkdir():join(name):symlink(name)
    end
    (src / "\n'\""):mkdir():join "x":write(("y"):rep(300000))
    copy(src, to / "d s't\n")
    t.same(picture(to / "d s't\n"), picture(src))
    counts(t, copy(src, to / "d s't\n"), 0, 0, 2 * #odd.names + 1)
end)

routes("deep and wide trees", function(t, from, to)
    from.machine:sh([[mkdir "$1" && cd "$1" || exit 1
        i=0; while [ $i -lt 1200 ]; do echo $i >f$i; i=$((i+1)); done
        i=0; while [ $i -lt 60 ]; do mkdir d$i; echo $i >d$i/f; i=$((i+1)); done
        i=0; while [ $i -lt 60 ]; do mkdir d; cd d; echo $i >f; i=$((i+1)); done]], from / "src")()
    local src = from / "src"
    local r = copy(src, to / "dst")
    t.eq(r.files, 1320)
    t.same(picture(to / "dst"), picture(src))
    counts(t, copy(src, to / "dst", {delete = true}), 0, 0, 1320)
end)

routes("rights that are in the way", function(t, from, to)
    local src = (from / "src"):mkdir();
    (src / "none"):write("x", {mode = 0});
    (src / "ro"):mkdir():join "f":write("f", {mode = "444"});
    (src / "ro"):chmod "555"
    if not (src / "none"):access "r" then (src / "none"):chmod "400" end
    copy(src, to / "dst")
    t.same(picture(to / "dst"), picture(src))
end)

spec.test("bits that give rights of an owner stay here", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other)
    local f = (from / "f"):write("x", {mode = "6755"})
    copy(f, to / "f")
    t.eq((to / "f"):mode(), tonumber("755", 8))
    counts(t, copy(f, to / "f"), 0, 0, 1);
    (from / "big"):write(("x"):rep(300000), {mode = "4755"})
    copy(from / "big", to / "big")
    t.eq((to / "big"):mode(), tonumber("755", 8))
end)

routes("a file in place of one with other names", function(t, from, to)
    local f = (from / "f"):write "new"
    local g = (to / "g"):write "old"
    local hard = (to / "hard"):link(g)
    copy(f, g)
    t.same({g:read(), hard:read()}, {"new", "old"})
end)

spec.test("fifos and devices", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other)
    local src = tree(from)
    m.cmd.mkfifo(src / "fifo")
    copy(src, from / "dst")
    t.eq((from / "dst/fifo"):stat().type, "fifo")
    local e = t.raises("usage", copy, src, to / "dst")
    t.same({e.path, e.host}, {src .. "/fifo", m.name})
    t.match(e.message, "fifo")
    t.raises("usage", copy, m:path "/dev/null", to / "null")
end)

spec.test("sockets are left out", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other)
    if not pcall(m.which, m, "python3") then t.skip "no python3" end
    local src = tree(from)
    m.cmd.python3("-c", "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])", src / "s")
    t.eq(copy(src, to / "dst").files, 5)
    t.raises("usage", copy, src / "s", to / "s")
end)

-- ---- what fails ----

routes("what isn't there", function(t, from, to)
    local e = t.raises("notfound", copy, from / "none", to / "x")
    t.same({e.name, e.path, e.host}, {"ENOENT", from .. "/none", m.name})
    t.ok(e.message:find(from .. "/none", 1, true))
    e = t.raises("notfound", copy, tree(from), to / "none/x")
    t.same({e.path, e.host}, {to .. "/none/x", to.machine.name})
    t.raises("notfound", copy, (from / "f"):write "x", to / "none/x")
    t.raises("notfound", copy, (from / "big"):write(("x"):rep(300000)), to / "none/x")
    t.raises("io", copy, from / "f/x", to / "x")
    t.raises("io", copy, from / "f", (to / "g"):write "" / "x")
    t.eq((to / "none"):exists(), false)
end)

spec.test("into itself", function(t)
    local d = odd.dir(t, m)
    local src = tree(d)
    for _, dst in ipairs {src, src / "x", src / "b/x", d / "src/../src/x"} do
        local e = t.raises("io", copy, src, dst)
        t.eq(e.name, "EINVAL")
        t.match(e.hint, "itself")
    end
    t.eq((src / "x"):exists(), false)
end)

spec.test("a copy that is cancelled leaves nothing", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other);
    (from / "src"):mkdir()
    for i = 1, 20 do (from / ("src/f" .. i)):write(("x"):rep(2000000)) end
    local started
    local task = rshell.spawn(copy, from / "src", to / "dst", {progress = function()
        started = true
        rshell.sleep(10)
    end})
    while not started do rshell.sleep(0.005) end
    task:cancel()
    t.eq(t.raises("cancelled", task.await, task).kind, "cancelled")
    for p in to:walk() do t.ok(not p.name:find "rshell", p .. "") end
end)

spec.test("time limits", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other)
    local src = tree(from)
    local slow = {progress = function() rshell.sleep(10) end}
    t.raises("timeout", copy, m:with {timeout = 0.1}:path(src), to / "x", slow)
    t.raises("timeout", copy, src, other:with {timeout = 0.1}:path(to, "y"), slow)
    t.raises("timeout", copy, m:with {timeout = 0.1}:path(src), from / "z", slow)
    t.eq(copy(m:with {timeout = 20}:path(src), to / "dst").files, 5)
    for p in to:walk() do t.ok(not p.name:find "rshell", p .. "") end
end)

spec.test("the first failure ends all", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other);
    (from / "src"):mkdir()
    for i = 1, 50 do (from / ("src/f" .. i)):write(("x"):rep(300000)) end
    for i = 1, 50 do (to / ("dst/f" .. i)):mkdir {parents = true} end
    local e = t.raises("io", copy, from / "src", to / "dst")
    t.eq(e.name, "EISDIR")
    for p in to:walk() do t.ok(not p.name:find "rshell", p .. "") end
end)

-- ---- resume ----

local function broken_off(t, src, dst, opts, after)
    opts.progress = function(p)
        if p.bytes >= after then error "broken off" end
    end
    t.raises("broken off", copy, src, dst, opts)
    opts.progress = nil
end

local function partial(dir)
    for p in dir:iterdir() do
        if p.name:find "rshell" then return p end
    end
end

spec.test("resume", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other)
    local data = odd.bytes:rep(4000)
    local f = (from / "f"):write(data, {mode = "640"}):touch {mtime = 1e9}
    broken_off(t, f, to / "f", {resume = true}, 1500000)
    t.eq((to / "f"):exists(), false)
    local size = t.ok(partial(to)):size()
    t.ok(size >= 1500000 and size < #data)
    local r = copy(f, to / "f", {resume = true})
    counts(t, r, 1, #data - size, 0)
    t.ok((to / "f"):read() == data)
    t.same({(to / "f"):mode(), (to / "f"):mtime(), #to:list()}, {tonumber("640", 8), 1e9, 1})
end)

spec.test("without resume nothing is kept", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other)
    broken_off(t, (from / "f"):write(("x"):rep(3000000)), to / "f", {}, 1000000)
    t.same(to:list(), {})
end)

spec.test("resume of what changed meanwhile", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other)
    local f = (from / "f"):write(("x"):rep(3000000))
    broken_off(t, f, to / "f", {resume = true}, 1000000)
    f:write(("y"):rep(3000000)):touch {mtime = 1e9}
    counts(t, copy(f, to / "f", {resume = true}), 1, 3000000, 0)
    t.eq((to / "f"):read(), ("y"):rep(3000000))
end)

spec.test("resume in a tree, with delete", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other)
    local src = tree(from);
    (src / "big"):write(("x"):rep(20000000))
    broken_off(t, src, to / "dst", {resume = true, delete = true}, 15000000) -- more than may be under way
    local left = t.ok(partial(to / "dst"))
    local size = left:size();
    (to / "dst/stranger"):write ""
    local r = copy(src, to / "dst", {resume = true, delete = true})
    t.ok(r.bytes <= 20000000 - size + #odd.bytes + 2)
    t.same(picture(to / "dst"), picture(src))
end)

spec.test("resume doesn't trust what others left", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other)
    local f = (from / "f"):write(("x"):rep(3000000))
    broken_off(t, f, to / "f", {resume = true}, 1000000)
    local p = partial(to);
    (to / "victim"):write "victim"
    p:delete():symlink "victim"
    copy(f, to / "f", {resume = true})
    t.eq((to / "victim"):read(), "victim")
    t.eq((to / "f"):size(), 3000000)
    t.eq((to / "f"):is_symlink(), false)
end)

-- ---- the other doors ----

spec.test("strings are paths of this machine", function(t)
    local here = rshell.here
    local d, o = odd.dir(t, here), odd.dir(t, other)
    local src = tree(d)
    counts(t, copy(src .. "", o / "dst"), 5, #odd.bytes + 2, 0)
    copy(o / "dst", d .. "/back")
    t.same(picture(d / "back"), picture(src))
    copy(o / "dst", d .. "/back/")
    t.eq((d / "back/dst/b/c"):read(), "22")
    local before = tostring(here.cwd)
    do
        local _ <close> = here.cwd(d)
        copy("src/a", "a copy")
        copy("src", o / "relative")
    end
    t.eq(tostring(here.cwd), before)
    t.eq((d / "a copy"):read(), odd.bytes)
    t.same(picture(o / "relative"), picture(src))
end)

spec.test("upload and download", function(t)
    local here = rshell.here
    local d, o = odd.dir(t, here), odd.dir(t, other)
    local src = tree(d)
    counts(t, other:upload(src .. "", o .. "/dst"), 5, #odd.bytes + 2, 0)
    counts(t, other:upload(src, o / "dst"), 0, 0, 5)
    t.same(picture(o / "dst"), picture(src))
    counts(t, other:download(o .. "/dst", d .. "/back"), 5, #odd.bytes + 2, 0)
    counts(t, other:download(o / "dst", d / "back", {checksum = true}), 0, 0, 5)
    t.same(picture(d / "back"), picture(src))
    other:at(o):upload(src / "a", "rel")
    t.eq((o / "rel"):read(), odd.bytes, "relative to the machine's own directory")
    other:at(o):upload(src / "a", "dst/b/")
    t.eq((o / "dst/b/a"):read(), odd.bytes)
    other:at(o):download("rel", d / "rel")
    t.eq((d / "rel"):read(), odd.bytes)
    t.raises("usage", other.upload, other, src, here:path "/x")
    t.raises("usage", other.download, other, here:path "/x", d)
    t.raises("usage", other.upload, other, src)
    t.raises("usage", other.download, other, o / "dst")
    t.raises("usage", other.upload, other, src, o / "x", {nonsense = 1})
    t.match(t.raises("notfound", other.upload, other, d / "none", "x").message, "none")
end)

spec.test("many copies at once", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other)
    local src = tree(from)
    local tasks = {}
    for i = 1, 10 do tasks[i] = rshell.spawn(copy, src, to / ("dst" .. i)) end
    for _, task in ipairs(tasks) do t.eq(task:await().files, 5) end
    for i = 1, 10 do t.same(picture(to / ("dst" .. i)), picture(src)) end
end)

spec.test("a big file takes little memory", function(t)
    local from, to = odd.dir(t, m), odd.dir(t, other)
    local f = (from / "f"):touch():truncate(400 * 2 ^ 20)
    require "programs".bounded(t, 60, function() copy(f, to / "f") end)
    t.eq((to / "f"):size(), 400 * 2 ^ 20)
end)

spec.finish()
