local colour = require "rshell.repl.colour"
local opened = require "rshell.opened"
local text = require "rshell.text"

local M = {name = "jobs", args = "", about = "lists what runs in the background: tasks, futures, processes"}

function M.run()
    local n = 0
    for _, one in ipairs(opened.list()) do
        if one.kind == "task" or one.kind == "future" or one.kind == "process" then
            n = n + 1
            io.write(("%3d  %s\n"):format(n, text.escape(tostring(one.thing))))
        end
    end
    if n == 0 then io.write(colour.paint("dim", "nothing runs in the background"), "\n") end
end

return M
