-- An account that allows nothing but SFTP.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local beds = require "bed"
local mode_of = require "rshell.sftp.mode"
local odd = require "odd"
local rshell = require "rshell"

local here, copy = rshell.here, rshell.copy
local bed = beds.new {config = {"ForceCommand internal-sftp"}}
local m = rshell.ssh("127.0.0.1", bed:options())
local home = m:path(m.home)

local function dir(t)
    local d = (home / ("d%016x"):format(math.random(0))):mkdir()
    t.defer(function() d:delete {recursive = true, missing_ok = true} end)
    return d
end

spec.test("what the account is", function(t)
    t.eq(tostring(home), bed.home)
    t.match(tostring(m), "nothing but SFTP")
    t.eq(tostring(m.cwd), bed.home)
end)

spec.test("commands are refused with the reason", function(t)
    for _, fn in ipairs {
        function() return m.cmd.ls() end, function() return m.cmd.ls:run() end, function() return m:which "ls" end,
        function() return (m.cmd.ls | m.cmd.cat)() end, function() return m.cmd.ls:popen() end,
        function() return m:session() end, function() return m.uname end,
    } do
        local e = t.raises("denied", fn)
        t.match(e.message, "nothing but SFTP")
        t.eq(e.host, "127.0.0.1")
    end
end)

spec.test("a name that is too long for a file is none that is there", function(t)
    local d = dir(t)
    for _, p in ipairs {d / ("x"):rep(256), d / ("x"):rep(1000) / "y", d / ("\u{e4}"):rep(128)} do
        t.same({p:exists(), p:is_file(), p:is_dir(), p:is_symlink(), p:access "f"},
            {false, false, false, false, false})
        p:delete {missing_ok = true}
        for _, name in ipairs {"stat", "lstat", "read", "delete", "list"} do
            t.match(t.raises("io", p[name], p).message, "file name too long")
        end
    end
    local longest = (d / ("x"):rep(255)):write "fits"
    t.same({longest:exists(), longest:read()}, {true, "fits"})
end)

spec.test("read and write", function(t)
    local d = dir(t)
    local f = (d / "f"):write(odd.bytes)
    t.eq(f:read(), odd.bytes)
    t.eq(f:read(10), odd.bytes:sub(1, 10))
    t.eq(f:append "more":size(), #odd.bytes + 4)
    f:write("x", {mode = "640"})
    t.same({f:read(), f:mode()}, {"x", tonumber("640", 8)})
    f:write "y"
    t.eq(f:mode(), tonumber("640", 8), "the mode stays");
    (d / "l"):symlink "f"
    local l = d / "l"
    l:write "through"
    t.same({f:read(), l:is_symlink()}, {"through", true})
    t.eq(#d:list(), 2, "nothing else is left")
    f:touch {mtime = 1e9}
    t.eq(f:mtime(), 1e9)
    f:truncate(3)
    t.eq(f:read(), "thr")
    local big = odd.bytes:rep(3000)
    f:write(big)
    t.ok(f:read() == big)
    t.eq(f:checksum "md5", require "rshell.sys.hash".md5(big))
    t.eq((d / "empty"):write "":read(), "")
end)

spec.test("open files", function(t)
    local f = dir(t) / "f"
    do
        local w <close> = f:open "w"
        for i = 1, 1000 do w:write(i, "\n") end
    end
    local lines = {}
    for line in f:lines() do lines[#lines + 1] = line end
    t.same({#lines, lines[1], lines[1000]}, {1000, "1", "1000"})
    local r <close> = f:open "r"
    r:seek("set", 2)
    t.eq(r:read(1), "2")
    t.eq(r:seek "end", f:size())
    t.eq(r:read(1), nil)
    t.raises("exists", f.open, f, "x")
end)

spec.test("names", function(t)
    local d = dir(t)
    for i, name in ipairs(odd.names) do (d / name):write(name .. i) end
    local list = d:list {stat = true}
    t.eq(#list, #odd.names)
    for _, p in ipairs(list) do t.eq(p.stat.size, #p:read()) end
    for i = 2, #list do t.ok(list[i - 1].name < list[i].name) end
end)

spec.test("folders, walks and globs", function(t)
    local d = dir(t);
    (d / "a/b/c"):mkdir {parents = true};
    (d / "a/b/f.txt"):write "1";
    (d / "a/g.txt"):write "2";
    (d / "a/l"):symlink "b";
    (d / ".h"):write ""
    local seen = {}
    for p in d:walk() do seen[#seen + 1] = p:relative_to(d) .. "" end
    table.sort(seen)
    t.same(seen, {".h", "a", "a/b", "a/b/c", "a/b/f.txt", "a/g.txt", "a/l"})
    t.eq(#(d // "a/*.txt"), 1)
    t.eq(#(d // "**/*.txt"), 2)
    t.same({(d / "a"):is_dir(), (d / "a/l"):is_dir(), (d / "a/l"):is_symlink(), (d / "none"):is_file()},
        {true, true, true, false})
    t.eq((d / "a/l"):readlink(), "b")
    t.eq((d / "a/b/.."):resolve() .. "", d .. "/a")
    t.raises("exists", d.mkdir, d)
    t.raises("io", (d / "a").delete, d / "a")
    t.raises("io", (d / "a").rmdir, d / "a");
    (d / "a"):delete {recursive = true}
    t.eq((d / "a"):exists(), false)
end)

spec.test("what isn't there, or isn't ours", function(t)
    local d = dir(t)
    t.raises("notfound", (d / "x").read, d / "x")
    t.raises("notfound", (d / "x").list, d / "x")
    t.raises("notfound", (d / "x").delete, d / "x")
    t.raises("notfound", (d / "x/y").write, d / "x/y", "")
    t.raises("io", d.read, d)
    if bed.account then t.raises("denied", m:path "/etc/new".write, m:path "/etc/new", "") end
    t.eq((d / "x"):exists(), false)
    t.eq((d / "x"):delete {missing_ok = true} ~= nil, true)
end)

spec.test("changes", function(t)
    local d = dir(t)
    local f = (d / "f"):write("x", {mode = "600"})
    t.eq(f:chmod "u+x,g=r":mode(), tonumber("740", 8))
    t.eq(f:rename "g".name, "g");
    (d / "h"):write "old"
    t.eq((d / "g"):move(d / "k"):read(), "x");
    (d / "hard"):link(d / "k")
    t.eq((d / "hard"):read(), "x")
    t.raises("exists", (d / "h").symlink, d / "h", "x")
end)

spec.table("modes", {
    {"644", 0, 420}, {"u+x", 420, 484}, {"+x", 420, 493}, {"g=u", 448, 504}, {"a-w,o=", 511, 360}, {"+X", 384, 384},
    {"u+s", 493, 2541}, {"=", 511, 18},
}, function(t, c)
    t.eq(mode_of(c[1], c[2], 18), c[3])
end)

spec.test("copies, up and down", function(t)
    local d, o = odd.dir(t, here), dir(t)
    local src = (d / "src"):mkdir();
    (src / "sub/empty"):mkdir {parents = true};
    (src / "big"):write(odd.bytes:rep(2000));
    (src / "x"):write("x", {mode = "750"});
    (src / "l"):symlink "nowhere"
    for i, name in ipairs(odd.names) do (src / "sub" / name):write(name .. i) end
    local r = m:upload(src, o / "dst")
    t.eq(r.files, #odd.names + 3)
    t.eq((o / "dst/x"):mode(), tonumber("750", 8))
    r = m:upload(src, o / "dst")
    t.same({r.files, r.skipped}, {0, #odd.names + 3})
    r = m:download(o / "dst", d / "back")
    t.eq(r.files, #odd.names + 3)
    for p in src:walk() do
        local q = d / "back" / p:relative_to(src)
        if p:is_file() then t.ok(p:read() == q:read(), p .. "") end
    end
    t.eq((d / "back/l"):readlink(), "nowhere")
    copy(o / "dst", o / "again")
    t.eq((o / "again/x"):read(), "x")
end)

spec.test("a shell that says no, and a server without SFTP", function(t)
    local other <close> = beds.new {config = {"ForceCommand /bin/false"}}
    local n <close> = rshell.ssh("127.0.0.1", other:options())
    local e = t.raises("protocol", n.cmd.ls)
    t.match(e.message, "no POSIX shell answered")
end)

m:close()
bed:close()
spec.finish()
