-- The machine that a spec runs on. RSHELL_SPEC_MACHINE names it, "local" without.
--
--   local machines = require "machines"
--   local m, n = machines.get(), machines.other()    -- n is another machine to rshell, with files of its own or not

local machines = {}

local function here(name)
    return require("rshell.here").new(name)
end

-- How to come to a machine, and to a second one of its kind.
local kinds = {
    ["local"] = {get = function() return require("rshell").here end, other = function() return here "other" end},
}

--- What RSHELL_SPEC_MACHINE says: for what differs between machines.
machines.kind = os.getenv "RSHELL_SPEC_MACHINE" or "local"

local kind = kinds[machines.kind] or error("RSHELL_SPEC_MACHINE: no machine '" .. machines.kind .. "'", 0)
local made = {}

local function once(which)
    made[which] = made[which] or kind[which]()
    return made[which]
end

--- The machine that is tested.
function machines.get() return once "get" end

--- A second one.
function machines.other() return once "other" end

return machines
