-- Names of a machine's environment variables. What it began with is one round trip, and known from then on; what has
-- been set since is known here. Values are not shown: there may be secrets among them.

local env = require "rshell.env"
local pending = require "rshell.repl.complete.pending"
local view = require "rshell.view"

local M = {}

--- For an environment: its names, those of them that can stand behind a dot unless it is for a string.
---@param environment rshell.Environment
---@param quote string? of the string
function M.names(environment, quote)
    local v, found = env.view(environment), {}
    local base = v.conn.base_env or not v.conn.closed
        and pending.ask(v.conn, "environment", math.huge, function() return view.base_env(v) end) or {}
    local function add(name)
        if quote or name:find "^[%a_][%w_]*$" then
            found[#found + 1] = {text = name, about = not quote and "variable" or nil, ending = quote}
        end
    end
    local changed = view.env(v)
    for name in next, base do
        if changed[name] == nil then add(name) end
    end
    for name, value in next, changed do
        if value then add(name) end
    end
    return found
end

function M.candidates(_, what)
    return M.names(what.environment, what.quote)
end

return M
