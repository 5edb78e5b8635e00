-- What calling a command does: the verbs of commands and pipelines, and the modifiers. One request where that can do
-- all, else a job.

local err = require "rshell.shared.error"
local job = require "rshell.job"
local segment = require "rshell.segment"
local status = require "rshell.status"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

-- ---- collecting: {exits=, stdout=, stderr=, reason=} ----

local function run_simple(plan, s)
    local opts = plan.opts
    local limit = status.limit(plan)
    local run, spec = view.check(s.view).proc.run, {
        stages = s.stages, pty = opts.pty, input = s.source and s.source.data, timeout = limit,
        line_timeout = opts.line_timeout, max_output = opts.max_output or status.MAX_OUTPUT,
    }
    local r, text, name, where
    if limit then
        r, text, name, where = status.answered(plan, pcall(view.answered_within, s.view, limit, run, spec))
    else
        r, text, name, where = run(spec)
    end
    if not r then segment.fail(plan, s, text, name, where) end
    return r
end

local closer = {__close = function(c) c.job:close() end}

--- Closes the job when the caller's block ends.
local function owned(j)
    return setmetatable({job = j}, closer)
end

local function run_job(plan, segments, show)
    local max = plan.opts.max_output or status.MAX_OUTPUT
    local j = job.start(plan, segments, {})
    local _ <close> = owned(j)
    local out = j:collect(j.stdout, max, show and show.out)
    local errors = j:collect(j.stderr, max, show and show.err)
    j:limit(status.limit(plan), plan.opts.line_timeout)
    j:wait()
    return {
        exits = j:exits(), stdout = table.concat(out), stderr = table.concat(errors), reason = j.reason,
        running = j:running(),
    }
end

local function result_of(plan, segments, show)
    local simple = not show and segment.is_simple(segments)
    local r = simple and run_simple(plan, segments[1]) or run_job(plan, segments, show)
    status.check_reason(plan, r)
    return r
end

local function result(plan, show)
    return result_of(plan, segment.of(plan), show)
end

-- ---- the verbs ----

--- c(...): what it printed.
function M.output(plan)
    local r = result(plan)
    status.check(plan, r)
    return r.stdout
end

--- code, stdout, stderr, codes, signal
function M.run(plan)
    local r = result(plan)
    local exit = status.exit(plan, r.exits)
    return exit.code, r.stdout, r.stderr, status.codes(r.exits), exit.signal
end

function M.text(plan)
    return (M.output(plan):gsub("\n+$", ""))
end

function M.json(plan)
    local r = result(plan)
    status.check(plan, r)
    local value, text = require "rshell.sys.json".decode(r.stdout)
    if value == nil and text then
        local line, column = text:match "^line (%d+) column (%d+)"
        status.fail(plan, r, {
            kind = "parse", message = "printed no JSON: " .. text,
            line = math.tointeger(line), column = math.tointeger(column),
        })
    end
    return value
end

function M.popen(plan)
    if plan.opts.line_timeout then
        err.usage "popen has no line_timeout: you read the output, with p.stdout:read(n, seconds)"
    end
    local j = job.start(plan, segment.of(plan), {stdin = "pipe", loose = true})
    j:limit(status.limit(plan))
    return require "rshell.process".new(plan, j)
end

-- ---- the modifiers ----

--- True or false.
function M.succeeds(plan)
    return status.succeeded(plan, result(plan).exits)
end

--- The status; 128 and the number of the signal that ended it.
function M.status(plan)
    return status.code(status.exit(plan, result(plan).exits))
end

local function shower(file)
    return function(block)
        file:write(block)
        file:flush()
    end
end

--- Shows and keeps.
function M.tee(plan)
    local r = result(plan, {out = shower(io.stdout), err = shower(io.stderr)})
    status.check(plan, r)
    return require "rshell.future".result(status.exit(plan, r.exits), r)
end

--- On our terminal.
function M.foreground(plan)
    io.stdout:flush()
    local _ <close> = require "rshell.output.progress".hold()
    local terminal = {stdin = "inherit", stdout = "inherit", stderr = "inherit", foreground = true}
    local j = job.start(plan, segment.of(plan), terminal)
    local _ <close> = owned(j)
    j:limit(status.limit(plan))
    j:wait()
    status.check(plan, {exits = j:exits(), reason = j.reason})
    return true
end

--- A future: runs in a task of its own, with the settings of now.
function M.background(plan)
    local segments = segment.of(plan)
    return require "rshell.future".new(plan, task.spawn(result_of, plan, segments))
end

--- Outlives us; gives the pid.
function M.nohup(plan)
    local segments = segment.of(plan)
    if not segment.is_simple(segments) or segments[1].source then
        err.usage("`%s` can't outlive rshell: its data would have to pass through here", status.line(plan))
    end
    local handle = job.start(plan, segments, {stdin = "null", stdout = "null", stderr = "null", keep = true}).handles[1]
    local pids = handle.pids
    handle:release()
    return pids[#pids]
end

return M
