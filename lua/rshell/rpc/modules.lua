-- Modules over there: `conn.modules.NAME`. What the agent lacks is looked for in our own package.path, and goes with
-- all that it requires, once.

local err = require "rshell.shared.error"
local object = require "rshell.object"
local proxy = require "rshell.shared.proxy"

local M = {}

local mt, make, state = object.class "modules"

-- What every agent has.
local OWN = {
    fs = true, proc = true, net = true, host = true, hash = true, json = true, string = true, table = true, math = true,
    utf8 = true, coroutine = true, debug = true, io = true, os = true, _G = true,
}

-- ---- finding them here ----

local function is_name(name)
    return type(name) == "string" and name:find "^[%w_][%w_.-]*$" ~= nil and not name:find("..", 1, true)
end

local function read(file)
    local f = io.open(file, "rb")
    if not f then return nil end
    local text = f:read "a"
    f:close()
    return text
end

--- {name, chunk name, source}; nil and where it was searched.
local function locate(name)
    if not is_name(name) then return nil, "it is no name of a module" end
    local file, searched = package.searchpath(name, package.path)
    if file then
        local source = read(file)
        if source then return {name, "@" .. file, source} end
        return nil, ("%s can't be read"):format(file)
    end
    local c = package.searchpath(name, package.cpath)
    if c then return nil, c .. ", which is in C and can't be sent" end
    local files = {}
    for path in searched:gmatch "'([^']+)'" do files[#files + 1] = path end
    return nil, "no file " .. table.concat(files, ", ")
end

--- Adds a module and what it requires, as far as that is here and not over there.
local function add(core, bundle, m)
    core.sent[m[1]] = true
    bundle[#bundle + 1] = m
    for name in m[3]:gmatch "require%s*%(?%s*[\"']([%w_.-]+)[\"']" do
        local more = not OWN[name] and not core.sent[name] and locate(name)
        if more then add(core, bundle, more) end
    end
end

--- For the far side's require: modules; nil and where they were searched.
---@param core rshell.rpc.Core
---@param name string
function M.find(core, name)
    local m, searched = locate(name)
    if not m then return nil, searched end
    local bundle = {}
    add(core, bundle, m)
    return bundle
end

-- ---- importing ----

--- What goes with the question for a module: nil where it is the agent's or was sent.
function M.bundle_for(core, name)
    if OWN[name] or core.sent[name] or core.provided and core.provided[name] then return nil end
    return (M.find(core, name))
end

local import

--- A field of a module that isn't there may be a module below it.
local function below(core, seconds, name)
    return function(key)
        if not is_name(key) then return nil end
        return (import(core, seconds, name .. "." .. key))
    end
end

--- The module; nil and where it was searched on each side.
function import(core, seconds, name)
    local known = core.modules[name]
    if known ~= nil then return known end
    local value, searched = core:call_within(seconds, "import", name, M.bundle_for(core, name))
    if value == nil then return nil, searched end
    local s = proxy.state(value)
    if s then s.missing = below(core, seconds, name) end
    core.modules[name] = value
    return value
end

local function has_modules_below(core, name)
    for provided in next, core.provided or {} do
        if provided:sub(1, #name + 1) == name .. "." then return true end
    end
    local folder = name:gsub("%.", "/")
    for template in package.path:gmatch "[^;]+" do
        local path = template:match "^(.-)%?"
        local st = path and require "rshell.sys.fs".type(path .. folder)
        if st == "dir" then return true end
    end
    return false
end

--- A name that is only the beginning of others.
local function prefix(c, name)
    return make {core = c.core, timeout = c.timeout, prefix = name .. "."}
end

function mt.__index(self, key)
    local c = state(self)
    if type(key) ~= "string" then err.usage("a module's name is a string, got %s", object.type(key)) end
    local name = (c.prefix or "") .. key
    c.core:check()
    local value, searched = import(c.core, c.timeout, name)
    if value ~= nil then return value end
    if is_name(name) and has_modules_below(c.core, name) then return prefix(c, name) end
    err.raise {
        kind = "notfound", name = name, host = c.core.server.view.conn.name,
        message = ("no module '%s': over there are fs, proc, net, host, hash, json and Lua's own; here: %s"):format(
            name, searched or "nowhere"),
    }
end

function mt.__newindex() err.usage "conn.modules can't be set; conn:provide(name, source) gives a module" end
function mt.__tostring(self) return ("modules of %s"):format(state(self).core.server.view.conn.name) end

--- conn.modules
function M.new(core, timeout)
    return make {core = core, timeout = timeout}
end

--- Modules that a shipped function wants go before it.
---@param core rshell.rpc.Core
---@param names string[]
function M.send_ahead(core, names)
    local bundle = {}
    for _, name in ipairs(names) do
        local m = not OWN[name] and not core.sent[name] and locate(name)
        if m then add(core, bundle, m) end
    end
    if bundle[1] then core.peer:start(0, "take", bundle) end
end

-- ---- giving them ----

local function text_of(who, name, source)
    local path = require "rshell.path"
    local p = path.test(source) and source or require "rshell".here:path(source)
    if not is_name(name) then err.usage("%s: %q is no name of a module", who, tostring(name)) end
    return p:read(), "@" .. tostring(p)
end

--- conn:provide
function M.provide(core, seconds, name, source)
    local kind = type(source)
    if not is_name(name) then err.usage("provide: the name of a module expected, got %s", object.type(name)) end
    core.modules[name] = nil
    core.provided = core.provided or {}
    core.provided[name] = true
    if kind == "table" or kind == "function" then
        return core:call_within(seconds, "provide", name, source)
    elseif kind == "string" or require "rshell.path".test(source) then
        return core:call_within(seconds, "provide", name, text_of("provide", name, source))
    end
    err.usage("provide: a file, a table of functions or a function that gives the module expected, got %s",
        object.type(source))
end

return M
