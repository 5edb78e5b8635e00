-- Contexts of an agent's link, on our side: each is a process of its own over there, started by an agent that is there.

local rpc = require "rshell.rpc"

local values = require "rshell.shared.values"

local M = {}

--- A peer in a new context. starter(number) makes the call that starts its process, without waiting; what is sent to
--- the peer waits over there until the process has come.
---@param parent rshell.Peer an agent's, with .link and .context
---@param how table for rshell.shared.values
---@param hello table what it is told first
---@param starter fun(number: integer): table
---@return rshell.Peer, table call what the starter gave
function M.open(parent, how, hello, starter)
    local number = parent.link:context(parent.context)
    local port = parent.link:port(number, true)
    local call = starter(number)
    local self = values.peer(port, how)
    self.link, self.context = parent.link, number
    self.port:send(rpc.FRAME.HELLO, 0, nil, hello)
    return self, call
end

return M
