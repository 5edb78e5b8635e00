-- Other processes on this agent's link: fresh ones of our own image, and agents that the controller starts through
-- programs of this machine (sudo, a container's engine, ssh). Their frames are passed on in C.

local hearing = require "rshell.shared.hearing"
local own = require "rshell.agent.own"
local proc = require "rshell.sys.proc"
local task = require "rshell.task"

local M = {}

local KEPT = 4096 -- of what one says on stderr
local LAST_SECONDS = 1 -- that one has to end by itself when its link has
local LINE_SECONDS = 30 -- until one that has got its program says a word
local BLOCK = 65536
local ENDED = "the other side has ended" -- as a link says it

-- ---- a program that is talked to before it belongs to a context ----

---@class rshell.agent.Held
---@field process rshell.sys.Process
---@field hearing rshell.Hearing
---@field join fun(number: integer, process: rshell.sys.Process)
local Held = {}
Held.__index = Held
Held.__name = "rshell.agent.Held"

--- What it has printed meanwhile, as rshell.shared.hearing says.
function Held:hear(seconds) return self.hearing:next(seconds) end

--- Who doesn't read ends, and says why.
function Held:write(data) return (pcall(self.process.stdin.write, self.process.stdin, data)) end

--- Our own program, as it is, into its stdin.
function Held:feed()
    local file <close> = assert(require "rshell.sys.fs".open(own.image(), "r"))
    for block in function() return file:read(BLOCK) end do
        if not self:write(block) then return end
    end
end

--- Lets it be the context's process, once it says in the line with the word that it is an agent: what it says there,
--- or nil and the last that it said.
function Held:attach(number, word)
    local said = ""
    for line in function() return self.process.stdout:read("L", LINE_SECONDS) end do
        local _, stop = line:find(word, 1, true)
        local words = stop and line:sub(stop + 1):match "^%s*(.-)%s*$"
        if words == "agent" then
            self.attached = true
            self.join(number, self.process)
        end
        if words then return words end
        said = line
    end
    return nil, said
end

function Held:wait(seconds)
    return self.process:wait(seconds)
end

--- It ends by itself when nobody talks to it any more, or is ended.
function Held:close()
    if self.attached or self.closed then return end
    self.closed = true
    self.hearing:close()
    local p = self.process
    for _, s in ipairs {p.stdin or false, p.stdout or false, p.stderr or false} do
        if s then s:close() end
    end
    task.spawn(function()
        if not p:wait(LAST_SECONDS) then p:stop(LAST_SECONDS) end
        p:release()
    end)
end

function Held:__gc()
    if not self.attached and not self.closed then self.process:kill "TERM" end
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
    if line or why ~= ENDED then return line or why end
    return exit and exit.signal and "killed by " .. exit.signal or why
end

--- It ends by itself, or is ended. Who has missed heartbeats does neither in time: that is told first. What may not be
--- signalled, since it is another account's, has lost its link, and ends when it looks.
local function bury(link, entry, context, why)
    local p = entry and entry.process
    local silent = why:find "^no heartbeat"
    local exits = p and not silent and (p:wait(LAST_SECONDS) or p:stop(LAST_SECONDS))
    link:finish(context, p and not silent and obituary(entry, exits, why) or why)
    if silent then exits = p:stop(LAST_SECONDS) end
    if exits then p:release() end -- now, so that no zombie waits for the garbage collector
end

--- What the controller calls as context.NAME.
---@param link userdata
---@param self integer our own context
function M.new(link, self)
    local there = {} -- what stands behind each number
    link:relay(self)

    --- pid: of a process of our own kind, that can be told to look at its link
    local function join(number, process, pid)
        local entry = {process = process, said = ""}
        there[number] = entry
        if process.stderr then listen(entry, process.stderr) end
        return link:attach(number, process.stdout, process.stdin, pid)
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
            link:finish(number, text) -- it was routed, and has no process
            return nil, text, name, where
        end
        join(number, p, p.pids[1])
        return p.pids[1]
    end

    --- A program whose streams stay here, to be talked to until it says the word; what it says at first, and the size
    --- of our own program, where it can be read.
    function functions.spawn(spec, word, seconds)
        local p, text, name, where = proc.spawn(spec)
        if not p then return nil, text, name, where end
        local held = setmetatable({process = p, hearing = hearing.new(p, word), join = join}, Held)
        local st = require "rshell.sys.fs".stat(own.image())
        return held, held:hear(seconds), st and st.size
    end

    return functions
end

return M
