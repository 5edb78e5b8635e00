-- The variables of a session: globals, and what lines have declared `local`. A line is a chunk of its own, so its
-- locals would end with it; ours live in cells that later lines have as upvalues. So they are locals to all who look: a
-- function that is shipped to another machine takes them along.

local tokens = require "rshell.repl.tokens"

local M = {}

local cells = {} -- name -> a function whose first upvalue is the variable

local function new_cell(value)
    return function() return value end
end

--- The value of a variable, without making any of rshell's globals.
---@param name string
---@return any
function M.get(name)
    local cell = cells[name]
    if cell then return (cell()) end
    return rawget(_G, name)
end

--- Calls fn(name, value) for each.
---@param fn fun(name: any, value: any)
function M.each(fn)
    for name, value in next, _G do
        if not cells[name] then fn(name, value) end
    end
    for name, cell in next, cells do fn(name, cell()) end
end

--- Makes locals of these names; each begins with what was there before, as in `local x = x or 1`.
local function declare(names)
    for _, name in ipairs(names) do cells[name] = new_cell(M.get(name)) end
end

--- The cells that a text names, as an array of names.
local function named(text)
    local list, seen = {}, {}
    for _, token in ipairs(tokens.of(text)) do
        local name = token.kind == "name" and token.text
        if name and cells[name] and not seen[name] then
            seen[name] = true
            list[#list + 1] = name
        end
    end
    return list
end

--- A function of a text that is a whole chunk, with the session's locals. `declared` are those that it declares.
---@param text string
---@param chunk string
---@param declared string[]
---@return function
function M.bind(text, chunk, declared)
    declare(declared)
    local names = named(text)
    if #names == 0 then return assert(load(text, chunk, "t")) end
    local make = ("local %s return function(...) %s\nend"):format(table.concat(names, ","), text)
    local fn = assert(load(make, chunk, "t"))()
    for i = 1, math.huge do
        local name = debug.getupvalue(fn, i)
        if not name then return fn end
        if cells[name] then debug.upvaluejoin(fn, i, cells[name], 1) end
    end
end

return M
