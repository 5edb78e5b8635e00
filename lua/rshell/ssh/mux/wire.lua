-- What a multiplexing master of ssh is told at its control socket: packets of four bytes of length, a number for the
-- kind, and fields. PROTOCOL.mux in OpenSSH's sources describes it.

local net = require "rshell.sys.net"

local M = {}

local VERSION = 4
local HELLO = 0x00000001
local MAX_PACKET = 512 * 1024

M.OPEN_FORWARD, M.CLOSE_FORWARD, M.PROXY = 0x10000006, 0x10000007, 0x1000000f
M.OK, M.DENIED, M.FAILURE = 0x80000001, 0x80000002, 0x80000003
M.REMOTE_PORT, M.PROXIED = 0x80000007, 0x8000000f

--- The body of the next packet; nil at the end.
---@param stream rshell.Stream
---@return string?
function M.read(stream)
    local head = stream:read {exact = 4}
    if not head or #head < 4 then return nil end
    local n = (">I4"):unpack(head)
    if n > MAX_PACKET then error(("a packet of %d bytes at the control socket"):format(n), 0) end
    local body = n > 0 and stream:read {exact = n} or ""
    return body and #body == n and body or nil
end

---@param stream rshell.Stream
---@param body string
function M.write(stream, body)
    stream:write((">s4"):pack(body))
end

--- A connection to a master, greeted; or nil, text, NAME.
---@param path string
---@return rshell.Stream?, string?, string?
function M.connect(path)
    local stream, text, name = net.connect(path)
    if not stream then return nil, text, name end
    M.write(stream, (">I4I4"):pack(HELLO, VERSION))
    local body = M.read(stream)
    local kind, version = 0, 0
    if body and #body >= 8 then kind, version = (">I4I4"):unpack(body) end
    if kind == HELLO and version == VERSION then return stream end
    stream:close()
    return nil, ("this ssh's control protocol is not known (version %d)"):format(version), "EPROTOCOL"
end

--- Asks for something: the kind of the answer, and what stands in it after the number of the request.
---@param stream rshell.Stream
---@param kind integer
---@param fields string?
---@return integer? kind, string rest
function M.ask(stream, kind, fields)
    M.write(stream, (">I4I4"):pack(kind, 1) .. (fields or ""))
    local body = M.read(stream)
    if not body or #body < 8 then return nil, "" end
    return (">I4"):unpack(body), body:sub(9)
end

--- The reason in a refusal.
function M.reason(rest)
    local ok, text = pcall(string.unpack, ">s4", rest)
    return ok and text ~= "" and text or "ssh gave no reason"
end

return M
