-- Text laid out in columns of a terminal: what fits, what is filled up, what is broken into lines.

local text = require "rshell.text"
local term = require "rshell.term"
local width = require "rshell.width"

local M = {}

--- Columns of the window behind a file descriptor; nil where it is no terminal.
---@param fd integer
---@return integer?
function M.window(fd)
    if not term.is_terminal(fd) then return nil end
    local _, columns = term.size(fd)
    return columns or math.tointeger(tonumber(os.getenv "COLUMNS" or "")) or 80
end

M.width = width.of

--- On one line, and without what would steer a terminal.
---@param s string
---@return string
function M.plain(s)
    return (text.escape(s):gsub("[\n\t]", {["\n"] = "\\n", ["\t"] = " "}))
end

--- Cut to so many columns; what is cut off leaves an ellipsis.
---@param s string plain
---@param columns integer
---@return string fitting
---@return integer width
function M.fit(s, columns)
    local cut, taken = width.cut(s, columns)
    if #cut == #s then return s, taken end
    cut, taken = width.cut(s, columns - 1)
    if columns < 1 then return "", 0 end
    return cut .. "…", taken + 1
end

--- Filled with blanks to so many columns, at the left where right is true.
---@param s string plain
---@param columns integer
---@param right boolean?
---@return string
function M.pad(s, columns, right)
    local blanks = (" "):rep(columns - width.of(s))
    return right and blanks .. s or s .. blanks
end

--- Its words on lines of so many columns; a word that is longer stays whole.
---@param s string plain
---@param columns integer
---@return string[]
function M.wrap(s, columns)
    local lines, taken = {}, 0
    for word in s:gmatch "%S+" do
        local w = width.of(word)
        if #lines > 0 and taken + 1 + w <= columns then
            lines[#lines], taken = lines[#lines] .. " " .. word, taken + 1 + w
        else
            lines[#lines + 1], taken = word, w
        end
    end
    if #lines == 0 then lines[1] = "" end
    return lines
end

return M
