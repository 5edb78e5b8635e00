---@meta

---A shell that keeps its state: working directory, variables, functions, redirections. One script runs at a time. When a
---script exits, or is ended by its view's timeout, the session is closed.
---@class rshell.Session
---@field pid integer of the shell
---@field closed boolean
---@field machine rshell.Machine
local Session = {}

---@class rshell.SessionOptions
---@field timeout? number seconds; past it the session is closed and kind `timeout` raised

---Runs a script in the session's shell, with nothing on its input. Output is exact. The status is nil when a signal ended
---the shell. A syntax error is a status and a message, and the session goes on where the shell allows that.
---@param script string
---@param options? rshell.SessionOptions
---@return integer? code
---@return string out
---@return string err
---@return string? signal "KILL"
function Session:run(script, options) end

---Starts a script, whose outputs are read while it runs.
---@param script string
---@return rshell.SessionProcess
function Session:popen(script) end

---Ends the shell, and what it left running. Harmless twice.
function Session:close() end

---A script under way.
---@class rshell.SessionProcess
---@field stdout rshell.SessionStream
---@field stderr rshell.SessionStream
---@field code? integer once both outputs were read to their ends
local SessionProcess = {}

---Keeps what was not read, and waits for the end. Raises `timeout` when the script still runs then.
---@param seconds? number
---@return integer? code nil when a signal ended the shell
---@return string? signal
function SessionProcess:wait(seconds) end

---Closes the session if the script still runs.
function SessionProcess:close() end

---One of a script's outputs.
---@class rshell.SessionStream
local SessionStream = {}

---Reads as streams do; nil at the script's end.
---@param what? rshell.ReadFormat a line by default
---@param timeout? number seconds
---@return string?
function SessionStream:read(what, timeout) end

---Iterates over what `read` gives.
---@param what? rshell.ReadFormat
---@return fun(): string?
function SessionStream:lines(what) end
