-- What big calls have left is let go of soon. Lua would wait until as much has come once more, which an agent that has
-- little to do may never see.

local task = require "rshell.task"

local M = {}

local LITTLE = 8 * 1024 -- KiB that are not worth the work
local SOON = 1 -- seconds, and how often at most

local planned = false

local function collect()
    task.sleep(SOON)
    collectgarbage()
    planned = false
end

--- To be called with the results of a call, which it gives back.
function M.after(...)
    if not planned and collectgarbage "count" > LITTLE then
        planned = true
        task.spawn(collect)
    end
    return ...
end

return M
