-- rshell cp and rshell tunnel, run as programs against a server of our own.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local net = require "rshell.sys.net"
local odd = require "odd"
local rshell = require "rshell"

local here = rshell.here
local program = here[os.getenv "RSHELL" or arg[0]:gsub("[^/]*$", "") .. "../../build/rshell"]
local bed = require "bed".new {config = {"ListenAddress 127.0.0.2", "ListenAddress 127.0.0.3"}}
local known = here:path(bed.known_hosts)
local line = known:read()
for i = 2, 3 do known:append((line:gsub("127.0.0.1", "127.0.0." .. i))) end

local OPTIONS = {
    "-l", bed.user, "-p", bed.port, "-i", bed.key, "-F", "/dev/null", "-o", "UserKnownHostsFile=" .. bed.known_hosts,
    "-o", "GlobalKnownHostsFile=/dev/null",
}
local home = here:path(bed.home)

--- Runs a subcommand: its status, what it printed, what it complained of.
local function run(name, ...)
    local code, out, errors = program:bind(name, table.unpack(OPTIONS)):bind(...):run({}, {timeout = 60})
    return code, out, errors
end

local function cp(t, ...)
    local code, out, errors = run("cp", ...)
    t.same({code, out, errors}, {0, "", ""})
end

--- A folder here, and a name in the home over there that goes with the test.
local function places(t)
    local name = ("c%016x"):format(math.random(0))
    t.defer(function() (home / name):delete {recursive = true, missing_ok = true} end)
    here.install("-d", "-m", "777", home / name)
    return odd.dir(t, here), name, home / name
end

local function tree(dir)
    (dir / "src/sub/empty"):mkdir {parents = true};
    (dir / "src/f"):write "data";
    (dir / "src/sub/g"):write("more", {mode = "640"}):touch {mtime = 1e9};
    (dir / "src/l"):symlink "f"
    return dir / "src"
end

local function picture(dir)
    local lines = {}
    for p in dir:walk {stat = true} do
        local s = p.stat
        lines[#lines + 1] = ("%s %s %s"):format(p:relative_to(dir), s.type,
            s.type == "file" and ("%s %o %.6f"):format(p:read(), s.mode, s.mtime) or s.target or "")
    end
    return lines
end

spec.test("--keep", function(t)
    local dir, name, far = places(t);
    (dir / "s"):mkdir():join "a":write "one file";
    (dir / "s/b"):link(dir / "s/a")
    cp(t, "-r", "--keep", "links,xattrs", dir / "s", "127.0.0.1:" .. name .. "/d")
    t.eq((far / "d/a"):stat().ino, (far / "d/b"):stat().ino)
    for _, words in ipairs {{"--keep", "owners"}, {"--keep", ""}, {"--keep", "all", "--no-preserve"}} do
        table.move({dir / "s", "127.0.0.1:" .. name}, 1, 2, #words + 1, words)
        local code, _, errors = run("cp", "-r", table.unpack(words))
        t.eq(code, 2)
        t.match(errors, "%-%-keep")
    end
end)

spec.test("a file there and back", function(t)
    local dir, name, far = places(t);
    (dir / "f"):write(odd.bytes)
    cp(t, dir / "f", "127.0.0.1:" .. name .. "/g")
    t.eq((far / "g"):read(), odd.bytes)
    cp(t, dir / "f", "127.0.0.1:" .. name)
    t.eq((far / "f"):read(), odd.bytes, "into a folder")
    cp(t, "127.0.0.1:" .. far .. "/g", dir)
    t.eq((dir / "g"):read(), odd.bytes)
    cp(t, "127.0.0.1:~/" .. name .. "/g", dir / "h")
    t.eq((dir / "h"):read(), odd.bytes)
end)

spec.test("trees need -r", function(t)
    local dir, name, far = places(t)
    local src = tree(dir)
    local code, _, errors = run("cp", src, "127.0.0.1:" .. name)
    t.eq(code, 1)
    t.match(errors, "^rshell: .*/src is a folder: %-r copies trees\n$")
    cp(t, "-r", src, "127.0.0.1:" .. name)
    t.same(picture(far / "src"), picture(src))
    cp(t, "-r", "127.0.0.1:" .. name .. "/src", dir / "back")
    t.same(picture(dir / "back"), picture(src));
    (src / "f"):delete()
    cp(t, "-r", "--delete", src, "127.0.0.1:" .. name)
    t.eq((far / "src/f"):exists(), false)
end)

spec.test("several sources go into a folder", function(t)
    local dir, name, far = places(t);
    (dir / "a"):write "a";
    (dir / "b"):write "b"
    cp(t, dir / "a", dir / "b", "127.0.0.1:" .. name)
    t.same({(far / "a"):read(), (far / "b"):read()}, {"a", "b"})
    local code, _, errors = run("cp", dir / "a", dir / "b", "127.0.0.1:" .. name .. "/none")
    t.eq(code, 1)
    t.match(errors, "not a folder")
    t.match(errors, "2 of 2 copies failed")
end)

spec.test("to many, and from many with the host in the name", function(t)
    local dir, name, far = places(t);
    (dir / "f"):write "x"
    cp(t, "-H", "127.0.0.[1-3]", dir / "f", ":" .. name .. "/f")
    t.eq((far / "f"):read(), "x")
    cp(t, "-H", "127.0.0.[1-3]", dir / "f", name .. "/g")
    t.eq((far / "g"):read(), "x", "without a colon too")
    cp(t, "-H", "127.0.0.[1-3]", ":" .. name .. "/f", dir / "out")
    cp(t, "127.0.0.[1-2]:" .. name .. "/f", dir .. "/")
    for i = 1, 3 do t.eq((dir / ("out.127.0.0." .. i)):read(), "x") end
    for i = 1, 2 do t.eq((dir / ("f.127.0.0." .. i)):read(), "x") end
    t.eq((dir / "f.127.0.0.3"):exists(), false)
end)

spec.test("--json tells of each copy", function(t)
    local dir, name = places(t);
    (dir / "f"):write "xyz"
    local code, out, errors = run("cp", "--json", dir / "f", dir / "none", "127.0.0.1:" .. name)
    t.eq(code, 1)
    t.match(errors, "1 of 2 copies failed")
    local list = {}
    for text in out:gmatch "[^\n]+" do
        local o = assert(require "rshell.sys.json".decode(text))
        list[o.src:match "%w+$"] = o
    end
    t.same(list.f, {
        src = dir .. "/f", dst = name, dst_host = "127.0.0.1", status = "ok", files = 1, bytes = 3, skipped = 0,
    })
    t.same({list.none.status, list.none.kind, list.none.files}, {"failed", "notfound"})
    t.match(list.none.error, "none")
end)

spec.test("from one machine to another", function(t)
    local dir, name, far = places(t)
    cp(t, "-r", tree(dir), "127.0.0.1:" .. name)
    cp(t, "-r", "127.0.0.1:" .. name .. "/src", bed.user .. "@127.0.0.2:" .. name .. "/again")
    t.same(picture(far / "again"), picture(far / "src"))
end)

spec.test("what fails is named, and the rest is copied", function(t)
    local dir, name, far = places(t);
    (dir / "a"):write "a"
    local code, out, errors = run("cp", dir / "none", dir / "a", "127.0.0.1:" .. name)
    t.same({code, out}, {1, ""})
    t.match(errors, "none")
    t.eq((far / "a"):read(), "a")
    code, out, errors = run("cp", "-H", "127.0.0.1,127.0.0.9", dir / "a", ":" .. name .. "/b")
    t.same({code, out}, {1, ""})
    t.match(errors, "127%.0%.0%.9")
    t.eq((far / "b"):read(), "a")
end)

spec.test("interrupted, it leaves nothing", function(t)
    local dir, name, far = places(t);
    (dir / "big"):touch():truncate(2 << 30)
    local p <close> = program:bind("cp", table.unpack(OPTIONS)):bind(dir / "big", "127.0.0.1:" .. name):popen()
    for _ = 1, 1000 do
        if #far:list() > 0 then break end
        rshell.sleep(0.02)
    end
    t.eq(#far:list(), 1, "it has begun")
    p:kill "INT"
    p:wait(20)
    t.same({p.termsig, p.stderr:read "a"}, {"INT", ""})
    for _ = 1, 500 do
        if #far:list() == 0 then break end
        rshell.sleep(0.02)
    end
    t.same(far:list(), {})
end)

spec.table("wrong usage", {
    {}, {"x"}, {":x", "y"}, {"-H", "a", "b:x", "y"}, {"--chekcsum", "a", "b"}, {"--limit", "0", "a", "b:c"},
    {"-p", "0", "a", "b:c"},
}, function(t, c)
    local code, out, errors = program:bind("cp", table.unpack(c)):run()
    t.same({code, out}, {2, ""})
    t.match(errors, "^rshell: ")
end)

spec.test("a path with a slash before its colon is one of this machine", function(t)
    local dir = odd.dir(t, here);
    (dir / "a:b"):write "x"
    cp(t, dir / "a:b", dir / "c")
    t.eq((dir / "c"):read(), "x")
end)

-- ---- tunnels ----

local function echo_server(t)
    local l = assert(net.listen(0, "127.0.0.1"))
    local server = rshell.spawn(function()
        while true do
            local s = l:accept()
            if not s then return end
            s:write("you said ", s:read "l", "\n")
            s:close()
        end
    end)
    t.defer(function()
        l:close()
        server:cancel()
    end)
    return l.port
end

local function ask(port)
    local s <close> = assert(net.connect("127.0.0.1", port))
    s:write "hello\n"
    return s:read "l"
end

for _, reverse in ipairs {false, true} do
    spec.test(reverse and "a reverse tunnel" or "a tunnel", function(t)
        local port = echo_server(t)
        local words = {"127.0.0.1", "0:" .. port}
        if reverse then words[3] = "--reverse" end
        local p <close> = program:bind("tunnel", table.unpack(OPTIONS)):bind(words):popen()
        local told = p.stdout:read "l"
        local shown = reverse and "^127%.0%.0%.1 localhost:(%d+) %-> here localhost:" .. port .. "$"
            or "^here localhost:(%d+) %-> 127%.0%.0%.1 localhost:" .. port .. "$"
        local bound = t.ok(told and told:match(shown), told)
        t.eq(ask(bound), "you said hello")
        t.eq(ask(bound), "you said hello")
        p:kill "INT"
        p:wait(20)
        t.eq(p.termsig, "INT")
        t.eq(net.connect("127.0.0.1", tonumber(bound)), nil, "the port is free again")
    end)
end

spec.test("a tunnel as an object", function(t)
    local p <close> = program:bind("tunnel", "--json", table.unpack(OPTIONS)):bind("127.0.0.1", "0:7"):popen()
    local o = require "rshell.sys.json".decode(p.stdout:read "l")
    t.ok(math.type(o.lport) == "integer" and o.lport > 0)
    o.lport = 0
    t.same(o, {host = "127.0.0.1", lhost = "localhost", lport = 0, dhost = "localhost", dport = 7, reverse = false})
end)

spec.test("a tunnel that can't be", function(t)
    local l <close> = assert(net.listen(0, "127.0.0.1"))
    local code, _, errors = run("tunnel", "127.0.0.1", l.port .. ":1")
    t.eq(code, 1)
    t.match(errors, tostring(l.port))
    for _, words in ipairs {{}, {"h"}, {"h", "1"}, {"h", "1:b:c:d:e"}, {"h", "x:y"}, {"h", "1:99999"}} do
        code, _, errors = program:bind("tunnel", table.unpack(words)):run()
        t.eq(code, 2)
        t.match(errors, "LPORT")
    end
end)

spec.test("a tunnel whose server goes ends with an error", function(t)
    local p <close> = program:bind("tunnel", table.unpack(OPTIONS)):bind("127.0.0.1", "0:1"):popen()
    if not bed.account then t.skip "needs an account of its own" end
    p.stdout:read "l"
    bed:stop()
    here.pkill:bind("-KILL", "-u", bed.user):run()
    t.eq(p:wait(30), 1)
    t.match(p.stderr:read "a", "connection was lost")
end)

bed:close()
spec.finish()
