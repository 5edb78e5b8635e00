local M = {
    name = "cd", args = "[DIR]", complete = "directory",
    about = "sets the directory that commands and relative paths start in",
    more = "Without DIR it is the machine's home folder; - is where one was before.",
}

function M.run(session, dir)
    local now = session.where:chdir(dir ~= "" and dir or nil)
    session:keep(("m.cwd:chdir %q"):format(now), "lua")
end

return M
