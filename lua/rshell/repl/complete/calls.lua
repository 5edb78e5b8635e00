-- Which function an argument is for, in a line that isn't complete yet.

local M = {}

local CLOSES = {[")"] = true, ["}"] = true, ["]"] = true}
local OPENS = {["("] = true, ["{"] = true, ["["] = true}

--- The bracket that is open at token i, and how many commas are between them.
---@param list table[]
---@param i integer
---@return integer? at
---@return integer commas
function M.bracket(list, i)
    local depth, commas = 0, 0
    for at = i, 1, -1 do
        local text = list[at].kind == "op" and list[at].text
        if CLOSES[text] then
            depth = depth + 1
        elseif OPENS[text] then
            if depth == 0 then return at, commas end
            depth = depth - 1
        elseif text == "," and depth == 0 then
            commas = commas + 1
        end
    end
    return nil, commas
end

--- The index of the last token of what is called with the argument at token i, and how many arguments are before it.
--- What stands in a table that is the first argument counts as the argument.
---@param list table[]
---@param i integer
---@return integer?
---@return integer nth
function M.callee(list, i)
    local at, commas = M.bracket(list, i)
    if not at then return nil, 0 end
    if list[at].text == "{" and list[at - 1] and list[at - 1].text == "(" then return at - 2, commas end
    return at - 1, commas
end

return M
