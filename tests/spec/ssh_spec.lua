package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local connect = require "rshell.ssh.connect"
local machine = require "rshell.machine"

-- Connecting and logging in, against a real OpenSSH server. What machines can do once they are connected is
-- machine_spec's.

if not here["/usr/sbin/sshd"]["-V"] then os.exit(1) end
local is_root = here.id["-u"]:text() == "0"
local bed <close> = require "bed".new {config = {is_root and "PasswordAuthentication yes" or "# as it is"}}

local function open(more) return connect.open("127.0.0.1", bed:options(more)) end

--- What a command prints over there, through a channel of its own.
local function printed(m, line)
    local c = assert(machine.test(m).conn.connector.exec(line))
    local out = c.stdout:read "a"
    c:close()
    return out
end

local function file(t, text, mode)
    local p = here:path(t.tmp(), "file")
    p:write(text, {mode = mode or "600"})
    return tostring(p)
end

spec.test("logs in with a key file", function(t)
    local m <close> = open()
    t.eq(printed(m, "echo $USER"), bed.user .. "\n")
    t.eq(m.name, "127.0.0.1")
    t.eq(m.port, bed.port)
    t.eq(m.user, bed.user)
    t.eq(m.backend, "bare")
end)

spec.test("targets name user and port; options win", function(t)
    local m <close> = connect.open(("ssh://%s@127.0.0.1:%d"):format(bed.user, bed.port), {
        keyfile = bed.key, known_hosts = bed.known_hosts, config = false, host_keys = "strict"})
    t.eq(m.user, bed.user)
    t.raises("usage", function() connect.open "" end)
    t.raises("usage", function() connect.open "-oProxyCommand=x" end)
    t.raises("usage", function() connect.open("h:99999", {}) end)
    t.raises("did you mean 'keyfile'", function() connect.open("h", {keyfil = "x"}) end)
    t.raises("usage", function() connect.open("h", {host_keys = "maybe"}) end)
end)

spec.test("a refused key is kind auth, with what was tried and what the server takes", function(t)
    local key = t.tmp() .. "/other"
    here["ssh-keygen"]("-q", "-t", "ed25519", "-N", "", "-f", key)
    local ok, e = pcall(open, {keyfile = key, batch = true})
    t.ok(not ok)
    t.eq(e.kind, "auth")
    t.match(e.message, "tried " .. key:gsub("%p", "%%%0"))
    t.match(e.message, "publickey")
    t.eq(e.host, "127.0.0.1")
end)

spec.test("a key with a passphrase", function(t)
    local key = t.tmp() .. "/locked"
    here["ssh-keygen"]("-q", "-t", "ed25519", "-N", "secret word", "-f", key)
    local keys = here:path(bed.dir, "keys", bed.user)
    local before = keys:read()
    keys:append(here:path(key .. ".pub"):read())
    local ok, e = pcall(open, {keyfile = key, passphrase = "wrong"})
    t.ok(not ok)
    t.match(e.message, "passphrase is wrong")
    t.ok(not tostring(e):find("wrong word", 1, true))
    local asked = 0
    local function answer()
        asked = asked + 1
        return "secret word"
    end
    local a <close> = open {keyfile = key, passphrase = answer}
    local b <close> = open {keyfile = key, passphrase = answer}
    t.eq(printed(a, "echo a") .. printed(b, "echo b"), "a\nb\n")
    t.eq(asked, 1)
    keys:write(before)
end)

spec.test("a password, given as text or by a function", function(t)
    if not is_root then t.skip "needs an account with a password" end
    local hash = here.openssl("passwd", "-6", "pass word"):gsub("\n", "")
    here.usermod("-p", hash, bed.user)
    local none = {keyfile = t.tmp() .. "/none"}
    local m <close> = open {keyfile = none.keyfile, password = "pass word"}
    t.eq(printed(m, "echo in"), "in\n")
    local n <close> = open {keyfile = none.keyfile, password = function() return "pass word" end}
    t.eq(printed(n, "echo in"), "in\n")
    local ok, e = pcall(open, {keyfile = none.keyfile, password = "wrong secret"})
    t.ok(not ok)
    t.eq(e.kind, "auth")
    t.ok(not tostring(e):find("secret", 1, true))
    here.usermod("-p", "*", bed.user)
end)

spec.test("the agent's keys; IdentitiesOnly; an agent that never answers", function(t)
    local socket = t.tmp() .. "/agent"
    local _ <close> = here["ssh-agent"]["-D"]["-a"][socket]:popen()
    for _ = 1, 100 do
        if here:path(socket):exists() then break end
        sleep(0.02)
    end
    here["ssh-add"]:with {env = {SSH_AUTH_SOCK = socket}}("-q", bed.key)
    local opts = bed:options {options = {IdentityAgent = socket}}
    opts.keyfile = nil
    local m <close> = connect.open("127.0.0.1", opts)
    t.eq(printed(m, "echo by agent"), "by agent\n")
    opts.options = {IdentityAgent = socket, IdentitiesOnly = "yes", IdentityFile = t.tmp() .. "/none"}
    opts.batch = true
    t.raises("auth", function() connect.open("127.0.0.1", opts) end)
end)

spec.test("an unknown key: strict refuses, accept-new notes it, off asks nothing", function(t)
    local kh = file(t, "")
    local ok, e = pcall(open, {known_hosts = kh})
    t.ok(not ok)
    t.eq(e.kind, "hostkey")
    t.match(e.message, "SHA256:")
    local m <close> = open {known_hosts = kh, host_keys = "accept-new"}
    t.match(here:path(kh):read(), "^%[127%.0%.0%.1%]:%d+ ssh%-ed25519 ")
    local n <close> = open {known_hosts = kh}
    local empty = file(t, "")
    local o <close> = open {known_hosts = empty, host_keys = "off"}
    t.eq(here:path(empty):read(), "")
    t.ok(m and n and o)
end)

spec.test("a changed key is refused in every mode but off, with file and line of the old one", function(t)
    local other = t.tmp() .. "/other"
    here["ssh-keygen"]("-q", "-t", "ed25519", "-N", "", "-f", other)
    local public = here:path(other .. ".pub"):read():match "^%S+ %S+"
    local kh = file(t, ("# comment\n[127.0.0.1]:%d %s\n"):format(bed.port, public))
    for _, mode in ipairs {"strict", "accept-new", "ask"} do
        local ok, e = pcall(open, {known_hosts = kh, host_keys = mode})
        t.ok(not ok)
        t.eq(e.kind, "hostkey")
        t.eq(e.line, 2)
        t.match(e.message, "has changed")
        t.match(e.message, kh:gsub("%p", "%%%0") .. ":2")
    end
    local m <close> = open {known_hosts = kh, host_keys = "off"}
    t.eq(printed(m, "echo in"), "in\n")
end)

spec.test("a revoked key is refused", function(t)
    local public = here:path(bed.host_key .. ".pub"):read():match "^%S+ %S+"
    local kh = file(t, ("@revoked * %s\n"):format(public))
    t.raises("revoked", function() open {known_hosts = kh, host_keys = "accept-new"} end)
end)

spec.test("refused and unknown hosts are told apart", function(t)
    t.raises("connect", function() open {port = 1} end)
    local ok, e = pcall(connect.open, "no-such-host.invalid", bed:options())
    t.ok(not ok)
    t.eq(e.kind, "connect")
    t.match(e.message, "no%-such%-host%.invalid")
end)

spec.test("a server that accepts and says nothing is a timeout", function(t)
    local l <close> = here:listen(0, "127.0.0.1")
    local ok, e = pcall(open, {port = l.port, connect_timeout = 0.3})
    t.ok(not ok)
    t.eq(e.kind, "timeout")
end)

spec.test("something that isn't SSH is a clear error", function(t)
    local l <close> = here:listen(0, "127.0.0.1")
    local server <close> = spawn(function()
        local s <close> = l:accept()
        s:write("HTTP/1.1 400 Bad Request\r\n\r\n")
        sleep(5)
    end)
    local ok, e = pcall(open, {port = l.port, connect_timeout = 3})
    t.ok(not ok)
    t.ok(e.kind == "protocol" or e.kind == "connect" or e.kind == "timeout", e.kind)
    t.ok(server)
end)

spec.test("ssh_config: alias, jump and ProxyCommand", function(t)
    local conf = file(t, ([[
Host bastion
    HostName 127.0.0.1
Host inner
    HostName 127.0.0.1
    ProxyJump bastion
Host proxied
    HostName 127.0.0.1
    ProxyCommand socat - TCP:%%h:%%p
Host *
    User %s
    Port %d
    IdentityFile %s
    UserKnownHostsFile %s
    StrictHostKeyChecking yes
]]):format(bed.user, bed.port, bed.key, bed.known_hosts))
    for _, alias in ipairs {"bastion", "inner", "proxied"} do
        local m <close> = connect.open(alias, {config = conf})
        t.eq(printed(m, "echo through"), "through\n")
        t.eq(m.name, alias)
        t.eq(m.host, "127.0.0.1")
    end
end)

spec.test("jump through a machine that is there", function(t)
    local first <close> = open()
    local second <close> = open {jump = first}
    t.eq(printed(second, "echo two hops"), "two hops\n")
    first:close()
    t.raises("closed", function() second:ping() end)
end)

spec.test("32 MB up and down, exact", function(t)
    local m <close> = open()
    local block = ("0123456789abcdef"):rep(4096)
    local c = assert(machine.test(m).conn.connector.exec "cat")
    local writer = spawn(function()
        for _ = 1, 512 do c.stdin:write(block) end
        c.stdin:close()
    end)
    local n = 0
    for piece in function() return c.stdout:read {exact = 65536} end do
        if piece ~= block then t.fail "bytes were changed" end
        n = n + 1
    end
    writer:await()
    t.eq(n, 512)
    t.eq(c:wait().code, 0)
    c:close()
end)

spec.test("more channels than MaxSessions wait their turn", function(t)
    local m <close> = open()
    local tasks = {}
    for i = 1, 25 do tasks[i] = spawn(printed, m, "sleep 0.05; echo " .. i) end
    for i = 1, 25 do t.eq(tasks[i]:await(), i .. "\n") end
end)

spec.test("exit status, signal, and the end of the connection", function(t)
    local m = open()
    local connector = machine.test(m).conn.connector
    local c = assert(connector.exec "exit 7")
    t.eq(c:wait().code, 7)
    c:close()
    c = assert(connector.exec "kill -9 $$")
    t.eq(c:wait().signal, "KILL")
    c:close()
    c = assert(connector.exec "sleep 60")
    local waiter = spawn(function() return c.stdout:read "a" end)
    sleep(0.05)
    m:close()
    t.ok(pcall(waiter.await, waiter, 10) or waiter.done)
    t.ok(m.closed)
    t.raises("closed", function() m:ping() end)
end)

spec.test("a connection that was closed leaves no file open", function(t)
    local function files()
        collectgarbage()
        collectgarbage()
        return #require "rshell.sys.fs".list "/proc/self/fd"
    end
    local before
    for i = 1, 4 do
        local m = open()
        t.eq(printed(m, "echo x"), "x\n")
        m:close()
        sleep(0.05)
        before = before or files()
        t.eq(files(), before, "after connection " .. i)
    end
end)

spec.test("closing a cluster deletes its temporary folders", function(t)
    local web = cluster("127.0.0.1", bed:options())
    local dir = web:each(function(m) return tostring(m:tempdir()) end)["127.0.0.1"].value
    t.ok(here:path(dir):is_dir())
    web:close()
    t.eq(here:path(dir):exists(), false)
    t.raises("did you mean 'transport'", cluster, "127.0.0.1", {transprot = "openssh"})
end)

spec.finish()
