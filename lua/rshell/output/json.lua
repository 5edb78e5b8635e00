-- Output for programs: an object a line, each complete when it is written.

local json = require "rshell.sys.json"

local M = {}

--- Writes an object; bytes that aren't UTF-8 become U+FFFD.
---@param record table
function M.write(record)
    io.stdout:write(json.encode(record, {invalid = "replace", sort = true}), "\n")
    io.stdout:flush()
end

return M
