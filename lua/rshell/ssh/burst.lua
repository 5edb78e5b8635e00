-- What connections that are opened at the same time read from the same files is read once: a burst lasts while any of
-- them is under way, and for two seconds at most. One that is opened alone always reads anew.

local task = require "rshell.task"

local M = {}

local LIFE = 2 -- seconds
local under_way, began, memo = 0, 0, {}

--- Calls fn(...) as a part of the burst.
function M.within(fn, ...)
    if under_way == 0 then began, memo = task.now(), {} end
    under_way = under_way + 1
    local result = table.pack(pcall(fn, ...))
    under_way = under_way - 1
    if under_way == 0 then memo = {} end
    if not result[1] then error(result[2], 0) end
    return table.unpack(result, 2, result.n)
end

local function fill(entry, key, fn, ...)
    local result = table.pack(pcall(fn, ...))
    if result[1] then entry.result = result elseif memo[key] == entry then memo[key] = nil end
    entry.event:notify()
    if not result[1] then error(result[2], 0) end
    return table.unpack(result, 2, result.n)
end

--- What fn(...) gives: called once in a burst, whose others wait for it. An error is everybody's own.
---@param key string
---@param fn function
function M.once(key, fn, ...)
    if under_way == 0 then return fn(...) end
    if task.now() - began > LIFE then began, memo = task.now(), {} end
    local entry = memo[key]
    if not entry then
        entry = {event = task.event()}
        memo[key] = entry
        return fill(entry, key, fn, ...)
    end
    while not entry.result do
        if memo[key] ~= entry then return M.once(key, fn, ...) end
        entry.event:wait()
    end
    return table.unpack(entry.result, 2, entry.result.n)
end

--- It has changed.
---@param key string
function M.forget(key) memo[key] = nil end

return M
