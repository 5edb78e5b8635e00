-- `host` in a connection: facts about the machine.

local host = require "rshell.sys.host"
local raising = require "agent.public.check".raising

local M = {}
for name, fn in next, host do M[name] = raising("look at the machine", fn) end

return M
