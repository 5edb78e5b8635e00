-- Lines that begin with a colon. Each command is a file beside this one, declared as data:
--
--   name, args      ":host", "[NAME]";  about: what it does, in a line;  more: a few lines of help
--   complete        what its argument is: "host", "file", "command", "name", "line", or words in a table
--   run(session, argument)    argument has no blanks around it, and is "" where there is none

local colour = require "rshell.repl.colour"
local eval = require "rshell.repl.eval"
local near = require "rshell.shared.near"
local text = require "rshell.text"

local M = {}

local NAMES = {"cd", "doc", "fg", "help", "host", "hosts", "jobs", "quit", "save", "time", "trace", "tunnels"}

--- All, sorted by name.
---@return table[]
function M.all()
    local all = {}
    for i, name in ipairs(NAMES) do all[i] = require("rshell.repl.commands." .. name) end
    return all
end

--- One by its name.
---@param name string
function M.find(name)
    for _, known in ipairs(NAMES) do
        if known == name then return require("rshell.repl.commands." .. name) end
    end
end

--- The only one that begins like this, or nil.
local function abbreviated(word)
    local found
    for _, name in ipairs(NAMES) do
        if name:sub(1, #word) == word then
            if found then return nil end
            found = name
        end
    end
    return found and M.find(found)
end

local function unknown(word)
    local said = (":%s is no command%s; :help lists them"):format(text.escape(word), near.suffix(word, NAMES))
    io.stderr:write(colour.paint("error", said), "\n")
    return false
end

--- Runs what stands behind the colon; true when it did what it should.
---@param line string
---@return boolean
function M.run(session, line)
    local word, argument = line:match "^%s*(%S*)%s*(.-)%s*$"
    local command = M.find(word) or #word > 1 and abbreviated(word)
    if not command then return unknown(word) end
    if command.args == "" and argument ~= "" then
        io.stderr:write(colour.paint("error", (":%s takes no argument"):format(command.name)), "\n")
        return false
    end
    if command.in_line then return command.run(session, argument) end
    local ok, result = eval.protected(session, command.run, session, argument)
    if not ok then eval.tell(result) end
    return ok and result ~= false
end

--- Runs a line that began with `!`.
---@return boolean
function M.bang(session, line)
    local bang = require "rshell.repl.commands.bang"
    local ok, result = eval.protected(session, bang.run, session, line)
    if not ok then eval.tell(result) end
    return ok and result ~= false
end

return M
