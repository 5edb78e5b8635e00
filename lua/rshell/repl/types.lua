-- What an expression is, without running it: a value where it can be looked up without a call or a round trip, else the
-- class that the stubs say. An expression is a chain: a name, then fields, methods, calls and indexes.

local docs = require "rshell.repl.docs"
local object = require "rshell.object"
local tokens = require "rshell.repl.tokens"
local variables = require "rshell.repl.variables"

local M = {}

-- Classes of the stubs by what object.type says of a value. Those in C are called the same.
local CLASSES = {
    machine = "rshell.Machine", command = "rshell.Command", pipeline = "rshell.Pipeline", path = "rshell.Path",
    workdir = "rshell.Workdir", tempdir = "rshell.TempDir", environment = "rshell.Environment",
    file = "rshell.OpenFile", session = "rshell.Session", tunnel = "rshell.Tunnel",
    listener = "rshell.MachineListener", cluster = "rshell.Cluster", results = "rshell.Results",
    ["cluster command"] = "rshell.ClusterCommand", nodeset = "rshell.Nodeset", progress = "rshell.Progress",
    connection = "rshell.RpcConnection", server = "rshell.DeployedServer", endpoints = "rshell.Endpoints",
    deployment = "rshell.MultiServerDeployment",
    async = "rshell.Async", batch = "rshell.Batch",
    future = "rshell.Future", result = "rshell.Result", process = "rshell.Process", modifier = "rshell.Modifier",
    ["environment.path"] = "rshell.EnvironmentPath", string = "string",
}

---@class rshell.repl.Typed
---@field value any what it is, where that is known
---@field class string? of the stubs
---@field member rshell.repl.Member? what was named last
---@field machine rshell.Machine? which machine it belongs to
---@field is_function boolean?
---@field all_commands boolean? every name is a command, as with m.cmd
---@field resolve (fun(): any)? gets the value, which takes a round trip; owner and place tell it from others

-- ---- chains ----

local CLOSING = {[")"] = "(", ["]"] = "[", ["}"] = "{"}

--- The index of the bracket that token i closes, or nil.
local function opening(list, i)
    local depth = 0
    for at = i, 1, -1 do
        local text = list[at].kind == "op" and list[at].text
        if text and CLOSING[text] then depth = depth + 1 end
        if text == "(" or text == "[" or text == "{" then depth = depth - 1 end
        if depth == 0 then return at end
    end
end

local function is_primary_end(token)
    return token and (token.kind == "name" or token.kind == "string" or token.text == ")" or token.text == "]"
        or token.text == "}")
end

--- The steps of the chain that ends at token i, first one first; nil where it is no chain. A step: {name=}, {field=,
--- colon=}, {call=true} or {index=token?}.
function M.chain(list, i)
    local steps = {}
    local function put(step) table.insert(steps, 1, step) end
    while i >= 1 do
        local token, before = list[i], list[i - 1]
        if token.kind == "name" then
            local sign = before and before.kind == "op" and before.text
            if sign ~= "." and sign ~= ":" then
                put {name = token.text}
                return steps, i
            end
            put {field = token.text, colon = sign == ":"}
            i = i - 2
        elseif token.kind == "string" or token.text == ")" or token.text == "}" then
            local open = token.kind == "string" and i or opening(list, i)
            if not open or not is_primary_end(list[open - 1]) then return nil end
            put {call = true}
            i = open - 1
        elseif token.text == "]" then
            local open = opening(list, i)
            if not open or not is_primary_end(list[open - 1]) then return nil end
            put {index = open == i - 2 and list[i - 1] or false}
            i = open - 1
        else
            return nil
        end
    end
end

-- ---- one step ----

--- What is known of a value.
---@param v any
---@return rshell.repl.Typed
function M.of_value(v)
    local kind = object.type(v)
    local typed = {value = v, class = CLASSES[kind] or docs.class(kind) and kind or nil}
    if v == package.loaded.rshell then typed.class = "rshell" end
    if kind == "machine" then
        typed.machine = v
    elseif kind == "path" or kind == "workdir" or kind == "tempdir" or kind == "command" then
        local ok, m = pcall(function() return v.machine end)
        typed.machine = ok and m or nil
    end
    if kind == "cluster" then typed.machine = require "rshell.cluster".connected(v) end
    typed.is_function = type(v) == "function"
    return typed
end

local function base(name)
    local v = variables.get(name)
    local lazy = docs.member("rshell", name)
    if v == nil and (name == "m" or name == "here" or name == "rshell") then v = _G[name] end
    if v ~= nil then
        local typed = M.of_value(v)
        if typed.is_function or not typed.class then typed.member = lazy end
        return typed
    end
    if not lazy then return nil end
    local is_field = lazy.kind == "field"
    return {member = lazy, class = is_field and lazy.type or nil, is_function = not is_field}
end

local function plain_field(t, key)
    if type(t) ~= "table" then return nil end
    local mt = debug.getmetatable(t)
    if type(mt) == "table" and rawget(mt, "__index") and type(rawget(mt, "__index")) ~= "table" then return nil end
    local v = rawget(t, key)
    if v == nil and type(mt) == "table" and type(rawget(mt, "__index")) == "table" then v = rawget(mt.__index, key) end
    return v
end

--- "rshell.Path" of "rshell.Path?", and nothing of "string | rshell.Path".
local function class_of(kind)
    kind = (kind or ""):gsub("%?$", "")
    if kind:find "^table<.-,%s*[%w_.]+>$" then return nil end
    return docs.class(kind) and kind or kind:find "%[%]$" and kind or nil
end

-- Fields of machines and paths that are there without asking anybody.
local AT_ONCE = {cwd = true, env = true, parent = true, machine = true, cmd = true}

-- Fields of an RPC connection that are objects over there.
local OVER_THERE = {namespace = true, builtins = true, modules = true}

--- A field of what is on another machine: nobody asks for it before its names are wanted.
local function far_field(typed, key)
    local value = typed.value
    if typed.resolve then
        local outer = typed.resolve
        return {
            owner = typed.owner, place = typed.place .. "." .. key,
            resolve = function() return outer()[key] end,
        }
    elseif value ~= nil and (object.type(value) == "rshell.Proxy" or typed.class == "rshell.RpcConnection") then
        return {owner = value, place = key, resolve = function() return value[key] end}
    end
end

-- What a name stands for that is no member.
local OTHERS = {
    ["rshell.Machine"] = "rshell.Command", ["rshell.Command"] = "rshell.Command",
    ["rshell.Cluster"] = "rshell.ClusterCommand", ["rshell.ClusterCommand"] = "rshell.ClusterCommand",
    ["rshell.Results"] = "rshell.HostResult",
}

local function other(typed)
    return OTHERS[typed.class] and {class = OTHERS[typed.class], machine = typed.machine}
end

local function field(typed, step)
    local key = step.field
    if typed.all_commands then return other(typed) end
    if key == "cmd" and OTHERS[typed.class] then
        local member = docs.member(typed.class, key)
        return {class = typed.class, machine = typed.machine, all_commands = true, member = member}
    end
    if typed.resolve or OVER_THERE[key] or not typed.class then
        local far = far_field(typed, key)
        if far then return far end
    end
    if typed.class and (type(typed.value) ~= "table" or typed.class == "rshell") then
        local member = docs.member(typed.class, key)
        if member then
            local is_field = member.kind == "field"
            local value
            if is_field and AT_ONCE[key] and typed.value ~= nil then value = typed.value[key] end
            if typed.class == "rshell" then value = rawget(typed.value, key) end
            local next_one = value ~= nil and M.of_value(value) or {class = is_field and class_of(member.type) or nil}
            next_one.member, next_one.is_function = member, not is_field
            next_one.machine = next_one.machine or typed.machine
            return next_one
        end
        return not step.colon and other(typed) or nil
    end
    local v = plain_field(typed.value, key)
    if v == nil then return nil end
    local found = M.of_value(v)
    found.member = typed.class and docs.member(typed.class, key) or nil
    return found
end

local function call(typed)
    if typed.class == "rshell.Command" and not (typed.member and typed.member.kind == "method") then
        return {value = nil, class = "string"}
    end
    local kind = typed.member and typed.member.type
    if not kind then return nil end
    return {class = class_of(kind), machine = typed.machine}
end

local function index(typed, step)
    local element = typed.class and typed.class:match "^(.*)%[%]$"
    if element then return {class = class_of(element), machine = typed.machine} end
    if OTHERS[typed.class] then return other(typed) end
    local token = step.index
    if not token then return nil end
    local key = token.kind == "string" and token.text:sub(2, -2) or token.kind == "number" and tonumber(token.text)
    local v = key and plain_field(typed.value, key)
    return v and M.of_value(v) or nil
end

--- What the chain that ends at token i is; nil where nothing is known.
---@param list table[]
---@param i integer
---@return rshell.repl.Typed?
function M.at(list, i)
    local steps = M.chain(list, i)
    if not steps then return nil end
    local typed = base(steps[1].name)
    for n = 2, #steps do
        if not typed then return nil end
        local step = steps[n]
        typed = (step.field and field or step.call and call or index)(typed, step)
    end
    return typed
end

--- What a name says: "m.tunnel", "rshell.Path", "ssh"; a class of the stubs by its own name too.
---@param name string
function M.find(name)
    name = name:match "^%s*(.-)%s*$":gsub("%(%)$", "")
    local list = tokens.of(name)
    local typed = #list > 0 and M.at(list, #list)
    if typed and typed.member then return typed end
    local class = docs.class(name) and name or docs.class("rshell." .. name) and "rshell." .. name
    if class then return {class = class} end
    local owner, member = name:match "^(.-)[.:]([%w_]+)$"
    local found = owner and (docs.member(owner, member) or docs.member("rshell." .. owner, member))
    if found then return {member = found} end
    if typed and typed.class then return typed end
end

return M
