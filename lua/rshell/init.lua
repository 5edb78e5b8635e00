-- The module "rshell": everything that scripts use, each part loaded when it is first named.

local err = require "rshell.shared.error"
local near = require "rshell.shared.near"
local object = require "rshell.object"

near.habits = require "rshell.habits"

---@class rshell
local M = {}

local function from(module, name)
    return function() return require(module)[name] end
end

-- How each name comes to its value.
local lazy = {
    here = function() return require "rshell.here".new "here" end,
    localhost = function() return M.here end,
    type = from("rshell.object", "type"),
    now = from("rshell.tasks", "now"),
    sleep = from("rshell.tasks", "sleep"),
    spawn = from("rshell.tasks", "spawn"),
    select = from("rshell.tasks", "select"),
    timeout = from("rshell.tasks", "timeout"),
    parallel = from("rshell.tasks", "parallel"),
    copy = from("rshell.copy", "copy"),
    ssh = from("rshell.ssh.connect", "open"),
    SshMachine = from("rshell.ssh.connect", "open"),
    quote = from("rshell.text", "quote"),
    split = from("rshell.text", "split"),
    nodeset = function() return require "rshell.nodeset" end,
    cluster = from("rshell.cluster", "new"),
    async = from("rshell.async", "async"),
    restrict = from("rshell.restrict", "restrict"),
    DeployedServer = from("rshell.rpc.server", "new"),
    MultiServerDeployment = from("rshell.rpc.deployment", "new"),
    endpoints = from("rshell.rpc.endpoints", "new"),
    classic_connect = from("rshell.rpc.server", "classic_connect"),
    output = from("rshell.output", "functions"),
}

local MODIFIERS = {"FG", "BG", "TEE", "TF", "RETCODE", "NOHUP"}
for _, name in ipairs(MODIFIERS) do lazy[name] = from("rshell.modifiers", name) end

-- What later parts bring: objects that say so, called or indexed.
local LATER = {
    "inventory", "playbook", "serve", "join",
}
local later_mt, make_later, later = object.class "later"

local function not_yet(self) err.usage("%s: not in this version", later(self).name) end

later_mt.__call, later_mt.__index = not_yet, not_yet
function later_mt.__tostring(self) return later(self).name .. " (not in this version)" end

for _, name in ipairs(LATER) do
    lazy[name] = function() return make_later {name = name} end
end

-- What a script has without asking.
local GLOBALS = {"here", "ssh", "cluster", "inventory", "spawn", "parallel", "sleep", "copy"}

--- Names of the globals of scripts and the prompt, besides `rshell` itself.
---@return string[]
function M.globals()
    local names = table.move(GLOBALS, 1, #GLOBALS, 1, {})
    return table.move(MODIFIERS, 1, #MODIFIERS, #names + 1, names)
end

--- Names of all members, sorted.
---@return string[]
function M.names()
    local names = {"globals", "names"}
    for name in next, lazy do names[#names + 1] = name end
    table.sort(names)
    return names
end

setmetatable(M, {
    __describe = function() return "the module rshell; :doc rshell lists what it has" end,
    __index = function(t, name)
        local get = lazy[name]
        if not get then err.usage("rshell has no member '%s'%s", tostring(name), near.suffix(name, lazy)) end
        local value = get()
        rawset(t, name, value)
        return value
    end,
})

return M
