-- Our own terminal, lent to a program that runs elsewhere: its keys, its screen, its size.

local task = require "rshell.task"
local term = require "rshell.term"

local M = {}

local BLOCK = 65536
local LOOK = 0.2 -- seconds between two looks at our window's size

--- Whether one sits at it: we read from it, and print to it.
function M.is_ours()
    return term.is_terminal(0) and term.is_terminal(1)
end

--- Calls resize(r, c) when our window has another size than these, until the task that it gives is closed.
---@param rows integer? nil: what it has is not known
---@param cols integer?
---@param resize fun(rows: integer, cols: integer)
---@return rshell.Task
function M.follow_size(rows, cols, resize)
    return task.spawn(function()
        while true do
            local r, c = term.size()
            if r and (r ~= rows or c ~= cols) then
                rows, cols = r, c
                pcall(resize, r, c)
            end
            task.sleep(LOOK)
        end
    end)
end

--- Prints what a stream gives, to its end.
---@param from rshell.Stream
---@param file file*
function M.show(from, file)
    for block in function() return from:read(BLOCK) end do
        file:write(block)
        file:flush()
    end
end

return M
