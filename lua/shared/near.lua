-- The name that somebody may have meant.

local M = {}

-- Optimal string alignment: insert, delete, change, swap of neighbours.
local function distance(a, b)
    local two, one = {}, {}
    for j = 0, #b do one[j] = j end
    for i = 1, #a do
        local row = {[0] = i}
        for j = 1, #b do
            local cost = a:byte(i) == b:byte(j) and 0 or 1
            local d = math.min(row[j - 1] + 1, one[j] + 1, one[j - 1] + cost)
            if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
                d = math.min(d, two[j - 2] + 1)
            end
            row[j] = d
        end
        two, one = one, row
    end
    return one[#b]
end

local function sorted_letters(s)
    local bytes = {s:byte(1, -1)}
    table.sort(bytes)
    return string.char(table.unpack(bytes))
end

--- Of names that are equally near: letters that have changed places, then those with the same beginning.
local function rank(a, b)
    if #a == #b and #a < 100 and sorted_letters(a) == sorted_letters(b) then return 0 end
    return a:byte() == b:byte() and 1 or 2
end

M.habits = {} -- what else a name is called; the program knows some, an agent none

local function has(known, name)
    if rawget(known, 1) == nil then return rawget(known, name) ~= nil end
    for _, k in ipairs(known) do
        if k == name then return true end
    end
    return false
end

--- The nearest of an array of names, or of a table's string keys; nil where none is near.
---@param name string
---@param known table
---@param most integer? letters that may differ: a third of them
---@return string?
function M.find(name, known, most)
    local also = M.habits[name]
    if also and has(known, also) then return also end
    local best, best_d, best_rank
    most = most or math.max(1, #name // 3)
    local function try(k)
        if type(k) ~= "string" or math.abs(#k - #name) > most then return end
        local d = distance(name:lower(), k:lower())
        if d > (best_d or most) then return end
        local r = rank(name:lower(), k:lower())
        if not best or d < best_d or r < best_rank or r == best_rank and k < best then
            best, best_d, best_rank = k, d, r
        end
    end
    if rawget(known, 1) ~= nil then
        for _, k in ipairs(known) do try(k) end
    else
        for k in pairs(known) do try(k) end
    end
    return best
end

--- ", did you mean 'x'?" or nothing.
---@param name any
---@param known table
---@return string
function M.suffix(name, known)
    local best = type(name) == "string" and M.find(name, known)
    return best and (", did you mean '%s'?"):format(best) or ""
end

return M
