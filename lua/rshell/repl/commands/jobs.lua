local colour = require "rshell.repl.colour"
local opened = require "rshell.opened"
local text = require "rshell.text"

local M = {name = "jobs", args = "", about = "lists what runs in the background: tasks, futures, processes"}

local KINDS = {task = true, future = true, process = true}

--- What runs in the background, oldest first: an array of {kind=, thing=}.
function M.list()
    local list = {}
    for _, one in ipairs(opened.list()) do
        if KINDS[one.kind] then list[#list + 1] = one end
    end
    return list
end

function M.run()
    local list = M.list()
    for i, one in ipairs(list) do io.write(("%3d  %s\n"):format(i, text.escape(tostring(one.thing)))) end
    if #list == 0 then io.write(colour.paint("dim", "nothing runs in the background"), "\n") end
end

return M
