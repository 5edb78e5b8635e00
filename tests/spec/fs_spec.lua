package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local fs = require "rshell.sys.fs"

local function sh(command)
    local p = assert(io.popen(command, "r"))
    local out = p:read "a"
    return p:close() and out
end

-- An expected failure: nil, text, NAME.
local function fails(t, name, path, got, text, err, where)
    t.eq(got, nil)
    t.eq(err, name)
    t.eq(type(text), "string")
    t.ok(#text > 0)
    t.eq(where, path)
end

local function ok(t, got, text, name, where)
    if got == nil then t.fail(("%s (%s) %s"):format(text, name, where or "")) end
    return got
end

local function oct(n) return ("%o"):format(n) end

-- A folder of the test's own that can be removed after it, whatever modes are in there.
local function tmp(t)
    local dir = t.tmp()
    t.defer(fs.chmod, dir, "u+rwX", {recursive = true})
    return dir
end

local function mode(path) return oct(fs.lstat(path).mode) end

-- Names that somebody has trouble with, each in a folder of its own.
local NAMES = {
    " ", "  a ", "-rf", "--", "~", "#a", "$HOME", "`id`", "a;b", "a'b", 'a"b', "a\\b", "*", "[a]", "?", "{a,b}", "...",
    "\n", "a\nb", "\27[31m", "\127", "\xff\xfe", "\xc3\xa4", "a\xcc\x88", "\xe2\x80\xae", ("x"):rep(255), "%s%n", "!a",
}
for b = 1, 255 do
    if b ~= 47 then NAMES[#NAMES + 1] = string.char(b) .. "x" .. string.char(b) end
end

local function without_wildcards(name) return (name:gsub("[%*%?%[%]\\]", "\\%0")) end

spec.test("names of any bytes", function(t)
    local dir = t.tmp()
    for i, name in ipairs(NAMES) do
        local at = dir .. "/" .. i
        local p = at .. "/" .. name
        ok(t, fs.mkdir(at))
        ok(t, fs.write(p, name))
        t.eq(fs.read(p), name)
        t.eq(fs.stat(p).size, #name)
        t.same(fs.list(at), {name})
        t.same(fs.glob(at, without_wildcards(name)), {p})
        t.same(fs.glob(dir, i .. "/" .. without_wildcards(name)), {p})
        t.ok(fs.match(without_wildcards(name), p))
        t.same(fs.walk(at):next(), {{path = p, type = "file"}})
        ok(t, fs.chmod(p, 384))
        ok(t, fs.truncate(p, 1))
        ok(t, fs.append(p, "!"))
        t.eq(fs.read(p), name:sub(1, 1) .. "!")
        ok(t, fs.rename(p, at .. "/" .. name:sub(1, 100) .. "2"))
        ok(t, fs.copy(at .. "/" .. name:sub(1, 100) .. "2", p))
        ok(t, fs.unlink(p))
        ok(t, fs.symlink(name, p))
        t.eq(fs.readlink(p), name)
        t.eq(fs.lstat(p).target, name)
        ok(t, fs.unlink(p))
        ok(t, fs.mkdir(p .. "/" .. name, {parents = true}))
        t.eq(fs.resolve(p .. "/" .. name .. "/.."), fs.resolve(dir) .. "/" .. i .. "/" .. name)
        ok(t, fs.remove(at, {recursive = true}))
    end
    t.same(fs.list(dir), {})
end)

spec.test("NUL in a path is an error, not a shorter path", function(t)
    local bad = t.tmp() .. "\0/x"
    for name, call in pairs(fs) do
        local one = name ~= "match" and call or function(p) return fs.match(p, "a") end
        local args = {write = {"x"}, append = {"x"}, chmod = {0}, glob = {"*"}, symlink = {"x"}, link = {"x"},
            rename = {"x"}, move = {"x"}, copy = {"x"}, tree_copier = {"x"}}
        fails(t, "EUSAGE", nil, one(bad, table.unpack(args[name] or {})))
    end
    fails(t, "EUSAGE", nil, fs.rename("/nowhere", bad))
    fails(t, "EUSAGE", nil, fs.copy("/nowhere", bad))
    fails(t, "EUSAGE", nil, fs.glob("/nowhere", bad))
end)

spec.test("an unknown option is an error that tells the nearest", function(t)
    t.raises("'recusive', the nearest is 'recursive'", fs.remove, "/nowhere", {recusive = true})
    t.raises("'missing', the nearest is 'missing_ok'", fs.remove, "/nowhere", {missing = true})
    t.raises("'x', there are none", fs.rename, "/a", "/b", {x = 1})
    t.raises("options are named", fs.mkdir, "/nowhere/a", {true})
    t.raises("true or false", fs.mkdir, "/nowhere/a", {parents = 1})
    t.raises("whole number", fs.read, "/dev/null", {n = 1.5})
    t.raises("at least 0", fs.read, "/dev/null", {n = -1})
    t.raises("table expected", fs.read, "/dev/null", 3)
    t.raises("octal 7777", fs.chmod, "/nowhere", 4096)
    t.raises("'u%+q' is no mode", fs.chmod, "/nowhere", "u+q")
    t.raises("a mode is a number or a string", fs.write, "/nowhere", "", {mode = true})
    t.raises("a digest is", fs.checksum, "/dev/null", "crc32")
    t.raises("letters of", fs.access, "/", "q")
    t.raises("a mode is", fs.open, "/dev/null", "rw")
end)

-- Asking

spec.test("stat and lstat", function(t)
    local dir = tmp(t)
    local f, l = dir .. "/f", dir .. "/l"
    ok(t, fs.write(f, "12345", {mode = 416}))
    ok(t, fs.touch(f, {mtime = 1234567890.25}))
    ok(t, fs.symlink("f", l))
    local s = fs.stat(l)
    t.eq(s.size, 5)
    t.eq(oct(s.mode), "640")
    t.eq(s.type, "file")
    t.eq(s.mtime, 1234567890.25)
    t.eq(math.type(s.atime), "float")
    t.eq(math.type(s.ctime), "float")
    t.eq(s.nlink, 1)
    t.eq(s.target, nil)
    t.eq(("%d %d %d %d\n"):format(s.ino, s.uid, s.gid, s.size), sh("stat -c '%i %u %g %s' " .. f))
    t.eq(s.owner .. "\n", sh("stat -c %U " .. f))
    t.eq(s.group .. "\n", sh("stat -c %G " .. f))
    t.eq(s.dev .. "\n", sh("stat -c %d " .. f))
    s = fs.lstat(l)
    t.eq(s.type, "link")
    t.eq(s.target, "f")
    t.eq(s.size, 1)
    fails(t, "ENOENT", nil, fs.stat(dir .. "/x"))
    fails(t, "ENOTDIR", nil, fs.stat(f .. "/x"))
    fails(t, "ENOENT", nil, fs.stat "")
end)

spec.test("stat again and again", function(t)
    local dir = t.tmp()
    ok(t, fs.write(dir .. "/f", "12345"))
    ok(t, fs.symlink("f", dir .. "/l"))
    for _ = 1, 100 do
        t.same({fs.stat(dir .. "/f").owner, fs.lstat(dir .. "/f").group}, {fs.stat(dir).owner, fs.stat(dir).group})
        t.eq(fs.lstat(dir .. "/l").target, "f")
        t.eq(fs.lstat(dir .. "/l").owner, fs.stat(dir).owner)
        fails(t, "ENOENT", nil, fs.stat(dir .. "/x"))
    end
end)

spec.test("types", function(t)
    local dir = tmp(t)
    ok(t, fs.symlink("/", dir .. "/l"))
    os.execute("mkfifo " .. dir .. "/p")
    t.eq(fs.type(dir), "dir")
    t.eq(fs.type(dir .. "/l"), "link")
    t.eq(fs.type(dir .. "/l", {follow = true}), "dir")
    t.eq(fs.type(dir .. "/p"), "fifo")
    t.eq(fs.type "/dev/null", "char")
    fails(t, "ENOENT", nil, fs.type(dir .. "/x"))
end)

spec.test("exists, access, readlink", function(t)
    local dir = tmp(t)
    local f = dir .. "/f"
    ok(t, fs.write(f, "", {mode = "600"}))
    ok(t, fs.symlink("nowhere", dir .. "/dangling"))
    ok(t, fs.symlink("loop", dir .. "/loop"))
    t.eq(fs.exists(f), true)
    t.eq(fs.exists(dir), true)
    t.eq(fs.exists(dir .. "/x"), false)
    t.eq(fs.exists(f .. "/x"), false)
    t.eq(fs.exists(dir .. "/dangling"), false)
    t.eq(fs.exists(dir .. "/loop"), false)
    t.eq(fs.access(f), true)
    t.eq(fs.access(f, "rw"), true)
    t.eq(fs.access(f, "x"), false)
    t.eq(fs.access(f, "rx"), false)
    t.eq(fs.access(dir .. "/x", "f"), false)
    t.eq(fs.readlink(dir .. "/dangling"), "nowhere")
    fails(t, "EINVAL", nil, fs.readlink(f))
    fails(t, "ENOENT", nil, fs.readlink(dir .. "/x"))
    local long = ("x/"):rep(2000) .. "y"
    ok(t, fs.symlink(long, dir .. "/long"))
    t.eq(fs.readlink(dir .. "/long"), long)
end)

spec.test("resolve", function(t)
    local dir = fs.resolve(tmp(t))
    ok(t, fs.mkdir(dir .. "/a/b", {parents = true}))
    ok(t, fs.write(dir .. "/a/f", ""))
    ok(t, fs.symlink("a/b", dir .. "/rel"))
    ok(t, fs.symlink(dir .. "/a", dir .. "/abs"))
    ok(t, fs.symlink("../abs/", dir .. "/a/up"))
    ok(t, fs.symlink("loop", dir .. "/loop"))
    ok(t, fs.symlink("nowhere", dir .. "/dangling"))
    t.eq(fs.resolve "/", "/")
    t.eq(fs.resolve "//", "/")
    t.eq(fs.resolve "/../..", "/")
    t.eq(fs.resolve(dir .. "//a/./b/../f"), dir .. "/a/f")
    t.eq(fs.resolve(dir .. "/rel/.."), dir .. "/a")
    t.eq(fs.resolve(dir .. "/abs/up/up/f"), dir .. "/a/f")
    t.eq(fs.resolve(dir .. "/abs/"), dir .. "/a")
    t.eq(fs.resolve ".", sh "pwd -P":sub(1, -2))
    fails(t, "ELOOP", nil, fs.resolve(dir .. "/loop"))
    fails(t, "ENOENT", nil, fs.resolve(dir .. "/dangling"))
    fails(t, "ENOENT", nil, fs.resolve(dir .. "/x/.."))
    fails(t, "ENOTDIR", nil, fs.resolve(dir .. "/a/f/"))
    fails(t, "ENOTDIR", nil, fs.resolve(dir .. "/a/f/.."))
    fails(t, "ENOENT", nil, fs.resolve "")
end)

spec.test("checksum and disk", function(t)
    local f = tmp(t) .. "/f"
    ok(t, fs.write(f, ("abc"):rep(200000)))
    t.eq(fs.checksum(f) .. "\n", sh("sha256sum <" .. f .. " | cut -d' ' -f1"))
    t.eq(fs.checksum(f, "md5") .. "\n", sh("md5sum <" .. f .. " | cut -d' ' -f1"))
    t.eq(fs.checksum "/dev/null", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    fails(t, "ENOENT", nil, fs.checksum(f .. "x"))
    fails(t, "EISDIR", nil, fs.checksum "/")
    local d = fs.disk(f)
    t.eq(math.type(d.total), "integer")
    t.ok(d.total >= d.free and d.free >= d.available and d.total > 0)
    fails(t, "ENOENT", nil, fs.disk(f .. "x"))
end)

-- Listing

spec.test("list", function(t)
    local dir = tmp(t)
    t.same(fs.list(dir), {})
    for _, name in ipairs {"b", "a", "B", ".h", "\xc3\xa4", "a.b", "a-b"} do
        ok(t, fs.write(dir .. "/" .. name, name))
    end
    ok(t, fs.symlink("a", dir .. "/c"))
    local names, stats = fs.list(dir, {stat = true})
    t.same(names, {".h", "B", "a", "a-b", "a.b", "b", "c", "\xc3\xa4"})
    t.eq(#stats, 8)
    t.eq(stats[5].size, 3)
    t.eq(stats[7].type, "link")
    t.eq(stats[7].target, "a")
    t.same(select("#", fs.list(dir)), 1)
    ok(t, fs.symlink(dir, dir .. "/self"))
    t.eq(#fs.list(dir .. "/self"), 9)
    fails(t, "ENOENT", nil, fs.list(dir .. "/x"))
    fails(t, "ENOTDIR", nil, fs.list(dir .. "/a"))
end)

spec.test("a list of 5,000 entries, with stat, in one call", function(t)
    local dir = tmp(t)
    for i = 1, 5000 do ok(t, fs.write(("%s/%05d"):format(dir, i), "x", {atomic = false})) end
    local names, stats = fs.list(dir, {stat = true})
    t.eq(#names, 5000)
    t.eq(#stats, 5000)
    for i = 1, 5000 do
        if names[i] ~= ("%05d"):format(i) or stats[i].size ~= 1 then t.fail("at " .. i) end
    end
    local all, at = {}, fs.walk(dir, {block = 999, stat = true})
    while true do
        local block = at:next()
        if not block then break end
        t.ok(#block <= 999)
        for _, e in ipairs(block) do all[#all + 1] = e.path:sub(#dir + 2) end
    end
    t.same(all, names)
end)

local function tree(t)
    local dir = tmp(t)
    for _, d in ipairs {"a/b/c", ".hid/d", "empty"} do ok(t, fs.mkdir(dir .. "/" .. d, {parents = true})) end
    for _, f in ipairs {"x.c", "a/x.c", "a/y.h", "a/b/x.c", "a/b/c/x.c", "a/b/.x.c", ".hid/x.c", ".hid/d/x.c"} do
        ok(t, fs.write(dir .. "/" .. f, f))
    end
    ok(t, fs.symlink("a", dir .. "/link"))
    ok(t, fs.symlink("..", dir .. "/a/up"))
    ok(t, fs.symlink("nowhere", dir .. "/dangling"))
    return dir
end

spec.table("glob", {
    {"*", "a dangling empty link x.c"},
    {".*", ".hid"},
    {"*.c", "x.c"},
    {"nothing*", ""},
    {"x.c", "x.c"},
    {"x.d", ""},
    {"dangling", "dangling"},
    {"a/*", "a/b a/up a/x.c a/y.h"},
    {"*/x.c", "a/x.c link/x.c"},
    {"link/*.c", "link/x.c"},
    {"*/", "a empty link"},
    {"x.c/", ""},
    {"a/b/", "a/b"},
    {"?", "a"},
    {"[!a-k]", ""},
    {"**", "a a/b a/b/c a/b/c/x.c a/b/x.c a/up a/x.c a/y.h dangling empty link x.c"},
    {"**/", "a a/b a/b/c a/up empty link"},
    {"**/x.c", "a/b/c/x.c a/b/x.c a/x.c x.c"},
    {"**/*.h", "a/y.h"},
    {"**/.x.c", "a/b/.x.c"},
    {"a/**/x.c", "a/b/c/x.c a/b/x.c a/x.c"},
    {"**/b/**/x.c", "a/b/c/x.c a/b/x.c"},
    {"**/b/**", "a/b/c a/b/c/x.c a/b/x.c"},
    {"**/**/c", "a/b/c"},
    {".hid/**", ".hid/d .hid/d/x.c .hid/x.c"},
    {".*/**/x.c", ".hid/d/x.c .hid/x.c"},
    {"link/**/x.c", "link/b/c/x.c link/b/x.c link/x.c"}, -- what is written is followed
    {"a/up/x.c", "a/up/x.c"},
    {"a/../x.c", "a/../x.c"},
    {"./a//x.c", "a/x.c"},
    {"x.c/y", ""},
}, function(t, c)
    local dir = tree(t)
    local want = {}
    for name in c[2]:gmatch "%S+" do want[#want + 1] = dir .. "/" .. name end
    t.same(fs.glob(dir, c[1]), want)
end)

spec.test("glob: absolute patterns, roots, stat", function(t)
    local dir = tree(t)
    t.same(fs.glob("/nowhere", dir .. "/a/*.c"), {dir .. "/a/x.c"})
    t.same(fs.glob("/nowhere", "*"), {})
    t.same(fs.glob(dir .. "/x.c", "*"), {})
    t.same(fs.glob(dir .. "/", "x.c"), {dir .. "/x.c"})
    t.same(fs.glob(dir .. "/link", "x.c"), {dir .. "/link/x.c"})
    t.same(fs.glob("/", "etc/passw[d]"), {"/etc/passwd"})
    t.same(fs.glob("/etc", "/"), {})
    local paths, stats = fs.glob(dir, "*", {stat = true})
    t.eq(#paths, #stats)
    t.eq(stats[2].target, "nowhere")
    fails(t, "ELIMIT", nil, fs.glob(dir, ("a/"):rep(63)))
end)

spec.test("match", function(t)
    t.eq(fs.match("*.c", "/x/a.c"), true)
    t.eq(fs.match("/*.c", "/x/a.c"), false)
    fails(t, "ELIMIT", nil, fs.match(("a/"):rep(63), "a"))
end)

-- The paths of a walk below dir, joined.
local function walked(t, dir, opts)
    local out, w = {}, ok(t, fs.walk(dir, opts))
    while true do
        local block, text = w:next()
        if not block then
            t.eq(text, nil)
            break
        end
        for _, e in ipairs(block) do out[#out + 1] = e.path:sub(#dir + 2) end
    end
    t.eq(w:next(), nil)
    t.same(w:errors(), {})
    w:close()
    return table.concat(out, " ")
end

spec.test("walk", function(t)
    local dir = tree(t)
    local all = ".hid .hid/d .hid/d/x.c .hid/x.c a a/b a/b/.x.c a/b/c a/b/c/x.c a/b/x.c a/up a/x.c a/y.h "
        .. "dangling empty link x.c"
    t.eq(walked(t, dir), all)
    t.eq(walked(t, dir, {block = 1}), all)
    t.eq(walked(t, dir, {depth = 1}), ".hid a dangling empty link x.c")
    t.eq(walked(t, dir, {depth = 2}), ".hid .hid/d .hid/x.c a a/b a/up a/x.c a/y.h dangling empty link x.c")
    t.eq(walked(t, dir, {filter = "*.c"}), ".hid/d/x.c .hid/x.c a/b/c/x.c a/b/x.c a/x.c x.c")
    t.eq(walked(t, dir, {dirs = false}),
         ".hid/d/x.c .hid/x.c a/b/.x.c a/b/c/x.c a/b/x.c a/up a/x.c a/y.h dangling link x.c")
    t.eq(walked(t, dir, {dirs = true, depth = 1}), ".hid a dangling empty link x.c")
    t.eq(walked(t, dir, {dirs = "[!b]"}), ".hid a a/b a/up a/x.c a/y.h dangling empty link x.c")
    t.eq(walked(t, dir .. "/link", {filter = "x*"}), "b/c/x.c b/x.c x.c")
    local block = fs.walk(dir, {stat = true, filter = "d*"}):next()
    t.eq(block[2].type, "link")
    t.eq(block[2].stat.target, "nowhere")
    fails(t, "ENOENT", nil, fs.walk(dir .. "/nowhere"))
    fails(t, "ENOTDIR", nil, fs.walk(dir .. "/x.c"))
    t.raises("at least 1", fs.walk, dir, {depth = 0})
    local w = fs.walk(dir)
    t.eq(w:close(), true)
    t.eq(w:close(), true)
    t.raises("closed", w.next, w)
end)

spec.test("walk_start gives the first block at once", function(t)
    local dir = tree(t)
    local block, w = fs.walk_start(dir, {block = 10})
    t.eq(#block, 10)
    t.eq(#w:next(), 7)
    t.eq(w:next(), nil)
    t.eq(select("#", fs.walk_start(dir)), 1)
    t.eq(#fs.walk_start(dir), 17)
    t.same(fs.walk_start(dir .. "/empty"), {})
    fails(t, "ENOENT", nil, fs.walk_start(dir .. "/nowhere"))
end)

-- Data

spec.test("read", function(t)
    local f = tmp(t) .. "/f"
    local all = {}
    for b = 0, 255 do all[#all + 1] = string.char(b) end
    local data = table.concat(all):rep(1000)
    ok(t, fs.write(f, data))
    t.ok(fs.read(f) == data)
    t.eq(fs.read(f, {n = 3}), "\0\1\2")
    t.eq(fs.read(f, {n = 0}), "")
    t.eq(fs.read(f, {offset = 254, n = 4}), "\254\255\0\1")
    t.eq(fs.read(f, {offset = #data - 1}), "\255")
    t.eq(fs.read(f, {offset = #data}), "")
    t.eq(fs.read(f, {offset = #data + 100, n = 5}), "")
    t.eq(fs.read "/dev/null", "")
    t.eq(fs.read("/dev/zero", {n = 100000}), ("\0"):rep(100000))
    t.match(fs.read "/proc/self/status", "\nUid:")
    t.eq(fs.read("/proc/self/status", {n = 5}), "Name:")
    t.eq(fs.read("/proc/self/status", {n = 4, offset = 1}), "ame:")
    fails(t, "EISDIR", nil, fs.read "/")
    fails(t, "ENOENT", nil, fs.read(f .. "x"))
    fails(t, "ENOTDIR", nil, fs.read(f .. "/x"))
end)

spec.test("reading and writing a fifo", function(t)
    local dir = tmp(t)
    os.execute(("mkfifo %s/p; (cat %s/p >%s/out; echo text >%s/p) &"):format(dir, dir, dir, dir))
    ok(t, fs.write(dir .. "/p", "to cat"))
    t.eq(fs.read(dir .. "/p"), "text\n")
    t.eq(fs.read(dir .. "/out"), "to cat")
    t.eq(fs.type(dir .. "/p"), "fifo")
end)

spec.test("write: a new file", function(t)
    local dir = tmp(t)
    local f = dir .. "/f"
    local umask = tonumber(sh "umask", 8)
    ok(t, fs.write(f, ""))
    t.eq(fs.read(f), "")
    t.eq(mode(f), oct(438 & ~umask))
    ok(t, fs.write(dir .. "/g", "x", {mode = 511}))
    t.eq(mode(dir .. "/g"), "777")
    ok(t, fs.write(dir .. "/h", "x", {mode = "0600"}))
    t.eq(mode(dir .. "/h"), "600")
    ok(t, fs.write(dir .. "/i", "x", {umask = 63}))
    t.eq(mode(dir .. "/i"), "600")
    ok(t, fs.write(dir .. "/j", "x", {umask = 0}))
    t.eq(mode(dir .. "/j"), "666")
    ok(t, fs.write(dir .. "/k", "x", {umask = 63, atomic = false}))
    t.eq(mode(dir .. "/k"), "600")
    ok(t, fs.write(dir .. "/l", "x", {sync = true, mode = "u=rw"}))
    t.eq(mode(dir .. "/l"), oct(438 & ~umask | 384)) -- a class that isn't named keeps what is usual
    ok(t, fs.write(dir .. "/m", "x", {mode = "g+w,o=", umask = 18}))
    t.eq(mode(dir .. "/m"), "660")
    ok(t, fs.write(dir .. "/n", "x", {mode = "o=", umask = 0, atomic = false}))
    t.eq(mode(dir .. "/n"), "660")
    fails(t, "ENOENT", nil, fs.write(dir .. "/no/f", ""))
    fails(t, "ENOTDIR", nil, fs.write(f .. "/x", ""))
    fails(t, "EISDIR", nil, fs.write(dir, ""))
    fails(t, "EISDIR", nil, fs.write(dir .. "/new/", ""))
    fails(t, "EISDIR", nil, fs.write("/", ""))
    t.eq(#fs.list(dir), 9)
end)

spec.test("write: the old file's mode stays, a given one is exact", function(t)
    local f = tmp(t) .. "/f"
    ok(t, fs.write(f, "1", {mode = 3565})) -- 6755
    local ino = fs.stat(f).ino
    ok(t, fs.write(f, "2"))
    t.eq(mode(f), "6755")
    t.ne(fs.stat(f).ino, ino)
    ok(t, fs.write(f, "3", {mode = "g-w,u=rw,o="}))
    t.eq(mode(f), "2650")
    ok(t, fs.write(f, "4", {mode = 256}))
    t.eq(mode(f), "400")
    ok(t, fs.write(f, "5")) -- ours, although read-only: it is replaced, not written
    t.eq(mode(f), "400")
    t.eq(fs.read(f), "5")
    ok(t, fs.chmod(f, 384))
    ino = fs.stat(f).ino
    ok(t, fs.write(f, "66", {atomic = false, mode = 384}))
    t.eq(fs.stat(f).ino, ino)
    t.eq(mode(f), "600")
    ok(t, fs.write(f, "7", {atomic = false}))
    t.eq(fs.read(f), "7")
end)

spec.test("write: through links", function(t)
    local dir = tmp(t)
    ok(t, fs.mkdir(dir .. "/d"))
    ok(t, fs.write(dir .. "/d/f", "old", {mode = 416}))
    ok(t, fs.symlink("d/g", dir .. "/one"))
    ok(t, fs.symlink("f", dir .. "/d/g"))
    ok(t, fs.symlink(dir .. "/d/new", dir .. "/dangling"))
    ok(t, fs.symlink("no/where", dir .. "/lost"))
    ok(t, fs.symlink("loop", dir .. "/loop"))
    ok(t, fs.write(dir .. "/one", "new"))
    t.eq(fs.readlink(dir .. "/one"), "d/g")
    t.eq(fs.readlink(dir .. "/d/g"), "f")
    t.eq(fs.read(dir .. "/d/f"), "new")
    t.eq(mode(dir .. "/d/f"), "640")
    ok(t, fs.write(dir .. "/dangling", "made"))
    t.eq(fs.read(dir .. "/d/new"), "made")
    t.eq(fs.type(dir .. "/dangling"), "link")
    ok(t, fs.append(dir .. "/one", "!"))
    t.eq(fs.read(dir .. "/d/f"), "new!")
    fails(t, "ENOENT", nil, fs.write(dir .. "/lost", ""))
    fails(t, "ELOOP", nil, fs.write(dir .. "/loop", ""))
    t.same(fs.list(dir .. "/d"), {"f", "g", "new"})
    t.same(fs.list(dir), {"d", "dangling", "loop", "lost", "one"})
end)

spec.test("write: what is no file is never replaced", function(t)
    local dir = tmp(t)
    ok(t, fs.write("/dev/null", "x"))
    ok(t, fs.write("/dev/null", "x", {mode = 384}))
    t.eq(fs.type "/dev/null", "char")
    t.ne(mode "/dev/null", "600")
    ok(t, fs.symlink("/dev/null", dir .. "/null"))
    ok(t, fs.write(dir .. "/null", "x"))
    t.eq(fs.type(dir .. "/null"), "link")
    fails(t, "ENOSPC", nil, fs.write("/dev/full", "x"))
    -- A link of /proc leads elsewhere than its text says: here to a file that has no name any more.
    local f <close> = ok(t, fs.open(dir .. "/f", "w+"))
    local fd
    for _, name in ipairs(fs.list "/proc/self/fd") do
        if fs.readlink("/proc/self/fd/" .. name) == fs.resolve(dir) .. "/f" then fd = name end
    end
    t.ok(fd)
    ok(t, fs.unlink(dir .. "/f"))
    ok(t, fs.write("/proc/self/fd/" .. fd, "gone"))
    t.eq(f:read "a", "gone")
    t.same(fs.list(dir), {"null"})
end)

spec.test("append, truncate, touch", function(t)
    local dir = tmp(t)
    local f = dir .. "/f"
    ok(t, fs.append(f, "a", {mode = 384}))
    t.eq(mode(f), "600")
    ok(t, fs.append(f, "b\0c"))
    t.eq(fs.read(f), "ab\0c")
    ok(t, fs.truncate(f, 2))
    t.eq(fs.read(f), "ab")
    ok(t, fs.truncate(f, 4))
    t.eq(fs.read(f), "ab\0\0")
    ok(t, fs.truncate(f))
    t.eq(fs.read(f), "")
    fails(t, "ENOENT", nil, fs.truncate(dir .. "/x"))
    fails(t, "EISDIR", nil, fs.truncate(dir))
    fails(t, "EISDIR", nil, fs.append(dir, ""))

    local g = dir .. "/g"
    ok(t, fs.touch(g, {umask = 63}))
    t.eq(mode(g), "600")
    ok(t, fs.touch(g, {mtime = 1000000000.5}))
    t.eq(fs.stat(g).mtime, 1000000000.5)
    ok(t, fs.touch(g, {mtime = -1.25}))
    t.eq(fs.stat(g).mtime, -1.25)
    local before = os.time() - 2
    ok(t, fs.touch(g))
    t.ok(fs.stat(g).mtime > before)
    ok(t, fs.touch(dir, {mtime = 5}))
    t.eq(fs.stat(dir).mtime, 5.0)
    ok(t, fs.touch(dir .. "/h", {mtime = 7, mode = 292}))
    t.eq(fs.stat(dir .. "/h").mtime, 7.0)
    t.eq(mode(dir .. "/h"), "444")
    fails(t, "ENOENT", nil, fs.touch(dir .. "/no/x"))
end)

spec.test("open files", function(t)
    local dir = tmp(t)
    local p = dir .. "/f"
    local f = ok(t, fs.open(p, "w", {mode = 384}))
    t.eq(mode(p), "600")
    ok(t, f:write "one\ntwo\n\nfour")
    t.eq(f:seek(), 13)
    t.eq(f:close(), true)
    t.eq(f:close(), true)
    t.raises("closed", f.read, f)
    t.raises("closed", f.write, f, "x")
    t.raises("closed", f.lines, f)
    t.eq(tostring(f), "file (closed)")

    f = ok(t, fs.open(p))
    t.eq(f:read(), "one")
    t.eq(f:read "L", "two\n")
    t.eq(f:seek("cur", 0), 8)
    t.eq(f:read "l", "")
    t.eq(f:read(2), "fo")
    t.eq(f:read(0), "")
    t.eq(f:read "a", "ur")
    t.eq(f:read "a", "")
    t.eq(f:read(), nil)
    t.eq(f:read(1), nil)
    t.eq(f:seek("set", 4), 4)
    t.eq(f:read(3), "two")
    t.eq(f:seek("end", -4), 9)
    t.eq(f:read "L", "four")
    fails(t, "EINVAL", nil, f:seek("set", -1))
    fails(t, "EBADF", nil, f:write "x")
    t.raises("invalid option", f.read, f, "q")
    t.raises("negative", f.read, f, -1)
    f:close()

    local lines = {}
    for line in fs.open(p):lines() do lines[#lines + 1] = line end
    t.same(lines, {"one", "two", "", "four"})
    lines = {}
    for part in fs.open(p):lines(5) do lines[#lines + 1] = part end
    t.same(lines, {"one\nt", "wo\n\nf", "our"})

    f = ok(t, fs.open(p, "r+"))
    t.eq(f:read(), "one")
    ok(t, f:write "TWO") -- where reading had stopped, not where the buffer had
    t.eq(f:read(), "")
    ok(t, f:truncate(8))
    ok(t, f:sync())
    f:close()
    t.eq(fs.read(p), "one\nTWO\n")
    f = ok(t, fs.open(p, "a+"))
    ok(t, f:write "end")
    f:seek "set"
    t.eq(f:seek("set", 0), 0)
    t.eq(f:read "a", "one\nTWO\nend")
    ok(t, f:write(("x"):rep(200000)))
    f:close()
    t.eq(fs.stat(p).size, 200011)
    do
        local g <close> = ok(t, fs.open(p, "w"))
        t.match(tostring(g), "^file %(0x")
    end
    t.eq(fs.stat(p).size, 0)
    fails(t, "EEXIST", nil, fs.open(p, "x"))
    fails(t, "EEXIST", nil, fs.open(p, "wx"))
    ok(t, fs.open(dir .. "/new", "x+")):close()
    ok(t, fs.open(dir .. "/new2", "wb")):close()
    fails(t, "ENOENT", nil, fs.open(dir .. "/none", "r+"))
    fails(t, "EISDIR", nil, fs.open(dir))
    fails(t, "EISDIR", nil, fs.open(dir, "w"))
    t.raises("a mode is", fs.open, p, "rwx")
    t.raises("rshell.File expected", f.read, io.stdout)
end)

spec.test("long lines, and lines across blocks", function(t)
    local p = tmp(t) .. "/f"
    local lines = {}
    for i = 1, 3000 do lines[i] = ("%d"):format(i):rep(i % 97) end
    lines[#lines + 1] = ("y"):rep(300000)
    lines[#lines + 1] = "end"
    ok(t, fs.write(p, table.concat(lines, "\n")))
    local i = 0
    for line in fs.open(p):lines() do
        i = i + 1
        if line ~= lines[i] then t.fail("line " .. i) end
    end
    t.eq(i, #lines)
end)

-- Changing

spec.test("mkdir", function(t)
    local dir = tmp(t)
    local umask = tonumber(sh "umask", 8)
    ok(t, fs.mkdir(dir .. "/a"))
    t.eq(mode(dir .. "/a"), oct(511 & ~umask))
    fails(t, "EEXIST", nil, fs.mkdir(dir .. "/a"))
    fails(t, "EEXIST", nil, fs.mkdir(dir .. "/a", {parents = true}))
    ok(t, fs.mkdir(dir .. "/a", {exist_ok = true, mode = 448}))
    t.eq(mode(dir .. "/a"), oct(511 & ~umask))
    fails(t, "ENOENT", nil, fs.mkdir(dir .. "/x/y"))
    ok(t, fs.mkdir(dir .. "/x//y/./z/", {parents = true, mode = 1533})) -- 2775
    t.eq(mode(dir .. "/x"), oct(511 & ~umask))
    t.eq(mode(dir .. "/x/y/z"), "2775")
    ok(t, fs.mkdir(dir .. "/m", {mode = 0}))
    t.eq(mode(dir .. "/m"), "0")
    ok(t, fs.mkdir(dir .. "/u/v", {umask = 63, parents = true}))
    t.eq(mode(dir .. "/u/v"), "700")
    t.eq(mode(dir .. "/u"), "700")
    ok(t, fs.mkdir(dir .. "/w/v", {umask = 511, parents = true}))
    t.eq(mode(dir .. "/w"), "300")
    t.eq(mode(dir .. "/w/v"), "0")
    ok(t, fs.mkdir(dir .. "/o", {umask = 0}))
    t.eq(mode(dir .. "/o"), "777")
    ok(t, fs.write(dir .. "/f", ""))
    fails(t, "EEXIST", nil, fs.mkdir(dir .. "/f", {exist_ok = true}))
    fails(t, "ENOTDIR", nil, fs.mkdir(dir .. "/f/g", {parents = true}))
    ok(t, fs.symlink("a", dir .. "/l"))
    ok(t, fs.mkdir(dir .. "/l", {exist_ok = true}))
    ok(t, fs.mkdir(dir .. "/l/deep/er", {parents = true}))
    t.eq(fs.type(dir .. "/a/deep/er"), "dir")
    ok(t, fs.symlink("nowhere", dir .. "/d"))
    fails(t, "EEXIST", nil, fs.mkdir(dir .. "/d", {exist_ok = true}))
    fails(t, "EEXIST", nil, fs.mkdir "/")
    ok(t, fs.mkdir("/", {exist_ok = true, parents = true}))
    fails(t, "ENOENT", nil, fs.mkdir("", {parents = true}))
    fails(t, "ENAMETOOLONG", nil, fs.mkdir(dir .. "/" .. ("x"):rep(256), {parents = true}))
end)

spec.test("mktemp_dir", function(t)
    local dir = tmp(t)
    local a, b = fs.mktemp_dir("pre-", {dir = dir}), fs.mktemp_dir(nil, {dir = dir})
    t.eq(mode(a), "700")
    t.match(a, "^" .. dir:gsub("%p", "%%%0") .. "/pre%-%w+$")
    t.match(b, "/rshell%-%w+$")
    fails(t, "ENOENT", nil, fs.mktemp_dir("x", {dir = dir .. "/none"}))
    t.raises("no slash", fs.mktemp_dir, "../x")
    local c = fs.mktemp_dir "x"
    t.match(c, "^" .. (os.getenv "TMPDIR" or "/tmp"):gsub("%p", "%%%0") .. "/x")
    ok(t, fs.rmdir(c))
end)

spec.test("unlink, rmdir, remove", function(t)
    local dir = tree(t)
    fails(t, "EISDIR", nil, fs.unlink(dir .. "/a"))
    fails(t, "ENOTDIR", nil, fs.rmdir(dir .. "/x.c"))
    fails(t, "ENOTEMPTY", nil, fs.rmdir(dir .. "/a"))
    fails(t, "EISDIR", nil, fs.remove(dir .. "/empty"))
    fails(t, "EISDIR", nil, fs.remove(dir .. "/a"))
    fails(t, "ENOENT", nil, fs.remove(dir .. "/none"))
    fails(t, "ENOENT", nil, fs.remove(dir .. "/none", {recursive = true}))
    fails(t, "ENOENT", nil, fs.remove(dir .. "/none/x"))
    ok(t, fs.remove(dir .. "/none", {missing_ok = true}))
    ok(t, fs.remove(dir .. "/none/x", {missing_ok = true, recursive = true}))
    ok(t, fs.unlink(dir .. "/x.c"))
    ok(t, fs.rmdir(dir .. "/empty"))
    ok(t, fs.remove(dir .. "/dangling"))
    ok(t, fs.remove(dir .. "/link", {recursive = true})) -- the link, not what it leads to
    t.same(fs.list(dir), {".hid", "a"})
    t.eq(fs.read(dir .. "/a/x.c"), "a/x.c")
    ok(t, fs.remove(dir .. "/a//", {recursive = true}))
    t.same(fs.list(dir), {".hid"})
    ok(t, fs.remove(dir .. "/.hid/d/x.c", {recursive = true}))
    fails(t, "EINVAL", nil, fs.remove(dir .. "/.", {recursive = true}))
    fails(t, "EINVAL", nil, fs.remove(dir .. "/.hid/..", {recursive = true}))
    for _, root in ipairs {"/", "//", "/.", "/..", "/usr/.."} do
        fails(t, "EUSAGE", nil, fs.remove(root, {recursive = true}))
    end
    t.ok(fs.exists(dir .. "/.hid/d"))
end)

spec.test("chmod", function(t)
    local dir = tree(t)
    ok(t, fs.chmod(dir .. "/x.c", 384))
    t.eq(mode(dir .. "/x.c"), "600")
    ok(t, fs.chmod(dir .. "/x.c", "2755"))
    t.eq(mode(dir .. "/x.c"), "2755")
    ok(t, fs.chmod(dir .. "/x.c", "u-w,g=u,o+w"))
    t.eq(mode(dir .. "/x.c"), "557")
    ok(t, fs.chmod(dir .. "/x.c", "=r", {umask = 7}))
    t.eq(mode(dir .. "/x.c"), "440")
    ok(t, fs.chmod(dir .. "/link", 448)) -- through the link
    t.eq(mode(dir .. "/a"), "700")
    ok(t, fs.chmod(dir .. "/a", "u=rwX,go=rX", {recursive = true}))
    t.eq(mode(dir .. "/a/b/c"), "755")
    t.eq(mode(dir .. "/a/b/c/x.c"), "644")
    t.eq(mode(dir .. "/x.c"), "440") -- a/up leads here
    ok(t, fs.chmod(dir .. "/a", 0, {recursive = true}))
    t.eq(mode(dir .. "/a"), "0")
    ok(t, fs.chmod(dir .. "/a", "u=rwX", {recursive = true}))
    t.eq(mode(dir .. "/a/b/c"), "700")
    t.eq(mode(dir .. "/a/b/c/x.c"), "600")
    ok(t, fs.chmod(dir .. "/link", 493, {recursive = true})) -- a link's target only
    t.eq(mode(dir .. "/a"), "755")
    t.eq(mode(dir .. "/a/b"), "700")
    fails(t, "ENOENT", nil, fs.chmod(dir .. "/none", 0))
    fails(t, "ENOENT", nil, fs.chmod(dir .. "/none", 0, {recursive = true}))
    fails(t, "ENOENT", nil, fs.chmod(dir .. "/dangling", 0))
end)

spec.test("links and renames", function(t)
    local dir = tmp(t)
    local a, b = dir .. "/a", dir .. "/b"
    ok(t, fs.write(a, "x"))
    ok(t, fs.link(a, b))
    t.eq(fs.stat(a).nlink, 2)
    fails(t, "EEXIST", nil, fs.link(a, b))
    fails(t, "EEXIST", nil, fs.symlink("x", b))
    fails(t, "ENOENT", nil, fs.link(dir .. "/none", dir .. "/c"))
    ok(t, fs.symlink("anything goes", dir .. "/l"))
    ok(t, fs.link(dir .. "/l", dir .. "/l2")) -- the link itself
    t.eq(fs.readlink(dir .. "/l2"), "anything goes")
    ok(t, fs.write(dir .. "/c", "c"))
    ok(t, fs.rename(dir .. "/c", a))
    t.eq(fs.read(a), "c")
    ok(t, fs.mkdir(dir .. "/d"))
    fails(t, "EISDIR", nil, fs.rename(a, dir .. "/d"))
    fails(t, "ENOTDIR", nil, fs.rename(dir .. "/d", a))
    fails(t, "ENOENT", nil, fs.rename(dir .. "/none", a))
    fails(t, "EINVAL", nil, fs.rename(dir .. "/d", dir .. "/d/e"))
    ok(t, fs.move(a, b))
    t.eq(fs.read(b), "c")
    t.eq(fs.exists(a), false)
    ok(t, fs.mkdir(dir .. "/full/x", {parents = true}))
    fails(t, "ENOTEMPTY", nil, fs.move(dir .. "/d", dir .. "/full"))
    ok(t, fs.move(dir .. "/full", dir .. "/d"))
    t.ok(fs.exists(dir .. "/d/x"))
end)

-- Copying

-- What is in a tree, as text: two trees are the same when these are.
local function picture(dir)
    local out, w = {}, fs.walk(dir, {stat = true})
    while true do
        local block = w:next()
        if not block then break end
        for _, e in ipairs(block) do
            local s = e.stat
            local content = e.type == "file" and fs.checksum(e.path) or s.target or ""
            local time = e.type == "link" and "" or ("%.6f"):format(s.mtime)
            out[#out + 1] = ("%s %s %o %s %s"):format(e.path:sub(#dir + 2), e.type, s.mode, time, content)
        end
    end
    return table.concat(out, "\n")
end

spec.test("copy: a tree", function(t)
    local dir = tree(t)
    local from, to = dir .. "/a", dir .. "/copy"
    os.execute("mkfifo -m 640 " .. from .. "/fifo")
    ok(t, fs.chmod(from .. "/b/x.c", 2541)) -- 4755
    ok(t, fs.chmod(from .. "/b/c", 360)) -- 0550
    ok(t, fs.touch(from .. "/b", {mtime = 1000000000.125}))
    ok(t, fs.touch(from .. "/x.c", {mtime = 999.5}))
    local got = ok(t, fs.copy(from, to))
    t.same(got, {files = 7, bytes = #"a/x.ca/y.ha/b/x.ca/b/c/x.ca/b/.x.c", skipped = 0, deleted = 0})
    t.eq(picture(to), picture(from))
    t.eq(fs.stat(to).mtime, fs.stat(from).mtime)
    fails(t, "EEXIST", to, fs.copy(from, to))
    ok(t, fs.copy(from .. "/", dir .. "/copy2/"))
    t.eq(picture(dir .. "/copy2"), picture(from))
    fails(t, "ENOENT", dir .. "/none", fs.copy(dir .. "/none", dir .. "/c3"))
    fails(t, "ENOENT", dir .. "/no/c3", fs.copy(from, dir .. "/no/c3"))
    ok(t, fs.copy(dir .. "/link", dir .. "/link2")) -- a link stays a link
    t.eq(fs.readlink(dir .. "/link2"), "a")
end)

spec.test("copy: onto what is there", function(t)
    local dir = tree(t)
    local a = dir .. "/a"
    ok(t, fs.mkdir(dir .. "/to/b/x.c/y", {parents = true}))
    ok(t, fs.write(dir .. "/to/other", "stays"))
    ok(t, fs.write(dir .. "/to/x.c", "old"))
    fails(t, "EEXIST", dir .. "/to", fs.copy(a, dir .. "/to"))
    fails(t, "EISDIR", dir .. "/to/b/x.c", fs.copy(a, dir .. "/to", {override = true}))
    ok(t, fs.remove(dir .. "/to/b/x.c", {recursive = true}))
    ok(t, fs.copy(a, dir .. "/to", {override = true}))
    t.eq(fs.read(dir .. "/to/other"), "stays")
    t.eq(fs.read(dir .. "/to/x.c"), "a/x.c")
    t.eq(fs.readlink(dir .. "/to/up"), "..")
    ok(t, fs.copy(a, dir .. "/to", {override = true}))
    fails(t, "ENOTDIR", dir .. "/x.c", fs.copy(a, dir .. "/x.c", {override = true}))
    fails(t, "EISDIR", dir .. "/to", fs.copy(dir .. "/x.c", dir .. "/to", {override = true}))
    fails(t, "EEXIST", dir .. "/to/x.c", fs.copy(dir .. "/x.c", dir .. "/to/x.c"))
    fails(t, "EEXIST", dir .. "/dangling", fs.copy(dir .. "/x.c", dir .. "/dangling"))
    ok(t, fs.copy(dir .. "/x.c", dir .. "/dangling", {override = true}))
    t.eq(fs.type(dir .. "/dangling"), "file")
    ok(t, fs.symlink("to", dir .. "/tolink"))
    ok(t, fs.copy(a, dir .. "/tolink", {override = true})) -- a link to a folder is one, as the final name
    t.eq(fs.type(dir .. "/tolink"), "link")
end)

spec.test("copy: not into itself", function(t)
    local dir = tree(t)
    local a = dir .. "/a"
    fails(t, "EINVAL", a .. "/b/new", fs.copy(a, a .. "/b/new"))
    fails(t, "EINVAL", a, fs.copy(a, a, {override = true}))
    fails(t, "EINVAL", dir .. "/link/new", fs.copy(a, dir .. "/link/new"))
    fails(t, "EINVAL", dir .. "/x.c", fs.copy(dir .. "/x.c", dir .. "/x.c", {override = true}))
    fails(t, "EINVAL", dir .. "/link/x.c", fs.copy(a .. "/x.c", dir .. "/link/x.c", {override = true}))
    t.eq(fs.read(dir .. "/x.c"), "x.c")
    t.ok(not fs.exists(a .. "/b/new"))
end)

spec.test("copy: holes stay holes", function(t)
    local dir = tmp(t)
    local f <close> = ok(t, fs.open(dir .. "/f", "w"))
    local size = 64 << 20
    f:write "start"
    f:seek("set", size // 2)
    f:write(("m"):rep(100000))
    f:truncate(size)
    local function blocks(p) return tonumber(sh("stat -c %b " .. p)) end
    if blocks(dir .. "/f") * 512 > size // 2 then t.skip "this file system has no holes" end
    ok(t, fs.copy(dir .. "/f", dir .. "/g"))
    t.eq(fs.stat(dir .. "/g").size, size)
    t.ok(blocks(dir .. "/g") * 512 < 1 << 20, "the copy takes " .. blocks(dir .. "/g") .. " blocks")
    t.eq(fs.checksum(dir .. "/g"), fs.checksum(dir .. "/f"))
    local all <close> = ok(t, fs.open(dir .. "/all", "w"))
    all:truncate(size)
    ok(t, fs.copy(dir .. "/all", dir .. "/none"))
    t.eq(fs.stat(dir .. "/none").size, size)
    t.eq(blocks(dir .. "/none"), blocks(dir .. "/all"))
end)

spec.test("copy: files of /proc, whose size is 0, and of any size", function(t)
    local dir = tmp(t)
    ok(t, fs.copy("/proc/self/limits", dir .. "/limits"))
    t.eq(fs.read(dir .. "/limits"), fs.read "/proc/self/limits")
    for _, n in ipairs {0, 1, 4095, 4096, 131071, 131073, 9 << 20} do
        ok(t, fs.write(dir .. "/f", ("abcdefg"):rep(n // 7 + 1):sub(1, n)))
        t.eq(ok(t, fs.copy(dir .. "/f", dir .. "/g", {override = true})).bytes, n)
        t.eq(fs.checksum(dir .. "/g"), fs.checksum(dir .. "/f"))
    end
end)

-- Runs a copier to its end.
local function copied(t, from, to, opts)
    local c = ok(t, fs.tree_copier(from, to, opts))
    while true do
        local n = ok(t, c:next())
        if n.done then
            t.same(c:next(), n)
            c:close()
            n.done = nil
            return n
        end
    end
end

spec.test("tree_copier: what is unchanged isn't copied", function(t)
    local dir = tree(t)
    local from, to = dir .. "/a", dir .. "/to"
    t.same(copied(t, from, to), {files = 6, bytes = 34, skipped = 0, deleted = 0})
    t.eq(picture(to), picture(from))
    t.same(copied(t, from, to), {files = 0, bytes = 0, skipped = 6, deleted = 0})
    ok(t, fs.write(from .. "/x.c", "A/X.C")) -- the same size, another time
    ok(t, fs.chmod(from .. "/y.h", 384)) -- another mode only
    ok(t, fs.write(to .. "/more", ""))
    t.same(copied(t, from, to), {files = 1, bytes = 5, skipped = 5, deleted = 0})
    t.eq(fs.read(to .. "/x.c"), "A/X.C")
    t.eq(mode(to .. "/y.h"), "600")
    ok(t, fs.exists(to .. "/more"))
    t.same(copied(t, from, to, {delete = true}), {files = 0, bytes = 0, skipped = 6, deleted = 1})
    t.eq(picture(to), picture(from))
end)

spec.test("tree_copier: by content", function(t)
    local dir = tree(t)
    local from, to = dir .. "/a", dir .. "/to"
    ok(t, fs.touch(from .. "/x.c", {mtime = 1000}))
    copied(t, from, to)
    ok(t, fs.write(from .. "/x.c", "A/X.C"))
    ok(t, fs.touch(from .. "/x.c", {mtime = 1000}))
    ok(t, fs.touch(from .. "/y.h", {mtime = 5}))
    t.same(copied(t, from, to), {files = 1, bytes = 5, skipped = 5, deleted = 0}) -- y.h, by its time
    t.eq(fs.read(to .. "/x.c"), "a/x.c")
    t.same(copied(t, from, to, {checksum = true}), {files = 1, bytes = 5, skipped = 5, deleted = 0})
    t.eq(fs.read(to .. "/x.c"), "A/X.C")
    ok(t, fs.touch(from .. "/y.h", {mtime = 6}))
    t.same(copied(t, from, to, {checksum = true}), {files = 0, bytes = 0, skipped = 6, deleted = 0})
    t.eq(fs.stat(to .. "/y.h").mtime, 6.0)
end)

spec.test("tree_copier: files, folders and links in each other's place", function(t)
    local dir = tmp(t)
    local from, to = dir .. "/from", dir .. "/to"
    for _, d in ipairs {"from/folder", "to/file/full", "to/link"} do
        ok(t, fs.mkdir(dir .. "/" .. d, {parents = true}))
    end
    ok(t, fs.write(from .. "/file", "f"))
    ok(t, fs.write(from .. "/folder/x", "x"))
    ok(t, fs.symlink("file", from .. "/link"))
    ok(t, fs.write(to .. "/folder", "in the way"))
    fails(t, "EISDIR", to .. "/file", ok(t, fs.tree_copier(from, to)):next())
    copied(t, from, to, {delete = true})
    t.eq(picture(to), picture(from))
    -- And back.
    ok(t, fs.remove(from, {recursive = true}))
    ok(t, fs.mkdir(from .. "/file", {parents = true}))
    ok(t, fs.write(from .. "/folder", "f"))
    ok(t, fs.mkdir(from .. "/link"))
    copied(t, from, to, {delete = true})
    t.eq(picture(to), picture(from))
    fails(t, "EINVAL", dir, fs.tree_copier(from, dir, {delete = true})) -- it would delete its source
    fails(t, "EINVAL", from .. "/x", fs.tree_copier(from, from .. "/x"))
end)

spec.test("tree_copier: without preserve", function(t)
    local dir = tree(t)
    local from, to = dir .. "/a", dir .. "/to"
    local umask = tonumber(sh "umask", 8)
    ok(t, fs.chmod(from .. "/x.c", 511))
    ok(t, fs.touch(from .. "/x.c", {mtime = 5}))
    copied(t, from, to, {preserve = false})
    t.eq(mode(to .. "/x.c"), oct(511 & ~umask))
    t.ok(fs.stat(to .. "/x.c").mtime > 1e9)
end)

spec.test("tree_copier: a file, and a great one in steps", function(t)
    local dir = tmp(t)
    ok(t, fs.write(dir .. "/f", ("x"):rep(50 << 20)))
    t.same(copied(t, dir .. "/f", dir .. "/g"), {files = 1, bytes = 50 << 20, skipped = 0, deleted = 0})
    t.same(copied(t, dir .. "/f", dir .. "/g"), {files = 0, bytes = 0, skipped = 1, deleted = 0})
    local c = ok(t, fs.tree_copier(dir .. "/f", dir .. "/h"))
    c:close()
    t.raises("closed", c.next, c)
    t.same(fs.list(dir), {"f", "g"})
end)

spec.finish()
