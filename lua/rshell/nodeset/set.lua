-- Sets of names: {map = {[name] = true}, n = how many}. They are modified only while they are made. What is known of
-- one besides: .list its names in order, .text its short form.

local err = require "rshell.shared.error"

local M = {}

--- No set is larger: whoever asks for more has mistyped a range.
M.MAX = 1000000

---@class rshell.NameSet
---@field map table<string, true>
---@field n integer

function M.too_many()
    err.usage("a node set of more than %d names", M.MAX)
end

---@param names string[]?
---@return rshell.NameSet
function M.new(names)
    local set = {map = {}, n = 0}
    if names then M.add(set, names) end
    return set
end

---@param set rshell.NameSet
---@param names string[]
function M.add(set, names)
    local map, n = set.map, set.n
    for i = 1, #names do
        local name = names[i]
        if not map[name] then
            map[name] = true
            n = n + 1
        end
    end
    if n > M.MAX then M.too_many() end
    set.n = n
end

--- In no order.
---@param set rshell.NameSet
---@return string[]
function M.names(set)
    local names, i = {}, 0
    for name in next, set.map do
        i = i + 1
        names[i] = name
    end
    return names
end

local function remove(set, name)
    set.map[name] = nil
    set.n = set.n - 1
end

local ops = {}

ops[","] = function(set, other)
    M.add(set, M.names(other))
end

ops["!"] = function(set, other)
    for name in next, other.map do
        if set.map[name] then remove(set, name) end
    end
end

ops["&"] = function(set, other)
    for name in next, set.map do
        if not other.map[name] then remove(set, name) end
    end
end

ops["^"] = function(set, other)
    local new = {}
    for name in next, other.map do
        if set.map[name] then remove(set, name) else new[#new + 1] = name end
    end
    M.add(set, new)
end

--- Changes set: `,` with, `!` without, `&` and, `^` either.
---@param set rshell.NameSet
---@param op string
---@param other rshell.NameSet
function M.apply(set, op, other)
    ops[op](set, other)
    set.list, set.text = nil, nil
    return set
end

---@param set rshell.NameSet
function M.copy(set)
    local map = {}
    for name in next, set.map do map[name] = true end
    return {map = map, n = set.n}
end

---@param a rshell.NameSet
---@param b rshell.NameSet
function M.equal(a, b)
    return a.n == b.n and M.includes(a, b)
end

--- Whether all of b is in a.
---@param a rshell.NameSet
---@param b rshell.NameSet
function M.includes(a, b)
    for name in next, b.map do
        if not a.map[name] then return false end
    end
    return true
end

return M
