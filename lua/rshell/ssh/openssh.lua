-- transport="openssh": the connection is made by the system's ssh, with all that it knows and rshell doesn't
-- (certificates, GSSAPI, keys in hardware, options of ssh_config). One ssh a connection runs as a multiplexing master;
-- what is done over there goes through its control socket.

local args = require "rshell.ssh.openssh.args"
local err = require "rshell.shared.error"
local failure = require "rshell.ssh.openssh.failure"
local folder = require "rshell.ssh.openssh.folder"
local fs = require "rshell.sys.fs"
local helper = require "rshell.ssh.openssh.helper"
local mux = require "rshell.ssh.mux"
local net = require "rshell.sys.net"
local proc = require "rshell.sys.proc"
local questions = require "rshell.ssh.openssh.questions"
local task = require "rshell.task"
local text = require "rshell.text"

local M = {}

local BLOCK = 65536
local POLL = 0.01 -- seconds between looks at whether ssh has logged in
local LINES = 100 -- that ssh printed, kept for errors
local PATIENCE = 2 -- seconds for ssh to end by itself

-- ---- what ssh makes of its configuration ----

local function spawn_failed(why, name)
    err.raise {
        kind = err.kind_of(name), message = "can't start ssh: " .. why, name = name,
        hint = 'transport="openssh" needs the ssh program; the transport of rshell itself does without',
    }
end

local function number(value) return value and math.tointeger(tonumber(value)) end

--- What `ssh -G` prints, by name; what may come several times is a list.
local function parse(printed)
    local known = {setenv = {}, sendenv = {}}
    for line in printed:gmatch "[^\n]+" do
        local name, value = line:match "^(%S+) ?(.*)$"
        if type(known[name]) == "table" then
            table.insert(known[name], value)
        elseif name and known[name] == nil then
            known[name] = value
        end
    end
    return known
end

local function pairs_of(list)
    local map = {}
    for _, item in ipairs(list) do
        local name, value = item:match "^([^=]+)=(.*)$"
        if name and map[name] == nil then map[name] = value end
    end
    return map
end

--- The values that connecting needs, as rshell.ssh.config has them.
---@param opts table of ssh()
---@param host string
---@param user string?
---@param port integer?
function M.evaluate(opts, host, user, port)
    local argv = args.of(opts, host, user, port)
    local r, why, name = proc.run {argv = {"ssh", "-G", table.unpack(argv)}}
    if not r then spawn_failed(why, name) end
    if r.exits[1].code ~= 0 then
        local lines = {}
        for line in r.stderr:gmatch "[^\r\n]+" do lines[#lines + 1] = line end
        local e = failure.of(lines)
        e.kind = e.kind == "connect" and "config" or e.kind
        err.raise(e)
    end
    local known = parse(r.stdout)
    return {
        hostname = known.hostname or host, port = number(known.port) or 22, user = known.user, alias = host,
        setenv = pairs_of(known.setenv), sendenv = known.sendenv, connecttimeout = number(known.connecttimeout),
        serveraliveinterval = number(known.serveraliveinterval),
        serveralivecountmax = number(known.serveralivecountmax), connectionattempts = number(known.connectionattempts),
         batchmode = known.batchmode == "yes" or nil,
        forwardagent = known.forwardagent ~= nil and known.forwardagent ~= "no",
        stricthostkeychecking = ({["true"] = "yes", ["false"] = "no"})[known.stricthostkeychecking]
            or known.stricthostkeychecking,
        known = known,
    }
end

-- ---- the way through another machine ----

--- Serves the helper that ssh has in place of a connection.
---@param dir string
---@param far rshell.Stream the way to there
local function serve_way(dir, far)
    local listener = assert(net.listen(("%s/%s.s"):format(dir, helper.WAY)))
    local tasks, near = {}, nil
    local function pass(from, to)
        return task.spawn(pcall, function()
            for block in function() return from:read(BLOCK) end do to:write(block) end
            to:shutdown()
        end)
    end
    tasks[1] = task.spawn(pcall, function()
        near = assert(listener:accept())
        tasks[2], tasks[3] = pass(near, far), pass(far, near)
    end)
    return function()
        for _, t in ipairs(tasks) do t:close() end
        listener:close()
        if near then near:close() end
        far:close()
    end
end

-- ---- the ssh program ----

---@class rshell.ssh.Master
---@field dir string its folder
---@field lines string[] what it printed
local Master = {}
Master.__index = Master

local function link(dir, name)
    local path = dir .. "/" .. name
    assert(fs.symlink(assert(fs.readlink "/proc/self/exe"), path))
    return path
end

local function keep_lines(m)
    pcall(function()
        for line in m.handle.stderr:lines() do
            m.lines[#m.lines + 1] = line:gsub("\r$", "")
            if #m.lines > LINES then table.remove(m.lines, 1) end
        end
    end)
end

local function start(m, argv)
    local handle, why, name = proc.spawn {
        argv = argv, stdin = "null", stdout = "null", stderr = "pipe",
        env = {
            SSH_ASKPASS = link(m.dir, helper.ASK), SSH_ASKPASS_REQUIRE = "force",
            DISPLAY = os.getenv "DISPLAY" or "none:0", -- older ones ask nobody without
        },
    }
    if not handle then spawn_failed(why, name) end
    m.handle = handle
    m.reader = task.spawn(keep_lines, m)
end

--- Why it ended.
function Master:failure()
    pcall(self.reader.await, self.reader, PATIENCE)
    err.raise(failure.of(self.lines, self.asked.note))
end

--- The last that it said, for a connection that was lost.
function Master:last_words()
    pcall(self.reader.await, self.reader, PATIENCE)
    return self.lines[#self.lines] or "ssh has ended"
end

--- Waits until it has logged in. Who is asked something may think as long as he likes.
function Master:await(seconds)
    local stop = task.now() + seconds
    while not fs.exists(self.socket) do
        if self.handle:ended() then self:failure() end
        if self.asked.pending > 0 then stop = task.now() + seconds end
        if task.now() >= stop then return false end
        task.sleep(POLL)
    end
    return true
end

--- Ends it, and all that it holds.
function Master:close()
    if self.gone then return end
    self.gone = true
    if self.handle then
        self.handle:kill "TERM"
        if not self.handle:wait(PATIENCE) then self.handle:stop() end
        self.reader:close()
        self.handle.stderr:close()
        self.handle:release()
    end
    self.asked:close()
    if self.close_way then self.close_way() end
    folder.done(self.dir)
end

local function names_of(cfg)
    local names = {}
    for _, host in ipairs {cfg.hostname, cfg.alias, cfg.known.hostkeyalias} do
        names[#names + 1] = ("%s@%s"):format(cfg.user, host)
    end
    return names
end

--- A word of ProxyCommand.
local function command_word(path)
    return (text.quote(path):gsub("%%", "%%%%"))
end

--- Connects and logs in: a session, and a function that ends ssh. Raises what ssh said. `jump` is a stream to the
--- machine, in place of a connection of ssh's own.
---@param how {opts: table, cfg: table, seconds: number, strict: boolean, jump: rshell.Stream?}
---@return rshell.ssh.MuxSession, function
function M.log_in(how)
    local m = setmetatable({dir = folder.take(), lines = {}}, Master)
    m.socket = m.dir .. "/c"
    m.asked = questions.new(m.dir, how.opts, names_of(how.cfg))
    local function finish() task.shield(m.close, m) end
    local ok, session = pcall(function()
        local way
        if how.jump then
            m.close_way = serve_way(m.dir, how.jump)
            way = command_word(link(m.dir, helper.WAY))
        end
        local argv = args.master(m.socket, how.cfg.known, how.strict)
        for _, word in ipairs(args.of(how.opts, how.cfg.alias, how.cfg.user, how.cfg.port, way)) do
            argv[#argv + 1] = word
        end
        start(m, {"ssh", table.unpack(argv)})
        if not m:await(how.seconds) then err.raise {kind = "timeout", message = "timed out"} end
        local s, why, name = mux.new(m.socket, m.dir, function() return m:last_words() end)
        if not s then err.raise {kind = err.kind_of(name), message = why, name = name} end
        s.forward_agent = how.cfg.forwardagent
        return s
    end)
    if ok then return session, finish end
    finish()
    error(session, 0)
end

return M
