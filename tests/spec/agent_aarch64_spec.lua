-- machine_spec on a machine with the agent for aarch64, emulated.
local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path
local emulator, why = require("emulated").emulator "aarch64"
if not emulator then
    print("1..0 # SKIP " .. why)
    return
end
require("machines").use "agent-aarch64"
dofile(folder .. "machine_spec.lua")
