---@meta

---What the programs of a pipeline have used, with the children that they waited for.
---@class rshell.ProcessUsage
---@field user number seconds of CPU in programs
---@field system number seconds of CPU in the kernel
---@field memory integer bytes that the largest had in memory at most

---A program or pipeline under way. Dropped, it runs on until the program ends; closed, it ends at once.
---@class rshell.Process
---@field pid integer of the last stage
---@field stdin? rshell.Stream of the first stage; nil where it reads from elsewhere
---@field stdout? rshell.Stream of the last stage; nil where it writes elsewhere
---@field stderr? rshell.Stream of all stages
---@field machine rshell.Machine
---@field code? integer nil while it runs, and where a signal ended it
---@field rusage? rshell.ProcessUsage nil while it runs, and over SSH without an agent
---@field termsig? string "KILL"; nil while it runs, and where it ended by itself
local Process = {}

---Waits until it has ended: the code, or nil and the signal that ended it. Past its time it raises kind `timeout`; the
---process runs on then.
---@param seconds? number
---@return integer? code
---@return string? signal
function Process:wait(seconds) end

---nil while it runs, else the code, or 128 and the signal's number.
---@return integer?
function Process:poll() end

---Sends a signal to the whole group, TERM without a name.
---@param signal? integer | string a number, "TERM" or "SIGTERM"
function Process:kill(signal) end

---Writes input, reads both outputs to their ends, and waits.
---@param input? string
---@return string out
---@return string err
function Process:communicate(input) end

---Changes the size of its terminal, where it has one of its own.
---@param rows integer
---@param cols integer
function Process:resize(rows, cols) end

---Ends it at once, with its whole group.
function Process:close() end
