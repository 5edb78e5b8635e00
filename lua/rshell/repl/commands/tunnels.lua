local colour = require "rshell.repl.colour"
local opened = require "rshell.opened"
local text = require "rshell.text"

local M = {name = "tunnels", args = "", about = "lists open tunnels, and what went through them"}

function M.run()
    local list = opened.list "tunnel"
    for i, one in ipairs(list) do
        local t = one.thing
        io.write(("%3d  %s, %d bytes sent, %d received\n"):format(i, text.escape(tostring(t)), t.sent, t.received))
    end
    if #list == 0 then io.write(colour.paint("dim", "no tunnel is open"), "\n") end
end

return M
