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

---What `attach` joins a process to. With none of `stdin`, `stdout` and `stderr` it is our terminal, or our own streams.
---@class rshell.AttachOptions
---@field stdin? string | rshell.Path | rshell.Stream | fun(): string? what it reads next; a string is the bytes themselves
---@field stdout? string | rshell.Path | rshell.Stream | fun(block: string) where what it prints goes, as with `c:to`
---@field stderr? string | rshell.Path | rshell.Stream | fun(block: string)
---@field append? boolean to the end of the files
---@field timeout? number seconds; then it raises kind `timeout`, detached
---@field escape? string | false the key before the d that detaches, Ctrl-] without; false: every key is the program's

---Joins the process to our terminal until it ends. Where it was started with `pty` every key goes to it, and its window is as
---large as ours; Ctrl-] and then d detaches (Ctrl-] twice is the key itself). Else what is typed goes to it line by line
---(Ctrl-] d Enter detaches, Ctrl-D ends its input, Ctrl-C ends it). Where our input is no terminal, its end is the end of
---the program's.
---
---With `stdin`, `stdout` or `stderr` these alone are joined, the others are left as they are. The end of what `stdin` gives
---ends the attachment, and not the program's input: more can follow, with `attach`, `p.stdin:write` or the terminal.
---
---Detached, it goes on; what it prints then waits in bounded memory for who reads, or attaches it, next. A cancel ends it.
---@param options? rshell.AttachOptions
---@return integer? code nil where a signal ended it, and where it goes on
---@return string? signal "KILL"; "detached" where it goes on
function Process:attach(options) end

---Changes the size of its terminal, where it has one of its own.
---@param rows integer
---@param cols integer
function Process:resize(rows, cols) end

---Ends it at once, with its whole group.
function Process:close() end
