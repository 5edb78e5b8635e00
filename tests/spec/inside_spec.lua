-- Machines inside machines: other accounts, containers, other roots, what the machine's ssh leads to.
local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path

local bed = require "bed"
local host = require "rshell.sys.host"
local programs = require "programs"
local proxy = require "proxy"
local rshell = require "rshell"
local spec = require "spec"

local here = rshell.here

if here.id["-u"]:text() ~= "0" then
    spec.test("machines inside machines", function(t) t.skip "needs root: it makes accounts" end)
    spec.finish()
    return
end

local accounts <close> = require "accounts".new()
local one, two = accounts:add(), accounts:add()
accounts:doas("permit rst"..one:sub(4).." as "..two)
accounts:doas("permit "..one.." as root")
accounts:sudoers(("%s ALL=(ALL) ALL\n%s ALL=(%s) NOPASSWD: ALL"):format(one, two, one))

local far <close> = bed.new {config = {"PasswordAuthentication yes"}}

local sanitized = here:path "/proc/self/maps":read():find "libasan"

--- In a root that has nothing but busybox.
local function needs_bare_root(t)
    if sanitized then t.skip "an agent with sanitizers can't run without its libraries and /proc" end
end

--- This machine as one of the accounts.
local function as(user) return here:with {user = user, cwd = "/"} end

local function whoami(m) return (m["id"]("-un"):gsub("\n", "")) end

--- Numbers of the agents of these machines, of their guards, and of what has started them.
local function behind(...)
    local wanted, pids = {}, {}
    for _, m in ipairs {...} do wanted[math.tointeger(tonumber((m:sh "echo $PPID":text())))] = true end
    for _, p in ipairs(here:list_processes()) do
        if wanted[p.pid] or wanted[p.ppid] and p.args:find "rshell%-guard" then pids[#pids + 1] = p.pid end
        if wanted[p.pid] and p.user == "root" then pids[#pids + 1] = p.ppid ~= host.pid() and p.ppid or nil end
    end
    return pids
end

--- So many seconds, as nobody else's sleep has them.
local function seconds(n) return ("%d.%d"):format(n, host.pid()) end

--- How many of them sleep.
local function sleepers(n) return #here:pgrep("^sleep " .. seconds(n):gsub("%.", "%%.")) end

local function gone(t, pids)
    t.ok(#pids > 0)
    for _, pid in ipairs(pids) do t.eq(programs.gone(here, pid), true, pid) end
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

-- A second question isn't answered: what it is about is told.
local EXPIRED = {
    {"sudo", function() return as(one):sudo {password = accounts.password} end},
    {"su", function() return as(two):su {user = one, password = accounts.password} end},
    {"doas", function() return as(one):doas {password = accounts.password} end},
}

spec.test("a password that has expired", function(t)
    accounts:sudoers(("%s ALL=(ALL) ALL"):format(one))
    here.chage("-d", "0", one)
    t.defer(function() here.chage("-d", "2020-01-01", "-M", "99999", one) end)
    forget(one)
    for _, c in ipairs(EXPIRED) do c.task = rshell.spawn(pcall, c[2]) end
    for _, c in ipairs(EXPIRED) do
        local ok, e = c.task:await()
        t.eq(ok, false, c[1])
        t.eq(e.kind, "auth", c[1])
        t.match(e.message, "does not take this password: .*password", c[1])
    end
end)

spec.test("sudo: what is refused is told without our program", function(t)
    accounts:sudoers(("%s ALL=(ALL) /usr/bin/id"):format(one))
    forget(one)
    local e = t.raises("auth", function() return as(one):sudo {password = accounts.password} end)
    t.match(e.message, "'/bin/sh %-c %.%.%.'")
end)

-- Ways of sudo's: a terminal between it and its program, whose password it wants, what it prints before.
spec.table("sudo: set to", {
    {"use_pty"}, {"use_pty,requiretty"}, {"targetpw"}, {"lecture=always"}, {"timestamp_timeout=0"},
    {'passprompt="Passwort für %p> ",passprompt_override'}, {"log_output,iolog_dir=%s"},
}, function(t, c)
    local settings = c[1]:gsub("%%s", t.tmp())
    accounts:sudoers(("Defaults:%s %s\n%s ALL=(ALL) ALL"):format(one, settings, one))
    forget(one)
    local m <close> = as(one):sudo {user = two, password = accounts.password}
    t.eq(whoami(m), two)
    local data = ("all of it \0\255\r\n\3\4"):rep(20000)
    t.eq((m.cat << data)() == data, true)
    local p = m:sh("trap '' TERM HUP; echo ready; sleep $1; sleep $1", seconds(4718)):popen()
    t.eq(p.stdout:read "l", "ready")
    m:close()
    t.ok(programs.wait_for(function() return here.cmd.pgrep:run({"-u", two}) == 1 end), "nothing of it is left")
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
    needs_bare_root(t)
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

spec.test("chroot: root whose PATH is somebody's", function(t)
    local m <close> = here:with {env = {PATH = "/usr/bin:/bin"}}:chroot "/"
    t.eq(whoami(m), "root")
end)

spec.test("chroot: without terminals", function(t)
    needs_bare_root(t)
    local m <close> = here:chroot(accounts:root())
    t.match(t.raises("notfound", m.echo["x"]:with {pty = true}).message, "no terminal can be had there")
    t.match(t.raises("notfound", function() return m:su() end).message, "su needs a terminal")
end)

spec.test("chroot: another account in there, and what isn't there", function(t)
    needs_bare_root(t)
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
        needs_bare_root(t)
        local engine = fake_engine(t, name)
        local m <close> = here:container("box", {engine = engine})
        t.eq(m:path("/etc/passwd"):read():match "guest", "guest")
        t.eq(m.name, "here in box")
        local e = t.raises("notfound", function() return here:container("none", {engine = engine}) end)
        t.match(e.message, "no such container none")
    end)
end

spec.test("container: an account in there; the engine that is found", function(t)
    needs_bare_root(t)
    local engine = here:path(fake_engine(t, "podman"))
    local m <close> = here:with {env = {PATH = tostring(engine.parent) .. ":/usr/sbin:/usr/bin:/sbin:/bin"}}
        :container("box", {engine = "podman", user = "guest"})
    t.eq(whoami(m), "guest")
    local found <close> = here:with {env = {PATH = tostring(engine.parent) .. ":/usr/sbin:/usr/bin:/sbin:/bin"}}
        :container "box"
    t.match(found:path("/etc/passwd"):read(), "guest", "docker isn't there, podman is")
end)

-- As docker 24 and 27, podman 4, kubectl 1.28 and incus 6 say it.
spec.table("container: what its engine says", {
    {"docker", "Error response from daemon: No such container: box", 1, "notfound"},
    {"docker", "Error response from daemon: Container 1f3ab is not running", 1, "connect", "started"},
    {"docker", "Error response from daemon: Container box is paused, unpause the container before exec", 1, "connect"},
    {"docker", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", 1,
        "connect", "engine"},
    {"docker", "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: "
        .. "dial unix /var/run/docker.sock: connect: permission denied", 1, "denied", "sudo"},
    {"docker", 'OCI runtime exec failed: exec failed: unable to start container process: exec: "/bin/sh": stat '
        .. "/bin/sh: no such file or directory: unknown", 126, "notfound", "/bin/sh"},
    {"docker", "unable to find user bob: no matching entries in passwd file", 126, "notfound"},
    {"podman", 'Error: no container with name or ID "box" found: no such container', 125, "notfound"},
    {"podman", "Error: can only create exec sessions on running containers: container state improper", 255, "connect",
        "started"},
    {"podman", "Error: crun: executable file `/bin/sh` not found in $PATH: No such file or directory: OCI runtime "
        .. "attempted to invoke a command that was not found", 127, "notfound", "/bin/sh"},
    {"kubectl", 'Error from server (NotFound): pods "box" not found', 1, "notfound"},
    {"kubectl", "The connection to the server localhost:8080 was refused - did you specify the right host or port?", 1,
        "connect", "engine"},
    {"kubectl", "error: cannot exec into a container in a completed pod; current phase is Succeeded", 1, "connect"},
    {"incus", "Error: Instance is not running", 1, "connect", "started"},
    {"lxc", "Error: Instance not found", 1, "notfound"},
}, function(t, c)
    local engine = here:path(t.tmp(), c[1])
    engine:write(("#!/bin/sh\ncat >&2 <<'END'\n%s\nEND\nexit %d\n"):format(c[2], c[3]), {mode = "755"})
    local e = t.raises(c[4], function() return here:container("box", {engine = tostring(engine)}) end)
    t.ok(e.message:find(c[2], 1, true), e.message)
    if c[5] then t.match(e.hint, c[5]) end
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

spec.test("via: where it is alone with its processes", function(t)
    local m = here:via {"unshare", "--pid", "--fork", "--mount", "--mount-proc"}
    t.eq(m:sh "echo $PPID":text(), "1")
    local p = m:sh("trap '' TERM; setsid sleep $1 & echo ready; sleep $1; sleep $1", seconds(4719)):popen()
    t.eq(p.stdout:read "l", "ready")
    t.ok(programs.wait_for(function() return sleepers(4719) == 2 end))
    m:close()
    t.ok(programs.wait_for(function() return sleepers(4719) == 0 end), "also what has left its group")
end)

-- ---- ssh ----

spec.test("ssh: with the client of the machine", function(t)
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

spec.test("ssh: from one server to another", function(t)
    local second <close> = bed.new {config = {"PasswordAuthentication yes"}}
    local m <close> = rshell.ssh("127.0.0.1", far:options {agent = true})
    local key = m:path(m.home, "key"):write(here:path(second.key):read(), {mode = "600"})
    local opts = {
        user = second.user, port = second.port, keyfile = tostring(key), known_hosts = second.known_hosts,
        config = false,
    }
    local behind_it <close> = m:ssh("127.0.0.1", opts)
    t.eq(whoami(behind_it), second.user)
    t.eq(behind_it.name, "127.0.0.1 to 127.0.0.1")
    opts.user, opts.keyfile, opts.password = one, nil, accounts.password
    local other <close> = m:ssh("127.0.0.1", opts)
    t.eq(whoami(other), one)
    local data = ("some bytes \0\255\n"):rep(100000)
    t.eq((other.cat << data)() == data, true, "also through a terminal")
end)

-- ---- what the view says ----

spec.test("folder, environment and settings are those of the view, and of the options", function(t)
    local m <close> = here:at("/usr"):via {"env"}
    t.eq(tostring(m.cwd), "/usr")
    local opts = {env = {RS_B = "2"}, cwd = "/usr/bin", timeout = 50}
    local set <close> = here:with {env = {RS_A = "1"}}:via({"env"}, opts)
    t.eq(set.env.RS_A, "1")
    t.eq(set:sh "echo $RS_A $RS_B $(pwd)"(), "1 2 /usr/bin\n")
    local e = t.raises("usage", function() return here:sudo {pasword = "x"} end)
    t.match(e.message, "password")
    t.raises("usage", function() return here:sudo "root" end)
    t.raises("usage", function() return here:container() end)
    t.raises("usage", function() return here:container "-x" end)
    t.raises("usage", function() return here:su {user = "-x"} end)
    t.raises("usage", function() return here:container("x", {engine = "dokcer"}) end)
    t.raises("usage", function() return here:ssh("x", {host_keys = "ask"}) end)
    t.match(t.raises("usage", function() return m.sudo["-x"] end).hint, "m.cmd.sudo")
    e = t.raises("notfound", function() return here:at("/nowhere"):via {"env"} end)
    t.match(e.message, "working directory")
end)

-- ---- prompts ----

--- A program under the name of su in a folder of its own: asks with this prompt, and takes what is the password.
local function fake_su(t, prompt, before)
    local dir = t.tmp()
    here:path(dir, "su"):write(([[#!/bin/sh
%s
printf '%%s' '%s'; read -r answer; echo
[ "$answer" = right ] || { echo 'su: nein' >&2; exit 1; }
while [ "$1" != -c ]; do shift; done
exec /bin/sh -c "$2"
]]):format(before or "", prompt), {mode = "755"})
    return here:with {env = {PATH = dir .. ":/usr/bin:/bin"}}
end

spec.table("a prompt is known for what it is", {
    {"Passwort: "}, {"Mot de passe : "}, {"パスワード："}, {"no colon", "echo Welcome; echo"},
    {"Password:", "printf 'You have new '; sleep 0.05; echo mail"},
}, function(t, c)
    local m <close> = fake_su(t, c[1], c[2]):su {password = "right"}
    t.eq(m.echo "x", "x\n")
end)

spec.test("a password is asked for when it is needed, with the prompt", function(t)
    local asked
    local function password(prompt)
        asked = prompt
        return "right"
    end
    local m <close> = fake_su(t, "Code for you: "):su {password = password}
    t.eq(asked, "Code for you: ")
    t.eq(m.echo "x", "x\n")
    local su = fake_su(t, "Code: ")
    t.match(t.raises("usage", function() return su:su {password = function() end} end).message, "string of one line")
    t.match(t.raises("usage", function() return su:su {password = "a\nb"} end).message, "string of one line")
    t.raises("no code today", function() return su:su {password = function() error("no code today", 0) end} end)
    t.match(t.raises("auth", function() return su:su {password = "wrong"} end).message, "nein")
end)

spec.test("a question that nobody answers ends with the time that there is", function(t)
    local dir = t.tmp()
    here:path(dir, "sudo"):write(("#!/bin/sh\nexec sleep %s\n"):format(seconds(4712)), {mode = "755"})
    local m = here:with {env = {PATH = dir .. ":/usr/bin:/bin"}, timeout = 0.3}
    t.raises("timeout", function() return m:sudo() end)
    local stop = rshell.now() + 20
    while sleepers(4712) > 0 and rshell.now() < stop do rshell.sleep(0.05) end
    t.eq(sleepers(4712), 0)
end)

spec.test("a password is in no command line, environment, log or trace", function(t)
    local script = t.tmp() .. "/script.lua"
    here:path(script):write(([[
        local outer <close> = rshell.ssh("127.0.0.1", {
            user = %q, port = %d, keyfile = %q, known_hosts = %q, config = false, agent = true,
        })
        local m <close> = outer:su {user = %q, password = io.read "l"}
        assert(m["id"]("-un") == %q .. "\n")
        for _, words in ipairs(arg) do
            local look = here:sh('cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | grep -acFf "$1"', words)
            print((select(2, look:run())))
        end
    ]]):format(far.user, far.port, far.key, far.known_hosts, two, two))
    local secret = accounts.password
    local words = t.tmp()
    here:path(words, "secret"):write(secret .. "\n")
    here:path(words, "known"):write(script .. "\n")
    local code, out, errors = (here[os.getenv "RSHELL"] << secret .. "\n"):run(
        {"run", script, words .. "/secret", words .. "/known"}, {env = {RSHELL_LOG = "trace", RSHELL_TRACE = "1"}})
    t.eq(code, 0, errors:sub(-500))
    t.match(out, "^0\n\n[1-9]", "not the secret, but what is there")
    t.eq(errors:find(secret, 1, true), nil)
    t.ok(#errors > 100, "there is a trace")
end)

--- Answers to the questions at a terminal, one by one, or functions that are called then: the status, and what the
--- terminal has shown.
local function answer(t, code, answers)
    local p <close> = here[os.getenv "RSHELL"]["-e"][code]:with {env = {NO_COLOR = "1"}}:popen {pty = true}
    local shown, next_one = "", 1
    rshell.timeout(60, function()
        pcall(function() -- a terminal whose program is gone ends with an error
            for block in function() return p.stdout:read(4096) end do
                shown = shown .. block
                local _, asked = shown:gsub("password for %l+: ", "")
                if asked >= next_one then
                    local given = answers[next_one]
                    if type(given) == "function" then given() else p.stdin:write(given .. "\n") end
                    next_one = next_one + 1
                end
            end
        end)
    end)
    for _, word in ipairs(answers) do
        if type(word) == "string" then t.eq(shown:find(word, 1, true), nil, "it is echoed") end
    end
    return p:wait(20), shown
end

spec.test("a password that wasn't given is asked for at the terminal, without echo, once for a machine", function(t)
    accounts:sudoers(("Defaults:%s timestamp_timeout=0\n%s ALL=(ALL) ALL"):format(one, one))
    local code = ([[
        local m <close> = here:with{user = %q, cwd = "/"}:sudo {agent = %s}
        print(("%%s, %%s"):format(m.id:text "-u", m.id:text "-u"))
    ]])
    local status, shown = answer(t, code:format(one, "true"), {"mistyped", accounts.password})
    t.eq(status, 0, shown)
    t.match(shown, "^here as root: password for sudo: \r\nSorry, try again.\r\n"
        .. "here as root: password for sudo: \r\n0, 0\r\n$")
    status, shown = answer(t, code:format(one, "false"), {accounts.password})
    t.eq(status, 0, shown)
    t.match(shown, "^here as root: password for sudo: \r\n0, 0\r\n$")
end)

spec.test("who is cancelled while a password is asked for leaves the terminal to the next", function(t)
    accounts:sudoers(("Defaults:%s timestamp_timeout=0\n%s ALL=(ALL) ALL"):format(one, one))
    local go = here:path(t.tmp(), "go")
    local status, shown = answer(t, ([[
        local u, go = here:with{user = %q, cwd = "/"}, here:path(%q)
        local asking = spawn(u.sudo, u)
        while not go:exists() do sleep(0.02) end
        asking:cancel()
        print(select(2, pcall(asking.await, asking)).kind)
        local m <close> = u:sudo()
        print(m.id:text "-u")
    ]]):format(one, tostring(go)), {function() go:touch() end, accounts.password})
    t.eq(status, 0, shown)
    t.match(shown, "cancelled.*password for sudo: \r\n0\r\n$")
end)

spec.test("three wrong passwords at the terminal are enough", function(t)
    local dir = t.tmp() -- sudo itself takes seconds for each
    here:path(dir, "sudo"):write("#!/bin/sh\nwhile printf %s \"$3\" >&2; do read -r x; done\n", {mode = "755"})
    local code = ("here:with{env = {PATH = %q .. ':' .. here.env.PATH}}:sudo()"):format(dir)
    local status, shown = answer(t, code, {"first", "second", "third"})
    t.eq(status, 1)
    t.match(shown, "password for sudo: \r\nrshell: here as root: sudo does not take this password")
    t.eq(select(2, shown:gsub("password for sudo: ", "")), 3)
end)

-- ---- where no agent can run ----

spec.test("no folder for programs: a shell serves, but not behind a terminal", function(t)
    local nowhere = "for d in /dev/shm /tmp /var/tmp; do mount -t tmpfs -o noexec none $d || exit; done; exec \"$@\""
    local way = {"unshare", "-m", "env", "HOME=/dev/shm", "XDG_RUNTIME_DIR=", "sh", "-c", nowhere, "sh"}
    local m <close> = here:via(way)
    local kind = m.backend
    t.eq(kind, "bare")
    t.match(tostring(m), "no folder in which programs can be run")
    t.eq((m.cat << "text")(), "text")
    t.match(t.raises("usage", function() return here:via(way, {agent = true}) end).message, "no folder")
    t.raises("usage", function() return here:su {agent = false} end)
    local bare <close> = here:sudo {user = one, agent = false}
    t.eq(whoami(bare), one)
    t.eq(bare.backend, "bare")
    t.eq(bare:path("/etc/hostname"):read(), here:path("/etc/hostname"):read())
    local inner <close> = bare:via {"env", "RS_IN=1"}
    t.eq(inner.backend, "bare")
    t.eq(inner.env.RS_IN, "1")
end)

-- ---- nested, and the end ----

spec.test("three levels: ssh, sudo, chroot", function(t)
    accounts:sudoers(("%s ALL=(ALL) NOPASSWD: ALL"):format(far.user))
    local opts = far:options {agent = true}
    local m = rshell.ssh("127.0.0.1", opts)
    local root = m:sudo()
    t.eq(whoami(root), "root")
    local inner = root:chroot(sanitized and "/" or accounts:root())
    t.eq(inner.name, "127.0.0.1 as root in " .. (sanitized and "/" or accounts:root()))
    t.eq(inner:path("/bin/busybox"):exists(), true)
    t.match(inner.cat "/etc/passwd", "^root:x")
    local data = ("x"):rep(3000000)
    t.eq((inner.cat << data)() == data, true)
    local p = inner.sleep[seconds(4711)]:popen()
    local pids = behind(m, root, inner)
    m:close()
    t.raises("closed", function() return inner:path("/"):exists() end)
    t.eq(inner.closed, true)
    gone(t, pids)
    t.eq(sleepers(4711), 0)
    p:close()
end)

--- An account over there that becomes two of others, none of whose processes it may signal.
local function chain(outer)
    local a = outer:su {user = one, password = accounts.password}
    return a, a:su {user = two, password = accounts.password}
end

spec.test("what has ended starts again; an end is told, with its reason", function(t)
    local m <close> = rshell.ssh("127.0.0.1", far:options {agent = true})
    local a, b = chain(m)
    t.eq(whoami(b), two)
    local before = behind(a, b)
    local agent = math.tointeger(tonumber((a:sh "echo $PPID":text())))
    local waiting = rshell.spawn(pcall, function() return b.sleep(seconds(4713)) end)
    rshell.sleep(0.1)
    here.kill("-KILL", agent)
    local ok, e = waiting:await()
    t.eq(ok, false)
    t.eq(e.kind, "closed")
    t.eq(e.host, b.name)
    gone(t, before)
    t.eq(sleepers(4713), 0)
    t.eq(b.closed, false)
    t.eq(whoami(b), two)
    b:close()
    a:close()
    t.match(t.raises("closed", function() return whoami(b) end).message, "was closed")
end)

-- ---- one that answers no more ----

--- A machine with an agent whose heartbeats are frequent, those in it likewise.
local function impatient()
    return (require "agent".machine("/bin/sh", {keepalive = 1}))
end

local function agent_of(m) return math.tointeger(tonumber((m:sh "echo $PPID":text()))) end

--- Who waits for it learns that it is gone, and why.
local function told(t, waiting, m)
    local ok, e = waiting:await(60)
    t.eq(ok, false)
    t.eq(e.kind, "closed")
    t.eq(e.host, m.name)
    t.match(e.message, "no heartbeat for 3 s")
end

--- It is ended, and all behind it.
local function stopped(t)
    local outer <close> = impatient()
    local a = outer:sudo {user = one}
    local b = a:su {user = two, password = accounts.password}
    t.eq(whoami(b), two)
    local pids, agent = behind(a, b), agent_of(a)
    local p = b.cat:popen()
    local waits = {
        [a] = rshell.spawn(pcall, function() return a.sleep(seconds(4715)) end), [b] = rshell.spawn(pcall, p.wait, p),
    }
    rshell.sleep(0.2)
    here.kill("-STOP", agent)
    for m, waiting in pairs(waits) do told(t, waiting, m) end
    t.eq(outer.echo "x", "x\n", "the one around it goes on")
    gone(t, pids)
    t.eq(sleepers(4715), 0)
    t.eq(whoami(a), one, "and starts another")
    a:close()
end

--- What may not be signalled ends when it goes on.
local function stopped_and_strange(t)
    local outer <close> = impatient()
    local a = outer:sudo {user = one}
    local b <close> = a:su {user = two, password = accounts.password}
    t.eq(whoami(b), two)
    local agent, pids = agent_of(b), behind(b)
    local waiting = rshell.spawn(pcall, function() return b.sleep(seconds(4716)) end)
    rshell.sleep(0.2)
    here.kill("-STOP", agent)
    told(t, waiting, b)
    t.eq(whoami(a), one, "the one around it goes on")
    here.kill:bind("-CONT", agent):run({}, {retcode = "any"}) -- what was hung up may have done so already
    gone(t, pids)
    t.eq(sleepers(4716), 0)
    a:close()
end

local function silent_link(t)
    local link <close> = proxy.new(far.port)
    proxy.trust(far, link)
    local outer <close> = impatient()
    local m = outer:ssh("127.0.0.1", {
        user = far.user, port = link.port, keyfile = far.key, known_hosts = far.known_hosts, config = "none",
    })
    t.eq(whoami(m), far.user)
    local pids = behind(m)
    local waiting = rshell.spawn(pcall, function() return m.sleep(seconds(4717)) end)
    rshell.sleep(0.2)
    link:freeze()
    told(t, waiting, m)
    t.ok(programs.wait_for(function() return #here:pgrep("^ssh .*" .. link.port) == 0 end), "the client ends")
    t.eq(outer.echo "x", "x\n")
    link:cut()
    gone(t, pids)
    m:close()
end

--- One that says nothing has a heartbeat, and code that runs there needs none.
local function alive(t)
    local outer <close> = impatient()
    local a <close> = outer:sudo {user = one}
    local agent = agent_of(a)
    local conn <close> = a:connect()
    t.eq(conn:execute "local last = os.time() + 6 while os.time() < last do end return 5", 5)
    t.eq(agent_of(a), agent)
end

--- One that is stopped does, though nobody asks it anything.
local function stopped_context(t)
    local outer <close> = impatient()
    local conn, other <close> = outer:connect(), outer:connect()
    local waiting = rshell.spawn(pcall, conn.execute, conn, "sleep(1000)")
    rshell.sleep(0.2)
    here.kill("-STOP", conn.pid)
    local ok, e = waiting:await(60)
    t.eq(ok, false)
    t.eq(e.kind, "closed")
    t.match(e.message, "stopped by a signal for 3 s")
    gone(t, {conn.pid})
    t.eq(other:eval "1", 1)
end

spec.test("one that is stopped, or whose link is silent, is noticed by the machine around it", function(t)
    local all = {}
    for i, run in ipairs {stopped, stopped_and_strange, silent_link, alive, stopped_context} do
        all[i] = rshell.spawn(run, t)
    end
    for _, one_of_them in ipairs(all) do one_of_them:await() end
end)

-- As rshell runs it: with a machine over SSH, and a password in the first line of its input.
local KILLED = [[
    local m = rshell.ssh("127.0.0.1", {
        user = %q, port = %d, keyfile = %q, known_hosts = %q, config = false, agent = true,
    })
    local one, two, password = %q, %q, io.read "l"
    local function say(...) print(...) io.stdout:flush() end
]]

spec.table("nothing lives on when rshell is killed:", {
    {"while programs run", [[
        local b = m:su {user = one, password = password}:su {user = two, password = password}
        local p = b:sh("trap '' TERM; echo $PPID; sleep $1; sleep $1", "SECONDS"):popen()
        say(p.stdout:read "l")
        p:wait()
    ]], "sleep SECONDS"},
    {"while su asks", "m:su {user = two, password = function() say 'asked' sleep(60) end}", "^su %-s /bin/sh .* TWO$"},
    {"while sudo asks", "m:sudo {user = one, password = function() say 'asked' sleep(60) end}", "^sudo %-S .*%-u ONE "},
}, function(t, c)
    accounts:sudoers(("%s ALL=(ALL) ALL"):format(far.user))
    local script = here:path(t.tmp(), "script.lua")
    local mine = {SECONDS = seconds(4714), ONE = one, TWO = two}
    local pattern = c[3]:gsub("%u%u%u+", mine)
    script:write(KILLED:format(far.user, far.port, far.key, far.known_hosts, one, two) .. c[2]:gsub("%u%u%u+", mine))
    local p <close> = here[os.getenv "RSHELL"]:bind("run", script):popen()
    p.stdin:write(accounts.password .. "\n")
    t.ok(p.stdout:read "l")
    t.ok(#here:pgrep(pattern) > 0)
    p:kill "KILL"
    t.ok(programs.wait_for(function() return #here:pgrep(pattern) == 0 end))
    for _, name in ipairs {one, two, far.user} do
        t.ok(programs.wait_for(function() return here.cmd.pgrep:run({"-u", name}) == 1 end), name)
    end
end)

spec.test("code runs in there, and is interrupted there", function(t)
    local a <close> = here:sudo {user = one}
    local b <close> = a:via {"env", "RS_IN=1"}
    local conn <close> = b:connect()
    t.eq(conn:eval "host.user().name", one)
    t.eq(conn:call(function(x) return x + 1 end, 41), 42)
    t.raises("timeout", function() conn:with {timeout = 0.2}:execute "while true do end" end)
    t.eq(conn:eval "1", 1)
end)

spec.test("nothing crosses the network twice", function(t)
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

far:close()
accounts:close()
spec.finish()
