-- The members of every public class, gathered from where they are defined. scripts/check-stubs holds the editor stubs
-- against it.

-- Class of the stubs -> module, and the tables in it that hold the class's members.
local CLASSES = {
    ["rshell.Machine"] = {"rshell.machine", "members", "fields"},
    ["rshell.Command"] = {"rshell.command", "members", "fields"},
    ["rshell.Pipeline"] = {"rshell.command", "members"},
    ["rshell.Runnable"] = {"rshell.command", "members"},
    ["rshell.Process"] = {"rshell.process", "members", "fields"},
    ["rshell.Future"] = {"rshell.future", "members", "fields"},
    ["rshell.Result"] = {"rshell.future", "RESULT"},
    ["rshell.Path"] = {"rshell.path", "members", "fields"},
    ["rshell.Workdir"] = {"rshell.workdir", "members"},
    ["rshell.TempDir"] = {"rshell.tempdir", "members"},
    ["rshell.Environment"] = {"rshell.env", "members"},
    ["rshell.EnvironmentPath"] = {"rshell.env", "list_members"},
    ["rshell.OpenFile"] = {"rshell.file", "members"},
    ["rshell.Session"] = {"rshell.session", "members", "fields"},
    ["rshell.SessionProcess"] = {"rshell.session", "popen_members", "popen_fields"},
    ["rshell.SessionStream"] = {"rshell.session", "stream_members"},
    ["rshell.Tunnel"] = {"rshell.tunnel", "members", "fields"},
    ["rshell.MachineListener"] = {"rshell.sockets", "members", "fields"},
    ["rshell.Cluster"] = {"rshell.cluster", "members", "fields"},
    ["rshell.ClusterCommand"] = {"rshell.cluster", "command_members"},
    ["rshell.ProcessInfo"] = {"rshell.processes", "members"},
    ["rshell.Results"] = {"rshell.results", "members", "fields"},
    ["rshell.DeployedServer"] = {"rshell.rpc.server", "members", "fields"},
    ["rshell.RpcConnection"] = {"rshell.rpc.connection", "members", "fields"},
    ["rshell.Async"] = {"rshell.async", "members", "fields"},
    ["rshell.Batch"] = {"rshell.rpc.batch", "members", "fields"},
    ["rshell.MultiServerDeployment"] = {"rshell.rpc.deployment", "members", "fields"},
    ["rshell.Endpoints"] = {"rshell.rpc.endpoints", "members"},
    ["rshell.Nodeset"] = {"rshell.nodeset", "members"},
    ["rshell.output"] = {"rshell.output", "functions"},
    ["rshell.Progress"] = {"rshell.output", "members", "fields"},
}

-- Classes in C, by the names of their metatables, and the modules that register them.
local IN_C = {
    ["rshell.Stream"] = "rshell.sys.proc", ["rshell.Task"] = "rshell.task", ["rshell.Event"] = "rshell.task",
    ["rshell.Hash"] = "rshell.sys.hash", ["rshell.File"] = "rshell.sys.fs", ["rshell.Walker"] = "rshell.sys.fs",
    ["rshell.Copier"] = "rshell.sys.fs", ["rshell.Listener"] = "rshell.sys.net",
    ["rshell.sys.Process"] = "rshell.sys.proc",
}

-- Fields that an __index function computes, so that no table holds their names.
local COMPUTED = {
    ["rshell.Environment"] = {"path"},
    ["rshell.Listener"] = {"port", "address", "path", "closed"},
    ["rshell.sys.Process"] = {"stdin", "stdout", "stderr", "pids"},
    ["rshell.Task"] = {"done", "failed", "status", "traceback"},
}

local function add(names, t)
    for name in next, t or {} do
        if type(name) == "string" and name:sub(1, 2) ~= "__" then names[#names + 1] = name end
    end
end

local function of_module(how)
    local names, module = {}, require(how[1])
    for i = 2, #how do add(names, module[how[i]]) end
    return names
end

local function of_metatable(class, module)
    require(module)
    if class == "rshell.Event" then require(module).event() end -- registers its class when it is first used
    local mt = debug.getregistry()[class]
    local names = {}
    add(names, mt)
    if type(mt.__index) == "table" and mt.__index ~= mt then add(names, mt.__index) end
    return names
end

--- {class -> array of names}
---@return table<string, string[]>
return function()
    local all = {rshell = require "rshell".names()}
    for class, how in next, CLASSES do all[class] = of_module(how) end
    for class, module in next, IN_C do all[class] = of_metatable(class, module) end
    for class, names in next, COMPUTED do table.move(names, 1, #names, #all[class] + 1, all[class]) end
    return all
end
