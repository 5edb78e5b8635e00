-- What goes between two peers by reference, and how it comes back: functions, objects, coroutines. MINE has the number
-- of an object, and of its class if it has one; a class is described when it goes for the first time, so that its
-- methods can be called without asking for them.

local err = require "rshell.shared.error"
local object = require "rshell.object"
local operations = require "rshell.shared.operations"
local peer = require "rshell.shared.peer"
local proxy = require "rshell.shared.proxy"
local rpc = require "rshell.rpc"

local M = {}

local EXT = rpc.EXT
local MINE, YOURS = EXT.MINE, EXT.YOURS
local CLASSES = 1000 -- that are described; objects of more have theirs asked for everything
local WEAK_KEYS, WEAK_VALUES = {__mode = "k"}, {__mode = "v"}

-- ---- by reference, whatever it is ----

local reference_mt, make_reference, _, referred = object.class "rshell.Reference"

--- Goes by reference to the other side; over here it can be used like the table itself. Of a module the functions are
--- described, as the methods of a class are.
---@param v any
---@param module boolean?
function M.ref(v, module)
    return type(v) == "table" and make_reference {value = v, module = module} or v
end

function reference_mt.__index(r, key) return referred(r).value[key] end
function reference_mt.__newindex(r, key, value) referred(r).value[key] = value end
function reference_mt.__len(r) return #referred(r).value end
function reference_mt.__pairs(r) return pairs(referred(r).value) end
function reference_mt.__tostring(r) return tostring(referred(r).value) end

-- ---- classes, as they are described ----

--- The functions of a table, and along its __index tables, by name, sorted.
local function functions_of(from)
    local seen, list = {}, {}
    while type(from) == "table" and not seen[from] do
        seen[from] = true
        for k, v in next, from do
            if type(k) == "string" and type(v) == "function" and k:sub(1, 2) ~= "__" and not seen[k] then
                seen[k] = true
                list[#list + 1] = k
            end
        end
        local above = debug.getmetatable(from)
        from = type(above) == "table" and rawget(above, "__index")
    end
    table.sort(list)
    return list
end

M.functions_of = functions_of

--- The methods of an object's class. Those of C find theirs in the metatable itself.
local function methods_of(value, mt)
    local from = rawget(mt, "__index")
    return functions_of(type(value) == "userdata" and type(from) ~= "table" and mt or from)
end

local Class = {}
Class.__index = Class

function Class:take_back() self.told = nil end

--- Those of one shape are one: an object may have a metatable of its own.
local function class_of_shape(self, name, eq, list)
    local shape = ("%s\0%s\0%s"):format(name, eq, table.concat(list, "\0"))
    local class = self.shapes[shape]
    if not class and self.nshapes < CLASSES then
        self.nshapes = self.nshapes + 1
        class = setmetatable({number = self.nshapes, name = name, eq = eq, methods = list}, Class)
        self.shapes[shape] = class
    end
    return class or false
end

local function name_of(mt)
    local name = rawget(mt, "__name")
    return type(name) == "string" and name or nil
end

--- The class of what has one, or false.
local function class_of(self, value, module)
    if module then return class_of_shape(self, nil, false, functions_of(value)) end
    local s = proxy.state(value)
    if s and not s.class.list then return false end -- a function of another connection
    local mt = s and s.class or debug.getmetatable(value)
    if type(mt) ~= "table" then return false end
    if mt.__methods and not s then return class_of_shape(self, name_of(mt), false, mt.__methods(value)) end
    local class = self.described[mt]
    if class == nil then
        if s then
            class = class_of_shape(self, mt.name, mt.eq, mt.list)
        else
            class = class_of_shape(self, name_of(mt), rawget(mt, "__eq") ~= nil, methods_of(value, mt))
        end
        self.described[mt] = class
    end
    return class
end

--- Methods that the object itself has another value for.
local function shadowed(value, class)
    local list
    for _, name in ipairs(class.methods) do
        if rawget(value, name) ~= nil then
            list = list or {}
            list[#list + 1] = name
        end
    end
    return list
end

-- ---- going ----

local function give(self, value, module)
    local id = self:keep(value)
    local kind = type(value)
    if kind == "function" or kind == "thread" then return MINE, id end
    local entry = self.kept[id]
    if entry.class == nil then
        entry.class = class_of(self, value, module)
        entry.shadows = entry.class and not module and kind == "table" and shadowed(value, entry.class) or nil
    end
    local class = entry.class
    if not class then return MINE, id end
    if class.told then
        if entry.shadows then return MINE, id, class.number, entry.shadows end
        return MINE, id, class.number
    end
    class.told = true
    self:give(class)
    return MINE, id, class.number, entry.shadows or false, class.name or false, class.eq, class.methods
end

local function fields_of(e)
    local fields = {}
    for k, v in next, e do fields[k] = v end
    return fields
end

local function packed(self, value, ext, ...)
    if ext then return ext, ... end
    return give(self, value)
end

--- For rshell.shared.peer.
function M.export(self, value)
    local kind = type(value)
    if kind == "userdata" then
        local s = proxy.state(value)
        if s then
            if s.peer == self then return YOURS, s.id end
        else
            local r = referred(value)
            if r then return give(self, r.value, r.module) end
            local mt = debug.getmetatable(value)
            if mt and mt.__export then return mt.__export(value, self) end
            if self.pack then return packed(self, value, self:pack(value)) end
        end
    elseif kind == "function" then
        local p, name = proxy.field(value)
        local s = p and proxy.state(p)
        if s and s.peer == self then return YOURS, s.id, name end
        if self.shipping then return packed(self, value, self:pack(value)) end
    elseif err.is(value) then
        return EXT.ERROR, fields_of(value)
    end
    return give(self, value)
end

-- ---- coming ----

local NONE = {methods = {}}

--- A class that has been described; nil for what is no description.
local function learn(self, number, name, eq, list)
    if math.type(number) ~= "integer" or number < 1 or number > CLASSES or type(list) ~= "table" then return nil end
    local class = {name = name or nil, eq = eq, methods = {}, list = list}
    for _, m in ipairs(list) do
        if type(m) ~= "string" then return nil end
        class.methods[m] = true
    end
    self.classes[number] = class
    return class
end

local function arrive(self, id, number, shadows, ...)
    local p = self.proxies[id]
    local class = number == nil and NONE or self.classes[number]
    if not class and select("#", ...) == 3 then class = learn(self, number, ...) end
    if not class then return nil, "an object of a class that was not described" end
    if p then
        local s = proxy.state(p)
        s.count = s.count + 1
        return p
    end
    local s = {peer = self, id = id, count = 1, class = class, life = self.life and self.life[1]}
    if type(shadows) == "table" then
        s.own = {}
        for _, name in ipairs(shadows) do s.own[name] = false end
    end
    p = proxy.make(s)
    self.proxies[id] = p
    return p
end

--- What stands under a name in an object or its class, without running code of it.
local function raw_field(value, name)
    for _ = 1, 100 do
        local v = type(value) == "table" and rawget(value, name)
        if v then return v end
        local mt = debug.getmetatable(value)
        value = type(mt) == "table" and rawget(mt, "__index")
        if not value then return nil end
    end
end

local function come_home(self, id, name)
    local value = self:object(id)
    if value == nil then return nil, "a reference that isn't there" end
    if name == nil then return value end
    return raw_field(value, name) or function(...) return value[name](...) end
end

local importers = {}

importers[MINE] = arrive
importers[YOURS] = come_home

importers[EXT.ERROR] = function(_, fields)
    if type(fields) ~= "table" then return nil, "an error without fields" end
    return err.new(fields)
end

importers[EXT.FUNCTION] = function(self, ...)
    if not self.unpack then return nil, "a function came, where none may come from" end
    return self:unpack(...)
end

importers[EXT.PROMISE] = function(self, ...)
    if not self.promise then return nil, "a promise came, where none may come from" end
    return self.promise(...)
end

--- For rshell.shared.peer.
function M.import(self, ext, ...)
    local importer = importers[ext]
    if not importer then return nil, "a value that has no place here" end
    return importer(self, ...)
end

-- ---- peers ----

--- A peer of which all values can go either way. how: as for rshell.shared.peer, without export and import;
--- serve(name, ...) answers the calls of its root; pack and unpack write and read functions that are shipped,
--- promise reads what a batch names.
---@param port userdata
---@param how table
---@return rshell.Peer
function M.peer(port, how)
    local self
    local root = how.serve
    self = peer.new(port, {
        serve = function(target, ...)
            if target == 0 then return root(...) end
            local entry = self.kept[target]
            if not entry then error("a reference that isn't there", 0) end
            return operations.apply(entry.object, ...)
        end,
        export = M.export, import = M.import, on_event = how.on_event, on_close = how.on_close,
        discard = how.discard, explain = how.explain, host = how.host,
    })
    self.pack, self.unpack, self.namespace = how.pack, how.unpack, how.namespace
    self.promise = how.promise
    self.proxies = setmetatable({}, WEAK_VALUES)
    self.shapes, self.nshapes, self.described, self.classes = {}, 0, setmetatable({}, WEAK_KEYS), {}
    return self
end

return M
