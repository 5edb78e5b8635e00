local editor = require "rshell.editor"
local err = require "rshell.shared.error"

local M = {
    name = "trace", args = "on|off", complete = {"on", "off"},
    about = "tells each round trip over SSH and each frame, and how many a line took",
    more = "The same as RSHELL_TRACE=1 in the environment.",
}

function M.run(_, what)
    if what == "" then
        io.write(editor.trace() and "trace is on\n" or "trace is off\n")
    elseif what == "on" or what == "off" then
        editor.trace(what == "on")
    else
        err.usage(":trace: on or off expected, not '%s'", what)
    end
end

return M
