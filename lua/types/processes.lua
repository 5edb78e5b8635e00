---@meta

---A process of a machine, as it was when it was listed.
---@class rshell.ProcessInfo: rshell.HostProcess
local ProcessInfo = {}

---Sends it a signal: TERM, a number, "KILL" or "SIGKILL". Raises `notfound` when it has gone.
---@param signal? integer | string
function ProcessInfo:kill(signal) end
