---@meta

---The log: what rshell does, and what scripts say. It goes to stderr, from the level that `-vv`, `-vvv` or RSHELL_LOG sets.
---@class rshell.log
local log = {}

---@alias rshell.LogLevel "error" | "warning" | "info" | "debug" | "trace"

---The least important level that is shown; "warning" until it is set.
---@param level rshell.LogLevel
function log.set_level(level) end

---Whether messages of a level are shown.
---@param level rshell.LogLevel
---@return boolean
function log.is_on(level) end

---Logs a message.
---@param level rshell.LogLevel
---@param module string who says it
---@param text string
function log.write(level, module, text) end

---From now on each message that is shown goes to fn, in a task of its own; without one, to stderr again.
---@param fn? fun(level: rshell.LogLevel, module: string, text: string)
function log.sink(fn) end

return log
