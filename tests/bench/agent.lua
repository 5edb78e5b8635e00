-- The agent against the raw channel of the same connection and cipher, and its copies against those of other programs.
-- usage: scripts/bench agent [PART ...]   PART: latency, bulk, tunnel, file, files, unchanged; all of them without

package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local bench = require "bench"
local flow = require "flow"
local bed <close> = require("bed").new {shell = "/bin/bash"}
local rshell = require "rshell"

local CIPHER = "aes128-gcm@openssh.com"
local DIR = bed.dir .. "/bench"
local FILES, MB = 2000, 256

local parts = {}
for _, name in ipairs(arg) do parts[name] = true end
local function wanted(name) return next(parts) == nil or parts[name] end

here.install("-d", "-o", bed.user, "-m", "755", DIR)
local config = DIR .. "/config"
bench.ssh_config(bed, config, "Ciphers " .. CIPHER)

local function connect(agent)
    local m = rshell.ssh("127.0.0.1", {config = config, agent = agent})
    m["true"]()
    return m
end

local raw <close> = connect(false)
local m <close> = connect(true)

--- The mean of n calls.
local function each(n, fn)
    return function()
        local before = rshell.now()
        for _ = 1, n do fn() end
        return (rshell.now() - before) / n
    end
end

-- ---- one round trip ----

-- Bytes of a stat, its question and its answer together, by half: what an echo sends and gets.
local ECHO = ("x"):rep(130)

local function latency()
    local cat <close> = raw.cat:popen()
    local path = m:path "/etc/passwd"
    bench.compare("a round trip", 15, {
        {"raw echo of the same bytes", each(200, function()
            cat.stdin:write(ECHO)
            cat.stdout:read {exact = #ECHO}
        end)},
        {"p:stat()", each(200, function() path:stat() end)},
    }, "us", 1e6)
    bench.compare("running true", 15, {
        {"with the agent", each(50, function() m["true"]() end)},
        {"agent=false", each(10, function() raw["true"]() end)},
    }, "ms", 1e3)
    bench.compare("stats in flight", 10, {{"1,000 at once, each", function()
        local before, tasks = rshell.now(), {}
        for i = 1, 1000 do tasks[i] = rshell.spawn(path.stat, path) end
        for _, t in ipairs(tasks) do t:await() end
        return (rshell.now() - before) / 1000
    end}}, "us", 1e6)
    local conn <close> = m:connect()
    local same, mib = conn:teleport(function(s) return s end), ("x"):rep(1 << 20)
    bench.compare("1 MiB there and back", 10, {
        {"raw echo", each(5, function()
            local writing = rshell.spawn(cat.stdin.write, cat.stdin, mib)
            cat.stdout:read {exact = #mib}
            writing:await()
        end)},
        {"a call", each(5, function() same(mib) end)},
    }, "MB/s", 2, true)
end

-- ---- streams ----

local function up(machine)
    local block = ("x"):rep(1 << 20)
    return function()
        local p <close> = machine.cat:to("/dev/null"):popen()
        local before = rshell.now()
        for _ = 1, MB do p.stdin:write(block) end
        p.stdin:close()
        p:wait()
        return rshell.now() - before
    end
end

local function down(machine)
    return function()
        local p <close> = machine.head["-c"][MB << 20]["/dev/zero"]:popen()
        local before = rshell.now()
        while p.stdout:read(1 << 20) do end
        return rshell.now() - before
    end
end

local function bulk()
    bench.compare(("%d MB into a program"):format(MB), 7, {
        {"raw channel", up(raw)}, {"frames", up(m)},
    }, "MB/s", MB, true)
    bench.compare(("%d MB out of a program"):format(MB), 7, {
        {"raw channel", down(raw)}, {"frames", down(m)},
    }, "MB/s", MB, true)
end

local function tunnel()
    local bytes = MB << 20
    local port, _ <close> = flow.source(bytes)
    local channel <close> = raw:tunnel(0, port)
    local frames <close> = m:tunnel(0, port)
    local client, _ <close> = flow.forward(config, port)
    bench.compare(("a tunnel, %d MB down"):format(MB), 7, {
        {"a channel of its own", flow.through(channel.lport, bytes)},
        {"frames", flow.through(frames.lport, bytes)},
        {"ssh -L", flow.through(client, bytes)},
    }, "MB/s", MB, true)
end

-- ---- files ----

local function sh(text, ...)
    local words = table.pack(...)
    return function(...)
        local all = table.move(words, 1, words.n, 1, {})
        here:sh(text, config, "127.0.0.1", table.unpack(table.move({...}, 1, select("#", ...), #all + 1, all)))()
    end
end

local function one_file()
    local here_file, there = DIR .. "/file", DIR .. "/there"
    here:sh("head -c $1 /dev/urandom >$2; chmod 644 $2", tostring(MB << 20), here_file)()
    here.install("-d", "-o", bed.user, there)
    local to, back = there .. "/file", DIR .. "/back"
    local function fresh(fn, path)
        return function()
            here.rm("-f", path)
            local before = rshell.now()
            fn()
            return rshell.now() - before
        end
    end
    bench.compare(("a file of %d MB up"):format(MB), 5, {
        {"raw channel into cat", fresh(function() (here.cat[here_file] | raw.cat:to(to))() end, to)},
        {"rshell upload", fresh(function() m:upload(here_file, to) end, to)},
        {"cat over ssh", fresh(sh("ssh -F $1 $2 \"cat >$4\" <$3", here_file, to), to)},
        {"scp", fresh(sh("scp -q -F $1 $3 $2:$4", here_file, to), to)},
        {"rsync", fresh(sh("rsync -W -e \"ssh -F $1\" $3 $2:$4", here_file, to), to)},
    }, "MB/s", MB, true)
    bench.compare(("a file of %d MB down"):format(MB), 5, {
        {"raw channel out of cat", fresh(function() (raw.cat[here_file] | here.cat:to(back))() end, back)},
        {"rshell download", fresh(function() m:download(here_file, back) end, back)},
        {"cat over ssh", fresh(sh("ssh -F $1 $2 \"cat $3\" >$4", here_file, back), back)},
        {"scp", fresh(sh("scp -q -F $1 $2:$3 $4", here_file, back), back)},
        {"rsync", fresh(sh("rsync -W -e \"ssh -F $1\" $2:$3 $4", here_file, back), back)},
    }, "MB/s", MB, true)
    here.rm("-rf", here_file, there, back)
end

local function make_tree()
    local from = DIR .. "/small"
    here:sh("mkdir -p $1; cd $1; head -c $((4096*$2)) /dev/urandom | split -b 4096 -a 4 - f", from, tostring(FILES))()
    return from
end

local function files()
    local from, top, n = make_tree(), DIR .. "/many", 0
    here.install("-d", "-o", bed.user, top)
    local function fresh(fn)
        return function()
            n = n + 1
            fn(("%s/%d"):format(top, n))
        end
    end
    bench.compare(FILES .. " files of 4 KiB up", 5, {
        {"rshell upload", fresh(function(to) m:upload(from, to) end)},
        {"tar over ssh", fresh(sh("tar -C $3 -cf - . | ssh -F $1 $2 \"mkdir $4; tar -C $4 -xf -\"", from))},
        {"rsync -a", fresh(sh("rsync -a -e \"ssh -F $1\" $3/ $2:$4", from))},
        {"sftp -r", fresh(sh("echo put -r $3 $4 | sftp -q -b - -F $1 $2 >/dev/null", from))},
        {"scp -r", fresh(sh("scp -q -r -F $1 $3 $2:$4", from))},
    }, "files/s", FILES, true)
    top = DIR .. "/back"
    here.mkdir(top)
    bench.compare(FILES .. " files of 4 KiB down", 5, {
        {"rshell download", fresh(function(to) m:download(from, to) end)},
        {"tar over ssh", fresh(sh("mkdir $4; ssh -F $1 $2 tar -C $3 -cf - . | tar -C $4 -xf -", from))},
        {"rsync -a", fresh(sh("rsync -a -e \"ssh -F $1\" $2:$3/ $4", from))},
        {"sftp -r", fresh(sh("echo get -r $3 $4 | sftp -q -b - -F $1 $2 >/dev/null", from))},
        {"scp -r", fresh(sh("scp -q -r -F $1 $2:$3 $4", from))},
    }, "files/s", FILES, true)
    here.rm("-rf", from, top, DIR .. "/many")
end

local function unchanged()
    local from, to = make_tree(), DIR .. "/same/tree"
    here.install("-d", "-o", bed.user, DIR .. "/same")
    m:upload(from, to)
    bench.compare(FILES .. " files, unchanged", 15, {
        {"rshell upload", function() m:upload(from, to) end},
        {"rshell upload, by checksum", function() m:upload(from, to, {checksum = true}) end},
        {"rsync -a", function() sh("rsync -a -e \"ssh -F $1\" $3/ $2:$4", from, to)() end},
    }, "ms", 1e3)
    here.rm("-rf", from, DIR .. "/same")
end

for _, part in ipairs {
    {"latency", latency}, {"bulk", bulk}, {"tunnel", tunnel}, {"file", one_file}, {"files", files},
    {"unchanged", unchanged},
} do
    if wanted(part[1]) then part[2]() end
end
