-- The agent backend: the primitives of rshell.sys.* over there, each a call to a program of ours that runs on the
-- machine as long as the connection does. It starts with the first call. Where none can run, the bare backend serves.

local answers = require "rshell.agent.answers"
local boot = require "rshell.agent.boot"
local err = require "rshell.shared.error"
local handles = require "rshell.agent.handles"
local peer = require "rshell.shared.peer"
local rpc = require "rshell.rpc"
local task = require "rshell.task"

local checked = answers.checked
local uname = require "rshell.sys.host".uname

local M = {}

local START_SECONDS = 30
local LAST_SECONDS = 0.2 -- that the news of how it ended may come after its link's end

-- Functions that look at no machine.
local LOCAL = {["proc.signal"] = true, ["proc.signal_name"] = true, ["fs.match"] = true}

---@class rshell.agent.Backend
---@field connector table
---@field reason string|false why there is no agent
local Backend = {}

-- ---- starting ----

local function export(_, value)
    error(("a %s can't be sent to an agent"):format(type(value)), 0)
end

--- What its death looks like to those who wait: what happened to the connection, the last that it said, how it ended.
local function obituary(b, why, said, ch)
    local _, exit = pcall(ch.wait, ch, LAST_SECONDS)
    local lost = b.connector.broken()
    if lost then return lost end
    if said.text == "" then boot.hear_out(said) end
    local line = said.text:match "([^\r\n]+)%s*$"
    local how = line or exit and exit.signal and "killed by " .. exit.signal
    return how and ("%s (%s)"):format(why, how) or why
end

--- The peer over a channel in which an agent is about to start. What it sends waits there until it does. The channel
--- may be a context of another agent's link.
local function converse(b, ch, said)
    local link, context = ch.link, ch.context
    if not link then link, context = rpc.link(nil, ch.stdin), 0 end
    local self
    self = peer.new(link:port(context, true), {
        host = b.conn.name, export = export, import = handles.import, discard = handles.discard,
        on_event = function(...) handles.event(self, ...) end,
        explain = said and function(why) return obituary(b, why, said, ch) end,
        on_close = function(why)
            if self.hello and not b.closed then
                require "rshell.log".write("info", "agent", ("%s: %s"):format(b.conn.name, why))
            end
            for _, p in pairs(self.processes) do p.event:notify() end
            if not ch.link then link:close() end
            if self.landed then ch:close() end -- before, what comes there says why it doesn't start
        end,
    })
    self.processes = setmetatable({}, {__mode = "v"})
    self.link, self.channel, self.context = link, ch, context
    self:greet {protocol = 1, lua = rpc.LUA, keepalive = b.keepalive, who = b.who}
    return self
end

--- The peer of an agent that answers, or nil and why there is none.
local function start(b, begin)
    local self, arch = boot.start(b.connector, {
        images = b.images, programs = b.programs, raw = b.raw, arch = b.arch, begin = begin,
        seconds = b.seconds,
    })
    if not self then
        local why = b.connector.broken()
        if why then
            err.raise {kind = "closed", host = b.conn.name, message = "the connection was lost: " .. why}
        end
        return nil, arch
    end
    self.landed = true
    if self.why then
        self.channel:close()
        return nil, "the agent did not answer: " .. self.why
    end
    if not self.channel.link then
        self.link:input(self.channel.stdout)
        self.link:keepalive(b.keepalive)
    end
    local ok, e = pcall(self.greeting, self, b.seconds or START_SECONDS)
    if ok then
        b.arch = arch
        return self
    end
    self:close "it did not answer"
    return nil, "the agent did not answer: " .. (self.why or err.is(e) and e.message or tostring(e))
end

--- Starts one, in a task of its own: who wants something of it says so meanwhile, behind the image.
local function launch(b)
    local starting = {event = task.event()}
    b.starting = starting
    task.spawn(function()
        local ok, self, reason = pcall(start, b, function(ch, said)
            b.peer = converse(b, ch, said)
            b.peer.starting = starting
            starting.event:notify()
            return b.peer
        end)
        if not ok then
            if err.is(self) then self.host = self.host or b.conn.name end
            starting.failure = self
        elseif not self then
            ok, starting.failure = pcall(b.give_up, b, reason)
            if ok then starting.failure = nil end
        end
        b.starting, starting.over = nil, true
        starting.event:notify()
    end)
    return starting
end

--- What comes of a start whose peer has failed: returns when there is another to talk to, or none; raises what it
--- raised.
local function outcome(b, failed)
    local starting = failed.starting
    while b.peer == failed and not starting.over do starting.event:wait() end
    if starting.failure then error(starting.failure, 0) end
end

--- What can't host an agent is served by its shell, and that is said once.
function Backend:give_up(reason)
    local no_shell = self.connector.no_shell and self.connector.no_shell()
    if self.must or no_shell then
        local served = reason:find "^no POSIX shell" and "`rshell doctor` tells what answers there"
            or "without agent=true its shell and tools serve"
        err.raise {kind = "usage", host = self.conn.name, message = "no agent can run there: " .. reason,
            hint = no_shell or served}
    end
    self.reason, self.conn.reason, self.conn.kind = reason, reason, "bare"
    self:shell()
    require "rshell.log".write("warning", "agent", ("%s: no agent there: %s"):format(self.conn.name, reason))
end

--- The bare backend over the same connection.
function Backend:shell()
    if not self.bare then
        self.bare = require "rshell.bare".new(self.connector)
        self.bare.notice = self.notice
    end
    return self.bare
end

--- The agent's peer, started where there is none; nil where the bare backend serves.
function Backend:agent()
    while not self.reason do
        local p = self.peer
        if p and not p.why then return p end
        local starting = self.starting or launch(self)
        if self.starting == starting then starting.event:wait() end
        if starting.failure then error(starting.failure, 0) end
    end
end

-- ---- the modules ----

--- What was said to an agent that then didn't start has not been heard by anybody.
local function ask(b, otherwise, name, ...)
    local self = b:agent()
    if not self then return otherwise(...) end
    if self.hello then return checked(self, name, self:call(0, name, ...)) end
    local got = table.pack(pcall(self.call, self, 0, name, ...))
    if got[1] then return checked(self, name, table.unpack(got, 2, got.n)) end
    if not self.why or self.hello then error(got[2], 0) end
    outcome(b, self)
    return ask(b, otherwise, name, ...)
end

--- The function `fn` of a module over there.
local function caller(b, module, fn)
    local name = module .. "." .. fn
    local function otherwise(...) return b.bare[module][fn](...) end
    return function(...)
        local self = b.peer
        if self and self.hello and not self.why then -- nearly always
            return checked(self, name, self:call(0, name, ...))
        end
        return ask(b, otherwise, name, ...)
    end
end

--- Our own streams stay ours: the program gets pipes, and we move the bytes.
local function spawner(b)
    local spawn = caller(b, "proc", "spawn")
    return function(spec)
        local foreground = require "rshell.bare.foreground"
        local stages = spec.stages or {spec}
        if not spec.foreground and not foreground.inherits(stages) or not b:agent() then return spawn(spec) end
        local there, on_terminal = foreground.prepare(spec, stages)
        local p, text, name, where = spawn {
            stages = handles.without_ours(stages, there.pty), pty = there.pty, keep = spec.keep,
        }
        if p then handles.attach(p, stages, there.pty, on_terminal) end
        return p, text, name, where
    end
end

local function module(b, name)
    local here = require("rshell.sys." .. name)
    return setmetatable(name == "proc" and {spawn = spawner(b)} or {}, {
        __index = function(t, fn)
            local f = here[fn]
            if type(f) == "function" and not LOCAL[name .. "." .. fn] then f = caller(b, name, fn) end
            t[fn] = f
            return f
        end,
    })
end

--- Where the connection was lost before, whoever waits learns that, and not that it was closed here.
function Backend:close()
    self.closed = true
    if self.peer then self.peer:close(self.connector.broken() or "closed") end
end

local MODULES = {fs = true, proc = true, net = true, host = true}

--- how: images(arch), programs(arch), raw (whether to begin with these), must (no fallback), keepalive, arch,
--- notice(reason), seconds (that it may be silent when it starts).
---@param conn rshell.Connection
---@param connector table
---@param how table
function M.new(conn, connector, how)
    local b = {
        conn = conn, connector = connector, images = how.images, programs = how.programs, raw = how.raw,
        must = how.must, seconds = how.seconds,
        notice = how.notice, keepalive = how.keepalive or 15, arch = how.arch or "x86_64",
        hash = require "rshell.sys.hash",
        who = ("%s@%s"):format(os.getenv "USER" or os.getenv "LOGNAME" or "rshell", uname().nodename),
        agent = Backend.agent, reason = false, -- what each operation asks for is at hand
    }
    return setmetatable(b, {
        __index = function(t, key)
            if Backend[key] then return Backend[key] end
            if key == "only_sftp" then return t.bare and t.bare.only_sftp end
            if key ~= "tree" and not MODULES[key] then return nil end
            t[key] = key == "tree" and require "rshell.agent.tree".new(t, ask) or module(t, key)
            return t[key]
        end,
    })
end

return M
