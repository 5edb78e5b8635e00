-- What the primitives answer, as the connection's functions give it: a value, or an error that is raised.

local err = require "rshell.shared.error"

local M = {}

--- Raises nil, text, NAME; what: "read", path: what it was tried on.
function M.answer(what, path, first, text, name, where)
    if first ~= nil or not name then return first, text, name end
    where = where or path
    if name == "EUSAGE" and where and where:find("\0", 1, true) then text = "it can't hold a NUL byte" end
    err.raise {
        kind = err.kind_of(name), name = name, path = where,
        message = where and ("can't %s %s: %s"):format(what, where, text) or ("can't %s: %s"):format(what, text),
    }
end

--- fn, which raises.
function M.raising(what, fn)
    return function(first, ...)
        return M.answer(what, type(first) == "string" and first or nil, fn(first, ...))
    end
end

--- What a function gave; of misuse that the function of C below it has found, by the name that its user knows.
local function told(who, ok, ...)
    if ok then return ... end
    local e = ...
    if type(e) ~= "string" then error(e, 0) end
    local number, why = e:match "bad argument #(%d+) to '.-' %((.*)%)$"
    if number then err.usage("%s: bad argument #%s (%s)", who, number, why) end
    error(e, 0)
end

--- The functions of a module as its users have them. They are called by name in here without that.
---@param module string
---@param functions table<string, function>
function M.public(module, functions)
    local public = {}
    for name, fn in next, functions do
        local who = module .. "." .. name
        public[name] = function(...) return told(who, pcall(fn, ...)) end
    end
    return public
end

--- Raises usage for what is no string.
function M.text(who, n, value)
    if type(value) == "string" then return end
    err.usage("%s: bad argument #%d (string expected, got %s)", who, n, value == nil and "no value" or type(value))
end

return M
