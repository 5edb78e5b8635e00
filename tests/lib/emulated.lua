-- Agents for other CPUs than ours, run by qemu.

local agents = require "rshell.agents"
local fs = require "rshell.sys.fs"
local proc = require "rshell.sys.proc"

local emulated = {}

--- The emulator for this CPU, or nil and why its agent can't run here.
---@param arch string
function emulated.emulator(arch)
    if not agents.image(arch) then return nil, ("no agent for %s in this build"):format(arch) end
    local name = ("qemu-%s-static"):format(arch)
    return (proc.which({name}, os.getenv "PATH", "/")), name .. " is missing: this agent was NOT run"
end

local function place(arch) return os.getenv "TMPDIR" .. "/agent-" .. arch end

--- What the agent backend takes as images: for our own CPU a script that runs the agent for another.
---@param arch string
function emulated.images(arch)
    local emulator = assert(emulated.emulator(arch))
    local program = place(arch)
    assert(fs.write(program, agents.program(arch), {mode = 448}))
    local script = ("#!/bin/sh\nexec %s %s \"$@\"\n"):format(emulator, program)
    local image = proc.run({stages = {{argv = {"gzip"}}}, input = script}).stdout
    return function() return image end
end

--- Removes what images has left for the script.
---@param arch string
function emulated.clear(arch) os.remove(place(arch)) end

return emulated
