-- What fails in the background is told when it fails, once: above the line that is being typed, or behind what a line
-- prints that runs. Whoever may still await it isn't anticipated: the line that has started it, or the task.

local colour = require "rshell.repl.colour"
local err = require "rshell.shared.error"
local report = require "rshell.cli.report"
local task = require "rshell.task"
local text = require "rshell.text"

local M = {}

local starters = setmetatable({}, {__mode = "k"}) -- task -> the task that has started it
local held = {} -- {e=, trace=, task=}: those that may still be awaited

---@param t rshell.Task?
local function may_be_awaited(t)
    local starter = t and starters[t]
    return starter and not starter.done
end

--- Called by who starts something: what notes the task that it runs in, whose failure is wanted at once.
---@return fun(t: rshell.Task)
function M.watcher()
    local starter = task.current()
    return function(t)
        starters[t] = starter
        task.report_early(t)
    end
end

local function tell(e, trace)
    local first, rest = report.lines(e, trace):match "^([^\n]*)(.*)$"
    io.stdout:flush()
    io.stderr:write(colour.paint("error", "a task in the background failed:"), " ", first, rest, "\n")
end

--- What task.on_unobserved calls.
function M.failed(e, trace, t)
    if may_be_awaited(t) then
        held[#held + 1] = {e = e, trace = trace, task = t}
    else
        tell(e, trace)
    end
end

--- What `& BG` has started and is over: a bad status that nobody has asked for is told.
function M.over(kind, thing)
    local e = kind == "future" and require "rshell.future".unseen(thing)
    if e then io.stderr:write(colour.paint("dim", "in the background: "), text.escape(err.headline(e)), "\n") end
end

--- Tells of those that nobody has awaited, now that a line is over.
function M.settle()
    local list = held
    held = {}
    for _, one in ipairs(list) do
        if not task.is_observed(one.task) then M.failed(one.e, one.trace, one.task) end
    end
end

return M
