-- A connection's other end: a process with a Lua state of its own, for the controller's functions and their variables.

local own = require "rshell.agent.own"
local peer = require "rshell.shared.peer"
local rpc = require "rshell.rpc"
local task = require "rshell.task"

local function refuse(_, value)
    error(("a %s can't be sent"):format(type(value)), 0)
end

---@param context integer
---@param memory integer bytes of its heap
---@param version string
return function(context, memory, version)
    own.limit(memory)
    local link = rpc.link(own.streams())
    local ended = task.event()
    local root = {}
    function root.eval(text) return assert(load("return " .. text, "=eval", "t"))() end
    local self
    self = peer.new(link:port(context, false), {
        serve = function(_, name, ...) return root[name](...) end,
        export = refuse, import = function() return nil, "no references" end,
        on_close = function() ended:notify() end,
    })
    self.port:send(rpc.FRAME.HELLO, 0, nil, {protocol = 1, version = version, pid = own.pid()})
    while not self.why do ended:wait() end
    link:close()
    return 0
end
