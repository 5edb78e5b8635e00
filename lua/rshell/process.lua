-- What popen returns: programs under way, with their streams.

local arity = require "rshell.arity"
local attach = require "rshell.attach"
local command = require "rshell.command"
local err = require "rshell.shared.error"
local object = require "rshell.object"
local opened = require "rshell.opened"
local options = require "rshell.shared.options"
local primitives = require "rshell.primitives"
local status = require "rshell.status"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

local mt, make, state = object.class "process"

---@class rshell.Process
local members = {}
local fields = {}
M.members, M.fields = members, fields

primitives.complete("rshell.Stream", "stream", {})

--- state: plan, job, pid
function M.new(plan, job)
    local pids = job.handles[#job.handles].pids
    local p = make {plan = plan, job = job, pid = pids[#pids]}
    return opened.add("process", p, function() return job:ended() end)
end

--- The exit that counts, or nil while something runs.
local function exit_of(p)
    return p.job:ended() and status.exit(p.plan, p.job:exits()) or nil
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

--- What its programs have used, on all machines together; nil while one runs, and where nobody tells.
function fields.rusage(p)
    local sum = {user = 0, system = 0, memory = 0}
    for _, handle in ipairs(p.job.handles) do
        local used = handle.usage and handle:usage()
        if not used then return nil end
        sum.user, sum.system = sum.user + used.user, sum.system + used.system
        sum.memory = math.max(sum.memory, used.memory)
    end
    return sum
end

--- The status, 128 and the signal's number where one ended it; nil while it runs.
function members:poll()
    local p = state(self)
    task.sleep(0) -- a loop around poll must let the program's end be noticed
    local exit = exit_of(p)
    return exit and status.code(exit)
end

--- Calls what waits for the job; a cancel ends it.
local function waiting(p, fn, ...)
    local ok, over = pcall(fn, ...)
    if ok then return over end
    if err.is(over) and over.kind == "cancelled" then p.job:close() end
    error(over, 0)
end

local function wait(p, seconds)
    return waiting(p, p.job.wait, p.job, seconds)
end

--- Waits until it has ended: the code, or nil and the signal that ended it. Raises timeout when it still runs then.
---@param seconds number?
function members:wait(seconds)
    local p = state(self)
    options.seconds("wait", seconds)
    if not wait(p, seconds) then status.still_runs(p.plan, seconds, "p:kill() or p:close() ends it") end
    status.check_reason(p.plan, {reason = p.job.reason, running = p.job:running()})
    local exit = exit_of(p)
    if not exit then err.raise {kind = "denied", message = "the process can't be ended: " .. tostring(self)} end
    return exit.code, exit.signal
end

--- Joins it to our terminal, or to what the options name, until it ends: the code, as wait. Detached: nil, "detached".
---@param opts rshell.AttachOptions?
function members:attach(opts)
    local p = state(self)
    if not waiting(p, attach.run, p, opts) then return nil, "detached" end
    return self:wait()
end

--- Sends a signal to the whole group: a number, "TERM" or "SIGTERM".
---@param sig string|integer?
function members:kill(sig)
    local p = state(self)
    sig = status.signal("kill", sig)
    if not p.job.closed then p.job:kill(sig) end
end

local function feed(stream, input)
    for i = 1, #input, 65536 do
        local ok, e = pcall(stream.write, stream, input:sub(i, i + 65535))
        if not ok and err.is(e) and e.kind == "closed" then break end -- it reads no more
        if not ok then error(e, 0) end
    end
    stream:close()
end

--- Writes input, reads both outputs to their ends, and waits: out, err.
---@param input string?
function members:communicate(input)
    local p = state(self)
    local j, max = p.job, p.plan.opts.max_output or status.MAX_OUTPUT
    if input ~= nil and type(input) ~= "string" then
        err.usage("communicate: a string expected, got %s", object.type(input))
    elseif input and not j.stdin then
        err.usage "communicate: its standard input is not ours"
    end
    if j.stdin then j:pump(feed, j.stdin, input or "") end
    local out, errors = j:collect(j.stdout, max), j:collect(j.stderr, max)
    wait(p)
    local r = {reason = j.reason, stdout = table.concat(out), stderr = table.concat(errors)}
    status.check_reason(p.plan, r)
    return r.stdout, r.stderr
end

--- The size of its terminal, where it was started with pty.
---@param rows integer
---@param cols integer
function members:resize(rows, cols)
    local p = state(self)
    command.check_size("resize", {rows = rows or 0, cols = cols or 0})
    local ok, text, name = p.job.handles[#p.job.handles]:resize(rows, cols)
    if not ok then view.fail(p.plan.stages[1].view, "resize", text, name) end
end

--- Ends it at once, with its group. Harmless twice.
function members:close()
    state(self).job:close()
end

function mt.__index(self, key)
    local p = state(self)
    if members[key] then return members[key] end
    if fields[key] then return fields[key](p) end
    options.no_member("process", key, members, fields)
end

function mt.__newindex(_, key)
    err.usage("a process's '%s' can't be set", tostring(key))
end

function mt.__tostring(self)
    local p = state(self)
    local exit = exit_of(p)
    local now = not exit and "running" or exit.signal and "ended by " .. exit.signal or "exited with " .. exit.code
    return ("process %d `%s` (%s)"):format(p.pid, status.line(p.plan), now)
end

mt.__close = members.close

arity.strict(members)

return M
