-- The files of a machine that has sh and standard tools: the functions and answers of rshell.sys.fs, each in one round
-- trip.
--
-- What differs: attributes beyond owner, mode and times are kept only where cp is GNU's; a tool without fractions of
-- seconds (busybox: touch, cp) sets whole ones; paths end at 4,096 bytes where tools stop there; xxh64 reads
-- the file to here; an open file is written behind, and what fails is told by its close at the latest.

local M = {}

local PARTS = {"fs_ask", "fs_list", "fs_data", "fs_file", "fs_change", "fs_perm", "fs_copy", "fs_sync"}

--- The functions over a shell.
---@param shell rshell.bare.Shell
---@return rshell.fs
function M.new(shell)
    local fs = {match = require "rshell.sys.fs".match}
    for _, part in ipairs(PARTS) do require("rshell.bare." .. part).add(fs, shell) end
    return fs
end

return M
