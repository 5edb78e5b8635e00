-- Colours, where they are wanted: at a terminal that has them, unless NO_COLOR says no. CLICOLOR_FORCE wants them
-- everywhere.

local term = require "rshell.term"

local M = {}

local STYLES = {
    bold = "1", dim = "2", red = "31", green = "32", yellow = "33", blue = "34", magenta = "35", cyan = "36",
    error = "1;31", -- what failed
    good = "32", -- what went well
    warning = "33",
    name = "36", -- of a host
    title = "1",
}
M.STYLES = STYLES

local function set(name)
    local value = os.getenv(name)
    return value ~= nil and value ~= ""
end

--- Whether what is written to this file descriptor is coloured.
---@param fd integer
---@return boolean
function M.wanted(fd)
    if set "NO_COLOR" then return false end
    if set "CLICOLOR_FORCE" and os.getenv "CLICOLOR_FORCE" ~= "0" then return true end
    local kind = os.getenv "TERM" or ""
    return kind ~= "" and kind ~= "dumb" and term.is_terminal(fd)
end

local cached = {}

--- The text in a style, where what goes to fd is coloured; without fd, standard output.
---@param style string
---@param text string
---@param fd integer?
---@return string
function M.paint(style, text, fd)
    fd = fd or 1
    if cached[fd] == nil then cached[fd] = M.wanted(fd) end
    if not cached[fd] or text == "" then return text end
    return ("\27[%sm%s\27[0m"):format(STYLES[style], text)
end

return M
