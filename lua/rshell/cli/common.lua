-- Options of every subcommand, and of rshell itself.

local M = {}

M.COMMON = {{"-v", "--verbose", key = "verbose", count = true}, {"-h", "--help", key = "help"}}
M.TOP = {
    {"-V", "--version", key = "version"}, {"-e", value = "CODE", key = "code", last = true}, {"-i", key = "prompt"},
    table.unpack(M.COMMON),
}

return M
