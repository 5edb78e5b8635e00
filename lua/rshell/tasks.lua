-- Tasks as scripts use them: rshell.task with arguments checked, and work done in parallel.

local err = require "rshell.shared.error"
local object = require "rshell.object"
local opened = require "rshell.opened"
local options = require "rshell.shared.options"
local primitives = require "rshell.primitives"
local task = require "rshell.task"

local M = {}

M.now = task.now

primitives.complete("rshell.Task", "task", {done = true, failed = true, status = true, traceback = true})

-- ---- what rshell.task does ----

local function callable(v)
    if type(v) == "function" then return true end
    local mt = debug.getmetatable(v)
    return type(mt) == "table" and mt.__call ~= nil
end

local function check_function(who, fn)
    if not callable(fn) then err.usage("%s: a function expected, got %s", who, object.type(fn)) end
end

local function check_seconds(who, seconds)
    if seconds == nil then err.usage("%s: a number of seconds expected", who) end
    options.seconds(who, seconds)
end

--- Starts fn(...) as a task.
---@param fn function
---@return rshell.Task
function M.spawn(fn, ...)
    check_function("spawn", fn)
    local t = task.spawn(fn, ...)
    return opened.add("task", t, function() return t.done end, t)
end

---@param seconds number
function M.sleep(seconds)
    check_seconds("sleep", seconds)
    return task.sleep(seconds)
end

--- fn(...), which raises kind timeout when it isn't done in time.
---@param seconds number
---@param fn function
function M.timeout(seconds, fn, ...)
    check_seconds("timeout", seconds)
    check_function("timeout", fn)
    return task.timeout(seconds, fn, ...)
end

--- The first of the tasks that is done, and its index.
---@param tasks rshell.Task[]
---@param seconds number?
---@return rshell.Task, integer
function M.select(tasks, seconds)
    if type(tasks) ~= "table" or #tasks == 0 then err.usage "select: an array of tasks expected" end
    for i, t in ipairs(tasks) do
        if object.type(t) ~= "rshell.Task" then err.usage("select: #%d is a %s, not a task", i, object.type(t)) end
    end
    options.seconds("select", seconds)
    return task.select(tasks, seconds)
end

-- ---- parallel ----

--- Keeps where an error object comes from; in a task of its own that would be done for it.
local function handler(e)
    if err.is(e) and not rawget(e, "traceback") then e.traceback = debug.traceback(nil, 2) end
    return e
end

local function run_one(p, i)
    local ok, value = xpcall(p.fn, handler, p.list[i], i)
    if ok then
        p.results[i] = value
    else
        p.results[i], p.errors[i] = value, value == nil and "an error that is nil" or value
        p.failed = true
    end
    p.running = p.running - 1
    p.event:notify()
end

local function start(p, i)
    p.running = p.running + 1
    p.tasks[i] = task.spawn(run_one, p, i)
end

local function skip(p, i)
    local e = err.new {kind = "cancelled", message = "not started, since another one failed"}
    p.results[i], p.errors[i] = e, e
end

local function close_all(p)
    for _, t in pairs(p.tasks) do t:cancel() end
    for _, t in pairs(p.tasks) do t:close() end
end

local PARALLEL = {limit = "integer", stop_on_error = "boolean"}

--- fn(item, index) for each item of an array, each in a task of its own. Gives an array of what fn returned first, or
--- raised, in order, with their number in n; and a table of the errors alone, by index.
---@param list any[]
---@param fn fun(item: any, index: integer): any
---@param opts {limit: integer?, stop_on_error: boolean?}?
---@return table results
---@return table<integer, any> errors
function M.parallel(list, fn, opts)
    if type(list) ~= "table" then err.usage("parallel: an array expected, got %s", object.type(list)) end
    check_function("parallel", fn)
    opts = options.check("parallel", opts, PARALLEL)
    local n, limit = #list, opts.limit or math.maxinteger
    if limit < 1 then err.usage("parallel: limit is at least 1, not %d", limit) end
    local p <close> = setmetatable({
        list = list, fn = fn, results = {n = n}, errors = {}, tasks = {}, running = 0, event = task.event(),
    }, {__close = close_all})
    for i = 1, n do
        while p.running >= limit do p.event:wait() end
        if p.failed and opts.stop_on_error then skip(p, i) else start(p, i) end
    end
    while p.running > 0 do p.event:wait() end
    return p.results, p.errors
end

return M
