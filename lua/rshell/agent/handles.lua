-- What an agent hands out, on our side: the handles of rshell.sys.*, whose methods are calls.

local errno = require "rshell.bare.errno"
local foreground = require "rshell.bare.foreground"
local rpc = require "rshell.rpc"
local task = require "rshell.task"

local M = {}

local SILENCE = 2 -- seconds that an answer may take

-- ---- programs ----

---@class rshell.agent.Process
---@field pids integer[]
---@field stdin rshell.Stream?
---@field stdout rshell.Stream?
---@field stderr rshell.Stream?
local Process = {}
Process.__index = Process

local function new_process(self, id, pids, streams)
    if type(pids) ~= "table" or not pids[1] or type(streams) ~= "table" then return nil, "programs without numbers" end
    local p = setmetatable({peer = self, id = id, pids = pids, event = task.event()}, Process)
    if streams.stdin then p.stdin = self.port:claim(streams.stdin, false, self) end
    if streams.stdout then p.stdout = self.port:claim(streams.stdout, true, self) end
    if streams.stderr then p.stderr = self.port:claim(streams.stderr, true, self) end
    self.processes[id] = p
    return p
end

--- Where the agent is gone nobody knows how they ended; they have.
local function lost(p)
    local exits = {}
    for i = 1, #p.pids do exits[i] = {signal = "HUP"} end
    return exits
end

--- What is known now; false for a stage that runs.
function Process:exits()
    if self.ended_with then return self.ended_with end
    if self.peer.why then return lost(self) end
    local exits = {}
    for i = 1, #self.pids do exits[i] = false end
    return exits
end

--- What they have used; nil while one runs.
function Process:usage()
    local u = self.used
    if type(u) ~= "table" then return nil end
    return {user = tonumber(u.user) or 0, system = tonumber(u.system) or 0, memory = tonumber(u.memory) or 0}
end

function Process:ended() return self.ended_with ~= nil or self.peer.why ~= nil end

--- What still moves between the program and our own streams.
local function await_pumps(p, stop)
    for _, t in ipairs(p.pumps or {}) do
        if not t.done and not pcall(t.await, t, stop and math.max(0, stop - task.now())) and not t.done then
            return false
        end
    end
    if p.stop_typing then p.stop_typing() end
    p.stop_typing = nil
    return true
end

---@param seconds number?
function Process:wait(seconds)
    local stop = seconds and task.now() + seconds
    while not self.ended_with do
        if self.peer.why then self.peer:call(self.id, "wait") end -- which raises
        local left = stop and stop - task.now()
        if left and left <= 0 then return errno.fail "ETIMEOUT" end
        self.event:wait(left)
    end
    if not await_pumps(self, stop) then return errno.fail "ETIMEOUT" end
    return self.ended_with
end

---@param sig string|integer?
function Process:kill(sig)
    if self:ended() then return errno.fail "ESRCH" end
    return self.peer:call(self.id, "kill", sig)
end

--- An agent that is silent has been told, and does it when it can: nobody waits for that.
local function stop_over_there(p, seconds)
    if not seconds then return p.peer:call(p.id, "stop") end
    local call = p.peer:start(p.id, "stop", seconds)
    local ended = pcall(task.timeout, seconds + SILENCE, function()
        while not call.done do p.peer:await(call) end
    end)
    if not ended and not call.done then return errno.fail "ETIMEOUT" end
    return p.peer:finish(call)
end

--- TERM, KILL half a second later, also of what the programs left in their group; the exits, or nil, text, "ETIMEOUT".
---@param seconds number?
function Process:stop(seconds)
    if self.peer.why then return self:exits() end
    local ok, exits, text, name = pcall(stop_over_there, self, seconds)
    if not ok then
        if self.peer.why then return lost(self) end
        error(exits, 0)
    end
    self.ended_with = self.ended_with or exits
    return exits, text, name
end

--- Lets go of them: they go on.
function Process:release()
    if self.released then return end
    self.released = true
    if self.stop_typing then self.stop_typing() end
    self.stop_typing = nil
    if not self.peer.why then self.peer:start(self.id, "release") end
end

---@param rows integer
---@param cols integer
function Process:resize(rows, cols)
    return self.peer:call(self.id, "resize", rows, cols)
end

local function drop(object)
    object.peer:drop(object.id, 1)
end

Process.__gc = drop

--- The agent's news of one of them.
function M.event(self, id, name, exits, used)
    local p = self.processes[id]
    if not p or name ~= "ended" or type(exits) ~= "table" then return end
    p.ended_with, p.used = exits, used
    p.event:notify()
end

--- Stages with pipes, or a terminal over there, where they have our own streams.
---@param stages rshell.ProcStage[]
---@param pty table?
---@return rshell.ProcStage[]
function M.without_ours(stages, pty)
    local list = {}
    for i, s in ipairs(stages) do
        local stage = {}
        for k, v in next, s do stage[k] = v end
        for _, which in ipairs {"stdin", "stdout", "stderr"} do
            if stage[which] == "inherit" then stage[which] = not pty and "pipe" or nil end
        end
        if pty and pty.term then
            stage.env = {TERM = pty.term}
            for name, value in next, s.env or {} do stage.env[name] = value end
        end
        list[i] = stage
    end
    return list
end

--- Joins it to our own streams, as its spec says.
---@param p rshell.agent.Process
---@param stages rshell.ProcStage[] as they were
---@param pty table?
---@param ours {rows: integer, cols: integer}? its terminal, where that is ours
function M.attach(p, stages, pty, ours)
    p.pty = pty
    foreground.attach(p, p, stages, ours)
end

-- ---- listeners ----

local Listener = {}
Listener.__index = Listener

function Listener:accept(seconds)
    if self.closed then return errno.fail "ECLOSED" end
    local stream, text, name = self.peer:call(self.id, "accept", seconds)
    if type(stream) ~= "userdata" and type(name) ~= "string" then
        self.peer:fail "what it answers to accept is no answer"
        self.peer:check()
    end
    return stream, text, name
end

function Listener:close()
    if self.closed then return end
    self.closed = true
    if not self.peer.why then self.peer:start(self.id, "close") end
end

Listener.__close = Listener.close

function Listener:__tostring()
    if self.closed then return "listener (closed)" end
    return self.path and ("listener on %s"):format(self.path) or ("listener on port %d"):format(self.port)
end

function Listener:__gc()
    self:close()
    drop(self)
end

-- ---- files, walkers, copiers ----

local Object = {}

--- The entries of a walker's block.
local function is_block(list)
    if type(list) ~= "table" then return false end
    for _, entry in ipairs(list) do
        if type(entry) ~= "table" or type(entry.path) ~= "string" then return false end
    end
    return true
end

--- What a method has answered, if that can be: something, or nothing, or nil, a text and a name.
local function answered(object, name, first, ...)
    local text, why = ...
    local fits
    if first == nil then
        fits = text == nil and why == nil or type(text) == "string" and type(why) == "string"
    else
        fits = name ~= "next" or is_block(first)
    end
    if fits then return first, ... end
    object.peer:fail(("what it answers to %s is no answer"):format(name))
    object.peer:check()
end

--- Every method is a call.
function Object.__index(t, name)
    if Object[name] then return Object[name] end
    local function call(object, ...) return answered(object, name, object.peer:call(object.id, name, ...)) end
    rawset(t, name, call)
    return call
end

--- Iterators are made here: an agent hands out no functions.
function Object:lines(what)
    return function() return self.peer:call(self.id, "read", what) end
end

function Object:close()
    if self.closed then return true end
    rawset(self, "closed", true)
    if self.peer.why then return true end
    return self.peer:call(self.id, "close")
end

Object.__gc = drop

function Object:__close()
    if not self.closed and not self.peer.why then self:close() end
end

-- ---- how they come ----

local makers = {}

function makers.stream(self, _, stream) return self.port:claim(stream, false, self) end

makers.process = new_process

function makers.listener(self, id, fields)
    if type(fields) ~= "table" then return nil, "a listener without an address" end
    local l = setmetatable({peer = self, id = id, closed = false}, Listener)
    for k, v in next, fields do l[k] = v end
    return l
end

function makers.object(self, id)
    return setmetatable({peer = self, id = id}, Object)
end

--- For rshell.shared.peer.
function M.import(self, ext, id, class, ...)
    local maker = ext == rpc.EXT.MINE and makers[class]
    if not maker then return nil, "a reference of an unknown class" end
    return maker(self, id, ...)
end

function M.is_process(v) return getmetatable(v) == Process end
function M.is_listener(v) return getmetatable(v) == Listener end
function M.is_object(v) return getmetatable(v) == Object end

--- Handles that came when nobody waited for them any more.
function M.discard(...)
    for i = 1, select("#", ...) do
        local v = select(i, ...)
        local mt = type(v) == "table" and getmetatable(v)
        if mt == Process then
            pcall(v.stop, v)
        elseif mt == Listener or mt == Object or type(v) == "userdata" then
            pcall(v.close, v)
        end
    end
end

return M
