-- Machines inside machines: other accounts, containers, other roots, what the machine's ssh leads to.
local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path

local bed = require "bed"
local proxy = require "proxy"
local rshell = require "rshell"
local spec = require "spec"

local here = rshell.here

if here.id["-u"]:text() ~= "0" then
    spec.test("machines inside machines", function(t) t.skip "needs root: it makes accounts" end)
    spec.finish()
    return
end

local accounts = require "accounts".new()
local one, two = accounts:add(), accounts:add()
accounts:doas("permit rst"..one:sub(4).." as "..two)
accounts:doas("permit "..one.." as root")
accounts:sudoers(("%s ALL=(ALL) ALL\n%s ALL=(%s) NOPASSWD: ALL"):format(one, two, one))

--- This machine as one of the accounts.
local function as(user) return here:with {user = user, cwd = "/"} end

local function whoami(m) return (m["id"]("-un"):gsub("\n", "")) end

--- Agents and guards that live.
local function agents()
    local n = 0
    for _, p in ipairs(here:list_processes()) do
        if p.args:find "^rshell%-agent" or p.args:find "^rshell%-guard" then n = n + 1 end
    end
    return n
end

--- Until there are no more than before.
local function gone(t, before)
    local stop = rshell.now() + 20
    while agents() > before and rshell.now() < stop do rshell.sleep(0.05) end
    t.eq(agents(), before)
end

-- ---- sudo ----

spec.test("sudo: another account, with what it has", function(t)
    local m <close> = here:sudo {user = one}
    t.eq(whoami(m), one)
    t.eq(m.user, one)
    t.eq(m.name, "here as " .. one)
    t.eq(m.host, here.host)
    t.eq(m.backend, "agent")
    t.match(m.home, one .. "$")
    t.eq(m.env.SUDO_USER, "root")
    t.eq(m:path(m.home, "x"):write "y":exists(), true)
    t.eq(here:path(m.home, "x").owner(here:path(m.home, "x")), one)
end)

spec.test("sudo: root without a name", function(t)
    local m <close> = as(one):sudo {password = accounts.password}
    t.eq(whoami(m), "root")
    t.eq(m.env.SUDO_USER, one)
    t.eq(tostring(m.cwd), "/")
end)


--- Nobody is remembered.
local function forget(user) as(user).cmd.sudo("-K") end

spec.test("sudo: who is remembered isn't asked", function(t)
    local asked = 0
    local function password()
        asked = asked + 1
        return accounts.password
    end
    forget(one)
    for _ = 1, 2 do
        local m <close> = as(one):sudo {password = password}
        t.eq(whoami(m), "root")
    end
    t.eq(asked, 1)
end)

-- What is refused: how, and what the error says.
local REFUSED = {
    {"a wrong password", function() return as(one):sudo {password = "wrong one"} end, "auth", "password"},
    {"no password", function() return as(one):sudo() end, "auth", "none was given"},
    {"an account that may not", function() return as(two):sudo {password = accounts.password} end, "auth", two},
    {"no account of that name", function() return here:sudo {user = "rst-nobody"} end, "denied", "rst%-nobody"},
    {"su: a wrong password", function() return as(one):su {password = "wrong one"} end, "auth", "su"},
    {"su: no password", function() return as(one):su {user = two} end, "auth", "none was given"},
    {"su: no account", function() return here:su {user = "rst-nobody"} end, "denied", "rst%-nobody"},
    {"doas: a wrong password", function() return as(one):doas {password = "wrong one"} end, "auth", "doas"},
    {"doas: no password", function() return as(one):doas {user = two} end, "auth", "none was given"},
    {"doas: an account that may not", function() return as(two):doas {password = "x"} end, "denied", "permitted"},
    {"no such program", function() return here:with{env={PATH = "/nowhere"}}:sudo() end, "notfound", "sudo"},
}

-- PAM takes its time for each that is wrong: all at once.
forget(one)
for _, c in ipairs(REFUSED) do c.task = rshell.spawn(pcall, c[2]) end

spec.table("refused", REFUSED, function(t, c)
    local ok, e = c.task:await()
    t.raises(c[3], function() assert(ok, e) end)
    t.match(e.message, c[4])
    t.eq(tostring(e):find("wrong one", 1, true), nil)
end)

spec.test("sudo: where a terminal is required", function(t)
    accounts:doas("permit rst"..one:sub(4).." as "..two)
accounts:doas("permit "..one.." as root")
accounts:sudoers(("Defaults:%s requiretty\n%s ALL=(ALL) ALL"):format(one, one))
    forget(one)
    local m <close> = as(one):sudo {password = accounts.password}
    t.eq(whoami(m), "root")
end)

spec.test("sudo: a login", function(t)
    local m <close> = here:sudo {user = one, login = true}
    t.eq(whoami(m), one)
    t.eq(tostring(m.cwd), m.home)
    t.eq(m:sh("echo \"$1\"", "a'b $x `y`"):text(), "a'b $x `y`")
end)

-- ---- su, doas ----

spec.test("su: with a password", function(t)
    local m <close> = as(one):su {user = two, password = accounts.password}
    t.eq(whoami(m), two)
    t.match(m.home, two .. "$")
end)

spec.test("su: a login", function(t)
    local m <close> = as(one):su {user = two, password = accounts.password, login = true}
    t.eq(whoami(m), two)
    t.eq(tostring(m.cwd), m.home)
end)

spec.test("su: root asks nobody, and no shell keeps it out", function(t)
    local m <close> = here:su {user = "nobody"}
    t.eq(whoami(m), "nobody")
end)

spec.test("doas: with a password", function(t)
    local m <close> = as(one):doas {user = two, password = function() return accounts.password end}
    t.eq(whoami(m), two)
end)

-- ---- other roots ----

spec.test("chroot: busybox and nothing else", function(t)
    local root = accounts:root()
    local m <close> = here:chroot(root)
    t.eq(m.backend, "agent")
    t.eq(m:path("/bin/busybox"):exists(), true)
    t.same(m:path("/tmp"):list(), {}, "nothing of ours is left there")
    t.eq(m:path("/dev"):exists(), false)
    t.eq(m.home, "/inside")
    t.eq(m.name, "here in " .. root)
    t.eq(m.echo("x"), "x\n")
end)

spec.test("chroot: another account in there, and what isn't there", function(t)
    local root = accounts:root()
    local m <close> = here:chroot(root, {user = "guest"})
    t.eq(whoami(m), "guest")
    t.eq(m.home, "/")
    local e = t.raises("denied", function() return here:chroot "/nowhere-at-all" end)
    t.match(e.message, "nowhere%-at%-all")
    e = t.raises("notfound", function() return here:chroot(here:path(root, "etc")) end)
    t.match(e.message, "/bin/sh")
end)

--- An engine whose containers are all one root.
local function fake_engine(t, name)
    local path = here:path(t.tmp(), name)
    local script = [[#!/bin/sh
[ "$1" = exec ]&&shift
while :;do case $1 in -i|-T) shift;; -u|--user) u=--userspec=$2; shift 2;; *) break;; esac;done
[ "$1" = box ]||{ echo "Error: no such container $1" >&2; exit 125; }
shift;[ "$1" != -- ]||shift
exec chroot $u "$ROOT" "$@"
]]
    path:write(script:gsub("%$ROOT", accounts:root()), {mode = "755"})
    return tostring(path)
end

for _, name in ipairs {"docker", "podman", "kubectl", "lxc"} do
    spec.test("container: " .. name, function(t)
        local engine = fake_engine(t, name)
        local m <close> = here:container("box", {engine = engine})
        t.eq(m:path("/etc/passwd"):read():match "guest", "guest")
        t.eq(m.name, "here in box")
        local e = t.raises("denied", function() return here:container("none", {engine = engine}) end)
        t.match(e.message, "no such container none")
    end)
end

spec.test("container: an account in there; the engine that is found", function(t)
    local engine = here:path(fake_engine(t, "podman"))
    local m <close> = here:with {env = {PATH = tostring(engine.parent) .. ":/usr/sbin:/usr/bin:/sbin:/bin"}}
        :container("box", {engine = "podman", user = "guest"})
    t.eq(whoami(m), "guest")
    local found <close> = here:with {env = {PATH = tostring(engine.parent) .. ":/usr/sbin:/usr/bin:/sbin:/bin"}}
        :container "box"
    t.match(found:path("/etc/passwd"):read(), "guest", "docker isn't there, podman is")
end)

-- ---- via ----

spec.test("via: words, or a function", function(t)
    local m <close> = here:via {"env", "RS_VIA=yes"}
    t.eq(m.env.RS_VIA, "yes")
    t.eq(m.name, "here via env")
    local f <close> = here:via(function(argv) return {"unshare", "-U", table.unpack(argv)} end)
    t.eq(f["id"]("-u"), "65534\n")
    t.raises("usage", function() return here:via {} end)
    t.raises("usage", function() return here:via(function() return "x" end) end)
    t.raises("notfound", function() return here:via {"rst-no-program"} end)
end)

-- ---- ssh ----

spec.test("ssh: with the client of the machine", function(t)
    local far <close> = bed.new()
    local opts = {
        user = far.user, port = far.port, keyfile = far.key, known_hosts = far.known_hosts, config = "none",
    }
    local m <close> = here:ssh("127.0.0.1", opts)
    t.eq(whoami(m), far.user)
    t.eq(m.backend, "agent")
    t.eq(m.name, "here to 127.0.0.1")
    t.eq(m.port, far.port)
    opts.known_hosts = "/dev/null"
    local e = t.raises("hostkey", function() return here:ssh("127.0.0.1", opts) end)
    t.match(e.hint, "accept%-new")
    opts.host_keys, opts.keyfile = "off", nil
    t.raises("auth", function() return here:ssh("127.0.0.1", opts) end)
    opts.port = 1
    t.raises("connect", function() return here:ssh("127.0.0.1", opts) end)
end)

spec.test("ssh: with a password", function(t)
    local far <close> = bed.new {config = {"PasswordAuthentication yes", "UsePAM yes"}}
    local opts = {
        user = one, port = far.port, known_hosts = far.known_hosts, config = "none", password = accounts.password,
    }
    local m <close> = here:ssh("127.0.0.1", opts)
    t.eq(whoami(m), one)
    opts.password = "wrong one"
    t.raises("auth", function() return here:ssh("127.0.0.1", opts) end)
    opts.password, opts.known_hosts = accounts.password, "/dev/null"
    t.raises("hostkey", function() return here:ssh("127.0.0.1", opts) end)
end)

-- ---- nested, and the end ----

spec.test("three levels: ssh, sudo, chroot", function(t)
    local far <close> = bed.new()
    accounts:sudoers(("%s ALL=(ALL) NOPASSWD: ALL"):format(far.user))
    local opts = far:options {agent = true}
    local before = agents()
    local m = rshell.ssh("127.0.0.1", opts)
    local root = m:sudo()
    t.eq(whoami(root), "root")
    local inner = root:chroot(accounts:root())
    t.eq(inner.name, "127.0.0.1 as root in " .. accounts:root())
    t.eq(inner:path("/etc/passwd"):read():match "guest", "guest")
    t.eq(inner.cat("/etc/passwd"):match "guest", "guest")
    local data = ("x"):rep(3000000)
    t.eq((inner.cat << data)() == data, true)
    local p = inner.sleep["4711"]:popen()
    m:close()
    t.raises("closed", function() return inner:path("/"):exists() end)
    t.eq(inner.closed, true)
    gone(t, before)
    t.eq(#here:pgrep "^sleep 4711", 0)
    p:close()
end)

spec.test("nothing crosses the network twice", function(t)
    local far <close> = bed.new()
    local link <close> = proxy.new(far.port)
    proxy.trust(far, link)
    accounts:sudoers(("%s ALL=(ALL) NOPASSWD: ALL"):format(far.user))
    local m <close> = rshell.ssh("127.0.0.1", far:options {port = link.port, agent = true})
    m["true"]()
    local before = link:stat().up
    local root <close> = m:sudo()
    local inner <close> = root:via {"env", "RS_LEVEL=2"}
    t.eq(whoami(inner), "root")
    local sent = link:stat().up - before
    t.ok(sent < 50000, ("%d bytes were sent"):format(sent))

    local another
    t.eq(link:trips(function()
        if another then another:close() end
        another = m:sudo()
    end, 2), 2, "it is started, and talked to")
    t.eq(link:trips(function() inner["true"]() end, 1), 1)
    another:close()
end)

spec.finish()
accounts:close()
