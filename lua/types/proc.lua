---@meta

---Processes to start and signal. What can't be started is `nil, text, NAME, where`.
---@class rshell.proc
local proc = {}

---@class rshell.ProcTarget a file
---@field path string
---@field append? boolean instead of beginning anew

---@class rshell.ProcStage one program, or one stage of a pipeline
---@field argv string[]
---@field other? string a second name of the program, where there is none of the first
---@field env? table<string, string | false> changes of our environment; false unsets
---@field cwd? string
---@field umask? integer
---@field user? string name or number of an account
---@field stdin? "pipe" | "null" | "inherit" | rshell.ProcTarget null without input
---@field stdout? "pipe" | "null" | "inherit" | rshell.ProcTarget
---@field stderr? "pipe" | "null" | "inherit" | "out" | rshell.ProcTarget

---@class rshell.ProcSpec: rshell.ProcStage
---@field stages? rshell.ProcStage[] a pipeline, in place of argv
---@field pty? true | { rows?: integer, cols?: integer, raw?: boolean } raw: it changes no byte and shows none
---@field foreground? boolean our terminal is lent to it
---@field keep? boolean outlives us

---@class rshell.ProcRunSpec: rshell.ProcSpec
---@field input? string
---@field max_output? integer bytes of each output that are kept; more ends the program
---@field timeout? number seconds
---@field line_timeout? number seconds without output

---@class rshell.ProcFailure
---@field stage integer
---@field step "fork" | "group" | "terminal" | "user" | "cwd" | "fds" | "exec" | "interpreter"
---@field file? string a redirection that could not be opened

---@class rshell.ProcExit one of both
---@field code? integer
---@field signal? string "KILL"

---@class rshell.ProcResult
---@field exits rshell.ProcExit[] one a stage
---@field stdout string
---@field stderr string
---@field reason? "timeout" | "line_timeout" | "limit" why it was ended

---Starts a program or a pipeline, in a process group of its own.
---@param spec rshell.ProcSpec
---@return rshell.sys.Process?
---@return string? message
---@return string? name
---@return rshell.ProcFailure?
function proc.spawn(spec) end

---Starts, feeds, collects and waits. Cancelled, it ends the whole group.
---@param spec rshell.ProcRunSpec
---@return rshell.ProcResult?
---@return string? message
---@return string? name
---@return rshell.ProcFailure?
function proc.run(spec) end

---The path of the first of the names that is a program.
---@param names string[]
---@param path string as in PATH
---@param cwd string what relative parts stand below
---@return string?
---@return string? message
---@return string? name
function proc.which(names, path, cwd) end

---The working directory of this process.
---@return string?
---@return string? message
---@return string? name
function proc.cwd() end

---Signals a process, or with a negative number a group.
---@param pid integer
---@param signal? integer | string TERM by default; "TERM" and "SIGTERM" are the same
---@return true?
---@return string? message
---@return string? name
function proc.kill(pid, signal) end

---The number of a signal.
---@param signal integer | string
---@return integer
function proc.signal(signal) end

---Its name, without SIG.
---@param signal integer | string
---@return string
function proc.signal_name(signal) end

---Processes under way. One that nobody names any more goes on until the program ends.
---@class rshell.sys.Process
---@field stdin? rshell.Stream where it is a pipe
---@field stdout? rshell.Stream
---@field stderr? rshell.Stream
---@field pids? integer[] one a stage, until it is released
local Process = {}

---Waits for all stages: their exits, or ETIMEOUT.
---@param seconds? number
---@return rshell.ProcExit[]?
---@return string? message
---@return string? name
function Process:wait(seconds) end

---What is known now; false for a stage that runs.
---@return (rshell.ProcExit | false)[]
function Process:exits() end

---What all stages have used; nil while one runs. Memory is that of the largest, in bytes.
---@return {user: number, system: number, memory: integer}?
function Process:usage() end

---True when all stages have ended.
---@return boolean
function Process:ended() end

---Signals the whole group.
---@param signal? integer | string
---@return true?
---@return string? message
---@return string? name
function Process:kill(signal) end

---TERM, KILL half a second later, and waits.
---@return rshell.ProcExit[]
function Process:stop() end

---Lets go of the processes: they go on.
function Process:release() end

---Sets the size of its pty.
---@param rows integer
---@param cols integer
---@return true?
---@return string? message
---@return string? name
function Process:resize(rows, cols) end

return proc
