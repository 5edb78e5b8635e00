-- What goes through tunnels in benchmarks: a server that sends so many bytes to everybody, and who takes them. Both are
-- programs of their own, the same for all who are compared.

local rshell = require "rshell"

local M = {}

local SOURCE = [[
import socket, sys
n, block = int(sys.argv[1]), bytes(262144)
l = socket.create_server(("127.0.0.1", 0)); print(l.getsockname()[1], flush=True)
while True:
    s, left = l.accept()[0], n
    try:
        while left > 0: s.sendall(block); left -= len(block)
    except OSError: pass
    s.close()]]

local SINK = [[
import socket, sys, time
s, n, b = socket.create_connection(("127.0.0.1", int(sys.argv[1]))), 0, time.monotonic()
block = bytearray(1 << 20)
while n < int(sys.argv[2]):
    got = s.recv_into(block)
    if not got: break
    n += got
assert n == int(sys.argv[2]), n
print(time.monotonic() - b)]]

local function python(program, ...)
    return here.cmd["/usr/bin/python3"]:bind("-c", program, ...)
end

--- The server's port, and its process.
---@param bytes integer
function M.source(bytes)
    local p = python(SOURCE, tostring(bytes)):popen()
    return math.tointeger(tonumber(p.stdout:read "l")), p
end

--- A function that takes all bytes from a port, and tells in how many seconds.
---@param port integer
---@param bytes integer
function M.through(port, bytes)
    local c = python(SINK, tostring(port), tostring(bytes))
    return function() return tonumber((c())) end
end

--- ssh -L to a port: its own port here, and the process.
---@param config string
---@param port integer
---@param ... string further options
function M.forward(config, port, ...)
    local free = assert(require("rshell.sys.net").listen(0, "127.0.0.1"))
    local lport = free.port
    free:close()
    local where = ("%d:127.0.0.1:%d"):format(lport, port)
    local p = here.cmd.ssh:bind("-F", config, ...):bind("-N", "-L", where, "127.0.0.1"):popen()
    rshell.sleep(1)
    return lport, p
end

return M
