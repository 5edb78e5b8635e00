-- rshell help [SUBCOMMAND]

local M = {name = "help", options = {}}

local USAGE = [[
usage: rshell [-v] run FILE [ARG ...]     run a Lua script; - is standard input
       rshell [-v] FILE [ARG ...]         the same
       rshell [-v] -e CODE [ARG ...]      run Lua code
       rshell --help | --version
]]

function M.usage()
    return USAGE
end

function M.run()
    io.write(USAGE)
    return 0
end

return M
