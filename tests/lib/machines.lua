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
    kinds[name] = {get = get(name), other = get "other", lacks = {["abstract sockets"] = true}}
end

-- An agent that a local shell has started.
local function agent(name)
    return function() return (require("agent").machine("/bin/sh", nil, name)) end
end

kinds.agent = {get = agent "agent", other = agent "other"}

-- The agent for another CPU, emulated: what lands is a script that starts it.
local function agent_of(arch)
    return function(name)
        return function()
            local images = require("emulated").images(arch)
            return (require("agent").machine("/bin/sh", {images = images}, name))
        end
    end
end

local aarch64 = agent_of "aarch64"
kinds["agent-aarch64"] = {
    get = aarch64 "aarch64", other = aarch64 "other", emulates = "aarch64",
    clear = function() require("emulated").clear "aarch64" end,
}

-- A real server on loopback, with an account of its own; two connections to it are two machines.
local bed

local function over_ssh(host, transport)
    bed = bed or require "bed".new()
    return require("rshell").ssh((host or "127.0.0.1"):format(bed.user), bed:options {transport = transport})
end

-- `lacks`: what no server of this kind can do, or what isn't told of it; specs then look for the error, or leave it
-- out.
kinds.ssh = {
    get = function() return over_ssh "127.0.0.1" end, other = function() return over_ssh "%s@127.0.0.1" end,
    lacks = {["unix listeners"] = true, ["abstract sockets"] = true},
}

-- The same server through the system's ssh.
kinds.openssh = {
    get = function() return over_ssh("127.0.0.1", "openssh") end,
    other = function() return over_ssh("%s@127.0.0.1", "openssh") end,
    lacks = {["abstract sockets"] = true, ["peers"] = true},
}

-- The same server, and an agent.
local function agent_over_ssh(host)
    bed = bed or require "bed".new()
    return require("rshell").ssh(host:format(bed.user), bed:options {agent = true})
end

kinds["agent-ssh"] = {
    get = function() return agent_over_ssh "127.0.0.1" end, other = function() return agent_over_ssh "%s@127.0.0.1" end,
}

-- Another account of this machine, and of one with an agent; as root only.
local accounts
local outers = {}

local function as_account(outer)
    outers[#outers + 1] = outer
    if not accounts then
        accounts = require "accounts".new()
        accounts:add()
    end
    return outer:sudo {user = accounts.names[1]}
end

kinds.sudo = {
    get = function() return as_account(here "this one") end, other = function() return as_account(here "other") end,
}
kinds["agent-sudo"] = {
    get = function() return as_account(agent "agent"()) end, other = function() return as_account(agent "other"()) end,
}

-- For what goes from one to the other.
kinds.up = {get = kinds["local"].get, other = kinds.bare.other}
kinds.down = {get = kinds.bare.get, other = kinds["local"].other}
kinds["up-busybox"] = {get = kinds["local"].get, other = kinds["bare-busybox"].other}
kinds["down-busybox"] = {get = kinds["bare-busybox"].get, other = kinds["local"].other}
kinds["bare-to-busybox"] = {get = kinds.bare.get, other = kinds["bare-busybox"].other}
kinds["busybox-to-bare"] = {get = kinds["bare-busybox"].get, other = kinds.bare.other}
kinds["up-ssh"] = {get = kinds["local"].get, other = over_ssh}
kinds["down-ssh"] = {get = over_ssh, other = kinds["local"].other}

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

--- True where programs are started by a shell over there, without an agent.
function machines.is_bare()
    return machines.kind ~= "local" and machines.kind ~= "sudo" and not machines.kind:find "^agent"
end

--- kB that may be on their way through a machine to a reader that has stopped: pipes; over SSH its windows of up to
--- 2 MB a direction, and what libssh keeps of one; from an agent 4 MiB of credit, and 1 MiB each that the stream and
--- who reads it may have taken.
function machines.under_way()
    local kB = 2000
    if machines.kind:find "ssh$" then kB = kB + 4000 end
    if machines.kind:find "^agent" then kB = kB + 6500 end
    return kB
end

--- The machine that is tested.
function machines.get() return once "get" end

--- A second one.
function machines.other() return once "other" end

--- The CPU that its agent finds there; nil where that is the machine's own.
function machines.emulates() return kind.emulates end

--- True for what machines of this kind can't do: "unix listeners", "abstract sockets", "peers" (who connected).
function machines.lacks(what) return kind.lacks ~= nil and kind.lacks[what] or false end

--- The server behind them, where there is one.
function machines.bed() return bed end

--- Ends what was started for them; spec.finish does it.
function machines.close()
    for _, m in pairs(made) do m:close() end
    for _, m in ipairs(outers) do m:close() end
    if bed then bed:close() end
    if accounts then accounts:close() end
    if kind.clear then kind.clear() end
end

return machines
