-- Loops over what a program prints, while it runs: leaving the loop ends it, and a bad status raises at the end.

local job = require "rshell.job"
local new_queue = require "rshell.shared.queue"
local segment = require "rshell.segment"
local status = require "rshell.status"

local M = {}

local QUEUED = 1000 -- lines that wait for the loop

--- Closes the job when the loop is left.
local function closing(j)
    return setmetatable({}, {__close = function() j:close() end})
end

--- Raises what went wrong; errors: what was printed on stderr.
local function finish(j, errors)
    j:wait()
    status.check(j.plan, {exits = j:exits(), reason = j.reason, stderr = table.concat(errors)})
end

--- Keeps what is put in, up to max bytes: the rest is for nobody, but never waited for.
local function keeper(max)
    local kept, size = {}, 0
    return kept, function(block)
        if size < max then kept[#kept + 1] = block end
        size = size + #block
    end
end

local function start(plan)
    local max = plan.opts.max_output or status.MAX_OUTPUT
    local j = job.start(plan, segment.of(plan), {})
    j:limit(status.limit(plan), plan.opts.line_timeout)
    return j, max, keeper(max)
end

--- for line in c:lines()
function M.lines(plan)
    local j, max, errors, keep = start(plan)
    if j.stderr then
        j:pump(function()
            for block in j:blocks(j.stderr) do keep(block) end
        end)
    end
    local read = j.stdout and j:lines(j.stdout, max)
    local function next_line()
        if j.closed then return nil end
        local ok, line = true, nil
        if read then ok, line = pcall(read) end
        if ok and line then return line end
        if not ok and not (j.reason or j.failure) then error(j:cause(line), 0) end
        finish(j, errors)
        j:close()
        return nil
    end
    return next_line, nil, nil, closing(j)
end

--- Moves lines to the queue, which is closed when nothing more will come.
local function queue_lines(j, which, max, queue, open)
    for line in j:lines(which == "out" and j.stdout or j.stderr, max) do
        if not queue:put {which, line} then break end
    end
    open[which] = nil
    if not next(open) then queue:close() end
end

--- for which, line in c:iter()
function M.iter(plan)
    local j, max, errors, keep = start(plan)
    local queue, open = new_queue(QUEUED), {out = j.stdout and true, err = j.stderr and true}
    for which in next, {out = open.out, err = open.err} do
        j:pump(function()
            local ok, e = pcall(queue_lines, j, which, max, queue, open)
            if not ok then
                queue:close()
                error(e, 0)
            end
        end)
    end
    if not next(open) then queue:close() end
    local function next_line()
        if j.closed then return nil end
        local item = queue:take()
        if item then
            if item[1] == "err" then keep(item[2] .. "\n") end
            return item[1], item[2]
        end
        finish(j, errors)
        j:close()
        return nil
    end
    return next_line, nil, nil, closing(j)
end

return M
