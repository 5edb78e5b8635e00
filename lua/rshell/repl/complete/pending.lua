-- Questions whose answers take their time: asked once, in a task of their own; who wants the answer waits for a
-- moment, and gets what is known by then.

local task = require "rshell.task"

local M = {}

-- By what the answer belongs to (a connection), then by question: {value=, at=, task=}.
local known = setmetatable({}, {__mode = "k"})

-- How long one that failed isn't asked again, in seconds.
local PAUSE = 2

local current

--- The time that all questions until it is closed have together. `late` has the tasks that hadn't answered in it.
---@param seconds number
function M.within(seconds)
    local outer = current
    current = {till = task.now() + seconds, late = {}}
    return setmetatable(current, {__close = function() current = outer end})
end

local function left()
    return current and math.max(0, current.till - task.now()) or 0
end

local function ask(one, fn)
    one.task = task.spawn(function()
        local ok, value = pcall(fn)
        if ok then one.value = value end
        one.at, one.task = task.now(), nil
    end)
end

--- What fn gives, at most `age` seconds old; an older answer, or nil, where there is none in time.
---@param owner table what the answer belongs to
---@param question string
---@param age number seconds
---@param fn fun(): any
function M.ask(owner, question, age, fn)
    known[owner] = known[owner] or {}
    local one = known[owner][question] or {}
    known[owner][question] = one
    local limit = one.value == nil and PAUSE or age
    if not one.task and (not one.at or task.now() - one.at > limit) then ask(one, fn) end
    if one.task then
        pcall(one.task.await, one.task, left())
        if one.task and current then table.insert(current.late, one.task) end
    end
    return one.value
end

return M
