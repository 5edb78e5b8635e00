-- `require` in a connection: what the controller has provided, the agent's own modules, and modules of the
-- controller's package.path, which it is asked for when they are wanted, and which come with what they require.

local err = require "rshell.shared.error"
local values = require "rshell.shared.values"

local M = {}

local OWN = "fs, proc, net, host, hash, json, and Lua's own libraries"

-- Modules go by reference, whoever sends one.
local module_mt = {__name = "module", __methods = values.functions_of}

--- One that has no metatable gets that of modules.
function M.mark(module)
    if type(module) == "table" and getmetatable(module) == nil then setmetatable(module, module_mt) end
    return module
end

---@param peer rshell.Peer
---@param w table the connection's world
function M.new(peer, w)
    local loaded, sources, provided = {}, {}, {}
    local loading = {}
    local import = {loaded = loaded}

    --- Modules that have come: {name, chunk name, source}.
    function import.take(bundle)
        for _, m in ipairs(bundle) do sources[m[1]] = m end
    end

    local function run(name)
        local m = sources[name]
        local chunk, message = load(m[3], m[2], "t", w.namespace)
        if not chunk then
            local file, line = message:match "^(.-):(%d+):"
            err.raise {kind = "parse", message = message, file = file, line = line and math.tointeger(line)}
        end
        return chunk(name, m[2])
    end

    local function find(name)
        if provided[name] then
            local from = provided[name]
            if type(from) ~= "table" and type(from) ~= "string" then return from(name) end
            if type(from) == "table" then return from end
        end
        if sources[name] then return run(name) end
        local bundle, searched = peer:call(0, "find", name)
        if not bundle then return nil, searched or "nowhere" end
        import.take(bundle)
        return run(name)
    end

    --- The module; or nil and where it was searched.
    local function get(name)
        if loaded[name] ~= nil then return loaded[name] end
        if loading[name] then error(("module '%s' requires itself"):format(name), 0) end
        loading[name] = true
        local ok, value, searched = pcall(find, name)
        loading[name] = nil
        if not ok then error(value, 0) end
        if searched then return nil, searched end
        if loaded[name] == nil then loaded[name] = value == nil and true or M.mark(value) end
        return loaded[name]
    end

    function import.require(name)
        if type(name) ~= "string" then error("bad argument #1 to 'require' (string expected)", 2) end
        local value, searched = get(name)
        if value ~= nil then return value end
        err.raise {
            kind = "notfound", name = name,
            message = ("no module '%s': over there are %s; at the controller: %s"):format(name, OWN, searched),
        }
    end

    --- For the controller: the module by reference; or nil and where it was searched. bundle: what it has of it.
    function import.ask(name, bundle)
        if bundle then import.take(bundle) end
        local value, searched = get(name)
        if value == nil then return nil, searched end
        return values.ref(value, true)
    end

    --- source: text, a table, or a function that gives the module.
    function import.provide(name, source, chunk)
        loaded[name], sources[name], provided[name] = nil, nil, nil
        if type(source) == "string" then
            sources[name] = {name, chunk, source}
        else
            provided[name] = source
        end
    end

    return import
end

return M
