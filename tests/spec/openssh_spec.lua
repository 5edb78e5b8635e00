-- transport="openssh": how it connects and logs in, and what it leaves. What can be done over there is said by the
-- specs of machines.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local connect = require "rshell.ssh.connect"

local is_root = here.id["-u"]:text() == "0"
local bed <close> = require "bed".new {config = {
    is_root and "PasswordAuthentication yes" or "# as it is", "AcceptEnv RSHELL_SPEC_*", "AllowAgentForwarding yes",
}}
local run_dir = os.getenv "XDG_RUNTIME_DIR" or os.getenv "TMPDIR" or "/tmp"

local function open(more)
    more = more or {}
    more.transport = "openssh"
    return connect.open("127.0.0.1", bed:options(more))
end

local function folders() return #here:path(run_dir):glob "rshell-ssh-*" end

-- Each test leaves what it found.
local function test(name, fn)
    spec.test(name, function(t)
        fn(t)
        t.eq(folders(), 0)
    end)
end

local function wait_for(t, condition, note)
    for _ = 1, 500 do
        if condition() then return end
        sleep(0.02)
    end
    t.fail(note)
end

--- A key that the account takes; with a passphrase.
local function new_key(t, phrase)
    local key = t.tmp() .. "/key"
    here["ssh-keygen"]("-q", "-t", "ed25519", "-N", phrase, "-f", key)
    local keys = here:path(bed.dir, "keys", bed.user)
    local before = keys:read()
    keys:append(here:path(key .. ".pub"):read())
    t.defer(function() keys:write(before) end)
    return key
end

test("connects, runs, pings, and leaves nothing", function(t)
    local m = open()
    t.eq(m.user, bed.user)
    t.eq(m.port, bed.port)
    t.eq(m.host, "127.0.0.1")
    t.eq(m.backend, "bare")
    t.eq((m:sh("echo $USER; cat") << "x")(), bed.user .. "\nx")
    t.ok(m:ping() > 0)
    t.eq(folders(), 1)
    t.eq(here:path(run_dir):glob "rshell-ssh-*"[1]:stat().mode, 448)
    local n <close> = open()
    t.eq(folders(), 1)
    m:close()
    m:close()
    t.ok(m.closed)
    t.raises("closed", m.ping, m)
    t.eq(n.echo "other", "other\n")
    n:close()
    t.eq(folders(), 0)
end)

test("the agent goes through it too", function(t)
    local m <close> = open {agent = true}
    t.eq(m.echo "by the agent", "by the agent\n")
    t.eq(m.backend, "agent")
end)

test("statuses and signals are exact", function(t)
    local m <close> = open()
    t.same({m:sh("exit 137"):run()}, {137, "", "", {137}})
    local code, _, _, _, sig = m:sh("kill -9 $$"):run()
    t.eq(code, nil)
    t.eq(sig, "KILL")
    local p <close> = m.sleep["1000"]:popen()
    p:kill "USR1"
    p:wait(10)
    t.eq(p.termsig, "USR1")
end)

test("a terminal over there has its size, and gets a new one", function(t)
    local m <close> = open()
    t.match(m.stty["size"]:with {pty = {rows = 33, cols = 77}}(), "33 77")
    local c = require "rshell.machine".test(m).conn.connector
    local line = "trap 'stty size; exit' WINCH; echo go; while :; do sleep 0.05; done"
    local ch = c.exec("exec /bin/sh -c " .. require "rshell.text".quote(line), {pty = {rows = 10, cols = 20}})
    t.match(ch.stdout:read("l", 10), "go")
    ch:resize(44, 55)
    t.match(ch.stdout:read("l", 10), "44 55")
    t.eq(ch:wait(10).code, 0)
    ch:close()
end)

test("errors of ssh are ours: kind, host, hint", function(t)
    local e = t.raises("auth", open, {keyfile = t.tmp() .. "/none", batch = true})
    t.eq(e.host, "127.0.0.1")
    t.match(e.message, "Permission denied")
    t.ok(e.hint)
    e = t.raises("connect", open, {port = 1})
    t.match(e.message, "refused")
    local opts = bed:options {transport = "openssh"}
    t.match(t.raises("connect", connect.open, "no-such-host.invalid", opts).message, "no%-such%-host%.invalid")
    t.raises("config", open, {options = {NoSuchOption = "x"}})
    t.raises("config", open, {config = t.tmp() .. "/none"})
    t.raises("usage", open, {known_hosts = '/tmp/a"b'})
    t.raises("usage", open, {keyfile = "/tmp/${HOME}"})
    t.raises("usage", function() connect.open("127.0.0.1", bed:options {transport = "telnet"}) end)
    t.eq(folders(), 0)
end)

test("a server that accepts and says nothing is a timeout", function(t)
    local l <close> = here:listen(0, "127.0.0.1")
    local e = t.raises("timeout", open, {port = l.port, connect_timeout = 0.5})
    t.match(e.message, "did not answer")
    t.eq(folders(), 0)
end)

test("host keys: unknown, changed, accept-new, off", function(t)
    local kh = t.tmp() .. "/kh"
    t.raises("hostkey", open, {known_hosts = kh, batch = true})
    local m <close> = open {known_hosts = kh, host_keys = "accept-new"}
    t.match(here:path(kh):read(), "^%[127%.0%.0%.1%]:%d+ ssh%-ed25519 ")
    local other = t.tmp() .. "/other"
    here["ssh-keygen"]("-q", "-t", "ed25519", "-N", "", "-f", other)
    local public = here:path(other .. ".pub"):read():match "^%S+ %S+"
    here:path(kh):write(("# comment\n[127.0.0.1]:%d %s\n"):format(bed.port, public))
    for _, mode in ipairs {"strict", "accept-new"} do
        local e = t.raises("hostkey", open, {known_hosts = kh, host_keys = mode})
        t.match(e.message, "has changed")
        t.eq(e.file, kh)
        t.eq(e.line, 2)
    end
    local n <close> = open {known_hosts = kh, host_keys = "off"}
    t.eq(n.echo "in", "in\n")
    t.match(m.echo "in", "in")
end)

test("a passphrase; it is in no argument and no variable of ssh", function(t)
    local key = new_key(t, "secret word")
    local asked
    local m <close> = open {keyfile = key, passphrase = function(path)
        asked = path
        return "secret word"
    end}
    t.eq(m.echo "in", "in\n")
    t.eq(asked, key)
    local pid = here.pgrep and here.cmd.pgrep("-P", require "rshell.sys.host".pid(), "-x", "ssh"):match "%d+"
    local seen = here:path("/proc", pid, "cmdline"):read() .. here:path("/proc", pid, "environ"):read()
    t.ok(not seen:find("secret", 1, true))
    local e = t.raises("auth", open, {keyfile = key, passphrase = "wrong thing"})
    t.match(e.message, "passphrase is wrong")
    t.ok(not tostring(e):find("thing", 1, true))
end)

test("a password, given as text or by a function", function(t)
    if not is_root then t.skip "needs an account with a password" end
    here.usermod("-p", here.openssl("passwd", "-6", "pass word"):gsub("\n", ""), bed.user)
    local none = t.tmp() .. "/none"
    local m <close> = open {keyfile = none, password = "pass word"}
    t.eq(m.echo "in", "in\n")
    local n <close> = open {keyfile = none, password = function() return "pass word" end}
    t.eq(n.echo "in", "in\n")
    local e = t.raises("auth", open, {keyfile = none, password = "wrong secret"})
    t.ok(not tostring(e):find("secret", 1, true))
    here.usermod("-p", "*", bed.user)
end)

test("jumps: by name, through a machine, and of ssh_config", function(t)
    local first <close> = open()
    local second <close> = open {jump = first}
    t.eq(second.echo "two", "two\n")
    local conf = here:path(t.tmp(), "config")
    conf:write(([[
Host *
    HostName 127.0.0.1
    User %s
    Port %d
    IdentityFile %s
    UserKnownHostsFile %s
    StrictHostKeyChecking yes
    SetEnv RSHELL_SPEC_A=b
Host inner
    ProxyJump bastion
]]):format(bed.user, bed.port, bed.key, bed.known_hosts))
    local opts = {transport = "openssh", config = tostring(conf)}
    local inner <close> = connect.open("inner", opts)
    t.eq(inner.name, "inner")
    t.eq(inner:sh("echo $RSHELL_SPEC_A")(), "b\n")
    opts.jump = "bastion,other"
    local third <close> = connect.open("target", opts)
    t.eq(third.echo "three", "three\n")
    opts.jump = "none"
    local direct <close> = connect.open("inner", opts)
    t.eq(direct.echo "one", "one\n")
end)

test("the SSH agent is passed on when asked for", function(t)
    local socket = t.tmp() .. "/agent"
    local _ <close> = here["ssh-agent"]["-D"]["-a"][socket]:popen()
    local add = here["ssh-add"]:with {env = {SSH_AUTH_SOCK = socket}}
    wait_for(t, function() return (add:run {"-q", bed.key}) == 0 end, "no agent")
    local m <close> = open {forward_agent = true, options = {IdentityAgent = socket}}
    t.match(m["ssh-add"]["-l"](), "ED25519")
    local n <close> = open {options = {IdentityAgent = socket}}
    t.eq(n:sh("echo $SSH_AUTH_SOCK")(), "\n")
end)

test("MaxSessions: more work waits its turn, or takes a second connection", function(t)
    local small <close> = require "bed".new {config = {"MaxSessions 2"}}
    local m <close> = connect.open("127.0.0.1", small:options {transport = "openssh"})
    local all = {}
    for i = 1, 12 do all[i] = spawn(m.cmd.echo, i) end
    for i = 1, 12 do t.eq(all[i]:await(), i .. "\n") end
end)

test("ssh ends: the machine is closed, and says why", function(t)
    local m = open()
    local p = m.sleep["1000"]:popen()
    here.cmd.pkill("-KILL", "-P", require "rshell.sys.host".pid(), "-x", "ssh")
    wait_for(t, function() return m.closed end, "it is not noticed")
    t.raises("closed", m.cmd.echo, "x")
    p:close()
    m:close()
    t.eq(folders(), 0)
end)

test("nothing stays when rshell is killed", function(t)
    local script = here:path(t.tmp(), "s.lua")
    script:write(([[
local opts = {user = %q, port = %d, keyfile = %q, known_hosts = %q, config = false, transport = "openssh"}
local m = ssh("127.0.0.1", opts)
print(m.echo "ready")
sleep(1000)
]]):format(bed.user, bed.port, bed.key, bed.known_hosts))
    local p <close> = here[os.getenv "RSHELL"]:bind("run", script):popen()
    t.match(p.stdout:read "l", "ready")
    t.eq(folders(), 1)
    local ssh_pid = here.cmd.pgrep("-P", p.pid, "-x", "ssh"):match "%d+"
    here.cmd.kill("-KILL", p.pid)
    wait_for(t, function() return folders() == 0 end, "the folder stays")
    wait_for(t, function() return not here:path("/proc", ssh_pid):exists() end, "ssh stays")
end)

spec.finish()
