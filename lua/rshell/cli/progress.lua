-- One line on a terminal that tells how far things are, and goes for whatever else is printed. None elsewhere.

local task = require "rshell.task"
local term = require "rshell.term"
local text = require "rshell.text"

local M = {}

local EVERY = 0.2 -- seconds
local CLEAR = "\r\27[K"

---@class rshell.cli.Progress
local Progress = {}
Progress.__index = Progress

local function columns()
    return math.max(20, (math.tointeger(tonumber(os.getenv "COLUMNS" or "")) or 80) - 1)
end

--- Cut to the terminal's width: a line that wraps could not be cleared.
local function fit(line)
    line = text.escape(line)
    local width = columns()
    if (utf8.len(line) or #line) <= width then return line end
    local stop = utf8.offset(line, width)
    return line:sub(1, (stop or width) - 1) .. "…"
end

local function draw(p)
    io.stderr:write(CLEAR, fit(p.line()))
    io.stderr:flush()
    p.shown = true
end

--- Takes the line away, so that something can be printed.
function Progress:clear()
    if not self.shown then return end
    io.stderr:write(CLEAR)
    io.stderr:flush()
    self.shown = false
end

function Progress:close()
    if self.task then self.task:close() end
    self.task = nil
    self:clear()
end

Progress.__close = Progress.close

--- Shows what line() gives, again and again, until it is closed.
---@param line fun(): string
---@return rshell.cli.Progress
function M.new(line)
    local p = setmetatable({line = line, shown = false}, Progress)
    if not term.is_terminal(2) then return p end
    p.task = task.spawn(function()
        while true do
            task.sleep(EVERY)
            draw(p)
        end
    end)
    return p
end

-- ---- how things are told ----

local UNITS = {"B", "kB", "MB", "GB", "TB"}

--- "12.3 MB"
---@param n number of bytes
function M.size(n)
    local unit = 1
    while n >= 1000 and unit < #UNITS do n, unit = n / 1000, unit + 1 end
    return ((unit == 1 or n >= 99.95) and "%.0f %s" or "%.1f %s"):format(n, UNITS[unit])
end

--- "1:02:03", "4:05"
---@param seconds number
function M.time(seconds)
    local s = math.tointeger(math.ceil(math.min(seconds, 359999)))
    if s >= 3600 then return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60) end
    return ("%d:%02d"):format(s // 60, s % 60)
end

return M
