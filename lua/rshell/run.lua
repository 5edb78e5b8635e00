-- What calling a command does: the verbs of commands and pipelines, and the modifiers, over one request or a job.

local err = require "rshell.shared.error"
local job = require "rshell.job"
local new_queue = require "rshell.shared.queue"
local proc = require "rshell.sys.proc"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

local blocks = job.blocks
local MAX_OUTPUT = 64 * 1024 * 1024

-- ---- results ----

--- The status as a number: what a signal ended has 128 and its number, as in sh.
local function code_of(exit)
    return exit.code or 128 + proc.signal(exit.signal)
end

local function codes_of(exits)
    local codes = {}
    for i, exit in ipairs(exits) do codes[i] = code_of(exit) end
    return codes
end

--- The exit that counts: the last stage's; with pipefail the last that failed.
local function deciding(plan, exits)
    if plan.opts.pipefail then
        for i = #exits, 1, -1 do
            if exits[i].code ~= 0 then return exits[i] end
        end
    end
    return exits[#exits]
end

local function accepted(exit, retcode)
    if retcode == "any" then return true end
    if type(retcode) == "table" then
        for _, code in ipairs(retcode) do
            if exit.code == code then return true end
        end
        return false
    end
    return exit.code == (retcode or 0)
end

local function shortened(text)
    if #text <= 200 then return text end
    return text:sub(1, 200) .. "..."
end

local function failure(plan, r, fields)
    fields.host = plan.stages[1].view.conn.name
    fields.command, fields.stdout, fields.stderr = plan.text, r.stdout, r.stderr
    fields.message = ("`%s` %s"):format(shortened(plan.text), fields.message)
    err.raise(fields)
end

local function check_status(plan, r)
    local exit = deciding(plan, r.exits)
    if accepted(exit, plan.opts.retcode) then return end
    failure(plan, r, {
        kind = "process", code = exit.code, signal = exit.signal, codes = codes_of(r.exits),
        message = exit.signal and ("was ended by signal %s"):format(exit.signal) or ("exited with status %d"):format(exit.code),
    })
end

local function limit_of(plan)
    return plan.opts.timeout or plan.stages[1].view.timeout
end

local function check_reason(plan, r)
    local opts = plan.opts
    if r.reason == "timeout" then
        failure(plan, r, {kind = "timeout", message = ("was not done after %g s and was ended"):format(limit_of(plan))})
    elseif r.reason == "line_timeout" then
        failure(plan, r, {kind = "timeout", message = ("printed nothing for %g s and was ended"):format(opts.line_timeout)})
    elseif r.reason == "limit" then
        failure(plan, r, {
            kind = "io", message = ("printed more than max_output (%d bytes) and was ended"):format(opts.max_output or MAX_OUTPUT),
            hint = "raise max_output, or use lines, popen or to, which keep nothing in memory",
        })
    end
end

-- ---- collecting ----

local function run_simple(plan, segment)
    local opts = plan.opts
    local r, text, name, where = view.check(segment.view).proc.run {
        stages = segment.stages, pty = opts.pty, input = segment.source and segment.source.data, timeout = limit_of(plan),
        line_timeout = opts.line_timeout, max_output = opts.max_output,
    }
    if not r then job.fail_start(plan, segment, text, name, where) end
    return r
end

--- Reads a stream to its end. Its blocks are shown if show is given.
local function collect(stream, into, max, show)
    local size = 0
    for block in blocks(stream) do
        if show then show(block) end
        size = size + #block
        if size > max then
            into[#into + 1] = block:sub(1, max - (size - #block))
            into.limit = true
            return
        end
        into[#into + 1] = block
    end
end

--- Runs a job to its end and gives what proc.run gives.
local function run_job(plan, segments, show)
    local limit, max = limit_of(plan), plan.opts.max_output or MAX_OUTPUT
    local out, errors, readers = {}, {}, {}
    local j = job.start(plan, segments, {})
    local r = {}
    local function read_all()
        for i, t in ipairs {{j.stdout or false, out, show and show.out}, {j.stderr or false, errors, show and show.err}} do
            if t[1] then readers[i] = task.spawn(collect, t[1], t[2], max, t[3]) end
        end
        for _, t in pairs(readers) do
            t:await()
            if out.limit or errors.limit then
                r.reason = "limit"
                return
            end
        end
        j:wait()
    end
    local ok, e
    if limit then ok, e = pcall(task.timeout, limit, read_all) else ok, e = pcall(read_all) end
    if ok and not r.reason then r.exits = j:exits() end
    j:close()
    for _, t in pairs(readers) do t:close() end
    if not ok then
        if not (limit and err.is(e) and e.kind == "timeout") then error(e, 0) end
        r.reason = "timeout"
    end
    r.stdout, r.stderr, r.exits = table.concat(out), table.concat(errors), r.exits or j:exits()
    return r
end

local function result(plan, show)
    local segments = job.segments(plan)
    local r = not show and job.is_simple(segments) and run_simple(plan, segments[1]) or run_job(plan, segments, show)
    check_reason(plan, r)
    return r
end

-- ---- the verbs ----

--- c(...): what it printed.
function M.output(plan)
    local r = result(plan)
    check_status(plan, r)
    return r.stdout
end

--- code, stdout, stderr, codes, signal
function M.run(plan)
    local r = result(plan)
    local exit = deciding(plan, r.exits)
    return exit.code, r.stdout, r.stderr, codes_of(r.exits), exit.signal
end

function M.text(plan)
    return (M.output(plan):gsub("\n+$", ""))
end

function M.json(plan)
    local out = M.output(plan)
    local value, text = require "rshell.sys.json".decode(out)
    if value == nil and text then
        failure(plan, {stdout = out}, {kind = "parse", message = "printed no JSON: " .. text})
    end
    return value
end

--- True or false.
function M.succeeds(plan)
    local r = result(plan)
    return accepted(deciding(plan, r.exits), plan.opts.retcode)
end

--- The status; nil and the signal's name when a signal ended it.
function M.status(plan)
    local exit = deciding(plan, result(plan).exits)
    return exit.code, exit.signal
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
    check_status(plan, r)
    return require "rshell.future".result(deciding(plan, r.exits).code, r.stdout, r.stderr)
end

--- On our terminal.
function M.foreground(plan)
    local limit = limit_of(plan)
    local segments = job.segments(plan)
    local j <close> = setmetatable({}, {__close = function(t) if t.job then t.job:close() end end})
    j.job = job.start(plan, segments, {stdin = "inherit", stdout = "inherit", stderr = "inherit", foreground = true})
    local r = {}
    if not j.job:wait(limit) then
        r.reason = "timeout"
        check_reason(plan, r)
    end
    r.exits = j.job:exits()
    check_status(plan, r)
    return true
end

--- A future: runs in a task of its own.
function M.background(plan)
    return require "rshell.future".new(plan, function()
        local r = result(plan)
        local exit = deciding(plan, r.exits)
        r.code, r.signal = exit.code, exit.signal
        return r
    end, check_status)
end

--- Outlives us; gives the pid.
function M.nohup(plan, opts)
    local command = require "rshell.command"
    local last = plan.stages[#plan.stages]
    local function sink(x)
        if x == nil then return nil end
        return {path = require "rshell.path".text(last.view, x), append = opts.append, view = last.view}
    end
    last = setmetatable({to = last.to or sink(opts.stdout), err = last.err or sink(opts.stderr)}, {__index = last})
    plan.stages[#plan.stages] = last
    local segments = job.segments(plan)
    if not job.is_simple(segments) or segments[1].source then
        err.usage("%s can't outlive rshell: its data would have to pass through here", command.text_of and plan.text)
    end
    local j = job.start(plan, segments, {stdin = "null", stdout = "null", stderr = "null", keep = true})
    local pids = segments[1].handle.pids
    segments[1].handle:release()
    return pids[#pids]
end

function M.popen(plan)
    local j = job.start(plan, job.segments(plan), {stdin = "pipe"})
    return require "rshell.process".new(plan, j, limit_of(plan), deciding)
end

-- ---- while it runs ----

--- Closes the job when the loop is left.
local function closing(j, more)
    return setmetatable({}, {__close = function()
        j:close()
        if more then more() end
    end})
end

--- A clock for the reads of a loop: how long each may take; nil for ever.
local function clock(plan)
    local limit, line = limit_of(plan), plan.opts.line_timeout
    local stop = limit and task.now() + limit
    return function()
        local left = stop and math.max(0, stop - task.now())
        if line and (not left or line < left) then return line, "line_timeout" end
        return left, "timeout"
    end
end

local function loop_ended(plan, j, errors)
    j:wait()
    check_status(plan, {exits = j:exits(), stderr = table.concat(errors)})
end

--- Collects what is printed on stderr for the error; what is past the limit is left out, never waited for.
local function keep_errors(stream, into, max)
    local size = 0
    for block in blocks(stream) do
        if size < max then into[#into + 1] = block end
        size = size + #block
    end
end

--- for line in c:lines()
function M.lines(plan)
    local j = job.start(plan, job.segments(plan), {})
    local errors, time = {}, clock(plan)
    local max = plan.opts.max_output or MAX_OUTPUT
    local reader = j.stderr and task.spawn(keep_errors, j.stderr, errors, max)
    local function next_line()
        if j.closed then return nil end
        local seconds, reason = time()
        local ok, line = pcall(j.stdout.read, j.stdout, "l", seconds or -1)
        if ok and line then return line end
        if not ok then
            j:close()
            if err.is(line) and line.kind == "timeout" then check_reason(plan, {reason = reason}) end
            error(line, 0)
        end
        if reader then reader:await() end
        loop_ended(plan, j, errors)
        return nil
    end
    if not j.stdout then j.stdout = {read = function() end} end
    return next_line, nil, nil, closing(j, reader and function() reader:close() end)
end

local function put_lines(stream, which, queue)
    for line in stream:lines() do
        if not queue:put {which, line} then return end
    end
end

--- for which, line in c:iter()
function M.iter(plan)
    local j = job.start(plan, job.segments(plan), {})
    local queue, time, errors = new_queue(1000), clock(plan), {}
    local readers = {}
    for which, stream in pairs {out = j.stdout, err = j.stderr} do
        readers[#readers + 1] = task.spawn(put_lines, stream, which, queue)
    end
    local watcher = task.spawn(function()
        for _, t in ipairs(readers) do pcall(t.await, t) end
        queue:close()
    end)
    local function next_line()
        if j.closed then return nil end
        local seconds, reason = time()
        local item, late = queue:take(seconds)
        if item then
            if item[1] == "err" and #errors < 1000 then errors[#errors + 1] = item[2] .. "\n" end
            return item[1], item[2]
        end
        if late then
            j:close()
            check_reason(plan, {reason = reason})
        end
        for _, t in ipairs(readers) do t:await() end
        loop_ended(plan, j, errors)
        return nil
    end
    return next_line, nil, nil, closing(j, function()
        queue:close()
        for _, t in ipairs(readers) do t:close() end
        watcher:close()
    end)
end

return M
