-- Methods that refuse what they would not look at: m:session{cwd = "/"} is a usage error, as an unknown option is.
-- Those that take any number of arguments are left alone, and so are further arguments that are nil.

local err = require "rshell.shared.error"
local object = require "rshell.object"
local options = require "rshell.shared.options"

local M = {}

local TAKES = {[0] = "no arguments", "one argument", "two arguments", "three arguments"}

--- The first argument too many. A table is most likely meant for options; an empty one says nothing.
local function refuse(name, takes, extra)
    if type(extra) == "table" and not getmetatable(extra) and (next(extra) == nil or #extra == 0) then
        options.check(name, extra, {})
        return
    end
    err.usage("%s takes %s, and got %s more", name, TAKES[takes], "a " .. object.type(extra))
end

-- By the number of arguments after the object: a function of fixed arguments costs less than one of any number.
local WRAPPERS = {}

WRAPPERS[0] = function(name, fn)
    return function(self, extra)
        if extra ~= nil then refuse(name, 0, extra) end
        return fn(self)
    end
end

WRAPPERS[1] = function(name, fn)
    return function(self, a, extra)
        if extra ~= nil then refuse(name, 1, extra) end
        return fn(self, a)
    end
end

WRAPPERS[2] = function(name, fn)
    return function(self, a, b, extra)
        if extra ~= nil then refuse(name, 2, extra) end
        return fn(self, a, b)
    end
end

WRAPPERS[3] = function(name, fn)
    return function(self, a, b, c, extra)
        if extra ~= nil then refuse(name, 3, extra) end
        return fn(self, a, b, c)
    end
end

--- Makes the methods of a class so; to be called when all are there.
---@param members table<string, function>
function M.strict(members)
    for name, fn in next, members do
        local what = debug.getinfo(fn, "u")
        if not what.isvararg then members[name] = WRAPPERS[what.nparams - 1](name, fn) end
    end
end

return M
