-- A real SSH server on loopback for one suite: its own keys, its own port, and as root its own account with a plain
-- home, so that nobody's shell start-up files matter. All of it goes when the bed is closed.
--
--   local bed <close> = bed.new()               -- OpenSSH as it comes
--   local bed <close> = bed.odd "sftp_only"     -- one of the servers that are met out there: see ODD
--   local m <close> = rshell.ssh("127.0.0.1", bed:options())

local accounts = require "accounts"
local host = require "rshell.sys.host"
local net = require "rshell.sys.net"
local rshell = require "rshell"

local M = {}

local here = rshell.here
local Bed = {}
Bed.__index = Bed

local function is_root() return here.id["-u"]:text() == "0" end

--- A port that was free a moment ago.
local function free_port()
    local l <close> = assert(net.listen(0, "127.0.0.1"))
    return l.port
end

local function make_key(path, kind)
    here["ssh-keygen"]("-q", "-t", kind or "ed25519", "-N", "", "-C", "rshell-test", "-f", path)
    return path
end

local made = 0

--- A new account that logs in with the bed's key: its name and its home.
---@param opts {shell: string?, home: table<string, string>|false|nil} as for M.new; false: its home isn't there
local function make_account(bed, opts)
    made = made + 1
    local user = ("rst%d%03d%d"):format(host.pid(), math.random(0, 999), made)
    bed.homes = (bed.homes or 0) + 1
    local home = ("%s/home%s"):format(bed.dir, bed.homes > 1 and bed.homes or "")
    accounts.make(user, home, opts.shell)
    bed.accounts[#bed.accounts + 1] = user
    if opts.home ~= false then here.install("-d", "-o", user, "-m", "700", home) end
    return user, home
end

local function write_config(bed)
    local lines = {
        "ListenAddress " .. bed.listen, "Port " .. bed.port, "HostKey " .. bed.host_key,
        "AuthorizedKeysFile " .. bed.dir .. "/keys/%u",
        "StrictModes no", "PidFile none", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
        "MaxStartups 500", "Subsystem sftp internal-sftp",
    }
    -- The first value holds: what a test wants comes before.
    local text = table.concat(bed.config, "\n") .. "\n" .. table.concat(lines, "\n") .. "\n"
    here:path(bed.dir, "sshd_config"):write(text)
end

local function wait_until_up(bed)
    for _ = 1, 200 do
        local s = net.connect("127.0.0.1", bed.port)
        if s then
            s:close()
            return
        end
        if bed.server:poll() then break end
        rshell.sleep(0.02)
    end
    error("sshd did not start:\n" .. tostring(here:path(bed.dir, "log"):read()))
end

local function sshd(bed)
    write_config(bed)
    local program = here["/usr/sbin/sshd"]
    local under = bed.under and bed.under(bed.dir)
    if under then program = here[under[1]][{table.unpack(under, 2)}][program] end
    return program["-D"]["-e"]["-f"][bed.dir .. "/sshd_config"]
end

--- Its sessions are processes of its own group, which goes as a whole.
local function dropbear(bed)
    return here["/usr/sbin/dropbear"]["-F"]["-E"]["-s"]["-m"]["-r"][bed.host_key]["-P"][bed.dir .. "/pid"]["-p"][
        "127.0.0.1:" .. bed.port]
end

function Bed:start()
    local server = (self.dropbear and dropbear or sshd)(self)
    self.server = server:err_to(self.dir .. "/log"):popen()
    wait_until_up(self)
end

function Bed:stop()
    if self.server then self.server:close() end
    self.server = nil
end

--- Options for ssh() that reach this bed and nothing else.
function Bed:options(more)
    local opts = {
        user = self.user, port = self.port, keyfile = self.key, known_hosts = self.known_hosts, config = false,
        host_keys = "strict", agent = false,
    }
    for k, v in pairs(more or {}) do opts[k] = v end
    return opts
end

function Bed:log() return here:path(self.dir, "log"):read() end

function Bed:close()
    if self.closed then return end
    self.closed = true
    self:stop()
    for _, user in ipairs(self.accounts) do accounts.remove(user) end
    self.tmp:close()
end

Bed.__close = Bed.close

--- Dropbear reads the account's own list of keys, and has a format of its own for its key.
local function prepare_dropbear(bed)
    here.rm(bed.host_key, bed.host_key .. ".pub")
    bed.public = here.dropbearkey("-t", "ed25519", "-f", bed.host_key):match "ssh%-ed25519 %S+"
    local dir = here:path(bed.home, ".ssh"):mkdir {exist_ok = true, mode = "700"}
    local keys = (dir / "authorized_keys"):append(here:path(bed.key .. ".pub"):read(), {mode = "600"})
    if bed.account then here.chown("-R", bed.user, dir) end
    return keys
end

--- Files of an account's home, by name.
local function fill_home(user, home, files)
    for name, text in pairs(files) do
        local path = here:path(home, name)
        path.parent:mkdir {parents = true, exist_ok = true}
        path:write(text, {mode = "644"})
        here.chown("-R", user, here:path(home, name:match "^[^/]*"))
    end
end

local function allow(bed, user)
    here:path(bed.dir, "keys", user):write(here:path(bed.key .. ".pub"):read(), {mode = "644"})
end

--- One more account, which bed:options{user = ...} logs in to; as root only.
---@param opts {shell: string?, home: table<string, string>|false|nil}? as for M.new; false: its home isn't there
---@return string user
---@return string home
function Bed:add_account(opts)
    opts = opts or {}
    local user, home = make_account(self, opts)
    fill_home(user, home, opts.home or {})
    allow(self, user)
    return user, home
end

--- config: lines of sshd_config that come first; listen: the address; shell: the account's login shell; home: files in
--- its home (as root only); dropbear: that server instead of OpenSSH's; under: gives the words that OpenSSH's is
--- started with, for the bed's folder.
---@param opts {config: string[]?, listen: string?, shell: string?, home: table<string, string>?, dropbear: boolean?,
---    under: (fun(dir: string): string[])?}?
function M.new(opts)
    opts = opts or {}
    local bed = setmetatable({
        config = opts.config or {}, dropbear = opts.dropbear, under = opts.under,
        listen = opts.listen or "127.0.0.1", accounts = {},
    }, Bed)
    bed.tmp = here:tempdir()
    bed.dir = tostring(bed.tmp)
    here.chmod("755", bed.dir)
    if is_root() then here.mkdir("-p", "/run/sshd") end
    bed.host_key, bed.key = make_key(bed.dir .. "/host_key"), make_key(bed.dir .. "/user_key")
    bed.port = free_port()
    here.mkdir("-m", "755", bed.dir .. "/keys")
    if is_root() then
        bed.user, bed.home = bed:add_account(opts)
        bed.account = true
    else
        bed.user, bed.home = here.user, here.home
        allow(bed, bed.user)
    end
    if bed.dropbear then prepare_dropbear(bed) end
    bed.known_hosts = bed.dir .. "/known_hosts"
    local public = bed.dropbear and bed.public or here:path(bed.host_key .. ".pub"):read():match "^(%S+ %S+)"
    here:path(bed.known_hosts):write(("[127.0.0.1]:%d %s\n"):format(bed.port, public))
    bed:start()
    return bed
end

-- ---- servers that are met out there ----

local LOUD = 'echo "Welcome to $HOSTNAME"; echo "mail: none" >&2; printf "no newline"\n'

local ODD = {
    dropbear = {dropbear = true},
    one_session = {config = {"MaxSessions 1"}},
    rekey = {config = {"RekeyLimit 1M"}},
    -- Also what isn't run by a login shell: bash reads .bashrc under sshd.
    noise = {shell = "/bin/bash", home = {[".bashrc"] = LOUD, [".profile"] = LOUD, [".ssh/rc"] = LOUD}},
    forced_command = {config = {'ForceCommand echo "only backups here"'}},
    forced_shell = {config = {[[ForceCommand exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"]]}},
    no_tty = {config = {"PermitTTY no"}},
    sftp_only = {config = {"ForceCommand internal-sftp"}},
    no_forwarding = {config = {"DisableForwarding yes"}},
}

--- One of ODD.
---@param name string
function M.odd(name) return M.new(assert(ODD[name], "no such server")) end

return M
