-- What a terminal shows of the bytes that a program has sent it: enough of one for lines that are edited.
--
--   screen.render("a\rb\27[Kc\n", 80)    --> {"bc", ""}

local cells = require "rshell.width"

local M = {}

---@class tests.Screen
---@field lines string[][] the cells of each line, one character or, behind a wide one, "" each
---@field row integer
---@field column integer the next cell; one more than there are: the next character goes to a new line
---@field columns integer
local Screen = {}
Screen.__index = Screen

function Screen:line()
    for i = #self.lines + 1, self.row do self.lines[i] = {} end
    return self.lines[self.row]
end

function Screen:put(char)
    local width = cells.of(char)
    if width == 0 then return end
    if self.column + width - 1 > self.columns then self.row, self.column = self.row + 1, 1 end
    local line = self:line()
    for i = #line + 1, self.column - 1 do line[i] = " " end
    line[self.column] = char
    if width == 2 then line[self.column + 1] = "" end
    self.column = self.column + width
end

local function clear(line, first, last)
    for i = first, math.min(last, #line) do line[i] = " " end
end

-- What follows ESC [ and a number: `n` is the number, or nil.
local CONTROL = {
    A = function(s, n) s.row = math.max(s.row - (n or 1), 1) end,
    B = function(s, n) s.row = s.row + (n or 1) end,
    C = function(s, n) s.column = math.min(s.column + (n or 1), s.columns) end,
    D = function(s, n) s.column = math.max(s.column - (n or 1), 1) end,
    G = function(s, n) s.column = n or 1 end,
    J = function(s)
        clear(s:line(), s.column, s.columns)
        for i = s.row + 1, #s.lines do s.lines[i] = nil end
    end,
    K = function(s, n)
        if n == 1 then clear(s:line(), 1, s.column) else clear(s:line(), n == 2 and 1 or s.column, s.columns) end
    end,
    P = function(s, n)
        for _ = 1, n or 1 do
            if s:line()[s.column] then table.remove(s:line(), s.column) end
        end
    end,
    ["@"] = function(s, n)
        for _ = 1, n or 1 do table.insert(s:line(), math.min(s.column, #s:line() + 1), " ") end
    end,
}

local SINGLE = {
    ["\t"] = function(s) s.column = math.min((s.column + 7) // 8 * 8 + 1, s.columns) end,
    ["\r"] = function(s) s.column = 1 end,
    ["\n"] = function(s) s.row = s.row + 1 end,
    ["\b"] = function(s) s.column = math.max(s.column - 1, 1) end,
}

--- One control sequence or character; gives where the next one starts.
local function step(s, bytes, at)
    local number, final, after = bytes:match("^\27%[[?>]?(%d*)[%d;]*([@-~])()", at)
    if after then
        if CONTROL[final] then CONTROL[final](s, tonumber(number)) end
        return after
    end
    after = bytes:match("^\27[()].()", at) or bytes:match("^\27%].-[\7\27]\\?()", at) or bytes:match("^\27.()", at)
    if after then return after end
    local char = bytes:match("^" .. utf8.charpattern, at)
    if SINGLE[char] then SINGLE[char](s) elseif char and not char:find "%c" then s:put(char) end
    return at + math.max(#(char or ""), 1)
end

--- The lines that such a terminal shows, from the first one ever, without blanks at their ends.
---@param bytes string
---@param columns integer
---@return string[]
function M.render(bytes, columns)
    local s = setmetatable({lines = {}, row = 1, column = 1, columns = columns}, Screen)
    local at = 1
    while at <= #bytes do at = step(s, bytes, at) end
    s:line()
    local texts = {}
    for i, line in ipairs(s.lines) do texts[i] = (table.concat(line):gsub("%s+$", "")) end
    return texts
end

return M
