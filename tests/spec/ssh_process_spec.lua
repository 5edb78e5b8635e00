-- process_spec over SSH, on a machine without an agent.
local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path
require("machines").use "ssh"
dofile(folder .. "process_spec.lua")
