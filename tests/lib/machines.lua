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

-- Machines over a local shell, as if it were far away: what the login shell is, and what stands at /bin/sh.
local BARE = {
    bare = {"/bin/sh"},
    ["bare-bash"] = {"/bin/bash", {sh = "/bin/bash"}},
    ["bare-mksh"] = {"/bin/mksh", {sh = "/bin/mksh"}},
    ["bare-busybox"] = {"ash", {busybox = true}},
}

for name, how in pairs(BARE) do
    local function get(as)
        return function() return (require("bare").machine(how[1], how[2], as)) end
    end
    kinds[name] = {get = get(name), other = get "other"}
end

-- A real server on loopback, with an account of its own; two connections to it are two machines.
local bed

local function over_ssh()
    bed = bed or require "bed".new()
    return require("rshell").ssh("127.0.0.1", bed:options())
end

kinds.ssh = {get = over_ssh, other = over_ssh}

local kind
local made = {}

--- Which kind it is; RSHELL_SPEC_MACHINE says it, or a spec that runs another one on a machine of its choice.
function machines.use(name)
    kind = kinds[name] or error("no machine '" .. name .. "' for specs", 0)
    machines.kind = name
end

machines.use(os.getenv "RSHELL_SPEC_MACHINE" or "local")

local function once(which)
    made[which] = made[which] or kind[which]()
    return made[which]
end

--- The machine that is tested.
function machines.get() return once "get" end

--- A second one.
function machines.other() return once "other" end

--- Ends what was started for them; spec.finish does it.
function machines.close()
    for _, m in pairs(made) do m:close() end
    if bed then bed:close() end
end

return machines
