-- The bare backend without a network: a connector that runs its lines in a local shell, as an SSH server would.
--
--   local bare = require "bare"
--   local m = bare.machine "/bin/bash"                 -- a machine whose login shell this is
--   local m = bare.machine("ash", {busybox = true})          -- a machine with nothing but busybox
--   local c = bare.connector(shell, opts)    -- c.count: how many lines it has run; c.lines: what they were
--
-- opts: path (PATH over there), busybox (its applets are all programs there are), sh (what stands at /bin/sh), noise
-- (run first, as start-up files are), signals = false (the server refuses signals), env, cwd, keep (what runs
-- outlives us, as on a server).

local proc = require "rshell.sys.proc"
local machine = require "rshell.machine"
local view = require "rshell.view"

local M = {}

local Channel = {}
Channel.__index = Channel

local function exit_of(exits)
    return exits and exits[1]
end

function Channel:wait(seconds)
    local exits, text, name = self.handle:wait(seconds)
    if not exits then return nil, text, name end
    return exit_of(exits)
end

function Channel:exit() return self.gone and {} or exit_of(self.handle:exits()) end

function Channel:signal(name)
    if self.connector.opts.signals == false then return nil, "not possible on this machine", "EUNSUPPORTED" end
    self.connector.signalled = (self.connector.signalled or 0) + 1
    return self.handle:kill(name)
end

function Channel:resize(rows, cols) return self.handle:resize(rows, cols) end

function Channel:close()
    if self.closed then return end
    self.closed = true
    for _, s in ipairs {self.stdin or false, self.stdout or false, self.stderr or false} do
        if s then s:close() end
    end
end

local Connector = {}
Connector.__index = Connector

local applets

--- A folder with busybox under all its names.
local function busybox()
    if applets then return applets end
    local where = assert(proc.run {argv = {"mktemp", "-d"}}).stdout:gsub("\n$", "")
    local fill = 'b=$(command -v busybox);for a in $(busybox --list);do ln -s "$b" "$1/$a";done'
    assert(proc.run {argv = {"sh", "-c", fill, "sh", where}})
    applets = where
    M.sweeper = setmetatable({}, {__gc = function() os.execute("rm -r " .. where) end})
    return where
end

local function words(shell)
    local argv = {}
    for word in shell:gmatch "%S+" do argv[#argv + 1] = word end
    return argv
end

function Connector:run(line, opts)
    local argv = words(self.shell)
    argv[#argv + 1] = "-c"
    argv[#argv + 1] = (self.opts.noise and self.opts.noise .. "\n" or "") .. line
    local env = {SHELL = argv[1]}
    for name, value in pairs(self.opts.env or {}) do env[name] = value end
    if self.opts.path then env.PATH = self.opts.path end
    return proc.spawn {
        argv = argv, stdin = "pipe", env = env, pty = opts.pty, cwd = self.opts.cwd, keep = self.opts.keep,
    }
end

local function exec(self, line, opts)
    if self.refuse and self.refuse(line) then return nil, "no more sessions", "EPROTOCOL" end
    self.count = self.count + 1
    self.lines[#self.lines + 1] = line
    if self.opts.sh then line = line:gsub("/bin/sh", self.opts.sh) end
    local handle, text, name = self:run(line, opts or {})
    if not handle then return nil, text, name end
    return setmetatable({
        handle = handle, stdin = handle.stdin, stdout = handle.stdout, stderr = handle.stderr, connector = self,
    }, Channel)
end

--- A connector over a local shell.
---@param shell string words: "/bin/bash", "busybox sh"
---@param opts table?
function M.connector(shell, opts)
    opts = opts or {}
    if opts.busybox then
        local dir = busybox()
        opts = setmetatable({path = dir, sh = dir .. "/sh"}, {__index = opts})
        shell = dir .. "/" .. shell
    end
    local c = setmetatable({shell = shell, opts = opts, count = 0, lines = {}}, Connector)
    c.exec = function(line, o) return exec(c, line, o) end
    c.broken = function() return c.why end
    c.connect_tcp = function(host, port) return require "rshell.sys.net".connect(host, port) end
    c.connect_unix = function(path) return require "rshell.sys.net".connect(path) end
    c.listen = function(where, host) return require "rshell.sys.net".listen(where, host) end
    return c
end

--- A machine over a local shell.
---@param shell string?
---@param opts table?
---@param name string?
function M.machine(shell, opts, name)
    local connector = M.connector(shell or "/bin/sh", opts)
    local v = view.new {
        name = name or "bare", host = "localhost", user = os.getenv "USER" or "root", kind = "bare",
        backend = require "rshell.bare".new(connector),
    }
    v.conn.root = v
    return machine.of(v), connector
end

return M
