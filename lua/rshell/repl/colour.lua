-- Colours of what the prompt shows, by what they mean. None where standard output is no terminal, where TERM is dumb,
-- and where NO_COLOR is set.

local color = require "rshell.output.color"

local M = {}

local CODES = {
    number = "36", string = "32", constant = "35", key = "34", object = "1;34", dim = "2", error = "31", good = "32",
    name = "1", heading = "1;4",
}

local on

--- Whether there are any.
function M.is_on()
    if on == nil then on = color.wanted(1) end
    return on
end

--- Puts them on or off, whatever the terminal is; nil: as that says.
---@param wanted boolean?
function M.set(wanted)
    on = wanted
end

---@param role string
---@param text string
function M.paint(role, text)
    if text == "" or not M.is_on() then return text end
    return ("\27[%sm%s\27[0m"):format(CODES[role], text)
end

--- The same in a prompt, whose editor is told what takes no room.
function M.paint_prompt(role, text)
    if not M.is_on() then return text end
    return ("\1\27[%sm\2%s\1\27[0m\2"):format(CODES[role], text)
end

return M
