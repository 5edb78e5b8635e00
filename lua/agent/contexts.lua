-- Other processes on this agent's link: fresh ones of our own image, and agents that the controller starts through
-- programs of this machine (sudo, a container's engine, ssh). Their frames are passed on in C.

local own = require "rshell.agent.own"
local proc = require "rshell.sys.proc"
local task = require "rshell.task"

local M = {}

local KEPT = 4096 -- of what one says on stderr
local LAST_SECONDS = 1 -- that one has to end by itself when its link has
local BLOCK = 65536

-- ---- a program that is talked to before it belongs to a context ----

---@class rshell.agent.Held
---@field process rshell.sys.Process
local Held = {}
Held.__index = Held
Held.__name = "rshell.agent.Held"

--- What stream:read gives; which: "stdout" or "stderr".
function Held:read(which, what, seconds)
    return self.process[which]:read(what, seconds)
end

function Held:write(data)
    return self.process.stdin:write(data)
end

--- Our own program, as it is, into its stdin. Its size was told by `image`.
function Held:feed()
    local file = assert(require "rshell.sys.fs".open(own.image(), "r"))
    for block in function() return file:read(BLOCK) end do self.process.stdin:write(block) end
    file:close()
end

function Held:wait(seconds)
    return self.process:wait(seconds)
end

function Held:close()
    if not self.attached then self.process:stop() end
end

function Held:__gc()
    if not self.attached then self.process:kill "TERM" end
end

-- ---- contexts ----

--- Keeps the last of what it says, for its obituary.
local function listen(entry, stderr)
    task.spawn(function()
        pcall(function()
            for block in function() return stderr:read(KEPT) end do
                entry.said = (entry.said .. block):sub(-KEPT)
            end
        end)
        stderr:close()
    end)
end

local function obituary(entry, exits, why)
    local exit = exits and exits[#exits]
    local line = entry.said:match "([^\r\n]+)%s*$"
    if line then return line end
    return exit and exit.signal and "killed by " .. exit.signal or why
end

local function bury(link, entry, context, why)
    local exits
    if entry then
        local p = entry.process
        exits = p:wait(LAST_SECONDS) or p:stop()
    end
    link:finish(context, entry and obituary(entry, exits, why) or why)
end

--- A context that was routed and has no process.
local function give_up(link, number, text)
    link:finish(number, text)
end

--- What the controller calls as context.NAME.
---@param link userdata
---@param self integer our own context
function M.new(link, self)
    local there = {} -- what stands behind each number
    link:relay(self)

    local function join(number, process)
        local entry = {process = process, said = ""}
        there[number] = entry
        if process.stderr then listen(entry, process.stderr) end
        return link:attach(number, process.stdout, process.stdin, process.pids[#process.pids])
    end

    task.spawn(function()
        for context, why in function() return link:ended() end do
            local entry = there[context]
            there[context] = nil
            task.spawn(bury, link, entry, context, why)
        end
    end)

    local functions = {}

    --- A process of our own image. spec: cwd, env, umask and memory of it.
    function functions.start(number, spec)
        local p, text, name, where = proc.spawn {
            argv = {own.image(), "rpc", tostring(number), tostring(spec.memory or 0)},
            cwd = spec.cwd, env = spec.env, umask = spec.umask, user = spec.user,
            stdin = "pipe", stdout = "pipe", stderr = "pipe",
        }
        if not p then
            give_up(link, number, text)
            return nil, text, name, where
        end
        join(number, p)
        return p.pids[1]
    end

    --- A program whose streams stay here, to be talked to.
    function functions.spawn(spec)
        local p, text, name, where = proc.spawn(spec)
        if not p then return nil, text, name, where end
        return setmetatable({process = p}, Held)
    end

    --- What it runs now is an agent.
    function functions.attach(number, held)
        held.attached = true
        return join(number, held.process)
    end

    --- It will not come.
    function functions.refuse(number, text)
        give_up(link, number, text)
    end

    --- The size of our program.
    function functions.image()
        local st = require "rshell.sys.fs".stat(own.image())
        return st and st.size
    end

    return functions
end

M.Held = Held

return M
