local M = {
    name = "quit", args = "", about = "leaves, and closes what was opened; so does Ctrl-D on an empty line",
}

function M.run(session)
    session.ended = true
end

return M
