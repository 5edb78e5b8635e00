---@meta

---Connections, listeners and names. What can't be done is `nil, text, NAME`.
---@class rshell.net
local net = {}

---@class rshell.NetConnectOptions
---@field timeout? number seconds for looking the name up and connecting together
---@field from? string an address of this machine that the connection shall come from; "0.0.0.0" and "::" choose the family

---@class rshell.NetListenOptions
---@field backlog? integer connections that may wait to be accepted

---@class rshell.NetResolveOptions
---@field port? integer put into every entry
---@field timeout? number

---@class rshell.NetAddress
---@field address string
---@field family "ipv4" | "ipv6"
---@field port? integer

---@class rshell.NetPeer
---@field family "ipv4" | "ipv6" | "unix"
---@field address? string
---@field port? integer
---@field path? string of a unix socket that has a name

---Connects to a host and port, or to a unix socket by its absolute path, or by "@name" in the abstract namespace. Several
---addresses of a name are tried one after the other, the next one 250 ms after the one before.
---@param host string
---@param port? integer
---@param options? rshell.NetConnectOptions
---@return rshell.Stream?
---@return string? message
---@return string? name
function net.connect(host, port, options) end

---Listens on a port (0 takes a free one) or on a unix socket. Without a host only this machine can connect; "*" is every
---address.
---@param port integer | string
---@param host? string
---@param options? rshell.NetListenOptions
---@return rshell.Listener?
---@return string? message
---@return string? name
function net.listen(port, host, options) end

---The addresses of a name, best first.
---@param name string
---@param options? rshell.NetResolveOptions
---@return rshell.NetAddress[]?
---@return string? message
---@return string? name
function net.resolve(name, options) end

---A socket that takes connections. Closing it removes the file of its unix socket.
---@class rshell.Listener
---@field port? integer
---@field address? string
---@field path? string of its unix socket
---@field closed boolean
local Listener = {}

---The next connection and who it is from; ETIMEOUT past the time, ECLOSED once the listener is closed.
---@param seconds? number
---@return rshell.Stream?
---@return rshell.NetPeer | string
---@return string? name
function Listener:accept(seconds) end

---Takes no more connections. Harmless twice.
function Listener:close() end

return net
