local colour = require "rshell.repl.colour"
local text = require "rshell.text"

local M = {
    name = "host", args = "[NAME]", complete = "host",
    about = "sets the machine where ! runs, and which m is",
    more = [[
NAME is a host to connect to, as for ssh, or a variable that holds a machine; here is this one. Without NAME it tells
where one is. The connection stays open: to come back to it costs nothing.]],
}

function M.run(session, name)
    local where = session.where
    if name ~= "" then
        where:set(name)
        session:keep(where.lua, where.cluster and "hosts" or "host")
        if where.name == "here" then return end
    end
    io.write(colour.paint("object", text.escape(tostring(where.cluster or where.machine))), "\n")
end

return M
