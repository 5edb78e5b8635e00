-- `host` in a connection: facts about the machine.

local check = require "agent.public.check"
local host = require "rshell.sys.host"

local M = {}
for name, fn in next, host do M[name] = check.raising("look at the machine", fn) end

return check.public("host", M)
