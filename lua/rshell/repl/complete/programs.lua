-- Programs of a machine's PATH: one round trip, remembered for each machine and PATH.

local machine = require "rshell.machine"
local pending = require "rshell.repl.complete.pending"
local view = require "rshell.view"

local M = {}

local AGE = 300 -- seconds

local SCRIPT = [[IFS=:
for d in $PATH; do
    for f in "$d"/*; do
        [ -x "$f" ] && [ ! -d "$f" ] && printf '%s\n' "${f##*/}"
    done
done
:]]

--- Names, as m:sh tells them.
local function ask(m)
    local names = {}
    for name in m:sh(SCRIPT):with {timeout = 30}():gmatch "[^\n]+" do names[#names + 1] = name end
    return names
end

--- How a program is called behind a dot: `-` may be written `_`.
local function as_field(name)
    name = name:gsub("%-", "_")
    return name:find "^[%a_][%w_]*$" and name or nil
end

--- The programs of a machine, as far as they are known in time (pending.within); nil where nothing is.
---@param m rshell.Machine
---@return string[]?
function M.names(m)
    local v = machine.test(m)
    if not v or v.conn.closed then return nil end
    local question = "programs:" .. tostring(view.env(v).PATH or "")
    return pending.ask(v.conn, question, AGE, function() return ask(m) end)
end

--- what: machine, and plain where the name stands as it is.
function M.candidates(_, what)
    local found = {}
    for _, name in ipairs(M.names(what.machine) or {}) do
        local text = what.plain and name or as_field(name)
        if text then
            found[#found + 1] = {text = text, rank = 2, ending = what.plain and (what.quote or " ") or nil}
        end
    end
    return found
end

return M
