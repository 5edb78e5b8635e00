-- loops_spec on a machine with an agent.
local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path
require("machines").use "agent"
dofile(folder .. "loops_spec.lua")
