local editor = require "rshell.editor"
local task = require "rshell.task"

local M = {
    name = "time", args = "LINE|on|off", complete = "line", in_line = true,
    about = "tells how long a line takes, and its round trips over SSH",
    more = "With on, every line is timed from then on.",
}

local function measured(session, line)
    local _, trips = editor.trace()
    local began = task.now()
    local ok = session:run(line)
    local seconds, _, now = task.now() - began, editor.trace()
    if not session.timing and not editor.trace() then
        io.write(("%.3f s, %d round trips\n"):format(seconds, now - trips))
    end
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
