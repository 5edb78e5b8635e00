-- How many round trips things take with an agent. Exact, see tests/tools/proxy.c.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local agents = require "rshell.agents"
local proxy = require "proxy"
local spec = require "spec"
local here, ssh = require "rshell".here, require "rshell".ssh
local task = require "rshell.task"

local DELAY = 0.04

local bed <close> = require "bed".new()
local link <close> = proxy.new(bed.port, {delay = DELAY})
proxy.trust(bed, link)

local function connect() return ssh("127.0.0.1", bed:options {port = link.port, agent = true}) end

local function costs(t, n, fn)
    t.eq(link:trips(fn, n), n)
end

-- TCP, banners, key exchange, two for the login, channel, exec; image and first call together. An image with sanitizers
-- is larger than the server's window of 2 MiB.
local COLD = 8 + #agents.image(here.arch) // (2 * 1024 * 1024)

spec.table("from nothing to the first answer:", {
    {"a command", function(m) m["true"]() end},
    {"a file that is read", function(m) m:path("/etc/passwd"):read() end},
    {"many at once", function(m)
        local tasks = {}
        for i = 1, 20 do tasks[i] = task.spawn(function() m:path("/etc/passwd"):stat() end) end
        for _, each in ipairs(tasks) do each:await() end
    end},
}, function(t, c)
    local m
    costs(t, COLD, function()
        if m then m:close() end
        m = connect()
        c[2](m)
    end)
    m:close()
end)

local m <close> = connect()
local dir = m:tempdir()
local text, folder = dir / "text", dir / "folder"
text:write "some text\n"
folder:mkdir()
for i = 1, 5 do (folder / ("f" .. i)):write(i) end

spec.table("one round trip:", {
    {"a command", function() m["true"]() end},
    {"a command with all settings", function() m.printenv:with {env = {A = "1"}, cwd = "/", umask = 63} "A" end},
    {"a pipeline", function() (m.echo["a"] | m.cat)() end},
    {"input and output", function() (m.cat << "text")() end},
    {"path:read", function() text:read() end},
    {"path:write", function() text:write "other text\n" end},
    {"path:stat", function() text:stat() end},
    {"path:exists", function() text:exists() end},
    {"path:list", function() folder:list {stat = true} end},
    {"path:glob", function() folder:glob "*" end},
    {"path:checksum", function() text:checksum "sha256" end},
    {"path:mkdir", function() (dir / "a/b/c"):mkdir {parents = true, exist_ok = true} end},
    {"path:copy", function() text:copy(dir / "copy", {override = true}) end},
    {"path:delete", function() (dir / "nothing"):delete {missing_ok = true} end},
    {"which", function() m:which "sh" end},
    {"processes", function() m:list_processes() end},
    {"a connection", function() m:connect_sock(bed.port):close() end},
    {"100 operations at once", function()
        local tasks = {}
        for i = 1, 100 do tasks[i] = task.spawn(function() text:stat() end) end
        for _, each in ipairs(tasks) do each:await() end
    end},
}, function(t, c)
    c[2]() -- what is asked once only
    costs(t, 1, c[2])
end)

-- ---- trees ----

local here_dir <close> = here:tempdir()
local src = (here_dir / "src"):mkdir()
for d = 1, 20 do
    local sub = (src / ("d" .. d)):mkdir()
    for i = 1, 100 do (sub / ("f" .. i)):write(("%d of %d\n"):format(i, d)) end
end

--- Each time to another place: a copy that is counted again would find all there.
local function fresh(root)
    local n = 0
    return function()
        n = n + 1
        return root / ("dst" .. n)
    end
end

local up, down = fresh(dir), fresh(here_dir)
local there = dir / "there"
m:upload(src, there)

spec.table("2,000 files:", {
    {"are sent", 2, function() m:upload(src, up()) end},
    {"come", 2, function() m:download(there, down()) end},
    {"unchanged, up", 1, function() m:upload(src, there) end},
    {"unchanged, up, with delete", 1, function() m:upload(src, there, {delete = true}) end},
    {"unchanged, up, by checksum", 1, function() m:upload(src, there, {checksum = true}) end},
    {"unchanged, down", 1, function() m:download(there, src) end},
    {"unchanged, down, by checksum", 1, function() m:download(there, src, {checksum = true}) end},
}, function(t, c) costs(t, c[2], c[3]) end)

-- A window more or less on the way makes one of difference.
spec.test("a big file takes no more than the raw channel", function(t)
    local raw <close> = ssh("127.0.0.1", bed:options {port = link.port})
    local file = (here_dir / "big"):write(("\0\1\2\3"):rep(3 << 20))
    local data, far = file:read(), dir / "big"
    raw.cat()
    local up_raw = link:trips(function() (raw.cat << data):to("/dev/null")() end)
    local up_ours = link:trips(function() m:upload(file, up()) end, up_raw + 2)
    t.ok(up_ours <= up_raw + 2, ("%d up, %d raw"):format(up_ours, up_raw))
    m:upload(file, far)
    local down_raw = link:trips(function() raw.cat(far .. "") end)
    local down_ours = link:trips(function() m:download(far, down()) end, down_raw + 2)
    t.ok(down_ours <= down_raw + 2, ("%d down, %d raw"):format(down_ours, down_raw))
end)

spec.test("what a program reads takes no more than the raw channel", function(t)
    local raw <close> = ssh("127.0.0.1", bed:options {port = link.port})
    local block = ("\0\1\2\3"):rep(64 << 10)
    local function feed(machine)
        local p = machine.cat:to("/dev/null"):popen()
        for _ = 1, 48 do p.stdin:write(block) end
        p.stdin:close()
        t.eq(p:wait(), 0)
    end
    feed(raw)
    local wanted = link:trips(function() feed(raw) end)
    local ours = link:trips(function() feed(m) end, wanted + 2)
    t.ok(ours <= wanted + 2, ("%d, %d raw"):format(ours, wanted))
end)

spec.test("5,000 entries with stat", function(t)
    local wide = (here_dir / "wide"):mkdir()
    here:sh('cd "$1" && seq -f "an entry with a name, %g" 5000 | tr "\\n" "\\0" | xargs -0 touch', wide)()
    m:upload(wide, dir / "wide")
    t.ok(link:trips(function() t.eq(#(dir / "wide"):list {stat = true}, 5000) end, 2) <= 2)
end)

dir:close()

spec.finish()
