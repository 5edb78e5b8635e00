-- command_spec through the system's ssh, on a machine without an agent.
local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path
require("machines").use "openssh"
dofile(folder .. "command_spec.lua")
