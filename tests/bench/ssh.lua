-- SSH against OpenSSH, paramiko, and those that run commands on many hosts.
-- usage: scripts/bench ssh [PART ...]   PART: single, many, data, files, tunnel or idle; all of them without

package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local bench = require "bench"
local flow = require "flow"
local bed <close> = require("bed").new {listen = "0.0.0.0", config = {"MaxSessions 300"}, shell = "/bin/bash"}
local rshell = require "rshell"

local program = os.getenv "RSHELL"
local ADDRESS = "127.0.0.1"
local DIR = bed.dir .. "/bench"
local MODERN, GCM = "KexAlgorithms=curve25519-sha256", "Ciphers=aes128-gcm@openssh.com"

local parts = {}
for _, name in ipairs(arg) do parts[name] = true end
local function wanted(name) return next(parts) == nil or parts[name] end

-- ---- the other end, as everybody is told of it ----

here.install("-d", "-o", bed.user, "-m", "755", DIR)
local config = DIR .. "/config"

local function write_config()
    local keys, public = {}, here:path(bed.host_key .. ".pub"):read():match "^(%S+ %S+)"
    for i = 1, 254 do keys[i] = ("[127.0.0.%d]:%d %s\n"):format(i, bed.port, public) end
    here:path(bed.known_hosts):write(table.concat(keys))
    bench.ssh_config(bed, config)
end
write_config()

--- With agent=false the shell over there serves, as it does where no agent can run.
local function connect(agent)
    return rshell.ssh(ADDRESS, {config = config, agent = agent})
end

local function run(...)
    local c = here.cmd[(...)]:bind(select(2, ...))
    return function() c() end
end

local function ssh(...)
    return "ssh", "-F", config, ...
end

--- What a Python program prints as its figure.
local function paramiko(text, ...)
    local head = ([[
import os, paramiko, sys, time
def connect():
    c = paramiko.SSHClient()
    c.load_host_keys(%q)
    c.connect(%q, %d, %q, key_filename=%q, allow_agent=False, look_for_keys=False)
    return c
def true(c):
    i, o, e = c.exec_command("true")
    assert o.channel.recv_exit_status() == 0
now = time.monotonic
]]):format(bed.known_hosts, ADDRESS, bed.port, bed.user, bed.key)
    local c = here.cmd["/usr/bin/python3"]:bind("-c", head .. text, ...)
    return function() return tonumber((c())) end
end

local have_paramiko = here["/usr/bin/python3"]["-c"]["import paramiko"] & TF

local function only(list)
    local out = {}
    for i = 1, list.n do
        if list[i] then out[#out + 1] = list[i] end
    end
    return out
end

-- ---- one command ----

local COLD = ([[local m <close> = ssh(%q, {config = %q, agent = %%s}) m["true"]()]]):format(ADDRESS, config)

local function single()
    bench.compare("cold: a process that runs true", 15, {
        {"ssh", run(ssh(ADDRESS, "true"))},
        {"ssh, curve25519", run(ssh("-o", MODERN, ADDRESS, "true"))},
        {"rshell, agent=false", run(program, "-e", COLD:format "false")},
        {"rshell, with the agent", run(program, "-e", COLD:format "nil")},
    }, "ms", 1e3)

    bench.compare("cold: connect, run true", 15, only(table.pack(
        {"rshell, agent=false", function()
            local m <close> = connect(false)
            m["true"]()
        end},
        {"rshell, with the agent", function()
            local m <close> = connect()
            m["true"]()
        end},
        have_paramiko and {"paramiko", paramiko [[
b = now(); c = connect(); true(c); print(now() - b)]]})), "ms", 1e3)

    local socket = DIR .. "/ctl"
    here.cmd.ssh("-F", config, "-o", "ControlPath=" .. socket, "-M", "-N", "-f", ADDRESS)
    local bare <close> = connect(false)
    local m <close> = connect()
    local function twenty(machine)
        local command = machine["true"]
        command()
        return function()
            local before = rshell.now()
            for _ = 1, 20 do command() end
            return (rshell.now() - before) / 20
        end
    end
    bench.compare("warm: run true", 15, only(table.pack(
        {"ssh, ControlMaster", run(ssh("-o", "ControlPath=" .. socket, ADDRESS, "true"))},
        {"rshell, agent=false", twenty(bare)},
        {"rshell, with the agent", twenty(m)},
        have_paramiko and {"paramiko", paramiko [[
c = connect(); true(c); b = now()
for _ in range(20): true(c)
print((now() - b) / 20)]]})), "ms", 1e3)
    here.cmd.ssh:bind("-F", config, "-o", "ControlPath=" .. socket, "-O", "exit", ADDRESS):run()
end

-- ---- many hosts ----

local HOSTS, FANOUT = 200, 64

local function host_list(from)
    local names = {}
    for i = 1, HOSTS do names[i] = "127.0.0." .. i + from end
    return table.concat(names, ",")
end

--- Runs a command under time(1): its wall time, its CPU time with that of its children, its largest process.
local function timed(c)
    local out = DIR .. "/time"
    local timer = here.cmd["/usr/bin/time"]:bind("-o", out, "-f", "%e %U %S %M", table.unpack(c.argv))
        :with {env = c.env, retcode = "any"}
    local said = timer()
    local wall, user, system, kb = here:path(out):read():match "([%d.]+) ([%d.]+) ([%d.]+) (%d+)%s*$"
    local _, lines = said:gsub("Linux", "")
    assert(lines >= HOSTS, "not every host has answered: " .. lines)
    return {wall = tonumber(wall), cpu = (user + system) / HOSTS, kb = tonumber(kb)}
end

local function many()
    local hosts, wide = host_list(0), tostring(FANOUT)
    local rounds, figures = 3, {}
    local cases = {{"rshell exec", {argv = {
        program, "exec", "-F", config, "-H", hosts, "--limit", wide, "--", "uname", "-a"}}}}
    local function add(tool, name, argv, env)
        if not bench.have(tool) then return end
        for _, how in ipairs {{"", ""}, {", curve25519", " -o " .. MODERN}} do
            local words, vars = {}, {}
            for i, w in ipairs(argv) do words[i] = w:gsub("@", "-F " .. config .. how[2]) end
            for k, v in pairs(env or {}) do vars[k] = v:gsub("@", "-F " .. config .. how[2]) end
            cases[#cases + 1] = {name .. how[1], {argv = words, env = vars}}
        end
    end
    add("pdsh", "pdsh", {"pdsh", "-R", "ssh", "-f", wide, "-w", hosts, "uname -a"},
        {PDSH_SSH_ARGS_APPEND = "@", PDSH_SSH_ARGS = "-2 -a -x %h"})
    add("clush", "clush", {"clush", "-f", wide, "-w", hosts, "-o", "@", "uname -a"})
    add("ansible", "ansible -m raw", {"ansible", "all", "-i", hosts .. ",", "-f", wide, "-m", "raw", "-a", "uname -a"},
        {ANSIBLE_SSH_ARGS = "@", ANSIBLE_HOST_KEY_CHECKING = "True", ANSIBLE_REMOTE_PORT = tostring(bed.port),
            ANSIBLE_LOCAL_TEMP = DIR .. "/ansible", HOME = DIR})
    for round = 1, rounds do
        for i, case in ipairs(cases) do
            local f = timed(case[2])
            figures[i] = figures[i] or {wall = {}, cpu = {}, kb = {}}
            for k, list in pairs(figures[i]) do list[round] = f[k] end
        end
    end
    bench.report(HOSTS .. " hosts, uname -a: wall", cases, figures, "wall", "s", 1)
    bench.report(HOSTS .. " hosts: CPU a host", cases, figures, "cpu", "ms", 1e3)
    bench.report(HOSTS .. " hosts: largest process", cases, figures, "kb", "MB", 1 / 1024)
end

-- ---- data ----

local MB = 256

local function data()
    local up, down = DIR .. "/up", DIR .. "/down"
    here:sh("head -c $1 /dev/urandom >$2; cp $2 $3; chown $4 $3", tostring(MB << 20), up, down, bed.user)()
    here.install("-d", "-o", bed.user, DIR .. "/there")
    local m <close> = connect(false)
    local plain <close> = rshell.ssh(ADDRESS, {
        config = config, agent = false, ciphers = "chacha20-poly1305@openssh.com",
    })
    local to, from = DIR .. "/there/file", DIR .. "/back"
    local function sh(text) return function() here:sh(text, config, ADDRESS, up, to, from, down)() end end
    for _, cipher in ipairs {
        {"aes128-gcm", "-o Ciphers=aes128-gcm@openssh.com", m},
        {"chacha20, ssh's default", "-o Ciphers=chacha20-poly1305@openssh.com", plain},
    } do
        local how, machine = cipher[2], cipher[3]
        local rsh = ("rsync -W -e 'ssh -F %s %s'"):format(config, how)
        bench.compare(("%d MB up, %s"):format(MB, cipher[1]), 3, {
            {"rshell upload", function() machine:upload(up, to) end},
            {"rshell, into cat", function() (here.cat[up] | machine.cat:to(to))() end},
            {"cat over ssh", sh("ssh -F $1 " .. how .. " $2 \"cat >$4\" <$3")},
            {"scp", sh("scp -q -F $1 " .. how .. " $3 $2:$4")},
            {"sftp", sh("echo put $3 $4 | sftp -q -b - -F $1 " .. how .. " $2")},
            {"rsync", sh(rsh .. " $3 $2:$4")},
        }, "MB/s", MB, true)
        bench.compare(("%d MB down, %s"):format(MB, cipher[1]), 3, {
            {"rshell download", function() machine:download(down, from) end},
            {"rshell, out of cat", function() (machine.cat[down] | here.cat:to(from))() end},
            {"cat over ssh", sh("ssh -F $1 " .. how .. " $2 \"cat $6\" >$5")},
            {"scp", sh("scp -q -F $1 " .. how .. " $2:$6 $5")},
            {"sftp", sh("echo get $6 $5 | sftp -q -b - -F $1 " .. how .. " $2")},
            {"rsync", sh(rsh .. " --inplace $2:$6 $5")},
        }, "MB/s", MB, true)
    end
    for _, p in ipairs {up, down, to, from} do here.rm("-f", p) end
end

-- ---- many small files ----

local FILES = 2000

local function files()
    local from = DIR .. "/small"
    here:sh("mkdir -p $1; cd $1; head -c $((4096*$2)) /dev/urandom | split -b 4096 -a 4 - f", from, tostring(FILES))()
    local top = DIR .. "/many"
    here.install("-d", "-o", bed.user, top)
    local m <close> = connect(false)
    local n = 0
    local function fresh()
        n = n + 1
        return ("%s/%d"):format(top, n)
    end
    local function sh(text)
        return function()
            here:sh(text, config, ADDRESS, from, fresh())()
        end
    end
    bench.compare(FILES .. " files of 4 KiB up", 5, {
        {"rshell upload", function() m:upload(from, fresh()) end},
        {"tar over ssh", sh "tar -C $3 -cf - . | ssh -F $1 $2 \"mkdir $4; tar -C $4 -xf -\""},
        {"rsync -a", sh "rsync -a -e \"ssh -F $1\" $3/ $2:$4"},
        {"scp -r", sh "scp -q -r -F $1 $3 $2:$4"},
    }, "files/s", FILES, true)
    local back = DIR .. "/back"
    local function clean() here.rm("-rf", back) end
    local function down(text)
        return function()
            clean()
            local before = rshell.now()
            here:sh(text, config, ADDRESS, from, back)()
            return rshell.now() - before
        end
    end
    bench.compare(FILES .. " files of 4 KiB down", 5, {
        {"rshell download", function()
            clean()
            local before = rshell.now()
            m:download(from, back)
            return rshell.now() - before
        end},
        {"tar over ssh", down "mkdir $4; ssh -F $1 $2 tar -C $3 -cf - . | tar -C $4 -xf -"},
        {"rsync -a", down "rsync -a -e \"ssh -F $1\" $2:$3/ $4"},
        {"scp -r", down "scp -q -r -F $1 $2:$3 $4"},
    }, "files/s", FILES, true)
    clean()
end

-- ---- a tunnel ----

local TUNNEL_MB = 512

local function tunnel()
    local bytes = TUNNEL_MB << 20
    local port, _ <close> = flow.source(bytes)
    local m <close> = connect(false)
    local ours <close> = m:tunnel(0, port)
    local plain, _ <close> = flow.forward(config, port)
    local gcm, _ <close> = flow.forward(config, port, "-o", GCM)
    bench.compare(("a tunnel, %d MB down"):format(TUNNEL_MB), 3, {
        {"rshell", flow.through(ours.lport, bytes)},
        {"ssh -L", flow.through(plain, bytes)},
        {"ssh -L, aes128-gcm", flow.through(gcm, bytes)},
    }, "MB/s", TUNNEL_MB, true)
end

-- ---- connections that do nothing ----

local IDLE = [[
local function resident()
    local f <close> = io.open "/proc/self/status"
    return tonumber(f:read "a":match "VmRSS:%s*(%d+)")
end
local machines, n = {}, 0
for _, host in ipairs(arg) do
    machines[#machines + 1] = ssh(host, {config = os.getenv "CONFIG", agent = false})
end
for _, m in ipairs(machines) do m["true"]() end
collectgarbage()
print(resident())
for _, m in ipairs(machines) do m:close() end]]

local function idle()
    local words = {}
    for name in host_list(0):gmatch "[^,]+" do words[#words + 1] = name end
    local function with(list)
        local c = here.cmd[program]:bind("-e", IDLE, table.unpack(list)):with {env = {CONFIG = config}}
        return function() return tonumber((c())) end
    end
    bench.compare("resident", 3, {
        {"rshell, 1 connection", with {ADDRESS}},
        {"rshell, 200 connections", with(words)},
    }, "MB", 1 / 1024)
end

for _, part in ipairs {
    {"single", single}, {"many", many}, {"data", data}, {"files", files}, {"tunnel", tunnel}, {"idle", idle},
} do
    if wanted(part[1]) then part[2]() end
end
