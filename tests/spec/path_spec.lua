package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local machines = require "machines"
local odd = require "odd"
local rshell = require "rshell"

local m, other = machines.get(), machines.other()

local function dir(t) return odd.dir(t, m) end

local function names(paths)
    local list = {}
    for i, p in ipairs(paths) do list[i] = p.name end
    return list
end

local function collect(base, ...)
    local list = {}
    for p in ... do list[#list + 1] = p:relative_to(base) end
    return list
end

-- Raises an error of this kind, with this name, about this path.
local function fails(t, kind, name, path, fn, ...)
    local e = t.raises(kind, fn, ...)
    t.eq(e.kind, kind)
    t.eq(e.name, name)
    t.eq(e.host, m.name)
    t.eq(e.path, path .. "")
    t.ok(tostring(e):find(require "rshell.text".escape(path .. ""), 1, true), tostring(e))
    return e
end

-- a, b/, b/c, b/d/, b/d/e, l -> b, dead -> nowhere, .h
local function tree(t)
    local d = dir(t)
    d:join "b/d":mkdir {parents = true}
    d:join "a":write "1"
    d:join "b/c":write "22"
    d:join "b/d/e":write "333"
    d:join ".h":write ""
    d:join "l":symlink "b"
    d:join "dead":symlink "nowhere"
    return d
end

-- ---- texts ----

spec.table("m:path", {
    {{"/"}, "/"}, {{"//"}, "/"}, {{"/a"}, "/a"}, {{"/a/"}, "/a"}, {{"//a///b//"}, "/a/b"}, {{"/./a/./b/."}, "/a/b"},
    {{"/a/../b"}, "/a/../b"}, {{"/.."}, "/.."}, {{"/a", "b"}, "/a/b"}, {{"/a", "b/c", "d"}, "/a/b/c/d"},
    {{"/a", "/b"}, "/b"}, {{"a", "/b", "c"}, "/b/c"}, {{"/a", ""}, "/a"}, {{"/a", "", "b"}, "/a/b"},
    {{"/~"}, "/~"}, {{"/a", "~"}, "/a/~"}, {{"/.a"}, "/.a"}, {{"/a."}, "/a."}, {{"/..a/b.."}, "/..a/b.."},
    {{"/\xff\n"}, "/\xff\n"}, {{"/a", "."}, "/a"}, {{"/$HOME"}, "/$HOME"},
}, function(t, c)
    t.eq(tostring(m:path(table.unpack(c[1]))), c[2])
end)

spec.test("relative parts start at the working directory of the view", function(t)
    local v = m:at "/usr"
    t.eq(v:path "lib" .. "", "/usr/lib")
    t.eq(v:path() .. "", "/usr")
    t.eq(v:path "." .. "", "/usr")
    t.eq(v:path "./lib/x" .. "", "/usr/lib/x")
    t.eq(v:path ".." .. "", "/usr/..")
    t.eq(v:path("~") .. "", "/usr/~")
    t.eq(m:at "/":path "etc" .. "", "/etc")
    t.eq(m:path "x" .. "", m.cwd .. (tostring(m.cwd) == "/" and "x" or "/x"))
    t.eq(v:path(v:path "a", "b") .. "", "/usr/a/b")
    local p = v:path "x"
    v.cwd:chdir "/etc"
    t.eq(p .. "", "/usr/x", "a path stays where it was made")
end)

spec.table("m:path refuses", {
    {"", m.path, m, ""}, {"NUL", m.path, m, "/a\0b"}, {"NUL later", m.path, m, "/a", "b\0"}, {"a number", m.path, m, 1},
    {"a table", m.path, m, {}}, {"true", m.path, m, true}, {"nil", m.path, m, nil}, {"nil later", m.path, m, "/a", nil},
    {"nil between", m.path, m, "/a", nil, "b"}, {"a function", m.path, m, print}, {"a machine", m.path, m, m},
    {"a path of another machine", m.path, m, other:path "/a"}, {"the same later", m.path, m, "/", other:path "/a"},
    {"no machine", m.path, "/a"},
}, function(t, c)
    local e = t.raises("usage", c[2], table.unpack(c, 3, 3 + 3))
    t.eq(e.kind, "usage")
end)

spec.table("fields", {
    {"/", name = "", stem = "", suffix = "", suffixes = {}, parent = "/", parts = {"/"}},
    {"/a", name = "a", stem = "a", suffix = "", suffixes = {}, parent = "/", parts = {"/", "a"}},
    {"/a/b.c", name = "b.c", stem = "b", suffix = ".c", suffixes = {".c"}, parent = "/a", parts = {"/", "a", "b.c"}},
    {"/x.tar.gz", name = "x.tar.gz", stem = "x.tar", suffix = ".gz", suffixes = {".tar", ".gz"}, parent = "/"},
    {"/.bashrc", name = ".bashrc", stem = ".bashrc", suffix = "", suffixes = {}, parent = "/"},
    {"/.a.b", name = ".a.b", stem = ".a", suffix = ".b", suffixes = {".b"}, parent = "/"},
    {"/a.", name = "a.", stem = "a.", suffix = "", suffixes = {}, parent = "/"},
    {"/a..b", name = "a..b", stem = "a.", suffix = ".b", suffixes = {".b"}, parent = "/"},
    {"/..", name = "..", stem = "..", suffix = "", suffixes = {}, parent = "/", parts = {"/", ".."}},
    {"/a/..", name = "..", stem = "..", suffix = "", suffixes = {}, parent = "/a", parts = {"/", "a", ".."}},
    {"/a.d/b", name = "b", stem = "b", suffix = "", suffixes = {}, parent = "/a.d", parts = {"/", "a.d", "b"}},
    {"/a\n.b\n", name = "a\n.b\n", stem = "a\n", suffix = ".b\n", suffixes = {".b\n"}, parent = "/"},
}, function(t, c)
    local p = m:path(c[1])
    t.eq(p.name, c.name)
    t.eq(p.stem, c.stem)
    t.eq(p.suffix, c.suffix)
    t.same(p.suffixes, c.suffixes)
    t.eq(p.parent, m:path(c.parent))
    t.eq(p.dirname, p.parent)
    if c.parts then t.same(p.parts, c.parts) end
    t.eq(p.root, "/")
    t.eq(p.machine, m)
end)

spec.test("uri", function(t)
    local p = m:path "/srv/a b/%\xff'\"#?"
    local coded = "/srv/a%20b/%25%FF%27%22%23%3F"
    if machines.kind == "local" then
        t.eq(p.uri, "file://" .. coded)
    else
        t.ok(p.uri:find(coded, 1, true))
        t.match(p.uri, "^ssh://")
    end
    t.ok(m:path "/".uri:sub(-1) == "/")
end)

spec.table("join", {
    {"/", {"a"}, "/a"}, {"/a", {"b", "c"}, "/a/b/c"}, {"/a", {}, "/a"}, {"/a", {"/b"}, "/b"}, {"/a", {".."}, "/a/.."},
    {"/a", {""}, "/a"}, {"/a", {"./b//"}, "/a/b"},
}, function(t, c)
    t.eq(m:path(c[1]):join(table.unpack(c[2])), m:path(c[3]))
end)

spec.table("up", {
    {"/a/b/c", nil, "/a/b"}, {"/a/b/c", 1, "/a/b"}, {"/a/b/c", 2, "/a"}, {"/a/b/c", 3, "/"}, {"/a/b/c", 99, "/"},
    {"/a", 0, "/a"}, {"/", 1, "/"},
}, function(t, c)
    t.eq(m:path(c[1]):up(c[2]), m:path(c[3]))
end)

spec.test("with_name, with_suffix", function(t)
    t.eq(m:path "/a/b":with_name "c", m:path "/a/c")
    t.eq(m:path "/b":with_name "c d", m:path "/c d")
    t.eq(m:path "/a/b.c":with_suffix ".d", m:path "/a/b.d")
    t.eq(m:path "/a/b":with_suffix ".d", m:path "/a/b.d")
    t.eq(m:path "/a/b.tar.gz":with_suffix ".xz", m:path "/a/b.tar.xz")
    t.eq(m:path "/a/b.c":with_suffix "", m:path "/a/b")
    t.eq(m:path "/.rc":with_suffix ".old", m:path "/.rc.old")
    local p, root = m:path "/a/b.c", m:path "/"
    for _, name in ipairs {"", ".", "..", "a/b", "/", "a\0"} do t.raises("usage", p.with_name, p, name) end
    for _, suffix in ipairs {"c", ".", "./x", ".a/b", ".\0", 1} do t.raises("usage", p.with_suffix, p, suffix) end
    t.raises("usage", p.with_name, p)
    t.raises("usage", p.with_name, p, 1)
    t.raises("usage", root.with_name, root, "x")
    t.raises("usage", root.with_suffix, root, ".x")
end)

spec.table("relative_to", {
    {"/a/b/c", "/a", "b/c"}, {"/a/b", "/", "a/b"}, {"/a", "/a", "."}, {"/", "/", "."}, {"/a/b", "/a/", "b"},
    {"/a/b/../c", "/a", "b/../c"},
}, function(t, c)
    t.eq(m:path(c[1]):relative_to(c[2]), c[3])
    t.eq(m:path(c[1]):relative_to(m:path(c[2])), c[3])
end)

spec.test("relative_to a stranger", function(t)
    local p = m:path "/a/b"
    for _, base in ipairs {"/b", "/a/b/c", "/a/bc", "/aa"} do t.raises("usage", p.relative_to, p, base) end
    t.raises("usage", p.relative_to, p, other:path "/a")
    t.raises("usage", p.relative_to, p)
end)

spec.table("match", {
    {"/a/b.c", "*.c", true}, {"/a/b.c", "*.d", false}, {"/a/b.c", "b?c", true}, {"/a/b.c", "[a-c].c", true},
    {"/a/b.c", "[!b].c", false}, {"/a/b.c", "a/*.c", true}, {"/a/b.c", "x/*.c", false}, {"/a/b.c", "/a/*", true},
    {"/a/b.c", "/*", false}, {"/a/b/c", "/a/**/c", true}, {"/a/.b", "*", false}, {"/a/.b", ".*", true},
    {"/a/b*", "b\\*", true}, {"/a/bx", "b\\*", false},
}, function(t, c)
    t.eq(m:path(c[1]):match(c[2]), c[3])
end)

spec.test("match refuses", function(t)
    local p = m:path "/a"
    t.raises("usage", p.match, p)
    t.raises("usage", p.match, p, "")
    t.raises("usage", p.match, p, "a\0")
    t.raises("usage", p.match, p, 1)
    t.eq(p:is_absolute(), true)
end)

-- ---- operators ----

spec.test("/ joins", function(t)
    local p = m:path "/a"
    t.eq(p / "b" .. "", "/a/b")
    t.eq(p / "b" / "c" .. "", "/a/b/c")
    t.eq(p / "/c" .. "", "/c")
    t.eq(p / m:path "/c" .. "", "/c")
    t.eq(p / ".." .. "", "/a/..")
    t.eq(p / "" .. "", "/a")
    t.raises("usage", function() return p / 1 end)
    t.raises("usage", function() return p / nil end)
    t.raises("usage", function() return p / "a\0" end)
    t.raises("usage", function() return p / other:path "/a" end)
    t.raises("usage", function() return "a" / p end)
end)

spec.test(".. gives a string on either side", function(t)
    local p = m:path "/a"
    t.eq(p .. ".bak", "/a.bak")
    t.eq("x:" .. p, "x:/a")
    t.eq(p .. p, "/a/a")
    t.eq(p .. 1, "/a1")
    t.eq(1 .. p, "1/a")
    t.eq(p .. other:path "/b", "/a/b")
    t.raises("usage", function() return p .. nil end)
    t.raises("usage", function() return {} .. p end)
end)

spec.test("== and <", function(t)
    local a, b = m:path "/a", m:path "/b"
    t.ok(a == m:path "/a/")
    t.ok(a ~= b)
    t.ok(a ~= "/a")
    t.ok(a ~= other:path "/a")
    t.ok(m:at "/usr":path "/a" == a, "views of a machine are one machine")
    t.same({a < b, b < a, a <= a, a < a, b >= a, a > b}, {true, false, true, false, true, false})
    t.ok(m:path "/B" < a and m:path "/a\xff" > m:path "/a\xc3\xbc", "by byte")
    t.raises("usage", function() return a < other:path "/b" end)
    t.raises("usage", function() return a <= other:path "/b" end)
    t.raises("usage", function() return a < "/b" end)
    t.raises("usage", function() return 1 < a end)
end)

spec.test("type, members, assignment", function(t)
    local p = m:path "/a"
    t.eq(rshell.type(p), "path")
    t.eq(getmetatable(p), false)
    local e = t.raises("usage", function() return p.nmae end)
    t.match(e.message, "name")
    t.raises("usage", function() return p[1] end)
    t.raises("usage", function() return p[nil] end)
    t.raises("usage", function() p.name = "x" end)
    t.raises("usage", function() return p.exists() end)
    t.raises("usage", function() return p.exists "x" end)
end)

-- ---- asking ----

spec.test("a name that is too long for a file is none that is there", function(t)
    local d = dir(t)
    for _, p in ipairs {d / ("x"):rep(256), d / ("x"):rep(1000) / "y", d / ("\u{e4}"):rep(128)} do
        t.same({p:exists(), p:is_file(), p:is_dir(), p:is_symlink(), p:is_socket(), p:access "f"},
            {false, false, false, false, false, false})
        p:delete {missing_ok = true}
        for _, name in ipairs {"stat", "lstat", "read", "delete", "list"} do
            t.match(t.raises("io", p[name], p).message, "file name too long")
        end
    end
    local longest = (d / ("x"):rep(255)):write "fits"
    t.same({longest:exists(), longest:read()}, {true, "fits"})
end)

spec.test("exists, is_file, is_dir, is_symlink", function(t)
    local d = tree(t)
    local function kinds(name)
        local p = d / name
        local function bit(ok) return ok and 1 or 0 end
        return bit(p:exists()) .. bit(p:is_file()) .. bit(p:is_dir()) .. bit(p:is_symlink()) .. bit(p:is_socket())
    end
    d:join "loop":symlink "loop"
    d:join "la":symlink "a"
    m.cmd.mkfifo(d / "fifo")
    t.eq(kinds "a", "11000")
    t.eq(kinds "b", "10100")
    t.eq(kinds "l", "10110")
    t.eq(kinds "la", "11010")
    t.eq(kinds "dead", "00010")
    t.eq(kinds "loop", "00010")
    t.eq(kinds "fifo", "10000")
    t.eq(kinds "none", "00000")
    t.eq(kinds "none/x", "00000")
    t.eq(kinds "a/x", "00000", "below a file")
    t.eq(kinds "loop/x", "00000")
end)

spec.test("is_socket", function(t)
    local p = dir(t) / "s"
    if not pcall(m.which, m, "python3") then t.skip "no python3" end
    m.cmd.python3("-c", "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])", p)
    t.eq(p:is_socket(), true)
    t.eq(p:is_file(), false)
    t.eq(p:stat().type, "socket")
end)

spec.test("stat and lstat", function(t)
    local d = dir(t)
    local f = (d / "f"):write("hello", {mode = "640"}):touch {mtime = 1234567890.25}
    local s = f:stat()
    t.eq(s.size, 5)
    t.eq(s.mode, tonumber("640", 8))
    t.eq(s.type, "file")
    t.near(s.mtime, 1234567890.25, 1e-6)
    t.eq(math.type(s.mtime), "float")
    t.eq(math.type(s.atime), "float")
    t.eq(math.type(s.ctime), "float")
    t.eq(s.nlink, 1)
    t.eq(s.target, nil)
    t.eq(s.uid .. "", m.cmd.id "-u":gsub("\n", ""))
    t.eq(s.owner, (m.cmd.id "-un":gsub("\n", "")))
    t.eq(math.type(s.ino), "integer")
    t.eq(math.type(s.gid), "integer")
    t.eq(type(s.group), "string")
    local l = (d / "l"):symlink "f"
    t.eq(l:stat().ino, s.ino)
    t.eq(l:lstat().type, "link")
    t.eq(l:lstat().target, "f")
    t.eq(l:lstat().size, 1)
    t.eq(d:stat().type, "dir")
    m.cmd.mkfifo(d / "p")
    t.eq((d / "p"):stat().type, "fifo")
    t.eq(m:path "/dev/null":stat().type, "char")
    t.eq(f:size(), 5)
    t.eq(f:mode(), tonumber("640", 8))
    t.eq(f:mtime(), s.mtime)
    t.eq(f:owner(), s.owner)
    t.eq(f:group(), s.group)
end)

spec.test("mode has the upper bits too", function(t)
    local f = (dir(t) / "f"):write("", {mode = "4755"})
    t.eq(f:mode(), tonumber("4755", 8))
    t.eq(f:chmod(tonumber("1600", 8)):mode(), tonumber("1600", 8))
end)

spec.test("access", function(t)
    local d = dir(t)
    local f = (d / "f"):write("", {mode = "600"})
    t.eq(f:access(), true)
    t.eq(f:access "f", true)
    t.eq(f:access "r", true)
    t.eq(f:access "rw", true)
    t.eq(f:access "x", false, "nobody may execute it, not even root")
    t.eq(f:chmod "700":access "rwx", true)
    t.eq((d / "none"):access(), false)
    t.eq((f / "x"):access "r", false)
    for _, how in ipairs {"", "z", "rr w", 4, true} do t.raises("usage", f.access, f, how) end
end)

spec.test("readlink and resolve", function(t)
    local d = tree(t)
    t.eq((d / "l"):readlink(), "b")
    t.eq((d / "dead"):readlink(), "nowhere")
    t.eq((d / "abs"):symlink(d / "b/c"):readlink(), d .. "/b/c")
    t.eq((d / "odd"):symlink "./x//../\xff\n":readlink(), "./x//../\xff\n", "as it is written")
    local real = d:resolve()
    t.eq((d / "l/c"):resolve(), real / "b/c")
    t.eq((d / "l/../a"):resolve(), real / "a")
    t.eq((d / "b/d/../.."):resolve(), real)
    t.eq(m:path "/":resolve(), m:path "/")
    fails(t, "io", "EINVAL", d / "a", function() (d / "a"):readlink() end)
    fails(t, "notfound", "ENOENT", d / "dead", function() (d / "dead"):resolve() end)
    fails(t, "io", "ENOTDIR", d / "a/x", function() (d / "a/x"):resolve() end)
end)

spec.table("checksum", {
    {"md5", "900150983cd24fb0d6963f7d28e17f72"}, {"sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {"sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}, {"xxh64", "44bc2cf5ad770999"},
}, function(t, c)
    local f = (dir(t) / "f"):write "abc"
    t.eq(f:checksum(c[1]), c[2])
end)

spec.test("checksum of what", function(t)
    local d = dir(t)
    local f = (d / "f"):write "abc"
    t.eq(f:checksum(), f:checksum "sha256")
    t.eq(#f:checksum "sha512", 128)
    t.eq((d / "l"):symlink "f":checksum(), f:checksum())
    for _, algo in ipairs {"crc", "", 5, "SHA256"} do t.raises("usage", f.checksum, f, algo) end
    fails(t, "io", "EISDIR", d, function() d:checksum() end)
end)

-- ---- listing ----

spec.test("list", function(t)
    local d = tree(t)
    t.same(names(d:list()), {".h", "a", "b", "dead", "l"})
    t.eq(d:list()[2], d / "a")
    t.same(d:join "b":mkdir {exist_ok = true}:join "d":list()[1] .. "", d .. "/b/d/e")
    t.same(names((d / "l"):list()), {"c", "d"}, "through a link")
    t.eq((d / "l"):list()[1] .. "", d .. "/l/c")
    t.same((d / "empty"):mkdir():list(), {})
    t.ok(#m:path "/":list() > 3)
    t.eq(m:path "/":list()[1].parent, m:path "/")
    fails(t, "io", "ENOTDIR", d / "a", function() (d / "a"):list() end)
    fails(t, "notfound", "ENOENT", d / "x", function() (d / "x"):list() end)
    t.raises("usage", d.list, d, {stats = true})
    t.raises("usage", d.list, d, {stat = 1})
    t.raises("usage", d.list, d, "stat")
end)

spec.test("with stat each has .stat", function(t)
    local d = tree(t)
    for _, list in ipairs {d:list {stat = true}, d:glob("{,.}*", {stat = true}), d:glob("*", {stat = true})} do
        for _, p in ipairs(list) do
            t.eq(p.stat.ino, p:lstat().ino, p.name)
            t.eq(type(p.stat.size), "number")
        end
    end
    local l = d:list {stat = true}
    t.eq(l[2].stat.size, 1)
    t.eq(l[2].stat.type, "file")
    t.eq(l[2]:stat().size, 1, "the method is still there")
    t.eq(l[5].stat.type, "link")
    t.eq(l[5].stat.target, "b")
    t.eq(l[5]:stat().type, "dir")
    l[2]:write "more"
    t.eq(l[2].stat.size, 1, "as it was")
    t.eq(l[2]:stat().size, 4, "as it is")
    t.eq(type(d:list()[1].stat), "function")
end)

spec.test("lists are sorted by byte", function(t)
    local d = dir(t)
    for _, name in ipairs {"b", "B", "a", "10", "9", "\xff", "ü", "_", "aa", "a.b", "a b"} do (d / name):write "" end
    t.same(names(d:list()), {"10", "9", "B", "_", "a", "a b", "a.b", "aa", "b", "ü", "\xff"})
    t.same(names(d // "*"), names(d:list()))
    t.same(collect(d, d:iterdir()), names(d:list()))
    t.same(collect(d, d:walk()), names(d:list()))
end)

spec.table("glob", {
    {"*", {"a", "b", "dead", "l"}}, {".*", {".h"}}, {"?", {"a", "b", "l"}}, {"[ab]", {"a", "b"}}, {"[!a]", {"b", "l"}},
    {"b/*", {"b/c", "b/d"}}, {"*/c", {"b/c", "l/c"}}, {"**/c", {"b/c"}}, {"**/e", {"b/d/e"}},
    {"**", {"a", "b", "b/c", "b/d", "b/d/e", "dead", "l"}}, {"b/**", {"b/c", "b/d", "b/d/e"}}, {"*/", {"b", "l"}},
    {"none", {}}, {"none/*", {}}, {"a/*", {}}, {"a", {"a"}}, {"./a", {"a"}}, {"*d", {"dead"}}, {"\\a", {"a"}},
    {".*/*", {}}, {"b/*/e", {"b/d/e"}}, {"{a,b}", {}},
}, function(t, c)
    local d = tree(t)
    local got = {}
    for i, p in ipairs(d // c[1]) do got[i] = p:relative_to(d) end
    t.same(got, c[2])
end)

spec.test("glob: odd roots and patterns", function(t)
    local d = dir(t)
    local root = (d / "[x]*"):mkdir()
    root:join "f":write ""
    t.same(names(root // "*"), {"f"}, "the root is no pattern")
    t.same(names(d // "\\[x]\\*"), {"[x]*"})
    t.eq((d // (d .. "/*"))[1], root, "an absolute pattern")
    t.eq((d // "*/f")[1], root / "f")
    t.raises("usage", function() return d // "" end)
    t.raises("usage", function() return d // "a\0" end)
    t.raises("usage", function() return d // 1 end)
    t.raises("usage", function() return "*" // d end)
    t.raises("usage", d.glob, d, "*", {stats = true})
    t.same((d / "none") // "*", {})
end)

spec.test("iterdir", function(t)
    local d = tree(t)
    t.same(collect(d, d:iterdir()), {".h", "a", "b", "dead", "l"})
    t.eq(select("#", d:iterdir()), 4)
    local left
    for p in d:iterdir() do
        left = p.name
        if left == "a" then break end
    end
    t.eq(left, "a")
    fails(t, "io", "ENOTDIR", d / "a", function() for _ in (d / "a"):iterdir() do t.fail() end end)
    fails(t, "notfound", "ENOENT", d / "x", function() for _ in (d / "x"):iterdir() do t.fail() end end)
end)

local function has(what)
    return function(p) return p.name:find(what, 1, true) ~= nil end
end

spec.table("walk", {
    {"all", nil, {".h", "a", "b", "b/c", "b/d", "b/d/e", "dead", "l"}},
    {"depth 1", {depth = 1}, {".h", "a", "b", "dead", "l"}},
    {"depth 2", {depth = 2}, {".h", "a", "b", "b/c", "b/d", "dead", "l"}},
    {"filter", {filter = "?"}, {"a", "b", "b/c", "b/d", "b/d/e", "l"}},
    {"a filter with a slash", {filter = "d/*"}, {"b/d/e"}},
    {"filter by function", {filter = has "d"}, {"b/d", "dead"}},
    {"dirs = false", {dirs = false}, {".h", "a", "b/c", "b/d/e", "dead", "l"}},
    {"dirs = true", {dirs = true}, {".h", "a", "b", "b/c", "b/d", "b/d/e", "dead", "l"}},
    {"dirs by pattern", {dirs = "b"}, {".h", "a", "b", "b/c", "b/d", "dead", "l"}},
    {"dirs by a pattern with a slash", {dirs = "x/b"}, {".h", "a", "b", "dead", "l"}},
    {"dirs by function", {dirs = has "b"}, {".h", "a", "b", "b/c", "b/d", "dead", "l"}},
    {"no dirs", {dirs = has "x"}, {".h", "a", "b", "dead", "l"}},
    {"filter and no dirs", {filter = has "e", dirs = false}, {"b/d/e", "dead"}},
    {"filter and dirs", {filter = "?", dirs = has "b"}, {"a", "b", "b/c", "b/d", "l"}},
    {"two functions", {filter = has "d", dirs = has "b"}, {"b/d", "dead"}},
    {"dirs and depth", {dirs = function() return true end, depth = 2}, {".h", "a", "b", "b/c", "b/d", "dead", "l"}},
    {"stat", {stat = true}, {".h", "a", "b", "b/c", "b/d", "b/d/e", "dead", "l"}},
}, function(t, c)
    local d = tree(t)
    t.same(collect(d, d:walk(c[2])), c[3])
end)

spec.test("walk: more", function(t)
    local d = tree(t)
    for p in d:walk {stat = true} do t.eq(p.stat.ino, p:lstat().ino) end
    for p in d:walk {stat = true, dirs = function() return true end} do t.eq(p.stat.ino, p:lstat().ino) end
    t.same(collect(d / "l", (d / "l"):walk()), {"c", "d", "d/e"}, "the root may be a link")
    local n = 0
    for _ in d:walk() do
        n = n + 1
        if n == 3 then break end
    end
    t.eq(n, 3)
    for p in d:walk {dirs = function() return true end} do
        if p.name == "e" then break end
    end
    local seen = {}
    collect(d, d:walk {dirs = function(p) seen[#seen + 1] = p.name return true end})
    t.same(seen, {"b", "d"}, "asked for folders only, once")
    fails(t, "notfound", "ENOENT", d / "x", function() for _ in (d / "x"):walk() do t.fail() end end)
    fails(t, "io", "ENOTDIR", d / "a", function() for _ in (d / "a"):walk {dirs = has "x"} do t.fail() end end)
    for _, opts in ipairs {
        {depth = 0}, {depth = -1}, {depth = 1.5}, {depth = "1"}, {filter = 1}, {filter = ""}, {filter = "a\0"},
        {dirs = 1}, {dirs = ""}, {fliter = "*"},
    } do
        t.raises("usage", d.walk, d, opts)
    end
end)

spec.test("walk: many entries, and folders that go meanwhile", function(t)
    local d = dir(t)
    m:sh([[cd "$1" && i=0; while [ $i -lt 2500 ]; do : >f$i; i=$((i+1)); done; mkdir z z/y; : >z/y/x]], d)()
    local n = 0
    for _ in d:walk() do n = n + 1 end
    t.eq(n, 2503)
    n = 0
    for p in d:walk {dirs = has "z"} do
        n = n + 1
        if p.name == "z" then p:delete {recursive = true} end
    end
    t.eq(n, 2501)
end)

spec.test("errors of a function in a walk pass", function(t)
    local d = tree(t)
    local e = t.raises("boom", function() for _ in d:walk {filter = function() error "boom" end} do t.fail() end end)
    t.match(e, "boom")
    t.raises("boom", function() for _ in d:walk {dirs = function() error "boom" end} do t.ok(true) end end)
end)

-- ---- reading and writing ----

spec.test("bytes are exact", function(t)
    local d = dir(t)
    local f = d / "f"
    for _, data in ipairs {odd.bytes, "", "\0", "\n", "no end", "\r\n\r\n", "ü", ("\0"):rep(100000)} do
        t.eq(f:write(data):read(), data)
        t.eq(f:size(), #data)
    end
    t.eq((d / "g"):append(odd.bytes):append "":append "x":read(), odd.bytes .. "x")
end)

spec.test("much data", function(t)
    local f = dir(t) / "f"
    local parts = {}
    for i = 1, 70000 do parts[i] = ("%d %s\n"):format(i, odd.bytes:sub(i % 256 + 1, i % 256 + 60)) end
    local data = table.concat(parts)
    t.ok(f:write(data):read() == data)
    t.ok(f:append(data):read() == data .. data)
    t.eq(f:size(), 2 * #data)
end)

spec.test("read(n)", function(t)
    local f = (dir(t) / "f"):write "hello"
    t.eq(f:read(2), "he")
    t.eq(f:read(0), "")
    t.eq(f:read(5), "hello")
    t.eq(f:read(500), "hello")
    t.eq(f:read(2.0), "he")
    for _, n in ipairs {-1, 1.5, "x", {}, true} do t.raises("usage", f.read, f, n) end
end)

spec.test("files of the kernel, whose size is 0", function(t)
    t.match(m:path "/proc/version":read(), "Linux")
    t.eq(m:path "/dev/null":read(), "")
    t.eq(m:path "/dev/zero":read(5), "\0\0\0\0\0")
    m:path "/dev/null":write "x"
    m:path "/dev/null":append "x"
end)

spec.test("write: modes", function(t)
    local d = dir(t)
    local f = d / "f"
    t.eq(f:write("1", {mode = "640"}):mode(), tonumber("640", 8))
    t.eq(f:write "2":mode(), tonumber("640", 8), "kept")
    t.eq(f:write("3", {mode = 511}):mode(), 511, "exact, whatever the umask is")
    t.eq(f:write("4", {mode = "u=rw,go="}):mode(), 384)
    t.eq((d / "sym"):write("", {mode = "u=rwx,g=rx,o="}):mode(), tonumber("750", 8))
    t.eq((d / "zero"):write("", {mode = 0}):mode(), 0)
    local v = m:with {umask = tonumber("077", 8)}
    t.eq(v:path(d, "u"):write "":mode(), tonumber("600", 8))
    t.eq(v:path(d, "v"):append "":mode(), tonumber("600", 8))
    t.eq(v:path(d, "w"):touch():mode(), tonumber("600", 8))
    t.eq(v:path(d, "x"):mkdir():mode(), tonumber("700", 8))
    t.eq(v:path(d, "y/z"):mkdir {parents = true}.parent:mode(), tonumber("700", 8))
    t.eq(v:path(d, "m"):mkdir {mode = "777"}:mode(), 511)
    local o <close> = v:path(d, "o"):open "w"
    t.ok(o)
    t.eq((d / "o"):mode(), tonumber("600", 8))
    v = m:with {umask = 0}
    t.eq(v:path(d, "u0"):write "":mode(), tonumber("666", 8))
    t.eq(v:path(d, "x0"):mkdir():mode(), tonumber("777", 8))
end)

local BAD_MODES = {
    -1, 4096, 1.5, "", "9", "rw", "u+q", "u=rw,", ",u=r", "77777", "777777", ("u+r,"):rep(30) .. "u+r", "+r\0",
}

spec.test("modes that are none", function(t)
    local f = (dir(t) / "f"):write ""
    for _, mode in ipairs(BAD_MODES) do
        for _, fn in ipairs {
            function() f:write("x", {mode = mode}) end, function() f:append("x", {mode = mode}) end,
            function() f:touch {mode = mode} end, function() (f.parent / "d"):mkdir {mode = mode} end,
            function() f:chmod(mode) end, function() f:open("w", {mode = mode}) end,
        } do
            t.eq(t.raises("usage", fn).kind, "usage", tostring(mode))
        end
    end
    for _, mode in ipairs {{}, true, print} do t.raises("usage", f.chmod, f, mode) end
    t.raises("usage", f.chmod, f)
    t.eq(f:read(), "")
end)

spec.test("write replaces as a whole, through links", function(t)
    local d = dir(t)
    local f = (d / "f"):write "old"
    local ino = f:stat().ino
    local hard = (d / "hard"):link(f)
    f:write "new"
    t.ne(f:stat().ino, ino)
    t.eq(hard:read(), "old")
    ino = f:stat().ino
    t.eq(f:write("in place", {atomic = false}):stat().ino, ino)
    t.eq(f:write("x", {atomic = false}):read(), "x")
    t.eq(f:write("y", {atomic = true}):read(), "y")
    local l = (d / "l"):symlink "f"
    l:write "through"
    t.eq(l:is_symlink(), true)
    t.eq(f:read(), "through")
    local dead = (d / "dead"):symlink "made"
    dead:write "made"
    t.eq(dead:is_symlink(), true)
    t.eq((d / "made"):read(), "made")
    t.same(names(d:list()), {"dead", "f", "hard", "l", "made"}, "nothing else is left")
end)

spec.test("write: data and options", function(t)
    local f = dir(t) / "f"
    t.eq(f:write(12):read(), "12")
    t.eq(f:write(1.5):read(), "1.5")
    t.eq(f:append(7):read(), "1.57")
    for _, data in ipairs {true, {}, print, f} do
        t.raises("usage", f.write, f, data)
        t.raises("usage", f.append, f, data)
    end
    t.raises("usage", f.write, f)
    t.match(t.raises("usage", f.write, f, "x", {moed = 1}).message, "mode")
    t.raises("usage", f.write, f, "x", {atomic = 1})
    t.raises("usage", f.write, f, "x", 600)
    t.raises("usage", f.append, f, "x", {atomic = true})
    t.eq(f:read(), "1.57")
end)

spec.table("lines", {
    {"", {}}, {"\n", {""}}, {"a", {"a"}}, {"a\n", {"a"}}, {"a\nb", {"a", "b"}}, {"a\n\nb\n", {"a", "", "b"}},
    {"\n\n", {"", ""}}, {"a\r\nb\0c\n\xff", {"a\r", "b\0c", "\xff"}},
}, function(t, c)
    local f = (dir(t) / "f"):write(c[1])
    local got, kept = {}, {}
    for line in f:lines() do got[#got + 1] = line end
    for line in f:lines "L" do kept[#kept + 1] = line end
    t.same(got, c[2])
    t.eq(table.concat(kept), c[1])
    t.eq(#kept, #got)
end)

spec.test("lines over blocks", function(t)
    local f = dir(t) / "f"
    local want = {}
    for i = 1, 40000 do want[i] = ("line %d %s"):format(i, ("x"):rep(i % 50)) end
    want[#want + 1] = ("y"):rep(1000000)
    want[#want + 1] = "end"
    f:write(table.concat(want, "\n"))
    local i = 0
    for line in f:lines() do
        i = i + 1
        if line ~= want[i] then t.eq(line, want[i]) end
    end
    t.eq(i, #want)
    for line in f:lines() do
        if line == want[2] then break end
    end
    local next_line, _, _, closer = f:lines()
    t.eq(next_line(), want[1])
    closer:close()
    t.raises("usage", f.lines, f, "x")
    t.raises("notfound", function() for _ in (f.parent / "none"):lines() do t.fail() end end)
end)

spec.test("open", function(t)
    local d = dir(t)
    local f = d / "f"
    do
        local o <close> = f:open "w"
        t.match(tostring(o), "open")
        t.eq(o:write("one\n", 2, "\n", odd.bytes), o)
        t.eq(o:seek "cur", 6 + #odd.bytes)
        t.eq(o:seek("set", 1), 1)
        o:write "N"
    end
    t.eq(f:read(), "oNe\n2\n" .. odd.bytes)
    local o <close> = f:open()
    t.eq(o:read(), "oNe")
    t.eq(o:read "L", "2\n")
    t.eq(o:read(3), "\0\1\2")
    t.eq(o:seek("end", -1), f:size() - 1)
    t.eq(o:read "a", "\xff")
    t.eq(o:read "a", "")
    t.eq(o:read(1), nil)
    t.eq(o:read(), nil)
    t.eq(o:read(0), "")
    t.eq(o:seek "set", 0)
    local lines = {}
    for line in o:lines "L" do lines[#lines + 1] = line end
    t.eq(table.concat(lines), f:read())
    t.raises("io", o.write, o, "x")
    o:close()
    o:close()
    t.match(tostring(o), "closed")
    t.raises("closed", o.read, o)
    t.raises("closed", o.write, o, "x")
    t.raises("closed", o.lines, o)
end)

spec.test("open: modes", function(t)
    local d = dir(t)
    local f = (d / "f"):write "12345"
    do
        local o <close> = f:open "a"
        o:write "6"
    end
    t.eq(f:read(), "123456")
    do
        local o <close> = f:open "r+"
        t.eq(o:read(2), "12")
        o:seek("set", 0)
        o:write "X"
        o:truncate(3)
        o:sync()
    end
    t.eq(f:read(), "X23")
    do
        local o <close> = f:open "w+b"
        o:write "new"
        o:seek("set", 0)
        t.eq(o:read "a", "new")
    end
    fails(t, "exists", "EEXIST", f, f.open, f, "x")
    local g <close> = (d / "g"):open("wx", {mode = "600"})
    t.ok(g)
    t.eq((d / "g"):mode(), 384)
    fails(t, "notfound", "ENOENT", d / "none", function() (d / "none"):open() end)
    for _, mode in ipairs {"", "z", "rw", "r++", 1, {}} do t.raises("usage", f.open, f, mode) end
    t.raises("usage", f.open, f, "r", {x = 1})
    local o <close> = f:open()
    for _, what in ipairs {"x", -1, 1.5, {}} do t.raises("usage", o.read, o, what) end
    t.raises("usage", o.seek, o, "middle")
    t.raises("usage", o.seek, o, "set", "x")
    t.raises("usage", o.truncate, o, -1)
    t.raises("usage", o.write, o, {})
    t.match(t.raises("usage", function() return o.raed end).message, "read")
end)

spec.test("touch and truncate", function(t)
    local d = dir(t)
    local f = d / "f"
    t.eq(f:touch(), f)
    t.eq(f:size(), 0)
    f:write "hello"
    t.near(f:touch {mtime = 1000000000.5}:mtime(), 1000000000.5, 1e-6)
    t.ok(f:touch():mtime() > 1000000001)
    t.near(f:touch {mtime = -1}:mtime(), -1, 1e-6)
    t.eq(f:read(), "hello")
    t.eq((d / "m"):touch {mode = "600"}:mode(), 384)
    t.eq(f:truncate(2):read(), "he")
    t.eq(f:truncate(4):read(), "he\0\0")
    t.eq(f:truncate():read(), "")
    fails(t, "notfound", "ENOENT", d / "x", function() (d / "x"):truncate() end)
    fails(t, "io", "EISDIR", d, d.truncate, d)
    t.eq(d:touch(), d)
    for _, n in ipairs {-1, 1.5, "x"} do t.raises("usage", f.truncate, f, n) end
    for _, mtime in ipairs {0 / 0, math.huge, 1e13, "x"} do t.raises("usage", f.touch, f, {mtime = mtime}) end
    t.raises("usage", f.touch, f, {atime = 1})
end)

-- ---- changing ----

spec.test("mkdir", function(t)
    local d = dir(t)
    t.eq((d / "a"):mkdir():is_dir(), true)
    fails(t, "exists", "EEXIST", d / "a", function() (d / "a"):mkdir() end)
    fails(t, "exists", "EEXIST", d / "a", function() (d / "a"):mkdir {parents = true} end)
    t.eq((d / "a"):mkdir {exist_ok = true}, d / "a")
    fails(t, "notfound", "ENOENT", d / "b/c", function() (d / "b/c"):mkdir() end)
    t.eq((d / "b/c/d"):mkdir({parents = true, mode = "700"}):mode(), 448)
    t.eq((d / "b"):mode(), m:path(d, "a"):mode(), "parents have the usual mode")
    t.eq((d / "b/c/d"):mkdir {parents = true, exist_ok = true}:is_dir(), true)
    t.eq((d / "s"):mkdir {mode = "2755"}:mode(), tonumber("2755", 8))
    local f = (d / "f"):write ""
    fails(t, "exists", "EEXIST", f, f.mkdir, f, {exist_ok = true})
    fails(t, "io", "ENOTDIR", f / "x", function() (f / "x"):mkdir() end)
    d:join "l":symlink "a"
    t.eq((d / "l"):mkdir {exist_ok = true}:is_symlink(), true)
    t.match(t.raises("usage", f.mkdir, f, {parent = true}).message, "parents")
    t.raises("usage", f.mkdir, f, 755)
end)

spec.test("delete", function(t)
    local d = tree(t)
    t.eq((d / "a"):delete(), d / "a")
    t.eq((d / "a"):exists(), false)
    fails(t, "notfound", "ENOENT", d / "a", function() (d / "a"):delete() end)
    fails(t, "notfound", "ENOENT", d / "a", function() (d / "a"):delete {recursive = true} end)
    t.eq((d / "a"):delete {missing_ok = true}, d / "a")
    t.eq((d / "a"):delete {missing_ok = true, recursive = true}, d / "a")
    local e = fails(t, "io", "EISDIR", d / "b", function() (d / "b"):delete() end)
    t.match(e.hint, "recursive")
    t.eq((d / "b/d/e"):exists(), true);
    (d / "l"):delete {recursive = true}
    t.eq((d / "b/d/e"):exists(), true, "a link is deleted, not what it leads to");
    (d / "dead"):delete()
    t.eq((d / "b"):delete {recursive = true}:exists(), false)
    t.same(names(d:list()), {".h"})
    fails(t, "io", "ENOTDIR", d / ".h/x", function() (d / ".h/x"):delete() end)
    t.eq((d / ".h/x"):delete {missing_ok = true}, d / ".h/x", "below a file there is nothing")
    t.match(t.raises("usage", d.delete, d, {recursiv = true}).message, "recursive")
    t.raises("usage", d.delete, d, {recursive = "yes"})
    t.raises("usage", d.delete, d, true)
    local root = m:path "/"
    t.raises("usage", root.delete, root, {recursive = true})
    t.raises("usage", root.delete, root)
end)

spec.test("delete: deep and odd trees", function(t)
    local d = dir(t)
    m:sh([[cd "$1" && mkdir deep && cd deep && i=0
        while [ $i -lt 300 ]; do mkdir long-long-long-name; cd long-long-long-name; i=$((i+1)); done; : >f]], d)();
    (d / "deep"):delete {recursive = true}
    local full = (d / "full"):mkdir()
    for _, name in ipairs(odd.names) do (full / name):write "" end
    m.cmd.mkfifo(full / "fifo");
    (full / "closed"):mkdir():join "f":write "";
    (full / "closed"):chmod(0)
    if m.user ~= "root" then -- who is root can look into it, others have to be let in
        t.raises("denied", full.delete, full, {recursive = true});
        (full / "closed"):chmod "700"
    end
    full:delete {recursive = true}
    t.same(d:list(), {})
end)

spec.test("unlink and rmdir", function(t)
    local d = tree(t)
    t.eq((d / "a"):unlink():exists(), false)
    t.eq((d / "l"):unlink():is_symlink(), false)
    fails(t, "io", "EISDIR", d / "b", function() (d / "b"):unlink() end)
    fails(t, "notfound", "ENOENT", d / "x", function() (d / "x"):unlink() end)
    fails(t, "io", "ENOTEMPTY", d / "b", function() (d / "b"):rmdir() end)
    fails(t, "io", "ENOTDIR", d / ".h", function() (d / ".h"):rmdir() end)
    fails(t, "notfound", "ENOENT", d / "x", function() (d / "x"):rmdir() end);
    (d / "b/d/e"):unlink()
    t.eq((d / "b/d"):rmdir():exists(), false)
end)

spec.test("copy", function(t)
    local d = tree(t)
    local f = (d / "a"):write(odd.bytes, {mode = "741"}):touch {mtime = 1e9}
    local g = f:copy(d / "copy")
    t.eq(g, d / "copy")
    t.eq(g:read(), odd.bytes)
    t.eq(g:mode(), tonumber("741", 8))
    t.eq(g:mtime(), 1e9)
    local e = fails(t, "exists", "EEXIST", g, f.copy, f, g)
    t.ok(e.message:find(f .. "", 1, true), e.message)
    g:write "x"
    t.eq(f:copy(g, {override = true}):read(), odd.bytes)
    t.eq(f:copy(d .. "/str"):read(), odd.bytes, "a string")
    t.eq(m:at(d):path "a":copy "rel", d / "rel", "relative")
end)

spec.test("copy: what is there is there, also when it is the source", function(t)
    local d = tree(t)
    t.raises("exists", function() (d / "a"):copy(d / "a") end)
    t.raises("exists", function() (d / "b"):copy(d / "b") end)
    t.raises("io", function() (d / "a"):copy(d / "a", {override = true}) end)
    t.eq((d / "a"):read(), "1")
end)

spec.test("copy: a place that may not be written is told in one line", function(t)
    local d = tree(t)
    local there = m:path "/proc/no-file"
    local e = t.raises("", function() (d / "a"):copy(there) end)
    t.ok(not e.message:find "\n", e.message)
    t.ok(not e.message:find "cannot", e.message)
end)

spec.test("copy: trees", function(t)
    local d = tree(t)
    local c = (d / "b"):copy(d / "c")
    t.same(collect(c, c:walk()), {"c", "d", "d/e"})
    fails(t, "exists", "EEXIST", c, function() (d / "b"):copy(c) end);
    (c / "own"):write "";
    (d / "b/new"):write "n"
    t.eq((d / "b"):copy(c, {override = true}), c)
    t.same(collect(c, c:walk()), {"c", "d", "d/e", "new", "own"}, "folders are merged")
    t.eq((d / "b"):copy(d .. "/c/"), c / "b", "a slash means into")
    t.eq((d / "b"):copy(m:path(d, "into/"):mkdir()), d / "into/b")
end)

spec.test("copy: links and what fails", function(t)
    local d = tree(t)
    t.eq((d / "l"):copy(d / "l2"):readlink(), "b", "a link is copied as a link")
    t.eq((d / "dead"):copy(d / "dead2"):readlink(), "nowhere")
    fails(t, "exists", "EEXIST", d / "dead", function() (d / "a"):copy(d / "dead") end)
    fails(t, "notfound", "ENOENT", d / "x", function() (d / "x"):copy(d / "y") end)
    fails(t, "notfound", "ENOENT", d / "x/y", function() (d / "a"):copy(d / "x/y") end)
    t.match(fails(t, "io", "EINVAL", d / "b/x", function() (d / "b"):copy(d / "b/x") end).hint, "itself")
    t.raises("io", function() (d / "a"):copy(d / "b", {override = true}) end)
    local a = d / "a"
    t.raises("usage", a.copy, a)
    t.raises("usage", a.copy, a, 1)
    t.raises("usage", a.copy, a, d / "z", {overide = true})
    t.raises("usage", function() m:path "/":copy(d .. "/") end)
    t.eq((d / "z"):exists(), false)
end)

spec.test("copy to another machine", function(t)
    local d, o = tree(t), odd.dir(t, other)
    local c = (d / "b"):copy(o / "c")
    t.eq(c, o / "c")
    t.eq(c.machine, other)
    t.same(collect(c, c:walk()), {"c", "d", "d/e"})
    local e = t.raises("exists", function() (d / "b"):copy(o / "c") end)
    t.eq(e.host, other.name)
    t.eq(e.path, o .. "/c");
    (o / "c/c"):write "zz":touch {mtime = (d / "b/c"):mtime()};
    (d / "b"):copy(o / "c", {override = true})
    t.eq((o / "c/c"):read(), "22", "nothing is taken for unchanged")
    t.eq((d / "a"):copy(other:path(o, "c/")), o / "c/a", "into")
    t.raises("notfound", function() (d / "none"):copy(o / "x") end)
end)

spec.test("move and rename", function(t)
    local d = tree(t)
    t.eq((d / "a"):move(d / "a2"), d / "a2")
    t.eq((d / "a"):exists(), false)
    t.eq((d / "a2"):rename "a", d / "a")
    t.eq((d / "a"):read(), "1")
    t.eq((d / "b"):rename "bb"  / "d/e", d / "bb/d/e")
    t.eq((d / "bb/d/e"):read(), "333")
    t.eq((d / "l"):move(d / "l2"):readlink(), "b")
    t.eq((d / "a"):move(d .. "/bb/"), d / "bb/a", "into")
    fails(t, "notfound", "ENOENT", d / "x", function() (d / "x"):move(d / "y") end)
    fails(t, "notfound", "ENOENT", d / "x", function() (d / "x"):rename "y" end)
    fails(t, "io", "ENOTEMPTY", d / "bb", function()
        (d / "full/f"):mkdir {parents = true};
        (d / "full"):move(d / "bb")
    end)
    t.raises("io", function() (d / "bb"):move(d / "bb/x") end)
    t.raises("io", function() (d / "bb"):move(d / ".h") end)
    t.raises("io", function() (d / ".h"):move(d / "bb") end)
    for _, name in ipairs {"", ".", "..", "a/b", "a\0"} do t.raises("usage", function() (d / "bb"):rename(name) end) end
    t.raises("usage", d.rename, d)
    t.raises("usage", d.move, d)
    t.eq((d / ".h"):move(d / "bb/c"):read(), "", "a file takes the place of a file")
end)

spec.test("move to another file system", function(t)
    local d = tree(t)
    local shm = m:path "/dev/shm"
    if not shm:access "w" or shm:stat().dev == d:stat().dev then t.skip "no second file system" end
    local there = shm / ("rst-" .. d.name)
    t.defer(function() there:delete {recursive = true, missing_ok = true} end)
    fails(t, "io", "EXDEV", d / "hard", function()
        there:write "x";
        (d / "hard"):link(there)
    end)
    there:delete();
    (d / "b/c"):chmod "741":touch {mtime = 1e9}
    t.eq((d / "b"):move(there), there)
    t.eq((d / "b"):exists(), false)
    t.same(collect(there, there:walk()), {"c", "d", "d/e"})
    t.eq((there / "c"):mode(), tonumber("741", 8))
    t.eq((there / "c"):mtime(), 1e9)
    t.eq(there:move(d / "b") / "d/e" .. "", d .. "/b/d/e")
    t.eq((d / "b/d/e"):read(), "333")
end)

spec.test("move to another machine", function(t)
    local d, o = tree(t), odd.dir(t, other)
    t.eq((d / "b"):move(o / "b"), o / "b")
    t.eq((d / "b"):exists(), false)
    t.eq((o / "b/d/e"):read(), "333")
    t.eq((o / "b/c"):move(d / "c"):read(), "22")
    t.raises("notfound", function() (d / "none"):move(o / "x") end);
    (d / "c"):chmod "641":touch {mtime = 1e9 + 0.5}
    t.eq((d / "c"):move(o / "m"):mode(), tonumber("641", 8))
    t.eq((o / "m"):mtime(), 1e9 + 0.5)
    t.eq((o / "m"):copy(d / "k"):mode(), tonumber("641", 8))
    t.eq((d / "k"):mtime(), 1e9 + 0.5)
end)

spec.test("whole floats are numbers", function(t)
    local d = tree(t)
    t.eq(d:up(1.0), d.parent)
    t.raises("usage", d.up, d, 1.5)
    t.eq((d / "a"):chmod(420.0):mode(), 420)
    t.eq((d / "a"):write("x", {mode = 384.0}):mode(), 384)
    t.same(collect(d / "b", (d / "b"):walk {depth = 1.0}), {"c", "d"})
end)

spec.table("chmod", {
    {384, "600"}, {"600", "600"}, {"0600", "600"}, {"u=rw,go=", "600"}, {"4711", "4711"}, {"a=r", "444"}, {"+x", "755"},
    {"go-rw", "600"}, {"u+s", "4644"}, {"o=u", "646"}, {"g+w,o-r", "660"}, {0, "0"}, {"u=rwX", "644"}, {"a-r+w", "222"},
    {"+t", "1644"},
}, function(t, c)
    local v = m:with {umask = tonumber("022", 8)}
    local f = v:path(dir(t), "f"):write("", {mode = "644"})
    t.eq(f:chmod(c[1]):mode(), tonumber(c[2], 8))
end)

spec.test("chmod: trees, links and what fails", function(t)
    local d = tree(t);
    (d / "b/d/l"):symlink "../../a"
    local before = (d / "a"):mode();
    (d / "b"):chmod("u=rwX,go=", {recursive = true})
    t.eq((d / "b/d"):mode(), 448)
    t.eq((d / "b/d/e"):mode(), 384)
    t.eq((d / "a"):mode(), before, "links in the tree are left alone");
    (d / "l"):chmod "711"
    t.eq((d / "b"):mode(), tonumber("711", 8), "but p itself is followed")
    fails(t, "notfound", "ENOENT", d / "x", function() (d / "x"):chmod "600" end)
    fails(t, "notfound", "ENOENT", d / "dead", function() (d / "dead"):chmod "600" end)
    t.raises("usage", d.chmod, d, "600", {recurse = true})
    t.raises("usage", d.chmod, d, "600", true)
end)

spec.test("chown", function(t)
    local d = tree(t)
    local f = d / "a"
    local s = f:stat()
    t.eq(f:chown(s.uid):owner(), s.owner)
    t.eq(f:chown(s.owner, s.group):group(), s.group)
    t.eq(f:chown(nil, s.gid), f)
    t.eq((d / "b"):chown(s.uid, s.gid, {recursive = true}), d / "b")
    t.eq(fails(t, "notfound", "ENOTFOUND", f, f.chown, f, "no-such-user").path, f .. "")
    t.match(t.raises("notfound", f.chown, f, "no-such-user").message, "no user 'no%-such%-user'$")
    t.match(t.raises("notfound", f.chown, f, nil, "no-such-group").message, "no group 'no%-such%-group'$")
    fails(t, "notfound", "ENOTFOUND", f, f.chown, f, nil, "no-such-group")
    t.eq(f:chown(s.uid + 0.0):owner(), s.owner)
    fails(t, "notfound", "ENOENT", d / "x", function() (d / "x"):chown(s.uid) end)
    for _, user in ipairs {"", -1, 1.5, 2 ^ 32, true, {}, "a\0"} do t.raises("usage", f.chown, f, user) end
    t.raises("usage", f.chown, f)
    t.raises("usage", f.chown, f, s.uid, s.gid, {recurse = true})
    if s.uid ~= 0 then t.skip "only root changes owners" end
    t.eq(f:chown(12345, 54321):stat().uid, 12345)
    t.eq(f:stat().gid, 54321)
    t.eq(f:stat().owner, "12345")
    t.eq(f:chown "root":stat().gid, 54321);
    (d / "b"):chown(12345, {recursive = true})
    t.eq((d / "b/d/e"):stat().uid, 12345)
    t.eq((d / "b"):stat().gid, s.gid)
end)

spec.test("symlink and link", function(t)
    local d = dir(t)
    local f = (d / "f"):write "data"
    t.eq((d / "s"):symlink "f", d / "s")
    t.eq((d / "s"):read(), "data")
    t.eq((d / "abs"):symlink(f):readlink(), f .. "")
    t.eq((d / "h"):link(f), d / "h")
    t.eq(f:stat().nlink, 2)
    t.eq(m:at(d):path "h2":link "f":stat().nlink, 3)
    fails(t, "exists", "EEXIST", d / "s", function() (d / "s"):symlink "x" end)
    fails(t, "exists", "EEXIST", d / "h", function() (d / "h"):link(f) end)
    fails(t, "notfound", "ENOENT", d / "n", function() (d / "n"):link(d / "none") end)
    fails(t, "notfound", "ENOENT", d / "n/n", function() (d / "n/n"):symlink "f" end)
    t.raises("usage", f.symlink, f)
    t.raises("usage", f.symlink, f, "a\0")
    t.raises("usage", f.symlink, f, 1)
    t.raises("usage", f.symlink, f, other:path "/x")
    t.raises("usage", f.link, f, other:path "/x")
    t.raises("usage", f.link, f)
    t.raises("io", function() (d / "dd"):mkdir():with_name "ddl":link(d / "dd") end, "EPERM")
end)

-- ---- names ----

spec.test("every name", function(t)
    local d = dir(t)
    for i, name in ipairs(odd.names) do (d / name):write(name .. i) end
    local list = names(d:list())
    local want = table.move(odd.names, 1, #odd.names, 1, {})
    table.sort(want)
    t.same(list, want)
    local walked = {}
    for p in d:walk() do walked[#walked + 1] = p.name end
    t.same(walked, want)
    for i, name in ipairs(odd.names) do
        local p = d / name
        t.eq(p:read(), name .. i)
        t.eq(p.name, name)
        t.eq((d / ("l" .. i)):symlink(name):readlink(), name)
        t.eq((d / ("l" .. i)):resolve(), p:resolve())
        t.eq(m.cmd.cat(p), name .. i)
        t.eq(p:rename("r" .. i):rename(name), p)
        t.eq(#d:glob((name:gsub("[*?%[\\]", "\\%0"))), 1, name)
        t.eq(p:delete():exists(), false)
    end
end)

-- ---- errors ----

spec.test("errors say what, where and why", function(t)
    local d = tree(t)
    local long = d / ("x"):rep(256);
    (d / "loop"):symlink "loop"
    for _, c in ipairs {
        {"notfound", "ENOENT", d / "x", "no such file"}, {"io", "ENOTDIR", d / "a/x", "not a directory"},
        {"io", "ELOOP", d / "loop", "symbolic links"}, {"io", "ENAMETOOLONG", long, "too long"},
        {"notfound", "ENOENT", d / "dead", "no such file"},
    } do
        local p = c[3]
        for _, method in ipairs {
            "stat", "size", "owner", "group", "mode", "mtime", "read", "checksum", "resolve", "list", "lines", "open",
        } do
            local e = fails(t, c[1], c[2], p, p[method], p)
            t.match(e.message, c[4], method)
        end
    end
    fails(t, "io", "EISDIR", d, d.read, d)
    fails(t, "io", "EISDIR", d, d.write, d, "x")
    fails(t, "io", "EISDIR", d, d.append, d, "x")
    fails(t, "io", "EISDIR", d, d.open, d, "w")
    fails(t, "notfound", "ENOENT", d / "x/y", function() (d / "x/y"):write "" end)
    fails(t, "notfound", "ENOENT", d / "x/y", function() (d / "x/y"):touch() end)
    fails(t, "io", "ELOOP", d / "loop", function() (d / "loop"):write "" end)
    fails(t, "io", "ENAMETOOLONG", long, long.write, long, "")
    t.eq(long:exists(), false)
    local e = t.raises("notfound", function() (d / "\27[31m"):read() end)
    t.eq(tostring(e):find("\27", 1, true), nil, "control characters are escaped")
    t.ok(e.path:find("\27", 1, true), "and exact in the fields")
end)

spec.test("what nobody may write", function(t)
    t.raises(m.user == "root" and "io" or "denied", function() m:path "/proc/version":write "x" end)
    t.raises("notfound", function() m:path "/proc/rst":mkdir() end)
end)

spec.test("methods take no options that they don't have", function(t)
    local p = m:path "/nonexistent"
    for _, name in ipairs {"list", "walk", "mkdir", "delete", "touch"} do
        local e = t.raises("usage", p[name], p, {nonsense = true})
        t.match(e.message, "nonsense")
    end
end)

spec.test("a timeout says what was not done", function(t)
    local d = dir(t)
    m.cmd.mkfifo(d / "p")
    local e = t.raises("timeout", function() m:with {timeout = 0.2}:path(d, "p"):read() end)
    t.eq(e.path, d .. "/p")
    t.eq(e.host, m.name)
    m:sh([[exec 3<>"$1"]], d / "p")() -- ends the wait that is left
    t.eq(m:with {timeout = 5}:path(d, "p/.."):exists(), false)
    t.eq(m:with {timeout = 5}:path(d):exists(), true)
end)

-- ---- the working directory ----

spec.test("cwd is a path", function(t)
    local d = tree(t)
    local v = m:at(d)
    t.eq(v.cwd, d)
    t.eq(d .. "", tostring(v.cwd))
    t.eq(rshell.type(v.cwd), "workdir")
    t.eq(v.cwd / "a", d / "a")
    t.eq(v.cwd .. "/x", d .. "/x")
    t.eq(v.cwd.name, d.name)
    t.eq(v.cwd.parent, d.parent)
    t.eq(v.cwd:join "a":read(), "1")
    t.same(names(v.cwd // "b/*"), {"c", "d"})
    t.same(names(v.cwd:list()), names(d:list()))
    t.eq(m:path(v.cwd, "a"), d / "a")
    t.eq(m.cmd.ls("-d", v.cwd), d .. "\n")
    t.eq(v.cmd.pwd "-P", v.cwd:resolve() .. "\n")
    t.eq((d / "b"):relative_to(v.cwd), "b")
    t.ok(v.cwd < d / "a")
    t.ok(v.cwd ~= m:path "/")
    t.raises("usage", function() return v.cwd.chdri end)
    t.raises("usage", function() v.cwd.name = 1 end)
    t.raises("usage", function() v.cwd = "/" end)
end)

spec.test("chdir", function(t)
    local d = tree(t)
    local v = m:at(d)
    local here_before = tostring(m.cwd)
    t.eq(v.cwd:chdir "b", d / "b")
    t.eq(rshell.type(v.cwd:chdir "."), "workdir")
    t.eq(v.cwd, d / "b")
    t.eq(v:path "c":read(), "22")
    t.eq(v.cmd.cat "c", "22")
    v.cwd:chdir ".."
    t.eq(v.cwd, d:resolve())
    v.cwd:chdir(d / "b/d")
    t.eq(v.cwd, d / "b/d")
    v.cwd:chdir "../../l"
    t.eq(v.cwd, (d / "b"):resolve())
    v.cwd:chdir(d .. "/l")
    t.eq(v.cwd, d / "l", "a link is kept")
    fails(t, "notfound", "ENOENT", d / "x", function() v.cwd:chdir(d / "x") end)
    fails(t, "io", "ENOTDIR", d / "a", function() v.cwd:chdir(d / "a") end)
    t.raises("notfound", function() v.cwd:chdir "nope/.." end)
    t.raises("io", function() v.cwd:chdir(d .. "/a/..") end)
    t.raises("usage", function() v.cwd:chdir() end)
    t.raises("usage", function() v.cwd:chdir "" end)
    t.raises("usage", function() v.cwd:chdir "a\0" end)
    t.raises("usage", function() v.cwd:chdir(1) end)
    t.raises("usage", function() v.cwd:chdir(other:path "/") end)
    t.eq(v.cwd, d / "l")
    t.eq(tostring(m.cwd), here_before, "other views stay where they are")
end)

spec.test("cwd scopes", function(t)
    local d = tree(t)
    local v = m:at(d)
    do
        local _ <close> = v.cwd "b"
        t.eq(v.cwd, d / "b")
        do
            local _ <close> = v.cwd "d"
            t.eq(v.cwd, d / "b/d")
            v.cwd:chdir(d)
            t.eq(v.cwd, d)
        end
        t.eq(v.cwd, d / "b", "chdir in a scope holds until its end")
    end
    t.eq(v.cwd, d)
    t.raises("notfound", function() return v.cwd "none" end)
    t.raises("io", function() return v.cwd "a" end)
    t.raises("usage", function() return v.cwd() end)
    t.ok(not pcall(function()
        local _ <close> = v.cwd "b"
        error "x"
    end))
    t.eq(v.cwd, d)
end)

spec.test("cwd scopes that end in another order", function(t)
    local v = m:at "/"
    local a, b, c = v.cwd "/usr", v.cwd "/tmp", v.cwd "/usr/bin"
    t.match(tostring(a), "^scope of the working directory /usr$")
    a:close()
    t.eq(v.pwd:text(), "/usr/bin", "the innermost goes on")
    c:close()
    t.eq(v.pwd:text(), "/tmp")
    a:close()
    c:close()
    t.eq(v.pwd:text(), "/tmp", "twice does nothing")
    b:close()
    t.eq(v.pwd:text(), "/")
end)

spec.test("cwd scopes belong to their task", function(t)
    local d = tree(t)
    local v = m:at(d)
    local seen = {}
    local scoped = rshell.spawn(function()
        local _ <close> = v.cwd "b"
        local child = rshell.spawn(function()
            rshell.sleep(0.05)
            seen.child = tostring(v.cwd)
        end)
        rshell.sleep(0.02)
        seen.scoped = tostring(v.cwd)
        return child
    end)
    rshell.sleep(0.01)
    seen.main = tostring(v.cwd)
    scoped:await():await()
    t.same(seen, {scoped = d .. "/b", main = d .. "", child = d .. "/b"})
    t.eq(v.cwd, d)
end)

spec.test("views don't disturb each other", function(t)
    local d = tree(t)
    local v, w = m:at(d), m:with {cwd = d / "b"}
    t.eq(v:at "b".cwd, d / "b")
    v.cwd:chdir "b"
    t.eq(w.cwd, d / "b")
    w.cwd:chdir "d"
    t.eq(v.cwd, d / "b")
    t.eq(v:at("d").cwd, d / "b/d")
    do
        local _ <close> = v.cwd(d)
        t.eq(v:at("b/d").cwd, d / "b/d", "a new view starts in the scope")
        t.eq(v:with({timeout = 5}).cwd, d)
    end
end)

-- ---- temporary folders ----

spec.test("tempdir", function(t)
    local text
    do
        local d <close> = m:tempdir()
        text = d .. ""
        t.eq(rshell.type(d), "tempdir")
        t.eq(d:is_dir(), true)
        t.eq(d:mode(), 448, "nobody else can look in")
        t.eq(d, m:path(text))
        t.eq((d / "a/b"):mkdir {parents = true}.parent.parent, d)
        t.eq(m.cmd.ls(d), "a\n")
        t.eq(m:path(d, "a"), d / "a")
        local e <close> = m:tempdir()
        t.ne(e .. "", text);
        (d / "a"):chmod(0)
    end
    t.eq(m:path(text):exists(), false)
end)

spec.test("tempdir: closing", function(t)
    local d = m:tempdir()
    d:close()
    t.eq(d:exists(), false)
    m:path(d):mkdir()
    t.defer(function() m:path(d):rmdir() end)
    d:close()
    t.eq(d:exists(), true, "the second close deletes nothing")
    local gone <close> = m:tempdir()
    gone:rmdir()
    local moved <close> = m:tempdir()
    moved:delete {recursive = true}
    t.ok(not pcall(function()
        local e <close> = m:tempdir()
        text = e .. "" -- luacheck: ignore
        error "x"
    end))
    t.eq(m:path(text):exists(), false) -- luacheck: ignore
    text = nil -- luacheck: ignore
end)

spec.test("tempdir: deleted also when its task is cancelled", function(t)
    local text
    local task = rshell.spawn(function()
        local d <close> = m:tempdir()
        d:join "x":write ""
        text = d .. ""
        rshell.sleep(100)
    end)
    while not text do rshell.sleep(0.01) end
    task:cancel()
    pcall(task.await, task)
    t.eq(m:path(text):exists(), false)
end)

spec.test("tempdir: what is dropped goes with the next", function(t)
    local text = m:tempdir() .. ""
    collectgarbage()
    collectgarbage()
    local d <close> = m:tempdir()
    t.ok(d)
    t.eq(m:path(text):exists(), false)
end)

spec.test("tempdir: clear", function(t)
    local o = require "rshell.here".new "third"
    local d = o:tempdir()
    d:join "x":write ""
    local tempdir = require "rshell.tempdir"
    tempdir.clear(require "rshell.machine".test(o).conn)
    t.eq(m:path(d .. ""):exists(), false)
    d:close()
end)

spec.finish()
