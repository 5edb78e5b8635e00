-- Functions that come from the controller, with what they hold on to (lua/rshell/ship.lua writes them).

local rpc = require "rshell.rpc"

local M = {}

local makers = {}

--- Functions without their variables: shapes are the number of a code, then that of a cell for each upvalue.
function makers.functions(self, codes, shapes)
    local bundle = {functions = {}, cells = {}}
    for i, shape in ipairs(shapes) do
        local fn = assert(load(codes[shape[1]], "=shipped", "b"))
        for n = 2, #shape do
            local cell = bundle.cells[shape[n]]
            if cell then
                debug.upvaluejoin(fn, n - 1, cell.fn, cell.n)
            else
                bundle.cells[shape[n]] = {fn = fn, n = n - 1}
            end
        end
        bundle.functions[i] = fn
    end
    self.bundle = bundle
    return bundle.functions[1]
end

function makers.globals(self)
    return self.namespace or _G
end

function makers.environment(self, fields)
    return setmetatable(fields, {__index = self.namespace or _G})
end

--- "string.format"
function makers.name(self, name)
    local value = self.builtins or self.namespace or _G
    for part in name:gmatch "[^.]+" do value = type(value) == "table" and value[part] or nil end
    if value == nil then return nil, ("there is no %s here"):format(name) end
    return value
end

makers["end"] = function() return true end

-- ---- modules that aren't there yet ----

local function fill(value, places, seen)
    if places[value] ~= nil then return places[value] end
    if type(value) ~= "table" or seen[value] or getmetatable(value) ~= nil then return value end
    seen[value] = true
    for k, v in next, value do value[k] = fill(v, places, seen) end
    return value
end

--- Loads them, in the task of the call, and puts them where they belong.
local function finish(self, bundle)
    local places, seen = {}, {}
    local load_module = self.namespace and self.namespace.require or require
    for name, place in next, bundle.missing do places[place] = load_module(name) end
    for _, cell in next, bundle.cells do
        local _, value = debug.getupvalue(cell.fn, cell.n)
        debug.setupvalue(cell.fn, cell.n, fill(value, places, seen))
    end
end

function makers.module(self, name)
    local module = self.modules and self.modules[name]
    if module ~= nil then return module end
    local bundle = self.bundle
    if not bundle.missing then
        bundle.missing = {}
        local before = self.prepare
        function self.prepare()
            if before then before() end
            finish(self, bundle)
        end
    end
    bundle.missing[name] = bundle.missing[name] or {}
    return bundle.missing[name]
end

-- ---- all of it ----

--- The first of the functions, with what its variables hold.
local function complete(self, fn, ...)
    local values = {...}
    for i, cell in next, self.bundle.cells do debug.setupvalue(cell.fn, cell.n, values[i]) end
    return fn
end

--- For rshell.shared.values: what came as FUNCTION.
function M.unpack(self, what, ...)
    if self.hello and self.hello.lua ~= rpc.LUA then return nil, "functions of another Lua" end
    if type(what) == "function" then return complete(self, what, ...) end
    if type(what) == "number" then return self.bundle.functions[what] end
    return makers[what](self, ...)
end

return M
