local cost = require "rshell.repl.cost"
local editor = require "rshell.editor"

local M = {
    name = "time", args = "LINE|on|off", complete = "line", in_line = true,
    about = "tells how long a line takes, and its round trips over SSH",
    more = "With on, every line is timed from then on.",
}

local function measured(session, line)
    local so_far = cost.begin()
    local ok = session:run(line)
    if not session.timing and not editor.trace() then so_far() end
    return ok
end

function M.run(session, line)
    if line == "on" or line == "off" then
        session.timing = line == "on"
        return true
    elseif line == "" then
        io.stderr:write(":time: a line expected, or on, or off\n")
        return false
    end
    return measured(session, line)
end

return M
