-- Sockets of a bare machine: what the connection itself can open.

local errno = require "rshell.bare.errno"

local M = {}

--- The module for a shell.
---@param shell rshell.bare.Shell
function M.new(shell)
    local connector = shell.connector
    local function unsupported() return errno.fail "EUNSUPPORTED" end
    local module = {resolve = unsupported}

    --- A stream to a port over there; a path is a unix socket.
    function module.connect(host, port)
        if port == nil then return module.connect_unix(host) end
        if not connector.connect_tcp then return unsupported() end
        return connector.connect_tcp(host, port)
    end

    function module.connect_unix(path)
        if not connector.connect_unix then return unsupported() end
        return connector.connect_unix(path)
    end

    function module.listen(...)
        if not connector.listen then return unsupported() end
        return connector.listen(...)
    end

    return module
end

return M
