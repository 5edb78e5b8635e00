-- Does something for many hosts, some at a time, and keeps what came of each.

local err = require "rshell.shared.error"
local results = require "rshell.results"
local task = require "rshell.task"

local M = {}

-- The tasks of a batch end with the block that made them: first all are told, then each is waited for.
local crew_mt = {
    __close = function(crew)
        for _, t in ipairs(crew) do t:cancel() end
        for _, t in ipairs(crew) do t:close() end
    end,
}

local function call(job, name)
    if not job.timeout then return job.fn(name) end
    return task.timeout(job.timeout, job.fn, name)
end

--- The host's result.
local function one(job, name)
    local ok, value, fields = pcall(call, job, name)
    if ok then return results.succeeded(job.results, name, value, fields) end
    -- It may be ourselves who was cancelled: then this wait raises, and the task ends.
    if err.is(value) and value.kind == "cancelled" then task.sleep(0.001) end
    if job.stop_on_error then job.stopped = true end
    return results.failed(job.results, name, value)
end

local function batch(job, names, first, last)
    local following = first
    local function worker()
        while following <= last and not job.stopped do
            local name = names[following]
            following = following + 1
            local result = one(job, name)
            if job.done then job.done(result) end
        end
    end
    local crew <close> = setmetatable({}, crew_mt)
    for i = 1, math.min(job.limit, last - first + 1) do crew[i] = task.spawn(worker) end
    for _, t in ipairs(crew) do t:await() end
end

---@class rshell.BroadcastJob
---@field fn fun(name: string): any, table? gives the value, and further fields of the result
---@field limit integer how many at once
---@field serial integer? hosts in a batch; the next starts when all of it are done
---@field stop_on_error boolean? starts no more after a failure
---@field timeout number? seconds for each host
---@field done fun(result: rshell.HostResult)? called with each result as it is there

--- Calls job.fn for each name. What it raises is that host's result, and nobody else's.
---@param names string[]
---@param job rshell.BroadcastJob
---@return rshell.Results
function M.run(names, job)
    job.results = results.new(names)
    local size = job.serial or math.max(#names, 1)
    for first = 1, #names, size do
        if job.stopped then break end
        batch(job, names, first, math.min(first + size - 1, #names))
    end
    return job.results
end

return M
