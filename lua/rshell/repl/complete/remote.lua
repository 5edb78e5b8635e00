-- Names of what is on another machine: of proxies, and of what an RPC connection has. Asking takes a round trip.
--
-- Another class brings the metamethod __names(v), which gives an array and may wait.

local object = require "rshell.object"

local M = {}

local MOST = 1000 -- fields that are looked at

local MODULES = {
    "fs", "proc", "net", "host", "hash", "json", "string", "table", "math", "utf8", "coroutine", "debug", "io", "os",
}

--- Its methods, which came with it, and its fields, a block of which is a round trip.
local function of_proxy(p)
    local state = require "rshell.shared.proxy".state(p)
    local names, n = table.move(state.class.list or {}, 1, #(state.class.list or {}), 1, {}), 0
    pcall(function()
        for key in pairs(p) do
            if type(key) == "string" then names[#names + 1] = key end
            n = n + 1
            if n >= MOST then break end
        end
    end)
    return names
end

local BY_CLASS = {["rshell.Proxy"] = of_proxy, modules = function() return MODULES end}

--- The function that tells an object's names, or nil.
---@param value any
---@return (fun(value: any): string[])?
function M.teller(value)
    local mt = debug.getmetatable(value)
    return type(mt) == "table" and rawget(mt, "__names") or BY_CLASS[object.type(value)]
end

--- What a value is, in a line, without asking anybody.
---@param value any
---@return string?
function M.about(value)
    local kind = type(value)
    if kind == "function" then return "function" end
    if kind == "table" or M.teller(value) then return object.type(value) end
    local ok, text = pcall(tostring, value)
    return ok and text:sub(1, 200) or nil
end

return M
