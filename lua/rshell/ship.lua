-- Functions that run on the other side: their bytecode, and all that they hold on to. What a function and those among
-- its upvalues share stays shared over there: each variable goes once, as a cell with a number.
--
-- While such a bundle is being written, the functions in it are their numbers, wherever they stand; before and after it
-- they go by reference, as all do.

local err = require "rshell.shared.error"
local object = require "rshell.object"
local proxy = require "rshell.shared.proxy"
local rpc = require "rshell.rpc"

local M = {}

local FUNCTION = rpc.EXT.FUNCTION

local _, make_shipped, _, shipped = object.class "rshell.Shipped"

-- ---- what has a name on both sides ----

local BASE = {
    "assert", "collectgarbage", "dofile", "error", "getmetatable", "ipairs", "load", "loadfile", "next", "pairs",
    "pcall", "print", "rawequal", "rawget", "rawlen", "rawset", "require", "select", "setmetatable", "sleep", "spawn",
    "tonumber", "tostring", "type", "warn", "xpcall", "os.execute", "os.exit", "io.popen",
}
local LIBRARIES = {"string", "table", "math", "io", "os", "coroutine", "utf8", "debug"}

local function is_c(f)
    return type(f) == "function" and debug.getinfo(f, "S").what == "C"
end

local names

--- "string.format" for a function of a standard library.
local function standard_name(fn)
    if not names then
        names = {}
        for _, library in ipairs(LIBRARIES) do
            for name, f in next, _G[library] do
                if is_c(f) then names[f] = library .. "." .. name end
            end
        end
        for _, name in ipairs(BASE) do
            local library, field = name:match "^(%l+)%.(%l+)$"
            local f = library and _G[library][field] or _G[name]
            if f ~= nil then names[f] = name end
        end
    end
    return names[fn]
end

local function module_name(t)
    for name, value in next, package.loaded do
        if value == t then return name end
    end
end

-- ---- what stands for something over there ----

local _, make_mark, _, marked = object.class "rshell.Mark"

local function mark(...)
    return make_mark(table.pack(...))
end

local GLOBALS, THE_END = mark "globals", mark "end"

-- ---- what can't go ----

local function place(fn)
    local info = debug.getinfo(fn, "S")
    return ("%s:%d"):format(info.short_src, info.linedefined)
end

local function c_name(fn)
    for name, t in next, package.loaded do
        for k, v in next, type(t) == "table" and t or {} do
            if v == fn and type(k) == "string" then return ("the C function '%s.%s'"):format(name, k) end
        end
    end
    return "a C function"
end

local function refuse(b, path, what, hint)
    err.raise {
        kind = "usage",
        message = ("a function (%s) can't be shipped: its upvalue %s is %s"):format(b.place, path, what),
        hint = hint or "hand it over as an argument: then it goes by reference",
    }
end

local function is_promise(value)
    local mt = debug.getmetatable(value)
    return mt ~= nil and mt.__export ~= nil
end

-- ---- collecting ----

local take

local function take_function(b, fn, path)
    if b.number[fn] or standard_name(fn) or proxy.field(fn) then return end
    if is_c(fn) then refuse(b, path, c_name(fn) .. ", none of Lua's own") end
    b.n = b.n + 1
    b.functions[b.n], b.number[fn], b.paths[b.n] = fn, b.n, path
end

--- Goes through a table that goes by value.
local function take_table(b, t, path)
    if b.seen[t] then return end
    b.seen[t] = true
    for k, v in next, t do
        local name = type(k) == "string" and "." .. k or ("[%s]"):format(tostring(k))
        take(b, k, path .. name)
        if take(b, v, path .. name) ~= v then b.copy = true end
    end
end

local function fields_of(t)
    local fields = {}
    for k, v in next, t do fields[k] = v end
    return fields
end

--- An _ENV of the user's: what it has goes along, and the namespace is behind it where ours was.
local function environment(b, t, path)
    local e = b.environments[t]
    if not e then
        local mt = getmetatable(t)
        if type(mt) ~= "table" or rawget(mt, "__index") ~= _G then refuse(b, path, "a table with a metatable") end
        local fields = fields_of(t)
        e = mark("environment", fields)
        b.environments[t] = e
        take_table(b, fields, path)
    end
    return e
end

local function module_mark(b, value)
    local name = module_name(value)
    if name and not b.marks[name] then
        b.modules[#b.modules + 1] = name
        b.marks[name] = mark("module", name)
    end
    return name and b.marks[name]
end

--- Makes ready what is in an upvalue, or in a table there; what goes in its place.
function take(b, value, path)
    local kind = type(value)
    if kind == "function" then
        take_function(b, value, path)
    elseif kind == "thread" then
        refuse(b, path, "a coroutine")
    elseif kind == "userdata" and is_promise(value) then
        refuse(b, path, "a promise of a batch", "hand it over as an argument: then its value is there")
    elseif kind == "table" then
        if value == _G then return GLOBALS end
        local stand_in = b.environments[value] or module_mark(b, value)
        if stand_in then return stand_in end
        if debug.getmetatable(value) == nil then take_table(b, value, path) end
    end
    return value
end

local function take_upvalue(b, fn, i, path)
    local name, value = debug.getupvalue(fn, i)
    path = ("'%s'"):format(name) .. path
    if name == "_ENV" and type(value) == "table" and value ~= _G and debug.getmetatable(value) ~= nil then
        return environment(b, value, path)
    end
    return take(b, value, path)
end

--- The variables of a function, by number.
local function take_cells(b, fn, path)
    local list = {}
    for i = 1, debug.getinfo(fn, "u").nups do
        local id = debug.upvalueid(fn, i)
        local cell = b.cell_of[id]
        if not cell then
            cell = b.ncells + 1
            b.ncells, b.cell_of[id] = cell, cell
            b.cells[cell] = take_upvalue(b, fn, i, path)
        end
        list[i] = cell
    end
    return list
end

--- Tables with modules in them are copied: there stand marks in the place of these.
local function without_modules(b, value, seen)
    if type(value) ~= "table" or not b.seen[value] then return value end
    local new = seen[value]
    if not new then
        new = {}
        seen[value] = new
        for k, v in next, value do
            local stand_in = type(v) == "table" and not b.seen[v] and take(b, v, "") or v
            new[without_modules(b, k, seen)] = without_modules(b, stand_in, seen)
        end
    end
    return new
end

--- One bytecode for all functions that differ in their upvalues only.
local function code_of(b, fn)
    local code = string.dump(fn)
    if not b.code_at[code] then
        b.codes[#b.codes + 1] = code
        b.code_at[code] = #b.codes
    end
    return b.code_at[code]
end

local function collect(fn)
    local b = {
        place = place(fn), n = 0, functions = {}, number = {}, paths = {}, shapes = {}, codes = {}, code_at = {},
        ncells = 0, cells = {}, cell_of = {}, seen = {}, environments = {}, modules = {}, marks = {},
    }
    take_function(b, fn, "")
    local i = 1
    while i <= b.n do
        local f, path = b.functions[i], b.paths[i]
        local shape = take_cells(b, f, i > 1 and " of " .. path or "")
        table.insert(shape, 1, code_of(b, f))
        b.shapes[i] = shape
        i = i + 1
    end
    if b.copy then
        local seen = {}
        for n = 1, b.ncells do b.cells[n] = without_modules(b, b.cells[n], seen) end
        for _, e in next, b.environments do
            local content = marked(e)
            content[2] = without_modules(b, content[2], seen)
        end
    end
    return b
end

--- What is sent in the place of a function so that it runs on the other side; a proxy stays what it is. It is taken as
--- it is now.
---@param fn any
function M.ship(fn)
    if type(fn) ~= "function" or proxy.field(fn) then return fn end
    local name = standard_name(fn)
    if name then return mark("name", name) end
    if is_c(fn) then err.usage("%s can't be shipped: it is none of Lua's own", c_name(fn)) end
    return make_shipped(collect(fn))
end

--- The modules that it wants over there.
---@return string[]
function M.modules(value)
    local b = shipped(value)
    return b and b.modules or {}
end

-- ---- writing ----

local End = {take_back = function(_, self) self.shipping = nil end}

local function begin(self, b)
    if self.hello and self.hello.lua ~= rpc.LUA then
        local there = tostring(self.hello.lua or "another Lua")
        err.usage("functions can't be shipped: over there is %s, here %s", there, rpc.LUA)
    end
    self.shipping = b
    self:give(End)
    local payload = table.move(b.cells, 1, b.ncells, 2, {mark("functions", b.codes, b.shapes)})
    payload[b.ncells + 2] = THE_END
    return FUNCTION, table.unpack(payload, 1, b.ncells + 2)
end

--- For rshell.shared.values: nothing for what goes as all else.
function M.pack(self, value)
    if type(value) == "function" then
        local b = self.shipping
        if not b then return end
        local name = standard_name(value)
        if name then return FUNCTION, "name", name end
        return b.number[value] and FUNCTION, b.number[value]
    end
    local b = shipped(value)
    if b then return begin(self, b) end
    local m = marked(value)
    if not m then return end
    if m == marked(THE_END) then self.shipping = nil end
    return FUNCTION, table.unpack(m, 1, m.n)
end

return M
