-- What the primitives answer, as the connection's functions give it: a value, or an error that is raised.

local err = require "rshell.shared.error"

local M = {}

--- Raises nil, text, NAME; what: "read", path: what it was tried on.
function M.answer(what, path, first, text, name, where)
    if first ~= nil or not name then return first, text, name end
    where = where or path
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

return M
