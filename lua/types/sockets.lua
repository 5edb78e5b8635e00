---@meta

---What `m:listen` gives: a socket of that machine. Closing it removes the file of a unix socket.
---@class rshell.MachineListener
---@field port? integer the port that was taken for 0
---@field address? string
---@field path? string of a unix socket
---@field closed boolean
local MachineListener = {}

---The next connection, and who it is from. Raises `timeout` past the time or the machine's, `closed` once it is closed.
---@param seconds? number
---@return rshell.Stream
---@return rshell.NetPeer
function MachineListener:accept(seconds) end

---Harmless twice.
function MachineListener:close() end
