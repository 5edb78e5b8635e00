-- What open files of far machines have in common: reading from a buffer that somebody fills.
--
--   f.buffer           bytes that have come and were not read; f.at is the place of the first
--   fill(f, wanted)    adds to it: true, false at the end, or nil, text, NAME

local M = {}

local AHEAD = 32 * 1024 -- bytes that are wanted when it is not known how long a line is

local function take(f, n)
    n = math.min(n, #f.buffer)
    local piece = f.buffer:sub(1, n)
    f.buffer = f.buffer:sub(n + 1)
    f.at = f.at + #piece
    return piece
end

local function read_bytes(f, n, fill)
    local pieces, left = {}, n
    while left > 0 do
        if f.buffer == "" then
            local more, text, name = fill(f, left)
            if more == nil then return nil, text, name end
            if not more then break end
        end
        pieces[#pieces + 1] = take(f, left)
        left = left - #pieces[#pieces]
    end
    return table.concat(pieces)
end

local function read_line(f, keep, fill)
    local pieces = {}
    while true do
        local stop = f.buffer:find("\n", 1, true)
        pieces[#pieces + 1] = take(f, stop or #f.buffer)
        if stop then break end
        local more, text, name = fill(f, AHEAD)
        if more == nil then return nil, text, name end
        if not more then break end
    end
    local line = table.concat(pieces)
    if line == "" then return nil end
    return keep and line or (line:gsub("\n$", ""))
end

--- So many bytes, a line without ("l") or with its end ("L"), or the rest ("a"); nil at the end.
---@param f table
---@param what integer|string?
---@param fill fun(f: table, wanted: integer): boolean?, string?, string?
function M.read(f, what, fill)
    what = what or "l"
    if what == "l" or what == "L" then return read_line(f, what == "L", fill) end
    if what == "a" then return read_bytes(f, math.maxinteger, fill) end
    local got, text, name = read_bytes(f, what, fill)
    if got == "" and what > 0 then return nil end
    return got, text, name
end

return M
