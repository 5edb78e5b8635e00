-- A connector (see rshell.bare) to a place inside a machine: what runs there is started by a program on that machine,
-- such as sudo, through the machine's own primitives.

local boot = require "rshell.agent.boot"
local carried = require "rshell.inside.carried"
local err = require "rshell.shared.error"
local hearing = require "rshell.shared.hearing"
local shell = require "rshell.bare.shell"
local talk = require "rshell.inside.talk"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

local LEAVE_SECONDS = 3 -- that what runs inside has to end by itself, once nobody talks to it

-- ---- channels ----

---@class rshell.inside.Channel
local Channel = {}
Channel.__index = Channel

function Channel:wait(seconds)
    local exits, text, name = self.handle:wait(seconds)
    if not exits then return nil, text, name end
    return exits[1] or {}
end

function Channel:exit() return self.handle:exits()[1] end
function Channel:signal(name) return self.handle:kill(name) end
function Channel:resize(rows, cols) return self.handle:resize(rows, cols) end

function Channel:next(seconds) return self.hearing:next(seconds) end
function Channel:write(text) self.stdin:write(text) end

--- What runs inside reads the end of its input, or its terminal is gone; who doesn't mind is ended.
local function leave(handle)
    if not handle:wait(LEAVE_SECONDS) then handle:stop(LEAVE_SECONDS) end
    handle:release()
end

function Channel:close()
    if self.closed then return end
    self.closed = true
    self.hearing:close()
    for _, s in ipairs {self.stdin or false, self.stdout or false, self.stderr or false} do
        if s then s:close() end
    end
    task.spawn(function() pcall(leave, self.handle) end)
end

-- ---- starting ----

local function nonce() return ("rs%016x"):format(math.random(0)) end

--- What /bin/sh runs in there at first: it says that it is there, and reads a line with its program. So what others see
--- of it, as the log of sudo, is short. A terminal has one stream for all that is printed: errors would be mixed with
--- what the program says.
local function starter(place, how)
    local head = ""
    if how.wanted then
        head = "stty sane 2>/dev/null;" -- it is to be used as a terminal
    elseif how.terminal then
        head = "exec 2>/dev/null;"
    end
    return ('%s%secho %s;IFS= read -r p;eval "$(printf %%b "$p")"'):format(head, place.prelude or "", how.nonce)
end

local function spec(c, how)
    local place, v = c.place, c.view
    how.program = starter(place, how)
    local argv, other = place:argv(how.program, how)
    local pty = how.wanted or how.terminal and {}
    if pty then pty = {rows = pty.rows, cols = pty.cols, raw = true} end
    return {
        argv = argv, other = other, stdin = "pipe", cwd = view.start_dir(v), env = view.env(v), umask = v.umask,
        user = v.user, pty = pty or nil,
    }
end

--- A program that can't even be started.
local function missing(c, argv, text, name, where)
    if name == "ECLOSED" then return nil, text, name end
    local step = where and where.step
    if name == "ENOENT" and step == "exec" then
        err.raise {
            kind = "notfound", host = c.host, name = argv[1],
            message = ("no program '%s' on %s"):format(argv[1], c.view.conn.name),
        }
    end
    local what = argv[1]
    if step == "cwd" then what = ("can't start %s in the working directory"):format(what) end
    if step == "terminal" then what = what .. " needs a terminal, and none can be had there" end
    err.raise {kind = err.kind_of(name), host = c.host, name = name, message = ("%s: %s"):format(what, text)}
end

--- Starts a program through the primitives of the machine around: a channel; or nil, text, NAME.
local function start(c, s, word)
    local handle, text, name, where = view.call(c.view, "proc", "spawn", s)
    if not handle then return nil, text, name, where end
    return setmetatable({
        handle = handle, hearing = hearing.new(handle, word), stdin = handle.stdin, stdout = handle.stdout,
        stderr = handle.stderr,
    }, Channel)
end

--- One attempt: what was started, once /bin/sh runs inside; false and the conversation where it has ended before.
local function attempt(c, how)
    local s = spec(c, how)
    local started, text, name, where = how.start(c, s, how.nonce)
    if not started then return missing(c, s.argv, text, name, where) end
    c.started[started] = true
    if c.closed then started:close() end
    local ok, runs, t = pcall(talk.hold, {
        next = function(seconds) return started:next(seconds) end, write = function(words) started:write(words) end,
        asking = function(question) c.question = question end,
        what = c.place.what, host = c.host, password = c.place.password, prompt = how.prompt, program = how.program,
    })
    if ok and runs then
        c.place.password = c.place.password or t.secret -- what was typed is asked for once
        return started
    end
    if ok and not c.closed then t.exit = started:wait(1) or {} end
    started:close()
    if c.closed then return nil, "closed", "ECLOSED" end
    if not ok then error(runs, 0) end
    return false, t
end

--- Starts /bin/sh in there, where it waits for a line with its program. Some want to see a terminal (requiretty): they
--- have ended without a question, and get one. by: who starts it; pty: wanted by who uses it.
local function enter(c, by, pty)
    local how = {start = by, nonce = nonce(), prompt = c.place.prompt and nonce() .. ":", wanted = pty}
    how.terminal = pty or c.place.terminal or c.needs_terminal
    local started, t, name = attempt(c, how)
    if started or started == nil then return started, t, name end
    if not t.asked and not how.terminal and c.place.may_want_terminal and t.exit.code then
        how.terminal = true
        local second = attempt(c, how)
        c.needs_terminal = second and true
        if second then return second end
    end
    c.place:refused(t)
end

local function exec(c, line, opts)
    local ch, text, name = enter(c, start, opts and opts.pty)
    if not ch then return nil, text, name end
    ch:write(shell.code(line) .. "\n")
    return ch
end

--- The agent of the machine around, if it has one.
local function agent_around(c)
    local conn = c.view.conn
    return conn.kind == "agent" and conn.backend:agent() or nil
end

--- For rshell.agent.boot.
local function try(c, connector, how)
    local p = agent_around(c)
    if not p then return boot.try(connector, how) end
    local held, text = enter(c, function(_, s, word) return carried.start(p, s, word) end)
    if not held then return nil, "exec " .. text end
    return carried.try(held, how, how.arch == c.view.conn.backend.arch)
end

-- ---- the connector ----

local function elsewhere() return nil, "not possible there without an agent", "EUNSUPPORTED" end

--- The connector for a place inside the machine of a view. place: what and host, for errors; argv(self, program, how),
--- the words that make /bin/sh run the program in there, and a second name of the first; prelude, of that program;
--- password; prompt, whether it prints a prompt of ours; terminal, whether it needs one; may_want_terminal;
--- refused(self, talk), which raises why it has ended; same_net, whether its network is the machine's.
---@param v rshell.View
---@param place table
function M.new(v, place)
    local c = {view = v, place = place, host = place.host, started = setmetatable({}, {__mode = "k"})}
    local connector = {host = place.host, plain = true}
    function connector.exec(line, opts) return exec(c, line, opts) end
    function connector.try(self, how) return try(c, self, how) end

    function connector.broken()
        if c.closed then return "closed" end
        if v.conn.closed then return ("the machine %s was closed"):format(v.conn.name) end
    end

    function connector.no_shell()
        if place.terminal or c.needs_terminal then
            return place.what .. " runs at a terminal, where only an agent tells output from errors"
        end
    end

    --- Also what is being talked to.
    function connector.close()
        c.closed = true
        if c.question then c.question:cancel() end
        for started in pairs(c.started) do started:close() end
    end

    connector.connect_tcp, connector.connect_unix = elsewhere, elsewhere
    if place.same_net then
        function connector.connect_tcp(host, port) return view.call(v, "net", "connect", host, port) end
    end
    return connector
end

return M
