-- Tables of options, checked at the public door: an unknown one is a usage error that names the nearest.

local err = require "rshell.shared.error"
local near = require "rshell.shared.near"
local number = require "rshell.shared.number"

local M = {}

local function umask(v)
    local n = number.integer(v)
    if type(v) == "string" and v:find "^0?[0-7][0-7]?[0-7]?$" then n = tonumber(v, 8) end
    return n and n >= 0 and n <= 511 and n or nil
end

-- Kinds of values besides Lua's types: what is expected in words, the test, and what the value becomes.
local KINDS = {
    any = {"a value", function() return true end},
    integer = {"an integer", number.integer, number.integer},
    seconds = {"a number of seconds", function(v) return type(v) == "number" and v >= 0 end},
    bytes = {"a number of bytes", function(v) return type(v) == "number" and v >= 0 end},
    umask = {'a umask from 0 to 0777 (a number, or octal as "022")', umask, umask},
    text = {"a string without NUL", function(v) return type(v) == "string" and not v:find("\0", 1, true) end},
}

--- Whether it is one of these, and the value to use.
local function accepted(value, types)
    for t in types:gmatch "[^|]+" do
        local kind = KINDS[t]
        if kind and kind[2](value) then return true, kind[3] and kind[3](value) or value end
        if type(value) == t then return true, value end
    end
    return false
end

local function copy(t)
    local c = {}
    for k, v in next, t do c[k] = v end
    return c
end

local function in_words(types)
    return (types:gsub("[^|]+", function(t) return KINDS[t] and KINDS[t][1] end):gsub("|", " or "))
end

local function what(value)
    return type(value) == "number" and tostring(value) or type(value)
end

--- Checks options against {name = "string|table", ...}; nil counts as none. Returns the table, or a
--- copy where a value is used in another form: 2 for 2.0.
---@param who string whose options they are
---@param opts table?
---@param known table<string, string>
---@return table
function M.check(who, opts, known)
    if opts == nil then return {} end
    if type(opts) ~= "table" then err.usage("%s: a table of options expected, got %s", who, type(opts)) end
    local used = opts
    for name, value in next, opts do
        local types = known[name]
        if not types then err.usage("%s: no option '%s'%s", who, tostring(name), near.suffix(name, known)) end
        local ok, becomes = accepted(value, types)
        if not ok then
            err.usage("%s: option '%s': %s expected, got %s", who, name, in_words(types), what(value))
        end
        if math.type(becomes) ~= math.type(value) then
            if used == opts then used = copy(opts) end
            used[name] = becomes
        end
    end
    return used
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
