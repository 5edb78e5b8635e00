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

--- The nearest of an array of names, or of a table's string keys; nil where none is near.
---@param name string
---@param known table
---@return string?
function M.find(name, known)
    local best, best_d
    local function try(k)
        if type(k) ~= "string" then return end
        local d = distance(name:lower(), k:lower())
        if d <= math.max(1, #name // 3) and (not best or d < best_d or (d == best_d and k < best)) then
            best, best_d = k, d
        end
    end
    if known[1] then
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
