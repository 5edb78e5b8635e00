-- How fast something grows: over the last seconds, so that a stall shows and an old one is forgotten.

local M = {}

local WINDOW = 5 -- seconds

---@class rshell.output.Rate
local Rate = {}
Rate.__index = Rate

--- Notes how far it is at a time; times only grow.
---@param now number
---@param value number
function Rate:note(now, value)
    local marks = self.marks
    marks[#marks + 1] = {now, value}
    -- One mark at the window's far end or before stays.
    while #marks > 2 and marks[2][1] <= now - WINDOW do table.remove(marks, 1) end
end

--- A second; nil before enough is known.
---@return number?
function Rate:get()
    local first, last = self.marks[1], self.marks[#self.marks]
    if not first or last[1] - first[1] <= 0 then return nil end
    return (last[2] - first[2]) / (last[1] - first[1])
end

---@return rshell.output.Rate
function M.new()
    return setmetatable({marks = {}}, Rate)
end

return M
