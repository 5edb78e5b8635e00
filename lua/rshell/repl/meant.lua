-- Which program somebody may have meant whose program isn't there: asked for after a failure only, and only as long as
-- nobody notices. What a slow machine tells later is there for the next failure.

local near = require "rshell.shared.near"
local opened = require "rshell.opened"
local pending = require "rshell.repl.complete.pending"
local programs = require "rshell.repl.complete.programs"

local M = {}

local BUDGET = 0.2 -- seconds

local BUILTINS = {}
for word in ([[. : [ alias bg break case cd command continue do done echo elif else esac eval exec exit export false fg
    fi for getopts hash if in jobs kill local printf pwd read readonly return set shift test then times trap true type
    ulimit umask unalias unset until wait while { } ( )]]):gmatch "%S+" do
    BUILTINS[word] = true
end

--- The program of a machine that is called nearly like this; nil where one has just this name.
---@param m rshell.Machine
---@param name string
---@return string?
function M.program(m, name)
    if #name < 2 or name:find "/" then return nil end
    local _ <close> = pending.within(BUDGET)
    local known = programs.names(m)
    -- Among thousands of names some are always near.
    local meant = known and near.find(name, known, #name < 8 and 1 or 2)
    if meant == name or meant and #name == 2 and meant:reverse() ~= name then return nil end
    return meant
end

--- Whether a machine is known to have such a program.
---@param m rshell.Machine
---@param name string
---@return boolean
function M.is_program(m, name)
    local _ <close> = pending.within(BUDGET)
    for _, known in ipairs(programs.names(m) or {}) do
        if known == name then return true end
    end
    return false
end

--- The machine that an error names, if it is open.
local function machine_of(e)
    if not e.host or e.host == "here" then return require "rshell".here end
    for _, one in ipairs(opened.list "machine") do
        if one.thing.name == e.host then return one.thing end
    end
end

--- For an error of a command whose program isn't there.
---@param e rshell.Error
---@return string?
function M.by_error(e)
    local name = e.kind == "notfound" and not e.hint and e.message:match "^no program '" and e.name
    local m = name and machine_of(e)
    return m and M.program(m, name)
end

--- For a line of sh that ended with status 127: the first of its programs that the machine doesn't have.
---@param m rshell.Machine
---@param line string
---@return string?
function M.by_line(m, line)
    for part in line:gmatch "[^|;&\n]+" do
        local word = part:match "^%s*([%w_.+-]+)"
        if word and not BUILTINS[word] and not part:find "^%s*[%w_]+=" and not M.is_program(m, word) then
            return M.program(m, word)
        end
    end
end

return M
