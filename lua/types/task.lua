---@meta

---Tasks: functions that wait without holding up the others.
---@class rshell.task
local task = {}

---Starts a task at the next turn.
---@param fn function
---@param ... any
---@return rshell.Task
function task.spawn(fn, ...) end

---Waits so many seconds; other tasks go on.
---@param seconds number
function task.sleep(seconds) end

---Monotonic seconds.
---@return number
function task.now() end

---Waits for the first that is done: it, and its index. Past its time it raises kind `timeout`.
---@param tasks rshell.Task[]
---@param timeout? number
---@return rshell.Task
---@return integer
function task.select(tasks, timeout) end

---Calls fn; a wait that lasts longer than so many seconds after the call raises kind `timeout`.
---@param seconds number
---@param fn function
---@param ... any
---@return any ...
function task.timeout(seconds, fn, ...) end

---Calls a closer: its waits are not ended by a cancel, for 5 s at most.
---@param fn function
---@param ... any
---@return any ...
function task.shield(fn, ...) end

---The task that runs, or nothing outside of all.
---@return rshell.Task?
function task.current() end

---A table that belongs to the task; tasks that it starts get a shallow copy. With a key: what is there, or nil.
---@param key any?
---@return any
function task.locals(key) end

---A new event, on which nobody waits.
---@return rshell.Event
function task.event() end

---Sets what is called for each failed task that nobody awaited; it may not wait. There is no task where nobody names it
---any more.
---@param fn fun(error: any, traceback: string?, task: rshell.Task?)
function task.on_unobserved(fn) end

---From now on its failure is reported when it happens, unless somebody awaits it then.
---@param t rshell.Task
function task.report_early(t) end

---Whether somebody has had its results, or has closed it.
---@param t rshell.Task
---@return boolean
function task.is_observed(t) end

---The metatable of all error objects.
---@return table
function task.error_metatable() end

---The kind of error object that NAME ("ENOENT") stands for.
---@param name string
---@return string
function task.error_kind(name) end

---@class rshell.Task
---@field done boolean
---@field failed boolean
---@field status "ready" | "running" | "waiting" | "done" | "failed"
---@field traceback? string of its failure
local Task = {}

---Its results, or raises its error. Past its time it raises kind `timeout`, and the task goes on.
---@param timeout? number
---@return any ...
function Task:await(timeout) end

---Every wait of the task raises kind `cancelled` from now on. False when that made no difference.
---@return boolean
function Task:cancel() end

---Cancels, and waits until it has unwound.
function Task:close() end

---Something that tasks tell each other.
---@class rshell.Event
local Event = {}

---Until the next notify; false when its time is over first.
---@param seconds? number
---@return boolean
function Event:wait(seconds) end

---Wakes all who wait now.
function Event:notify() end

return task
