-- What the objects of one connection share: the peer in its process over there, and what is known of it.

local answers = require "rshell.agent.answers"
local context = require "rshell.agent.context"
local err = require "rshell.shared.error"
local output = require "rshell.rpc.output"
local peers = require "rshell.shared.peer"
local rpc = require "rshell.rpc"
local server = require "rshell.rpc.server"
local ship = require "rshell.ship"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

local MEMORY = 512 * 1024 * 1024 -- bytes of its heap, unless something else is wanted
local START_SECONDS = 30
local NEWS_SECONDS = 1 -- until it is known why a link has ended
local LEAVE_SECONDS = 5

---@class rshell.rpc.Core
---@field peer rshell.Peer
---@field server rshell.rpc.Server
---@field output rshell.rpc.Output
---@field modules table<string, any> those that were imported
---@field sent table<string, boolean> modules of ours that it has got
---@field pid integer?
---@field timeout number? of the machine's view
local Core = {}
Core.__index = Core

-- ---- using ----

local finish, invoke = peers.Peer.finish, peers.Peer.call

--- What came as output before a result is passed on before the result is.
function Core:settle()
    if self.output.first then self.output:settle() end
end

local function settled(core, ...)
    core:settle()
    return ...
end

local function finish_settled(core, call)
    return settled(core, finish(core.peer, call))
end

--- Calls a function of its root.
function Core:call(name, ...)
    return settled(self, invoke(self.peer, 0, name, ...))
end

local function timed(core, seconds, ok, ...)
    if ok then return ... end
    local e = ...
    if err.is(e) and e.kind == "timeout" and not rawget(e, "host") then
        e.host = core.server.view.conn.name
        e.message = ("the call was not done after %g s, and was interrupted"):format(seconds)
    end
    error(e, 0)
end

--- The results of a call that was started, within so many seconds.
function Core:finish_within(seconds, call)
    if not seconds or call.done then return finish_settled(self, call) end
    return timed(self, seconds, pcall(task.timeout, seconds, finish_settled, self, call))
end

--- The same; over there it is interrupted when the time is over.
---@param seconds number?
function Core:call_within(seconds, name, ...)
    if not seconds then return self:call(name, ...) end
    return timed(self, seconds, pcall(task.timeout, seconds, self.call, self, name, ...))
end

--- What is done with proxies ends as the connection's own calls do: in its time, and after what it has printed.
local function lead(core, peer)
    peer.timeout = core.timeout
    function peer.settle() core:settle() end
    if core.timeout then
        function peer.finish(_, call) return core:finish_within(core.timeout, call) end
        function peer.call(_, ...) return core:finish_within(core.timeout, peer:start(...)) end
    else
        function peer.finish(_, call) return finish_settled(core, call) end
        function peer.call(_, ...) return settled(core, invoke(peer, ...)) end
    end
end

-- ---- opening ----

--- The settings of the machine's view, which its process begins with.
local function settings(v, opts)
    local env = view.env(v)
    return {
        cwd = view.start_dir(v), env = next(env) and env or nil, umask = v.umask, user = v.user,
        memory = opts.memory and math.tointeger(opts.memory // 1) or MEMORY,
    }
end

--- Why it could not be started: the answer of the call that was to do it.
local function started(parent, call, v)
    local pid, text, name, where = answers.checked(parent, "context.start", parent:finish(call))
    if pid then return pid end
    local dir = type(where) == "table" and where.step == "cwd" and view.start_dir(v)
    view.fail(v, dir and "can't enter " .. dir or "connect", text, name, {path = dir or nil})
end

local function await(core, parent, call)
    local ok, e = pcall(core.peer.greeting, core.peer, START_SECONDS)
    core.pid = started(parent, call, core.server.view)
    if not ok then error(e, 0) end
end

--- Why a context has ended. With the link all of them do: what has happened to that the agent's own peer finds out.
---@param parent rshell.Peer
---@param why string
local function reason(parent, why)
    local stop = task.now() + NEWS_SECONDS
    while why == "closed" and not parent.why and task.now() < stop do
        parent.gone:wait(math.max(0, stop - task.now()))
    end
    return parent.why or why
end

--- A new process over there, with its first words still on their way.
---@param s rshell.rpc.Server
---@param opts table
---@return rshell.rpc.Core
function M.open(s, opts)
    local parent, v = server.peer(s), s.view
    local core = setmetatable({server = s, modules = {}, sent = {}, output = output.new()}, Core)
    local life = setmetatable({}, {__gc = function() core:drop() end})
    core.output.host = v.conn.name
    local to = core.output
    local peer, call = context.open(parent, {
        host = v.conn.name, serve = M.served(core), pack = ship.pack,
        on_event = function(_, which, chunk) to:take(which, chunk) end,
        explain = function(why) return reason(parent, why) end,
    }, {protocol = 1, lua = rpc.LUA, keepalive = 0}, function(number)
        return parent:start(0, "context.start", number, settings(v, opts))
    end)
    core.peer, core.timeout = peer, v.timeout
    lead(core, peer)
    peer.life = setmetatable({life}, {__mode = "v"}) -- kept by the connection and by every proxy
    s.connections[core] = true
    local ok, e = pcall(await, core, parent, call)
    if not ok then
        core:drop()
        error(e, 0)
    end
    return core, life
end

--- What it may ask of us: modules, and only while it lives.
function M.served(core)
    local weak = setmetatable({core}, {__mode = "v"})
    return function(name, ...)
        if name == "find" and weak[1] then return require "rshell.rpc.modules".find(weak[1], ...) end
        error("nothing here can be called but what was handed over", 0)
    end
end

-- ---- the end ----

--- Whether it has ended; the news of its agent's end may still be on their way to it.
function Core:ended()
    return self.peer.why ~= nil or self.server.peer.why ~= nil or self.server.closed ~= nil
end

--- Raises kind closed when it has ended.
function Core:check()
    self.peer:check()
    if self:ended() then server.peer(self.server) end
end

--- At once, without waiting.
function Core:drop()
    if self.server then self.server.connections[self] = nil end
    if self.peer then self.peer:close "closed" end
end

--- Ends its process, and waits until it is gone.
function Core:close()
    self.server.connections[self] = nil
    if self.peer.why then return end
    self.peer:leave(LEAVE_SECONDS)
end

--- Several at a time.
---@param list rshell.rpc.Core[]
function M.close_all(list)
    local tasks = {}
    for i, core in ipairs(list) do tasks[i] = task.spawn(core.close, core) end
    for _, t in ipairs(tasks) do pcall(t.await, t) end
end

return M
