-- Bytes and seconds as people read them.

local M = {}

local UNITS = {"B", "kB", "MB", "GB", "TB"}

--- "12.3 MB"
---@param n number of bytes
---@return string
function M.size(n)
    local unit = 1
    while n >= 1000 and unit < #UNITS do n, unit = n / 1000, unit + 1 end
    return ((unit == 1 or n >= 99.95) and "%.0f %s" or "%.1f %s"):format(n, UNITS[unit])
end

--- "1:02:03", "4:05"
---@param seconds number
---@return string
function M.time(seconds)
    local s = math.tointeger(math.ceil(math.min(seconds, 359999)))
    if s >= 3600 then return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60) end
    return ("%d:%02d"):format(s // 60, s % 60)
end

return M
