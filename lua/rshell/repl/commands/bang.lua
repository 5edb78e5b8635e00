-- `!COMMAND`: runs on the machine that :host has set, on our terminal; on all that :hosts has set, with outputs folded.

local colour = require "rshell.repl.colour"
local err = require "rshell.shared.error"
local pretty = require "rshell.repl.pretty"
local words = require "rshell.text"

local M = {}

local RESET = "\27[?25h\27[?1000l\27[?1002l\27[?1003l\27[?2004l\27[?1l\27>\27[0m"

--- `cd x` would change the directory of a shell that ends at once.
local function as_cd(line)
    local list = words.split(line)
    if not list or list[1] ~= "cd" or #list > 2 or list[2] and list[2]:find "[$`*?;&|<>]" then return nil end
    return list
end

--- Says how a program ended that didn't end well: its code, or the signal.
---@param e {code: integer?, signal: string?}
function M.tell_status(e)
    local why = e.signal and "ended by signal " .. e.signal or ("exit status %d"):format(e.code)
    -- It may have left the terminal with its mouse and keypad modes.
    if e.signal and colour.is_on() then io.write(RESET) end
    if e.signal == "INT" then io.stderr:write "\n" end -- the terminal has written ^C
    io.stderr:write(colour.paint("dim", why), "\n")
    return false
end

local function run_there(session, line)
    local m = session.where.machine
    local c = line ~= "" and m:sh(line) or m:sh 'exec "${SHELL:-/bin/sh}"'
    local ok, e = pcall(function() return require "rshell".FG(c) end)
    if ok then return true end
    if not err.is(e) or e.kind ~= "process" then error(e, 0) end
    M.tell_status(e)
    if e.code == 127 then require "rshell.repl.eval".say_meant(require "rshell.repl.meant".by_line(m, line)) end
    return false
end

local function run_everywhere(session, line)
    if line == "" then err.usage "a command expected: ! alone is a shell, on one machine" end
    local _, columns = require "rshell.term".size()
    local results = session.where.cluster:sh(line)
    _G._ = results
    io.write(pretty.result(results, columns), "\n")
    return #results.failed == 0
end

--- `!!` is the last line once more, with what stands behind it.
local function again(session, more)
    if not session.last_shell then err.usage "no line with ! came before" end
    local line = session.last_shell .. more
    io.write(colour.paint("dim", "!" .. words.escape(line)), "\n")
    return line
end

--- Runs a line; false when it didn't succeed.
function M.run(session, line)
    line = line:match "^%s*(.-)%s*$"
    if line:sub(1, 1) == "!" then line = again(session, line:sub(2)) end
    if line ~= "" then session.last_shell = line end
    local cd = not session.where.cluster and as_cd(line)
    if cd then
        require "rshell.repl.commands.cd".run(session, cd[2] or "")
        return true
    end
    local ok = (session.where.cluster and run_everywhere or run_there)(session, line)
    if ok and line ~= "" then session:keep(line, "shell") end
    return ok
end

return M
