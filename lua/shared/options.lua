-- Tables of options, checked at the public door: an unknown one is a usage error that names the nearest.

local err = require "rshell.shared.error"
local near = require "rshell.shared.near"

local M = {}

-- Kinds of values besides Lua's types: what is expected in words, and the test.
local KINDS = {
    any = {"a value", function() return true end},
    integer = {"an integer", function(v) return math.type(v) == "integer" end},
    seconds = {"a number of seconds", function(v) return type(v) == "number" and v >= 0 end},
    bytes = {"a number of bytes", function(v) return type(v) == "number" and v >= 0 end},
    umask = {"a umask from 0 to 0777", function(v) return math.type(v) == "integer" and v >= 0 and v <= 511 end},
    text = {"a string without NUL", function(v) return type(v) == "string" and not v:find("\0", 1, true) end},
}

local function matches(value, types)
    for t in types:gmatch "[^|]+" do
        if KINDS[t] and KINDS[t][2](value) or type(value) == t then return true end
    end
    return false
end

local function in_words(types)
    return (types:gsub("[^|]+", function(t) return KINDS[t] and KINDS[t][1] end):gsub("|", " or "))
end

local function what(value)
    return type(value) == "number" and tostring(value) or type(value)
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
            err.usage("%s: option '%s': %s expected, got %s", who, name, in_words(types), what(value))
        end
    end
    return opts
end

--- Checks a time that was given as an argument; nil is fine.
---@param who string
---@param seconds any
function M.seconds(who, seconds)
    if seconds == nil or KINDS.seconds[2](seconds) then return end
    err.usage("%s: a number of seconds expected, got %s", who, what(seconds))
end

--- For an __index of objects with fixed members: raises for a name that is none of these.
---@param class string
---@param name any
---@param ... table<string, any>
function M.no_member(class, name, ...)
    local known = {}
    for _, names in ipairs {...} do
        for k in next, names do known[k] = true end
    end
    err.usage("a %s has no member '%s'%s", class, tostring(name), near.suffix(name, known))
end

return M
