---@meta

---A tunnel: whoever connects to `lport` comes out at `dport` on the other machine. The end of what one side sends passes
---through alone. Dropped, it closes.
---@class rshell.Tunnel
---@field lport integer | string where one connects: the port that was taken for 0, or a path
---@field dport integer | string
---@field reverse boolean one connects on the other machine, and comes out here
---@field connections integer open now
---@field sent integer bytes from who connected
---@field received integer bytes back to them
---@field closed boolean
local Tunnel = {}

---@class rshell.TunnelOptions
---@field host? string the host that `dport` belongs to, as the machine at that end knows it; localhost
---@field lhost? string where `lport` listens: only that machine itself can connect, "*" lets all
---@field reverse? boolean

---Drops every connection and frees the port. Harmless twice.
function Tunnel:close() end
