-- The globals of a connection: Lua's own, and what the machine is asked with.

local importer = require "agent.importer"

local M = {}

--- namespace is where the controller's code has its variables; builtins is what it finds there at first.
function M.new()
    local builtins = {}
    for k, v in next, _G do builtins[k] = v end
    return {builtins = builtins, namespace = setmetatable({}, {__index = builtins, __name = "namespace"})}
end

local MODULES = {"fs", "proc", "net", "host", "hash", "json"}

---@param w table
---@param import table
---@param leave fun(why: string) ends the connection
function M.fill(w, import, leave)
    local g = w.builtins
    local programs = require "agent.programs"
    local task = require "rshell.task"
    g._G = w.namespace
    g.require, g.package = import.require, {loaded = import.loaded}
    for _, name in ipairs(MODULES) do
        import.loaded[name] = require(name == "hash" and "rshell.sys.hash" or name == "json" and "rshell.sys.json"
            or "agent.public." .. name)
        g[name] = import.loaded[name]
    end
    for _, name in ipairs {"string", "table", "math", "utf8", "coroutine", "debug", "io", "os"} do
        import.loaded[name] = g[name]
    end
    for _, module in next, import.loaded do importer.mark(module) end
    import.loaded._G = g
    g.sleep, g.spawn, g.ref = task.sleep, task.spawn, require "rshell.shared.values".ref
    g.controller = setmetatable({}, {__name = "controller"}) -- goes by reference: it is filled from there
    g.os = setmetatable({execute = programs.execute}, {__index = os})
    import.loaded.os = g.os
    rawset(g.io, "popen", programs.popen)
    function g.os.exit(code)
        leave(("os.exit(%s) was called over there"):format(code == nil and "" or tostring(code)))
        while true do task.sleep(3600) end
    end
end

return M
