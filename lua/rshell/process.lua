-- What popen returns: programs under way, with their streams.

local err = require "rshell.shared.error"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

local mt, make, state = object.class "process"

---@class rshell.Process
local members = {}
local fields = {}
M.members, M.fields = members, fields

--- state: plan, job, limit (seconds, or nil), deciding (the exit that counts), and exit once it is known
function M.new(plan, job, limit, deciding)
    local handle = job.segments[#job.segments].handle
    local p = make {plan = plan, job = job, limit = limit, deciding = deciding, pid = handle.pids[#handle.pids]}
    return p
end

--- The exit that counts, or nil while something runs.
local function exit_of(p)
    if not p.exit and p.job:ended() then p.exit = p.deciding(p.plan, p.job:exits()) end
    return p.exit
end

function fields.pid(p) return p.pid end
function fields.stdin(p) return p.job.stdin end
function fields.stdout(p) return p.job.stdout end
function fields.stderr(p) return p.job.stderr end
function fields.machine(p) return require "rshell.machine".of(p.plan.stages[1].view) end

function fields.code(p)
    local exit = exit_of(p)
    return exit and exit.code
end

--- "KILL"; nil while it runs, and when it ended by itself.
function fields.termsig(p)
    local exit = exit_of(p)
    return exit and exit.signal
end

local function status(exit)
    return exit.code or 128 + require "rshell.sys.proc".signal(exit.signal)
end

--- The code, 128 and the signal's number where one ended it; nil while it runs.
function members:poll()
    local exit = exit_of(state(self))
    return exit and status(exit)
end

--- Waits until it has ended: the code (nil and the signal's name when a signal ended it).
---@param seconds number?
function members:wait(seconds)
    local p = state(self)
    if seconds ~= nil and type(seconds) ~= "number" then err.usage "wait: a time in seconds expected" end
    seconds = seconds or p.limit
    if not exit_of(p) and not p.job:wait(seconds) then
        err.raise {
            kind = "timeout", host = p.plan.stages[1].view.conn.name, command = p.plan.text,
            message = ("`%s` still runs after %g s"):format(p.plan.text, seconds), hint = "p:kill() or p:close() end it",
        }
    end
    local exit = exit_of(p)
    return exit.code, exit.signal
end

--- Sends a signal to the whole group.
---@param sig string|integer?
function members:kill(sig)
    local p = state(self)
    require "rshell.sys.proc".signal(sig or "TERM")
    if not p.job.closed then p.job:kill(sig or "TERM") end
end

local function read_all(stream)
    return stream and stream:read "a" or ""
end

--- Writes input, reads both outputs to their ends, and waits: out, err.
---@param input string?
function members:communicate(input)
    local p = state(self)
    local j = p.job
    local writer = j.stdin and task.spawn(function()
        if input then pcall(j.stdin.write, j.stdin, input) end
        j.stdin:close()
    end)
    local function collect()
        local errors <close> = task.spawn(read_all, j.stderr)
        local out = read_all(j.stdout)
        local text = errors:await()
        if writer then writer:await() end
        j:wait()
        return out, text
    end
    if p.limit then return task.timeout(p.limit, collect) end
    return collect()
end

--- The size of its terminal, where it was started with pty.
function members:resize(rows, cols)
    local p = state(self)
    local segment = p.job.segments[#p.job.segments]
    local ok, text, name = segment.handle:resize(rows, cols)
    if not ok then view.fail(segment.view, "resize", text, name) end
end

--- Ends it at once, with its group. Harmless twice.
function members:close()
    local p = state(self)
    exit_of(p)
    p.job:close()
end

function mt.__index(self, key)
    local p = state(self)
    if members[key] then return members[key] end
    local field = fields[key]
    if field then return field(p) end
    local known = {}
    for k in pairs(members) do known[k] = true end
    for k in pairs(fields) do known[k] = true end
    options.no_member("process", key, known)
end

function mt.__tostring(self)
    local p = state(self)
    local exit = exit_of(p)
    local now = not exit and "running" or exit.signal and "ended by " .. exit.signal or "exited with " .. exit.code
    return ("process %d `%s` (%s)"):format(p.pid, p.plan.text, now)
end

mt.__close = members.close

return M
