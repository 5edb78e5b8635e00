-- What a run left, judged: which exit counts, whether it is a failure, and the error that tells it.

local err = require "rshell.shared.error"
local number = require "rshell.shared.number"
local proc = require "rshell.sys.proc"

local M = {}

-- The status for a signal that only the server knows a name for, as "SIG@openssh.com" of OpenSSH.
local UNKNOWN = 255

M.MAX_OUTPUT = 64 * 1024 * 1024

---@class rshell.Exit
---@field code integer?
---@field signal string? what ended it

--- The status as a number: what a signal ended has 128 and its number, as in sh.
---@param exit rshell.Exit|false
---@return integer|false
function M.code(exit)
    if not exit or exit.code then return exit and exit.code end
    local known, n = pcall(proc.signal, exit.signal)
    return known and 128 + n or UNKNOWN
end

--- The number of a signal that a user names: a number, "TERM" (the default) or "SIGTERM".
---@param who string
---@param sig any
---@return integer
function M.signal(who, sig)
    if sig == nil then sig = "TERM" end
    local known, n = pcall(proc.signal, number.integer(sig) or sig)
    if not known then err.usage("%s: no signal '%s'", who, tostring(sig)) end
    return n
end

---@param exits rshell.Exit[]
---@return integer[]
function M.codes(exits)
    local codes = {}
    for i, exit in ipairs(exits) do codes[i] = M.code(exit) end
    return codes
end

--- True when the exit of stage i is no failure.
local function accepted(plan, exits, i)
    local retcode = plan.opts.retcode or plan.stages[i].retcode or 0
    if retcode == "any" then return true end
    local code = M.code(exits[i])
    for _, c in ipairs(type(retcode) == "table" and retcode or {retcode}) do
        if c == code then return true end
    end
    return false
end

--- The stage that counts: the last; with pipefail the last that failed, else the last whose status isn't 0.
local function deciding(plan, exits)
    if not plan.opts.pipefail then return #exits end
    for i = #exits, 1, -1 do
        if not accepted(plan, exits, i) then return i end
    end
    for i = #exits, 1, -1 do
        if exits[i].code ~= 0 then return i end
    end
    return #exits
end

--- The exit that counts.
---@param plan table
---@param exits rshell.Exit[]
---@return rshell.Exit
function M.exit(plan, exits)
    return exits[deciding(plan, exits)]
end

---@param plan table
---@param exits rshell.Exit[]
---@return boolean
function M.succeeded(plan, exits)
    return accepted(plan, exits, deciding(plan, exits))
end

-- ---- errors ----

local function line(stages)
    return require "rshell.command".line(stages)
end

--- The line of a plan, quoted for sh.
function M.line(plan) return line(plan.stages) end

--- Not cut within a character.
local function shortened(text)
    if #text <= 200 then return text end
    return text:sub(1, 200):gsub("[\xC0-\xFF][\x80-\xBF]*$", "") .. "..."
end

--- Raises for a run: "`ls /x` exited with status 2". r: stdout, stderr, as far as they are known.
---@param plan table
---@param r table
---@param fields table kind, what, and more
---@param i integer? the stage that is to blame
function M.fail(plan, r, fields, i)
    local who = line(plan.stages)
    fields.command = who
    fields.host = plan.stages[i or 1].view.conn.name
    fields.stdout, fields.stderr = r.stdout, r.stderr
    fields.message = ("`%s` %s"):format(shortened(who), fields.message)
    err.raise(fields)
end

--- Raises when somebody has waited long enough.
---@param plan table
---@param seconds number
---@param hint string
function M.still_runs(plan, seconds, hint)
    M.fail(plan, {}, {kind = "timeout", message = ("still runs after %g s"):format(seconds), hint = hint})
end

--- What a pcall of a primitive gave. A limit that was reached here, since the machine is silent, tells the command.
---@param plan table
---@param ok boolean
function M.answered(plan, ok, ...)
    if ok then return ... end
    local e = ...
    if err.is(e) and e.kind == "timeout" and not e.command then
        e.command = line(plan.stages)
        e.message = ("`%s`: %s"):format(shortened(e.command), e.message)
    end
    error(e, 0)
end

local function check_exits(plan, r)
    local i = deciding(plan, r.exits)
    if accepted(plan, r.exits, i) then return end
    local exit = r.exits[i]
    local message = exit.signal and "was ended by signal " .. exit.signal or ("exited with status %d"):format(exit.code)
    if plan.opts.pipefail and plan.stages[2] then
        message = ("%s in stage %d, `%s`"):format(message, i, line {plan.stages[i]})
    end
    local codes = M.codes(r.exits)
    M.fail(plan, r, {kind = "process", code = exit.code, signal = exit.signal, codes = codes, message = message}, i)
end

--- Seconds that a plan may run: its own, else the least that the views of its stages have.
---@param plan table
---@return number?
function M.limit(plan)
    local least = plan.opts.timeout
    if least then return least end
    for _, s in ipairs(plan.stages) do
        local seconds = s.view.timeout
        if seconds and seconds < (least or math.huge) then least = seconds end
    end
    return least
end

local REASONS = {
    timeout = function(plan)
        return {kind = "timeout", message = ("was not done after %g s and was ended"):format(M.limit(plan))}
    end,
    line_timeout = function(plan)
        return {kind = "timeout", message = ("printed nothing for %g s and was ended"):format(plan.opts.line_timeout)}
    end,
    limit = function(plan)
        local max = plan.opts.max_output or M.MAX_OUTPUT
        return {
            kind = "io", message = ("printed more than max_output (%.0f bytes) and was ended"):format(max),
            hint = "raise max_output, or use lines, popen or to, which keep nothing in memory",
        }
    end,
}

--- Raises when the run was ended by us. r: reason, stdout, stderr, running (numbers of processes that could not be
--- ended).
---@param plan table
---@param r table
function M.check_reason(plan, r)
    if not r.reason then return end
    local fields = REASONS[r.reason](plan)
    if r.running and r.running[1] then
        fields.message = ("%s; still running: pid %s"):format(fields.message, table.concat(r.running, ", "))
    end
    M.fail(plan, r, fields)
end

--- Raises when the run was ended by us or its status is bad. r: exits, reason, stdout, stderr.
---@param plan table
---@param r table
function M.check(plan, r)
    M.check_reason(plan, r)
    check_exits(plan, r)
end

return M
