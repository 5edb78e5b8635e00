-- Numbers as programs and people write them.

local M = {}

--- As Lua has it, exact, and without the ".0" that no program expects of a number like n / 2.
---@param n number
---@return string
function M.text(n)
    if math.tointeger(n) then return ("%d"):format(n) end
    local short = ("%.14g"):format(n)
    return tonumber(short) == n and short or ("%.17g"):format(n)
end

--- The integer that a number is; nil for all else, also for strings.
---@return integer?
function M.integer(x)
    return type(x) == "number" and math.tointeger(x) or nil
end

return M
