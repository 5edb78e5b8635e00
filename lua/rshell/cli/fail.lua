-- Failures of the command line itself: one line on stderr, and an exit status.

local M = {}

local mt = {__name = "rshell.CliFailure", __tostring = function(f) return f.text end}

--- Ends the program with this status, 2 for all that is wrong before anything runs.
---@param status integer
---@param fmt string
function M.with(status, fmt, ...)
    error(setmetatable({status = status, text = fmt:format(...)}, mt), 0)
end

---@param fmt string
function M.usage(fmt, ...)
    M.with(2, fmt, ...)
end

--- A subcommand lacks words: says what it wants, and where to read on.
---@param command string
---@param what string
function M.lacks(command, what)
    M.usage("%s: %s; see rshell %s --help", command, what, command)
end

---@return boolean
function M.is(v)
    return getmetatable(v) == mt
end

return M
