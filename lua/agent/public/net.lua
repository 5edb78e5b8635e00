-- `net` in a connection: sockets.

local net = require "rshell.sys.net"
local raising = require "agent.public.check".raising

return {
    connect = raising("connect to", net.connect),
    listen = raising("listen on", net.listen),
    resolve = raising("resolve", net.resolve),
}
