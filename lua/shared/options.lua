-- Tables of options, checked at the public door: an unknown one is a usage error that names the nearest.

local err = require "rshell.shared.error"
local near = require "rshell.shared.near"

local M = {}

local function list(types)
    return (types:gsub("|", " or "))
end

local function matches(value, types)
    for t in types:gmatch "[^|]+" do
        if type(value) == t or t == "any" or (t == "integer" and math.type(value) == "integer") then return true end
    end
    return false
end

--- Checks options against {name = "string|table", ...}; nil counts as none. Returns the table.
---@param who string whose options they are
---@param opts table?
---@param known table<string, string>
---@return table
function M.check(who, opts, known)
    if opts == nil then return {} end
    if type(opts) ~= "table" then err.usage("%s: a table of options expected, got %s", who, type(opts)) end
    for name, value in next, opts do
        local types = known[name]
        if not types then err.usage("%s: no option '%s'%s", who, tostring(name), near.suffix(name, known)) end
        if not matches(value, types) then
            err.usage("%s: option '%s': %s expected, got %s", who, name, list(types), type(value))
        end
    end
    return opts
end

--- For an __index of objects with fixed members: raises for a name that is none.
---@param class string
---@param name any
---@param known table
function M.no_member(class, name, known)
    err.usage("a %s has no member '%s'%s", class, tostring(name), near.suffix(name, known))
end

return M
