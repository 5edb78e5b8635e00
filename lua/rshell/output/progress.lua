-- One line on a terminal that tells how far things are, and goes for whatever else is printed. None elsewhere.

local layout = require "rshell.output.layout"
local line = require "rshell.output.line"
local rate = require "rshell.output.rate"
local task = require "rshell.task"
local units = require "rshell.output.units"

local M = {}

local EVERY = 0.2 -- seconds; as often as one can read it

-- While a program or a question has the terminal, nothing is drawn.
local held = 0

local Hold = {}
Hold.__index = Hold

function Hold:close() held = held - 1 end
Hold.__close = Hold.close

--- Nothing is drawn until what this gives is closed.
function M.hold()
    held = held + 1
    line.clear()
    return setmetatable({}, Hold)
end

-- ---- the line ----

---@class rshell.output.Line
local Line = {}
Line.__index = Line

-- One line of text is shown, of the latest that is open.
local open = {}

--- Shows it now; a line that wraps could not be erased, so it is cut before the window's last column.
function Line:draw()
    if held > 0 or open[#open] ~= self then return end
    local columns = layout.window(2)
    if not columns then return end
    line.draw(layout.fit(layout.plain(self.text()), math.max(columns - 1, 1)))
end

function Line:close()
    if self.task then self.task:cancel() end
    for i, other in ipairs(open) do
        if other == self then
            table.remove(open, i)
            line.stop()
            break
        end
    end
    self.task = nil
end

Line.__close = Line.close

--- Shows what text() gives, again and again, until it is closed.
---@param text fun(): string
---@return rshell.output.Line
function M.line(text)
    local p = setmetatable({text = text}, Line)
    if not line.possible() then return p end
    line.start()
    open[#open + 1] = p
    p.task = task.spawn(function()
        while true do
            task.sleep(EVERY)
            p:draw()
        end
    end)
    return p
end

-- ---- what it says of an amount ----

--- "12.3 MB of 40.0 MB (30 %)  5.1 MB/s  0:06 left"
---@class rshell.output.Amount
local Amount = {}
Amount.__index = Amount

---@param show fun(n: number): string
---@return rshell.output.Amount
function M.amount(show)
    return setmetatable({show = show, rate = rate.new()}, Amount)
end

--- How far it is now.
---@param done number
---@param total number? once that is known
---@return string
function Amount:text(done, total)
    self.rate:note(task.now(), done)
    local per_second = self.rate:get()
    local parts = {self.show(done)}
    if total and total > 0 then
        parts[1] = ("%s of %s (%d %%)"):format(parts[1], self.show(total), math.min(done * 100 // total, 100))
    end
    if per_second and done > 0 then
        parts[2] = self.show(per_second) .. "/s"
        if total and total > done and per_second > 0 then
            parts[3] = units.time((total - done) / per_second) .. " left"
        end
    end
    return table.concat(parts, "  ")
end

return M
