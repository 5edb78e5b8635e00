-- The log from Lua: messages of scripts, the level, and a function that takes what would go to stderr.

local base = require "rshell.log.base"
local task = require "rshell.task"

local M = {}

-- The task that hands messages to the sink, and whether the sink runs: what it logs itself must not come back to it.
local taker, in_sink

--- error, warning, info, debug or trace: the least important that is shown.
---@param level string
M.set_level = base.set_level

--- Whether messages of a level are shown.
---@param level string
---@return boolean
M.is_on = base.is_on

---@param level string
---@param module string who says it
---@param text string
function M.write(level, module, text)
    if in_sink and base.is_on(level) then
        io.stderr:write(("rshell: %s: %s: %s\n"):format(level, module, require "rshell.text".escape(text)))
    else
        base.write(level, module, text)
    end
end

local function call(fn, ...)
    in_sink = true
    local ok, e = pcall(fn, ...)
    in_sink = false
    if ok then return end
    base.keep(false)
    base.write("error", "log", "the sink failed, and gets no more: " .. tostring(e))
    return true
end

local function hand_over(fn)
    while true do
        local level, module, text, lost = base.take()
        if lost > 0 and call(fn, "warning", "log", lost .. " messages were lost here") then return end
        if call(fn, level, module, text) then return end
    end
end

--- From now on fn(level, module, text) gets each message, in a task of its own; nil: stderr gets them again.
---@param fn function?
function M.sink(fn)
    if taker then taker:close() end
    taker = nil
    base.keep(fn ~= nil)
    if fn then taker = task.spawn(hand_over, fn) end
end

return M
