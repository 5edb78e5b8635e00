-- What a line costs: time, round trips over SSH, frames of agents.

local colour = require "rshell.repl.colour"
local editor = require "rshell.editor"
local task = require "rshell.task"

local M = {}

local function count(n, what)
    return ("%d %s%s"):format(n, what, n == 1 and "" or "s")
end

--- From now on; the function that this gives tells.
---@return fun()
function M.begin()
    local began, _, trips, frames = task.now(), editor.trace()
    return function()
        local seconds, _, trips_now, frames_now = task.now() - began, editor.trace()
        local parts = {("%.3f s"):format(seconds)}
        if trips_now > trips then parts[2] = count(trips_now - trips, "round trip") end
        if frames_now > frames then parts[#parts + 1] = count(frames_now - frames, "frame") end
        io.write(colour.paint("dim", table.concat(parts, ", ")), "\n")
    end
end

return M
