-- Programs over there on our own terminal. Where ours is a terminal and nothing was redirected, they get one over
-- there: every key goes to it as it is typed, and it is as large as our window, also when that changes. Else what comes
-- from our input goes to theirs, and what they print comes to our outputs.

local task = require "rshell.task"
local term = require "rshell.term"
local terminal = require "rshell.terminal"

local M = {}

local BLOCK = 65536

--- True when a stage has one of our streams.
function M.inherits(stages)
    for _, s in ipairs(stages) do
        if s.stdin == "inherit" or s.stdout == "inherit" or s.stderr == "inherit" then return true end
    end
    return false
end

local function is_on_terminal(spec, stages)
    return spec.foreground and not spec.pty and stages[1].stdin == "inherit" and stages[#stages].stdout == "inherit"
        and terminal.is_ours()
end

--- The spec as it is for over there, and the terminal that ours becomes there, if it does.
---@param spec rshell.ProcSpec
---@param stages table[]
---@return rshell.ProcSpec, {rows: integer, cols: integer}?
function M.prepare(spec, stages)
    if not is_on_terminal(spec, stages) then return spec end
    local rows, cols = term.size()
    local pty = {term = os.getenv "TERM", rows = rows, cols = cols}
    return setmetatable({pty = pty}, {__index = spec}), pty
end

local function show(from, file)
    return task.spawn(function() pcall(terminal.show, from, file) end)
end

local function type_in(to)
    local from = require "rshell.stdio".input()
    local pump = task.spawn(function()
        pcall(function()
            for block in function() return from:read(BLOCK) end do to:write(block) end
        end)
        to:close()
    end)
    return function()
        pump:close()
        from:close()
    end
end

local function any(stages, which)
    for _, s in ipairs(stages) do
        if s[which] == "inherit" then return true end
    end
    return false
end

--- Every key is for the program until it has ended.
local function lend_terminal(h, pty)
    local stop_typing = h.stop_typing
    local sizes = terminal.follow_size(pty.rows, pty.cols, function(rows, cols) return h:resize(rows, cols) end)
    term.raw(true)
    h.stop_typing = function()
        term.raw(false)
        sizes:close()
        stop_typing()
    end
end

--- Joins a handle to our streams. Its wait ends when all that was printed is shown.
---@param h table
---@param ch table what has its streams
---@param stages table[]
---@param ours {rows: integer, cols: integer}? its terminal, where that is ours
function M.attach(h, ch, stages, ours)
    h.pumps = {}
    if any(stages, "stdout") or h.pty then h.pumps[1] = show(h.stdout, io.stdout) end
    if not h.pty and any(stages, "stderr") then h.pumps[#h.pumps + 1] = show(h.stderr, io.stderr) end
    if stages[1].stdin == "inherit" then h.stop_typing = type_in(h.stdin or ch.stdin) end
    if ours then lend_terminal(h, ours) end
    h.stdin, h.stdout, h.stderr = nil, nil, nil
end

return M
