-- What objects of the API are asked that they can't give: names that they don't have, arguments and options that they
-- don't take. Every class of rshell.members is here, and each of its methods.

local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path

local agent = require "agent"
local members = require "rshell.members"
local rshell = require "rshell"
local spec = require "spec"

local here = rshell.here
local m = agent.machine()
local dir <close> = here:tempdir()
local session <close> = here:session()
local script <close> = session:popen "true"
local listener <close> = here:listen(0)
local tunnel <close> = here:tunnel(0, listener.port)
local process <close> = here.cat:popen()
local server <close> = m:deploy()
local conn <close> = server:connect()
local deployment <close> = rshell.MultiServerDeployment {m}
local web <close> = rshell.cluster "a,b"
local batch
conn:batch(function(b) batch = b end)
local info
for _, p in ipairs(here:list_processes()) do info = p end

local VARIADIC = {
    Machine = {"path", "which", "sh"}, Command = {"bind", "text", "json", "lines", "iter"},
    Pipeline = {"bind", "text", "json", "lines", "iter"}, Path = {"join"}, Workdir = {"join"}, TempDir = {"join"},
    OpenFile = {"write"}, EnvironmentPath = {"insert"}, Cluster = {"run", "sh"}, ClusterCommand = {"bind"},
    RpcConnection = {"call", "async"}, Batch = {"call"}, Endpoints = {"call"},
}

-- An object of each class; without one, why.
local OBJECTS = {
    Machine = here, Command = here["true"], Pipeline = here["true"] | here["true"], Process = process,
    Future = here["true"] & rshell.BG, Path = here:path "/", Workdir = here.cwd, TempDir = dir,
    Environment = here.env, EnvironmentPath = here.env.path, OpenFile = here:path("/etc/passwd"):open(),
    Session = session, SessionProcess = script, SessionStream = script.stdout, Tunnel = tunnel,
    MachineListener = listener, Cluster = web, ClusterCommand = web.uptime, ProcessInfo = info,
    Results = require "rshell.results".new {"a"}, DeployedServer = server, RpcConnection = conn,
    Async = conn:async(function() end), Batch = batch, MultiServerDeployment = deployment,
    Endpoints = rshell.endpoints(), Nodeset = rshell.nodeset.new "a", Progress = rshell.output.progress(),
    Task = rshell.spawn(function() end),
}


local function is_variadic(class, name)
    for _, one in ipairs(VARIADIC[class] or {}) do
        if one == name then return true end
    end
end

local function error_of(fn, ...)
    local ok, e = pcall(fn, ...)
    return not ok and e or nil
end

--- The function of a method, and how many arguments it takes after the object; the last of a strict one's is what is
--- too many.
local function method_of(class, object, name)
    local _, fn = pcall(function() return object[name] end) -- fields of what is over fail
    local of_commands = require "rshell.command".members
    if class == "Command" or class == "Pipeline" then fn = of_commands[name] end
    if class == "Machine" then fn = require "rshell.machine".members[name] end
    if type(fn) ~= "function" then return nil end
    if class == "Task" then return fn, name == "await" and 1 or 0 end -- in C
    return fn, debug.getinfo(fn, "u").nparams - 2
end

local classes = {}
for class in pairs(members()) do classes[#classes + 1] = class end
table.sort(classes)

local function each_method(class, visit)
    local short = class:match "^rshell%.(%u%a*)$"
    local object = OBJECTS[short]
    if not object then return end
    local names = members()[class]
    table.sort(names)
    for _, name in ipairs(names) do
        local fn, takes = method_of(short, object, name)
        if fn and not is_variadic(short, name) then visit(object, name, fn, takes) end
    end
    return object
end

spec.test("methods refuse arguments that they don't take", function(t)
    local count = 0
    for _, class in ipairs(classes) do
        each_method(class, function(object, name, fn, takes)
            local args = {object}
            args[takes + 2] = "surplus"
            local e = error_of(fn, table.unpack(args, 1, takes + 2)) or {}
            t.eq(e.kind, "usage", class .. ":" .. name)
            t.match(e.message, "^" .. name .. " takes .* and got a string more$")
            count = count + 1
        end)
    end
    t.ok(count > 150, count)
end)

spec.test("those that take no options name the one that was given", function(t)
    for _, class in ipairs(classes) do
        each_method(class, function(object, name, fn, takes)
            if takes > 0 or class == "rshell.Task" then return end
            local e = error_of(fn, object, {nonsense = 1}) or {}
            t.eq(e.message, name .. ": no option 'nonsense'", class)
        end)
    end
end)

spec.test("names that an object doesn't have are usage errors, with what may have been meant", function(t)
    -- Of commands, machines, environments and clusters every name is something.
    local any = {Machine = 1, Command = 1, Environment = 1, Cluster = 1, ClusterCommand = 1, ProcessInfo = 1}
    for short, object in pairs(OBJECTS) do
        if not any[short] then
            local e = error_of(function() return object.nonsense end) or {}
            t.eq(e.kind, "usage", short)
            t.match(e.message, "no %a+ 'nonsense'", short)
        end
    end
    for _, case in ipairs {
        {OBJECTS.Task, "awiat", "a task has no member 'awiat', did you mean 'await'?"},
        {m:path "/x", "basename", "a path has no member 'basename', did you mean 'name'?"},
        {m:path "/x", "readlines", "a path has no member 'readlines', did you mean 'lines'?"},
        {process, "returncode", "a process has no member 'returncode', did you mean 'code'?"},
        {OBJECTS.Task, "stauts", "a task has no member 'stauts', did you mean 'status'?"},
        {OBJECTS.Task, 1, "a task has no member '1'"},
        {process.stdin, "wriet", "a stream has no member 'wriet', did you mean 'write'?"},
        {process, "kil", "a process has no member 'kil', did you mean 'kill'?"},
    } do
        t.eq((error_of(function() return case[1][case[2]] end) or {}).message, case[3])
    end
end)

spec.table("options are checked", {
    {name = "session", function() return here:session {cwd = "/"} end, "session: no option 'cwd'"},
    {name = "deploy", function() return m:deploy {memory = 1} end, "deploy: no option 'memory'"},
    {name = "tempdir", function() return here:tempdir {name = "x"} end, "tempdir: no option 'name'"},
    {name = "popen", function() return session:popen("true", {timeout = 1}) end, "popen: no option 'timeout'"},
    {name = "run", function() return web:run({"true"}, {}, {}) end, "after a list of words only"},
    {name = "insert", function() return here.env.path:insert(1, "/x", "/y") end, "insert takes"},
    {name = "eval", function() return conn:eval("1", {timeout = 1}) end, "eval: no option 'timeout'"},
    {name = "exists", function() return here:path("/"):exists {follow = false} end, "exists: no option 'follow'"},
}, function(t, c)
    local e = error_of(c[1]) or {}
    t.eq(e.kind, "usage")
    t.match(e.message, c[2])
end)

spec.test("further arguments that are nil, and empty options, say nothing", function(t)
    t.eq(here:path("/"):exists(nil, nil, nil), true)
    t.eq(here:path("/"):exists {}, true)
end)

session:close()
server:close()
m:close()
spec.finish()
