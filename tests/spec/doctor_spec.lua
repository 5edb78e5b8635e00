-- rshell doctor: what it tells about connections that work, and about those that don't.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local beds = require "bed"
local net = require "rshell.sys.net"
local rshell = require "rshell"

local here = rshell.here
local program = here[os.getenv "RSHELL" or arg[0]:gsub("[^/]*$", "") .. "../../build/rshell"]
local bed = beds.new {shell = "/bin/bash"}
local tmp = here:tempdir()

--- Writes an ssh_config that says all about a bed, with more lines before.
local function config_of(b, ...)
    local lines = {"Host it", "HostName 127.0.0.1", ...}
    for _, line in ipairs {
        "User " .. b.user, "Port " .. b.port, "IdentityFile " .. b.key, "UserKnownHostsFile " .. b.known_hosts,
        "GlobalKnownHostsFile /dev/null",
    } do
        lines[#lines + 1] = line
    end
    return (tmp / "config"):write(table.concat(lines, "\n") .. "\n")
end

local function doctor(config, ...)
    local code, out, errors = program:bind("doctor", "-F", config):bind(...):run({}, {timeout = 60})
    return code, out, errors
end

--- The steps that a report names, with their marks.
local function steps(out)
    local list = {}
    for mark, step in out:gmatch "%f[^\0\n](%l*%u*) +([%l-]+ ?%l+) " do list[#list + 1] = mark .. " " .. step end
    return list
end

spec.test("a connection that works", function(t)
    local code, out, errors = doctor(config_of(bed), "it")
    t.same({code, errors}, {0, ""})
    t.match(out, "^ok    config       " .. bed.user .. "@127%.0%.0%.1 port " .. bed.port .. "\n")
    t.match(out, "hostname 127%.0%.0%.1 %(.-/config:2%)")
    t.match(out, "\nok    name         127%.0%.0%.1 is 127%.0%.0%.1\n")
    t.match(out, "\nok    connect      straight to 127%.0%.0%.1 port %d+, in %d")
    t.match(out, "\nok    ssh          SSH%-2%.0%-OpenSSH")
    t.match(out, "key exchange curve25519.-, cipher %S+, integrity %S+\n")
    t.match(out, "\nok    host key     ssh%-ed25519 SHA256:")
    t.match(out, "known: .-known_hosts:1\n")
    t.match(out, "\nok    login        as " .. bed.user .. " by .-user_key")
    t.match(out, "\nok    round trip   %d+%.%d ms")
    t.match(out, "\nok    shell        /bin/bash; ")
    t.match(out, "\nok    tools        there: tar find")
    t.match(out, "\nok    sftp         the server offers it\n$")
    t.eq(out:find "FAIL", nil)
    t.eq(out:find "start%-up", nil)
end)

spec.test("as objects, and fitting a window", function(t)
    local config, list = config_of(bed), {}
    local out = program("doctor", "--json", "-F", config, "it")
    for line in out:gmatch "[^\n]+" do list[#list + 1] = assert(require "rshell.sys.json".decode(line)) end
    t.same({list[1].step, list[1].status, list[#list].step}, {"config", "ok", "sftp"})
    t.match(list[1].lines[1], "port " .. bed.port)
    out = program:bind("doctor", "-F", config, "it"):with {pty = {rows = 24, cols = 60}, env = {TERM = "xterm"}}()
    t.match(out, "^\27%[32mok   \27%[0m config       ")
    for line in out:gsub("\27%[[%d;]*m", ""):gmatch "[^\r\n]+" do
        t.ok(#line <= 60 or not line:sub(20):find "%s", line)
    end
end)

spec.test("start-up files that print", function(t)
    if not bed.account then t.skip "needs an account of its own" end
    here:path(bed.home, ".bashrc"):write "echo welcome"
    local code, out = doctor(config_of(bed), "it")
    here:path(bed.home, ".bashrc"):delete()
    t.eq(code, 0)
    t.match(out, "\nnote  start%-up     .-8 bytes")
    t.match(out, "next: let them be silent")
end)

spec.test("through a jump", function(t)
    local jump = ("Host jump\nHostName 127.0.0.1\nUser %s\nPort %d\nIdentityFile %s\nUserKnownHostsFile %s\n"):format(
        bed.user, bed.port, bed.key, bed.known_hosts)
    local config = config_of(bed, "ProxyJump jump"):append(jump)
    local code, out = doctor(config, "it")
    t.eq(code, 0)
    t.match(out, "\nok    connect      through jump port ")
end)

spec.test("an account that allows nothing but SFTP", function(t)
    local other <close> = beds.new {config = {"ForceCommand internal-sftp"}}
    local code, out = doctor(config_of(other), "it")
    t.eq(code, 0)
    t.match(out, "\nnote  shell        the account allows nothing but SFTP")
    t.match(out, "\nok    sftp         the server offers it\n")
end)

local function fails(t, step, pattern, hint, config, ...)
    local code, out, errors = doctor(config, ...)
    t.same({code, errors}, {1, ""})
    local last = steps(out)
    t.eq(last[#last], "FAIL " .. step)
    t.match("\n" .. out, "\nFAIL  " .. step .. " +[^\n]*" .. pattern)
    t.match(out, "next: [^\n]*" .. hint)
    t.match(out, "\n +more: rshell help %l+\n$")
end

spec.test("what fails, and what to do", function(t)
    fails(t, "name", "can't resolve nonesuch%.invalid", "HostName", config_of(bed), "nonesuch.invalid")
    local l <close> = assert(net.listen(0, "127.0.0.1"))
    local port = l.port
    l:close()
    fails(t, "connect", "port " .. port, "sshd", config_of(bed), "-p", tostring(port), "it")
    fails(t, "host key", "is not known", "fingerprint", config_of(bed, "UserKnownHostsFile /dev/null"), "it");
    local other = here:path(bed.host_key .. "2")
    here["ssh-keygen"]("-q", "-t", "ed25519", "-N", "", "-f", other)
    local changed = (tmp / "changed"):write(("[127.0.0.1]:%d %s"):format(bed.port,
        here:path(other .. ".pub"):read()))
    fails(t, "host key", "has changed", "ssh%-keygen %-R", config_of(bed, "UserKnownHostsFile " .. changed), "it")
    local stranger = config_of(bed, "IdentitiesOnly yes", "IdentityFile " .. other)
    stranger:write((stranger:read():gsub("IdentityFile [^\n]*user_key\n", "")))
    fails(t, "login", "permission denied; tried .-; the server takes publickey", "ssh%-add %-l", stranger, "it")
    fails(t, "config", "revokedhostkeys is not supported", "openssh", config_of(bed, "RevokedHostKeys /x"), "it")
end)

spec.test("something that is no SSH server", function(t)
    local l <close> = assert(net.listen(0, "127.0.0.1"))
    local server = rshell.spawn(function()
        local s = l:accept()
        s:write "HTTP/1.0 400 no\r\n\r\n"
        s:close()
    end)
    t.defer(function() server:cancel() end)
    fails(t, "ssh", "", "SSH%-2%.0", config_of(bed), "-p", tostring(l.port), "it")
end)

spec.test("a shell that is none", function(t)
    local other <close> = beds.new {config = {"ForceCommand /bin/false"}}
    fails(t, "shell", "no POSIX shell answered", "ssh", config_of(other), "it")
end)

spec.table("wrong usage", {{}, {"a", "b"}, {"-p", "0", "a"}}, function(t, c)
    local code, out, errors = program:bind("doctor", table.unpack(c)):run()
    t.same({code, out}, {2, ""})
    t.match(errors, "^rshell: ")
end)

tmp:close()
bed:close()
spec.finish()
