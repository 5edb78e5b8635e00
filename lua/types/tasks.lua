---@meta

---Tasks as scripts use them; each is a field of `rshell`, some are globals. Wrong arguments raise `usage`.
---@class rshell.tasks
local tasks = {}

---@class rshell.ParallelOptions
---@field limit? integer how many at a time
---@field stop_on_error? boolean none is started once one has failed

---Calls fn(item, index) for each item of an array, each in a task of its own.
---@generic T, R
---@param list T[]
---@param fn fun(item: T, index: integer): R?
---@param options? rshell.ParallelOptions
---@return table results in order, with their number in `n`: what fn returned first, or the error that it raised
---@return table<integer, any> errors those that failed, by index
function tasks.parallel(list, fn, options) end

---Starts a task: fn runs at the next turn, beside us.
---@param fn function
---@param ... any
---@return rshell.Task
function tasks.spawn(fn, ...) end

---Waits so many seconds; other tasks go on.
---@param seconds number
function tasks.sleep(seconds) end

---Waits for the first that is done: it, and its index.
---@param list rshell.Task[]
---@param timeout? number
---@return rshell.Task
---@return integer
function tasks.select(list, timeout) end

---Calls fn; past its time what it waits for raises kind `timeout`. Code that computes and never waits isn't interrupted
---on this machine; what conn:call ships is.
---@param seconds number
---@param fn function
---@param ... any
---@return any ...
function tasks.timeout(seconds, fn, ...) end

---Monotonic seconds.
---@return number
function tasks.now() end

return tasks
