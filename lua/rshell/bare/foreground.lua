-- Programs over there on our own terminal: what is typed goes to their input, what they print comes to our outputs. The
-- terminal stays as it is, lines and echo are its own; they see pipes, not a terminal, unless pty is given.

local task = require "rshell.task"

local M = {}

local BLOCK = 65536

--- True when a stage has one of our streams.
function M.inherits(stages)
    for _, s in ipairs(stages) do
        if s.stdin == "inherit" or s.stdout == "inherit" or s.stderr == "inherit" then return true end
    end
    return false
end

local function show(from, file)
    return task.spawn(function()
        pcall(function()
            for block in function() return from:read(BLOCK) end do
                file:write(block)
                file:flush()
            end
        end)
    end)
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

--- Joins a handle to our streams. Its wait ends when all that was printed is shown.
---@param h rshell.bare.Handle
---@param ch table its channel
---@param stages table[]
function M.attach(h, ch, stages)
    h.pumps = {}
    if any(stages, "stdout") or h.pty then h.pumps[1] = show(h.stdout, io.stdout) end
    if not h.pty and any(stages, "stderr") then h.pumps[#h.pumps + 1] = show(h.stderr, io.stderr) end
    if stages[1].stdin == "inherit" then h.stop_typing = type_in(h.stdin or ch.stdin) end
    h.stdin, h.stdout, h.stderr = nil, nil, nil
end

return M
