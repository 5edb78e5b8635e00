-- Options of ssh_config that say how a connection is made, against a real server.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local connect = require "rshell.ssh.connect"
local bed <close> = require "bed".new {config = {"LogLevel DEBUG"}}

local function open(options, more)
    local opts = bed:options(more)
    opts.options = options
    return connect.open("127.0.0.1", opts)
end

for _, transport in ipairs {"libssh", "openssh"} do
    spec.test("BindAddress: " .. transport, function(t)
        local m <close> = open({BindAddress = "127.0.0.9"}, {transport = transport})
        t.match(m:sh("echo $SSH_CONNECTION")(), "^127%.0%.0%.9 ")
    end)

    spec.test("AddressFamily: " .. transport, function(t)
        local m <close> = open({AddressFamily = "inet", HostName = "localhost", HostKeyAlias = "here"},
            {transport = transport, host_keys = "off"})
        t.eq(m.echo "in", "in\n")
        t.raises("connect", open, {AddressFamily = "inet6"}, {transport = transport})
    end)

    spec.test("ServerAliveInterval: " .. transport, function(t)
        local m <close> = open({ServerAliveInterval = 1, ServerAliveCountMax = 2}, {transport = transport})
        for pid in here.cmd.pgrep("-P", bed.server.pid):gmatch "%d+" do
            here.cmd.pkill:with {retcode = "any"}("-STOP", "-P", pid)
            here.cmd.kill("-STOP", pid)
            t.defer(function()
                here.cmd.pkill:with {retcode = "any"}("-KILL", "-P", pid)
                here.cmd.kill:with {retcode = "any"}("-KILL", pid)
            end)
        end
        for _ = 1, 1500 do
            if m.closed then return end
            sleep(0.02)
        end
        t.fail "a server that has stopped is not noticed"
    end)
end

spec.table("what an option can't be", {
    {"port", {port = 0}, "no port: 0"}, {"a high port", {port = 65536}, "no port"},
    {"retries", {retries = -1}, "retries"}, {"retry_delay", {retry_delay = -1}, "retry_delay"},
    {"timeout", {timeout = -1}, "timeout"}, {"connect_timeout", {connect_timeout = 0}, "above 0"},
    {"keepalive", {keepalive = 0}, "above 0"}, {"config", {config = true}, "path of a file, or false"},
    {"cwd", {cwd = ""}, "cwd"}, {"keyfile", {keyfile = {5}}, "keyfile: a name"}, {"env", {env = {["a=b"] = 1}}, "a=b"},
    {"linger", {linger = 5}, "linger: not in this version"}, {"durable", {agent = "durable"}, "not in this version"},
}, function(t, c)
    for _, transport in ipairs {"libssh", "openssh"} do
        c[2].transport = transport
        t.match(tostring(t.raises("usage", open, nil, c[2])), c[3], transport)
    end
end)

spec.table("what is no target", {"ssh://host/tmp", "http://host", "ssh://a://b"}, function(t, target)
    t.match(tostring(t.raises("usage", connect.open, target)), "ssh://user@host:port")
end)

spec.test("files by path objects of this machine", function(t)
    local m <close> = open(nil, {
        keyfile = {here:path "/no/such", here:path(bed.key)}, known_hosts = here:path(bed.known_hosts),
        config = here:path "/dev/null",
    })
    t.eq(m.echo "in", "in\n")
    t.match(tostring(t.raises("usage", open, nil, {keyfile = m:path "x"})), "one of this machine was meant")
end)

spec.test("cwd below the home folder; what is left of a machine that was closed", function(t)
    for _, agent in ipairs {true, false} do
        local m = open(nil, {cwd = "sub/folder", agent = agent})
        local dir = here:path(m.home, "sub/folder"):mkdir {parents = true, exist_ok = true}
        t.eq(m.pwd:text(), tostring(dir))
        t.eq(tostring(m.cwd), tostring(dir))
        t.eq(tostring(m:path "x"), dir .. "/x")
        t.eq(tostring(m:at "..".cwd), dir .. "/..")
        local fresh = open(nil, {agent = agent})
        fresh:close()
        t.match(tostring(fresh.env), "^environment of .* %(closed%)$")
        t.raises("closed", fresh.tunnel, fresh, 0, 80)
        t.match(tostring(fresh.cwd), "^working directory of .* %(closed%)$")
        m:close()
        t.eq(tostring(m.cwd), tostring(dir))
    end
end)

spec.test("a BindAddress that isn't ours, or of another family", function(t)
    t.raises("connect", open, {BindAddress = "192.0.2.1"})
    t.raises("connect", open, {BindAddress = "::1", AddressFamily = "inet"})
end)

spec.test("CheckHostIP is refused, with a hint", function(t)
    t.match(t.raises("config", open, {CheckHostIP = "yes"}).hint, "openssh")
end)

spec.test("RekeyLimit: new keys amid the data, both ways", function(t)
    local m <close> = open {RekeyLimit = "1M"}
    local _, before = bed:log():gsub("SSH2_MSG_NEWKEYS received", "")
    local block = ("0123456789abcdef"):rep(4096)
    local p <close> = m.cat:popen()
    local writer = spawn(function()
        for _ = 1, 128 do p.stdin:write(block) end
        p.stdin:close()
    end)
    local n = 0
    for piece in function() return p.stdout:read {exact = 65536} end do
        if piece ~= block then t.fail "bytes were changed" end
        n = n + 1
    end
    writer:await()
    t.eq(n, 128)
    t.eq(p:wait(10), 0)
    local _, after = bed:log():gsub("SSH2_MSG_NEWKEYS received", "")
    t.ok(after - before >= 4, ("%d times new keys"):format(after - before))
end)

spec.finish()
