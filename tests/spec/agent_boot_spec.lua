-- Where an agent lands, and where it can't: login shells, folders, limits and start-up files of all kinds, over real
-- servers. All cases are looked at together first; the tests judge what was seen.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path

local beds = require "bed"
local leftovers = require "leftovers"
local log = require "rshell.log"
local rshell = require "rshell"
local spec = require "spec"

local here, ssh = rshell.here, rshell.ssh

if here.id["-u"]:text() ~= "0" or here:sh "unshare -m mount -t tmpfs none /mnt":run() ~= 0 then
    print "1..0 # SKIP needs root, for accounts and mounts"
    return
end

local AT_ONCE = 4
local SANITIZED = here:path "/proc/self/maps":read():find "libasan"

-- ---- the machines ----

-- Each world is a server in a mount namespace of its own; "$bed" is the bed's folder, which stays what it was.
local FUNCTIONS = [[
set -e
bed=$1
shift
new_tmp() {
    mount --bind "$bed" /mnt
    mount -t tmpfs -o "$1" none /tmp
    mkdir -p "$bed"
    mount --bind /mnt "$bed"
    umount /mnt
}
full() { for d; do mount -t tmpfs -o size=64k,mode=1777 none "$d"; done; }
limit() { what=$1; shift; for d; do mount --bind "$d" "$d"; mount -o remount,bind,$what "$d"; done; }
]]

local WORLDS = {
    ["no programs in /dev/shm and /tmp"] = "limit noexec /dev/shm; new_tmp noexec,mode=1777",
    ["no programs but at home"] = "limit noexec /dev/shm /var/tmp; new_tmp noexec,mode=1777",
    ["no programs anywhere"] = 'new_tmp noexec,mode=1777; limit noexec /dev/shm /var/tmp "$bed/home"',
    ["a root that can't be written"] = "mount -o remount,bind,ro /",
    ["nothing can be written"] = "limit ro /dev/shm; mount -o remount,bind,ro /",
    ["a full /tmp"] = "limit ro /dev/shm; new_tmp size=64k,mode=1777",
    ["full everywhere"] = 'new_tmp size=64k,mode=1777; full /dev/shm /var/tmp "$bed/home"',
    ["no /proc"] = "mount -t tmpfs none /proc",
    ["mksh at /bin/sh"] = 'mount --bind "$(command -v mksh)" "$(readlink -f /bin/sh)"',
    ["zsh at /bin/sh"] = 'mount --bind "$(command -v zsh)" "$(readlink -f /bin/sh)"',
    ["bash at /bin/sh, and no /proc"] = 'mount --bind /bin/bash "$(readlink -f /bin/sh)"; mount -t tmpfs none /proc',
}

local worlds = {}

local function make_world(name)
    local words = FUNCTIONS .. WORLDS[name] .. '\nexec "$@"'
    worlds[name] = beds.new {
        under = function(dir) return {"unshare", "-m", "sh", "-c", words, "sh", dir} end,
    }
end

-- ---- what comes before an agent ----

-- Both streams, with and without a line's end; sshd runs it whatever the login shell is.
local NOISE = {[".ssh/rc"] = 'echo "Welcome to rs0000 agent"; echo "you have mail" >&2; printf "no newline"'}

--- A home with noise, and this start-up file.
local function noisy(name, text)
    return {[name] = text .. "\necho hello; echo hello >&2\n", [".ssh/rc"] = NOISE[".ssh/rc"]}
end

local function environment(lines) return {[".ssh/environment"] = lines .. "\n"} end

local bin <close> = here:tempdir()
here.chmod("755", bin)
local ash, tools = bin / "ash", bin / "tools"
ash:symlink(tostring(here:which "busybox"))
tools:mkdir()
for _, name in ipairs {"uname", "mkdir", "rm", "chmod", "dd", "cat", "sh", "echo", "env", "grep", "sort"} do
    (tools / name):symlink(tostring(here:which(name)))
end

local few = tostring(bin / "few")
here.mkdir(few)
for _, name in ipairs {"echo", "env", "grep", "sh", "sort"} do
    (here:path(few) / name):symlink(tostring(here:which(name)))
end

local function start_up(text) return {[".bashrc"] = text .. "\n"} end

-- bash reads .bashrc under sshd, csh .cshrc, fish its own.
local CASES = {
    {"login shell dash", shell = "/bin/dash", home = NOISE},
    {"login shell bash, umask 077", shell = "/bin/bash", umask = "0077", home = noisy(".bashrc", "umask 077")},
    {"login shell busybox ash", shell = tostring(ash), home = NOISE},
    {"login shell mksh", shell = "/bin/mksh", home = NOISE},
    {"login shell tcsh, umask 000", shell = "/bin/tcsh", umask = "0000",
        home = {[".cshrc"] = "umask 000\necho hello\n", [".ssh/rc"] = NOISE[".ssh/rc"]}},
    {"login shell csh, umask 027", shell = "/bin/bsd-csh", umask = "0027",
        home = {[".cshrc"] = "umask 027\necho hello\n"}},
    {"login shell fish, umask 077", shell = "/usr/bin/fish", umask = "0077",
        home = noisy(".config/fish/config.fish", "umask 077")},
    {"login shell zsh, umask 077", shell = tostring(here:which "zsh"), umask = "0077",
        home = noisy(".zshenv", "umask 077")},
    {"a restricted shell", shell = "/bin/rbash", dead = "denied", why = "nothing but SFTP"},
    {"a restricted shell, agent=true", shell = "/bin/rbash", must = true, why = "restricted"},
    {"no login", shell = "/usr/sbin/nologin", dead = "denied", why = "nothing but SFTP"},
    {"mksh at /bin/sh"}, {"zsh at /bin/sh"}, {"bash at /bin/sh, and no /proc", sanitized = false},
    {"a server that isn't OpenSSH's", dropbear = true},
    {"a server that isn't OpenSSH's, and much noise", loud = true},
    {"a server that gives files only", sftp = true, dead = "denied", why = "nothing but SFTP"},
    {"a server that gives files only, agent=true", sftp = true, must = true, why = "allows sftp"},

    {"no home", home = false},
    {"a HOME that isn't there", home = environment "HOME=/nowhere/at all"},
    {"TMPDIR isn't there, and has blanks", home = environment "TMPDIR=/tmp/no such  folder", temp = "/tmp"},
    {"TMPDIR is relative", home = environment "TMPDIR=.ssh", temp = "/tmp"},
    {"TMPDIR is empty", home = environment "TMPDIR=", temp = "/tmp"},
    {"TMPDIR is a file", home = environment "TMPDIR=/etc/passwd", temp = "/tmp"},
    {"TMPDIR is somebody else's", home = environment "TMPDIR=/root", temp = "/tmp"},
    {"TMPDIR has quotes and a line's end", shell = "/bin/bash", temp = "/it's \"q\"\n $x",
        home = start_up [[export TMPDIR=$HOME/"it's "'"q"'$'\n'' $x'; mkdir -p "$TMPDIR"]]},
    {"XDG_RUNTIME_DIR with blanks", lands = "/a  run dir/",
        home = {[".ssh/rc"] = 'mkdir -p "$HOME/a  run dir"', [".bashrc"] = 'export XDG_RUNTIME_DIR="$HOME/a  run dir"'},
        shell = "/bin/bash"},
    {"XDG_RUNTIME_DIR is relative", lands = "/run/",
        home = {[".ssh/rc"] = "mkdir -p $HOME/run", [".ssh/environment"] = "XDG_RUNTIME_DIR=run\n"}},
    {"XDG_RUNTIME_DIR isn't there", home = environment "XDG_RUNTIME_DIR=/run/user/0/nowhere"},
    {"XDG_RUNTIME_DIR is somebody else's", home = environment "XDG_RUNTIME_DIR=/root"},
    {"settings that programs look at",
        home = environment "GZIP=-v\nPOSIXLY_CORRECT=1\nIFS=x/\nCDPATH=/usr\nENV=/nowhere\nLC_ALL=xx_YY.UTF-8"},
    {"variables with short names",
        home = environment(("abcdefghijklmnopqrstuvwxyzNPT"):gsub(".", "%0=exported %0\n"))},
    {"much noise", shell = "/bin/bash", home = start_up "seq 1 30000\nseq 1 30000 >&2"},
    {"noise that isn't text", shell = "/bin/bash", home = start_up "head -c 1000000 /dev/urandom"},
    {"a long line of noise, into which ours falls", shell = "/bin/bash",
        home = start_up "head -c 65525 /dev/zero | tr '\\0' x"},
    {"start-up files that show what is run", merged = true, shell = "/bin/bash",
        home = start_up "exec 2>&1\nset -xv"},
    {"a shell without stderr", shell = "/bin/bash", home = start_up "exec 2>&-"},
    {"a PATH in which nothing of use is", home = environment("PATH=" .. few)},
    {"no gzip", home = environment("PATH=" .. tostring(tools))},
    {"no large files", shell = "/bin/bash", home = start_up "ulimit -f 10", why = "no room for the agent"},
    {"no files with anything in them", shell = "/bin/bash", home = start_up "ulimit -f 0",
        why = "no room for the agent"},
    {"no processes", shell = "/bin/bash", home = start_up "ulimit -u 2", dead = "io",
        why = "no more processes can be started"},
    {"few files at once", shell = "/bin/bash", home = start_up "ulimit -n 16",
        why = "the agent did not answer: .*ulimit"},
    {"little memory for data", shell = "/bin/bash", home = start_up "ulimit -d 6000", sanitized = false},
    {"no memory for stacks", shell = "/bin/bash", home = start_up "ulimit -s unlimited -v 30000", sanitized = false},
    {"start-up files that wait for more input", shell = "/bin/bash", home = start_up "cat >/dev/null",
        seconds = 8, dead = "timeout", why = "its shell did not answer within 8 s"},
    {"start-up files that never end", shell = "/bin/bash", home = start_up "sleep 1000",
        seconds = 8, dead = "timeout", why = "its shell did not answer within 8 s"},

    {"no programs in /dev/shm and /tmp", lands = "/var/tmp/"},
    {"no programs but at home", lands = "/home/"},
    {"a root that can't be written", lands = "/dev/shm/"},
    {"nothing can be written", why = "no folder in which programs can be run"},
    {"a full /tmp", lands = "/var/tmp/"},
    {"full everywhere", why = "no room for the agent"},
    {"no programs anywhere", why = "no folder in which programs can be run"},
    {"no programs anywhere, agent=true", world = "no programs anywhere", must = true,
        why = "no folder in which programs can be run"},
    {"no /proc", sanitized = false},
}

-- ---- looking ----

local plain <close> = beds.new {config = {"PermitUserEnvironment yes"}}
local other <close> = beds.odd "dropbear"
local files_only <close> = beds.odd "sftp_only"
local loud <close> = beds.new {dropbear = true, shell = "/bin/bash", home = start_up "seq 1 30000\nseq 1 30000 >&2"}

--- A server, and an account there.
local function place(c)
    local bed = worlds[c.world or c[1]] or c.dropbear and other or c.loud and loud or c.sftp and files_only
    if bed then return bed, bed.user, bed.home end
    return plain, plain:add_account {shell = c.shell, home = c.home}
end

local notices = {}
log.sink(function(level, _, text)
    local name, words = text:match "^(%S+): (.*)"
    if level == "warning" then
        notices[name] = notices[name] or {}
        table.insert(notices[name], words)
    end
end)

-- What the account's programs find: its umask, folder and environment, but for the port that we came from.
local SETTINGS = "umask; pwd; env | grep -v '^SSH_C' | LC_ALL=C sort"

--- Where its temporary folders are.
local function temp_place(m)
    local dir <close> = m:tempdir()
    return tostring(dir.parent)
end

--- The same without an agent. So start-up files have made what they make when the folders are looked at.
local function reference(c, bed, user)
    local m <close> = ssh(user .. "@127.0.0.1", bed:options {user = user})
    return {settings = m:sh(SETTINGS):text(), temp = c.temp and temp_place(m)}
end

--- What is told by a machine whose first operation this is.
local function ask(c, m, files)
    local seen = {echo = m.echo "x", backend = m.backend}
    seen.files = files()
    seen.settings, seen.temp = m:sh(SETTINGS):text(), c.temp and temp_place(m)
    if seen.backend == "agent" then
        seen.exe = tostring(here:path("/proc", m:sh "echo $PPID":text(), "exe"):readlink())
    end
    return seen
end

local function visit(c, bed, who, before)
    local opts = bed:options {user = who.user}
    opts.agent, opts.connect_timeout = c.must, c.seconds
    local m <close> = ssh(who.user .. "@127.0.0.1", opts)
    local ok, seen = pcall(ask, c, m, function() return leftovers.files(who, before) end)
    return ok and seen or {error = seen}
end

local function look(c)
    local bed, user, home = place(c)
    local who = {user = user, home = home, inside = {"nsenter", "-t", tostring(bed.server.pid), "-m"}}
    local expected = not (c.dead or c.must) and reference(c, bed, user)
    local before = leftovers.list(who)
    local seen = visit(c, bed, who, before)
    seen.expected, seen.notices = expected, notices[user .. "@127.0.0.1"] or {}
    seen.gone, seen.left = leftovers.gone(who, before)
    return seen
end

local names = {}
for name in pairs(WORLDS) do names[#names + 1] = name end
for _, e in ipairs(rshell.parallel(names, make_world, {limit = AT_ONCE})) do error(e, 0) end
local looked = rshell.parallel(CASES, look, {limit = AT_ONCE})
for i, c in ipairs(CASES) do c.seen = looked[i] end
log.sink(nil)
for _, bed in pairs(worlds) do bed:close() end

-- ---- judging ----

--- Where there is an agent: it has said nothing and left nothing, and is the account's own.
local function serves(t, c, seen)
    t.eq(seen.backend, "agent")
    t.same(seen.notices, {})
    t.match(seen.exe, "%(deleted%)$")
    if c.lands then t.ok(seen.exe:find(c.lands, 1, true), seen.exe) end
end

--- Where there is none: the shell serves, and that is said once.
local function falls_back(t, c, seen)
    t.eq(seen.backend, "bare")
    t.eq(#seen.notices, 1)
    t.match(seen.notices[1], "^no agent there: " .. c.why)
end

spec.table("an agent where there is", CASES, function(t, c)
    local seen = c.seen
    if c.sanitized == false and SANITIZED then t.skip "sanitizers need it" end
    if seen.message then error(seen, 0) end
    if c.dead or c.must then
        t.eq(seen.error.kind, c.dead or "usage", tostring(seen.error))
        t.match(seen.error.message, c.why)
    else
        if seen.error then error(seen.error, 0) end
        t.eq(seen.echo, "x\n")
        t.same(seen.files, {})
        if not c.merged then t.eq(seen.settings, seen.expected.settings) end
        t.eq(seen.temp, seen.expected.temp)
        if c.temp then t.eq(seen.temp:sub(-#c.temp), c.temp) end
        t.eq(tonumber(seen.settings:match "^%d+", 8), tonumber(c.umask or "0022", 8));
        (c.why and falls_back or serves)(t, c, seen)
    end
    t.ok(seen.gone, seen.left)
end)

spec.finish()
