-- Two peers over two pipes, in one process.

local proc = require "rshell.sys.proc"
local rpc = require "rshell.rpc"

package.path = arg[0]:gsub("[^/]*$", "") .. "../../lua/?.lua;" .. package.path -- lua/agent

local M = {}

--- Two links that are joined.
function M.links()
    local r1, w1 = proc.pipe()
    local r2, w2 = proc.pipe()
    return rpc.link(r1, w2), rpc.link(r2, w1)
end

--- Ends both sides.
function M.over(...)
    for _, p in ipairs {...} do p:close "the test is over" end
end

--- Two peers of values. The far one's root has these functions, and "call", which calls its argument; near is of ours.
function M.values(far, near)
    local values = require "rshell.shared.values"
    local a, b = M.links()
    local function root(functions)
        return function(name, ...)
            if name == "call" then return (...)(select(2, ...)) end
            return (functions[name] or error("no function " .. name, 0))(...)
        end
    end
    local left = values.peer(a:port(0, true), {
        serve = root(near or {}), host = "far", pack = require "rshell.ship".pack,
    })
    local right = values.peer(b:port(0, false), {
        serve = root(far or {}), namespace = setmetatable({}, {__index = _G}),
        unpack = require "agent.functions".unpack,
    })
    return left, right
end

return M
