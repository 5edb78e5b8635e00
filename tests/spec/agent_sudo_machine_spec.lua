-- machine_spec on another account of a machine, which has an agent.
local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path
if require("rshell").here["id"]("-u") ~= "0\n" then
    print "1..0 # SKIP needs root: it makes accounts"
    os.exit(0)
end
require("machines").use "agent-sudo"
dofile(folder .. "machine_spec.lua")
