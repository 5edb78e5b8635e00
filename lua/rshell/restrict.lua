-- rshell.restrict: an object of which others see only what was named.

local err = require "rshell.shared.error"
local object = require "rshell.object"
local operations = require "rshell.shared.operations"

local M = {}

local mt, make, _, state = object.class "rshell.Restricted"

local function set_of(which, names)
    if type(names) ~= "table" then err.usage("restrict: a list of %s names expected", which) end
    local set = {}
    for _, name in ipairs(names) do
        if type(name) ~= "string" then err.usage("restrict: a %s name is a %s", which, object.type(name)) end
        set[name] = true
    end
    return set
end

local function deny(what)
    err.raise {kind = "denied", message = what .. " is not among what was handed over"}
end

--- The object itself is not given away by what a method returns.
local function results(r, s, ...)
    local list = table.pack(...)
    for i = 1, list.n do
        if rawequal(list[i], s.object) then list[i] = r end
    end
    return table.unpack(list, 1, list.n)
end

--- A method for who has only the restricted object.
local function method(r, s, fn)
    local wrapped = s.wrapped[fn]
    if not wrapped then
        wrapped = function(...)
            if rawequal((...), r) then return results(r, s, fn(s.object, select(2, ...))) end
            return results(r, s, fn(...))
        end
        s.wrapped[fn] = wrapped
    end
    return wrapped
end

function mt.__index(r, key)
    local s = state(r)
    if not s.names[key] then deny(("'%s'"):format(tostring(key))) end
    local value = s.object[key]
    if type(value) == "function" then return method(r, s, value) end
    return (results(r, s, value))
end

function mt.__newindex(r, key, value)
    local s = state(r)
    if not s.writable[key] then deny(("writing '%s'"):format(tostring(key))) end
    s.object[key] = value
end

for _, name in ipairs(operations.operators) do
    if name ~= "__eq" then mt[name] = function() deny "calculating with it" end end
end

function mt.__call() deny "calling it" end
function mt.__len() deny "its length" end
function mt.__pairs() deny "its list of fields" end
function mt.__tostring() return "restricted object" end

--- For rshell.shared.values: the names of its methods.
function mt.__methods(r)
    local s, list = state(r), {}
    for name in next, s.names do
        if type(s.object[name]) == "function" then list[#list + 1] = name end
    end
    table.sort(list)
    return list
end

--- A reference that exposes only these names; the rest raises kind denied.
---@param obj any
---@param names string[]
---@param writable string[]?
function M.restrict(obj, names, writable)
    if type(obj) ~= "table" and type(obj) ~= "userdata" then
        err.usage("restrict: an object expected, got %s", object.type(obj))
    end
    return make {
        object = obj, names = set_of("readable", names), writable = set_of("writable", writable or {}), wrapped = {},
    }
end

return M
