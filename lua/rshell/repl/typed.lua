-- io.read at the prompt waits for what is typed as everything here waits: Ctrl-C ends it, and other tasks go on. With
-- that of C both would have to wait.

local stdio = require "rshell.stdio"
local term = require "rshell.term"

local M = {}

local FORMATS = {l = true, L = true, a = true}

local function can_wait(format, ...)
    if select("#", ...) > 0 or io.input() ~= io.stdin then return false end
    return format == nil or FORMATS[format] or math.type(format) == "integer" and format > 0
end

--- Puts it into io.
---@param session rshell.repl.Session
function M.install(session)
    local read = io.read
    function io.read(format, ...) -- luacheck: ignore 122
        if type(format) == "string" then format = format:gsub("^%*", "") end
        if not can_wait(format, ...) then return read(format, ...) end
        io.stdout:flush()
        if session.input then return session.input:read(format or "l") end
        if not term.is_terminal(0) then return read(format) end
        local input <close> = stdio.input()
        return input:read(format or "l")
    end
end

return M
