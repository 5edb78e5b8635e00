package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local proxy = require "proxy"
local task = require "rshell.task"
local ssh = require "rshell".ssh

-- How many round trips things take over SSH: the one cost that no hardware removes. Exact, see tests/tools/proxy.c;
-- RSHELL_TRACE=1 tells what each one was for.

local DELAY = 0.04

local bed <close> = require "bed".new()
local link <close> = proxy.new(bed.port, {delay = DELAY})
proxy.trust(bed, link)

local function connect() return ssh("127.0.0.1", bed:options {port = link.port}) end

local function costs(t, n, fn)
    t.eq(link:trips(fn, n), n)
end

-- ---- cold: TCP, banners, key exchange, two for the login, channel, exec ----

spec.test("connecting", function(t)
    local m
    costs(t, 5, function()
        if m then m:close() end
        m = connect()
    end)
    m:close()
end)

spec.table("connecting and", {
    {"a command", function(m) m["true"]() end},
    {"a long command", function(m) m.echo[("x "):rep(5000)]() end},
    {"a file that is read", function(m) m:path("/etc/passwd"):read() end},
    {"a folder that is listed", function(m) m:path("/etc"):list() end},
    {"a small file that is written", function(m) m:path("/dev/null"):write "nothing" end},
}, function(t, c)
    local m
    costs(t, 7, function()
        if m then m:close() end
        m = connect()
        c[2](m)
    end)
    m:close()
end)

spec.test("many hosts cost no more than one", function(t)
    local function one()
        local m <close> = connect()
        m["true"]()
    end
    costs(t, 7, function()
        local tasks = {}
        for i = 1, 10 do tasks[i] = task.spawn(one) end
        for _, each in ipairs(tasks) do each:await() end
    end)
end)

-- ---- warm ----

local m <close> = connect()
local tmp <close> = m:tempdir()
local dir = m:path(tostring(tmp))
local text, folder = dir / "text", dir / "folder"
text:write "some text\n"
folder:mkdir()
for i = 1, 5 do (folder / ("f" .. i)):write(i) end

spec.table("one round trip", {
    {"a command", function() m["true"]() end},
    {"a pipeline", function() (m.echo["a"] | m.cat)() end},
    {"a pipeline in sh", function() m:sh("echo a | cat")() end},
    {"a command with all settings", function() m.printenv:with {env = {A = "1"}, cwd = "/", umask = 63} "A" end},
    {"60 KB of output", function() m.head("-c", "60000", "/dev/zero") end},
    {"a ping", function() m:ping() end},
    {"a tunnelled connection", function() m:connect_sock(bed.port):close() end},
    {"path:read", function() text:read() end},
    {"path:write", function() text:write "other text\n" end},
    {"path:write, 8 KB", function() text:write(("0123456789abcde\0"):rep(512)) end},
    {"path:append", function() text:append "more\n" end},
    {"path:stat", function() text:stat() end},
    {"path:exists", function() text:exists() end},
    {"path:list", function() folder:list() end},
    {"path:glob", function() folder:glob "f*" end},
    {"path:walk", function() for _ in folder:walk() do end end},
    {"path:mkdir", function() (dir / "a" / "b"):mkdir {parents = true, exist_ok = true} end},
    {"path:chmod", function() text:chmod "640" end},
    {"path:touch", function() text:touch() end},
    {"path:copy", function() text:copy(dir / "copy", {override = true}) end},
    {"path:move", function()
        local new = dir / (text.name == "text" and "moved" or "text") -- it may be counted several times
        text:move(new)
        text = new
    end},
    {"path:checksum", function() text:checksum "sha256" end},
    {"path:delete", function() (dir / "copy"):delete {missing_ok = true} end},
}, function(t, c) costs(t, 1, c[2]) end)

spec.table("more than one", {
    {"two commands, one after the other", 2, function()
        m["true"]()
        m["true"]()
    end},
    -- The server opens its window when it has accepted the command.
    {"a command with input", 2, function() m.cat:run({}, {input = "x"}) end},
    -- There is one spare channel.
    {"commands at once", 2, function()
        local tasks = {}
        for i = 1, 5 do tasks[i] = task.spawn(function() m["true"]() end) end
        for _, each in ipairs(tasks) do each:await() end
    end},
}, function(t, c) costs(t, c[2], c[3]) end)

local own <close> = here:tempdir();
(own / "many"):mkdir()
for i = 1, 300 do (own / "many" / ("f" .. i)):write(i):touch {mtime = 1e9} end
local round = 0

spec.table("copies of many small files", {
    -- What is there, the stream's program, and the stream.
    {"up", 3, function()
        round = round + 1
        m:upload(own / "many", dir / ("many" .. round))
    end},
    {"up again", 1, function() m:upload(own / "many", dir / "many1") end},
    -- What is there, the stream, and what a first window doesn't hold.
    {"down", 3, function()
        round = round + 1
        m:download(dir / "many1", own / ("many" .. round))
    end},
    {"down again", 1, function() m:download(dir / "many1", own / ("many" .. round)) end},
}, function(t, c) costs(t, c[2], c[3]) end)

-- ---- RSHELL_TRACE ----

spec.test("RSHELL_TRACE=1 tells each round trip", function(t)
    local script = [[
        local m <close> = ssh("127.0.0.1", {user = arg[1], port = math.tointeger(arg[2]), keyfile = arg[3],
            known_hosts = arg[4], config = false})
        m["true"]()]]
    local rshell = here[os.getenv "RSHELL"]["-e"][script][bed.user][tostring(link.port)][bed.key][bed.known_hosts]
    local _, _, said = rshell:run({}, {env = {RSHELL_TRACE = "1"}})
    t.match(said, "^rshell: trace: trip: 127.0.0.1 1: [%d.]+ ms: TCP to port " .. link.port .. "\n")
    for _, line in ipairs {
        "sent the handshake %(%d+ B%), awaited the handshake, got %d+ B\n",
        "sent a key's signature %(%d+ B%), awaited a key's signature, got %d+ B\n",
        "sent a channel %(%d+ B%), awaited a channel, got %d+ B\n",
        "sent exec, a channel %(%d+ B%), awaited exec, a channel, got %d+ B\n",
    } do
        t.match(said, "\nrshell: trace: trip: 127.0.0.1 %d: [%d.]+ ms: " .. line)
    end
    local _, _, silent = rshell:run({}, {env = {RSHELL_TRACE = "0"}})
    t.eq(silent, "")
end)

spec.finish()
