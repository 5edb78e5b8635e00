-- `net` in a connection: sockets.

local check = require "agent.public.check"
local net = require "rshell.sys.net"

return check.public("net", {
    connect = check.raising("connect to", net.connect),
    listen = check.raising("listen on", net.listen),
    resolve = check.raising("resolve", net.resolve),
})
