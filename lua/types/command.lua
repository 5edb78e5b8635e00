---@meta

---A command or a pipeline: a value; nothing runs before it is called. Indexed, it binds an argument: `ls["-l"]`.
---@class rshell.Command
---@operator call(any): string what it printed; a bad status raises kind `process`
---@operator bor(rshell.Command): rshell.Command a pipeline
---@operator shl(string): rshell.Command its standard input
---@operator shr(string | rshell.Path): rshell.Command appends its output
---@operator band(rshell.Modifier): any runs it in another way
---@field argv string[]
---@field machine rshell.Machine
---@field [any] rshell.Command
local Command = {}

---@class rshell.CommandOptions
---@field retcode? integer | integer[] | "any" which statuses are fine; 0
---@field timeout? number seconds; then the whole group is ended
---@field line_timeout? number seconds without output
---@field cwd? string | rshell.Path
---@field env? table<string, string | number | false>
---@field input? string
---@field umask? integer
---@field user? string
---@field pty? boolean | {rows: integer, cols: integer}
---@field max_output? number bytes kept in memory; 64 MiB, past it the call raises
---@field pipefail? boolean

---With more arguments.
---@param ... any
---@return rshell.Command
function Command:bind(...) end

---Runs; never raises on the status. The code is nil when a signal ended it, then its name comes last.
---@param args? any[]
---@param options? rshell.CommandOptions
---@return integer? code, string stdout, string stderr, integer[] codes, string? signal
function Command:run(args, options) end

---What it printed, without the newlines at the end.
---@param ... any
---@return string
function Command:text(...) end

---What it printed, decoded.
---@param ... any
---@return any
function Command:json(...) end

---Starts it.
---@param options? rshell.CommandOptions
---@return rshell.Process
function Command:popen(options) end

---Its lines while it runs; leaving the loop ends it.
---@param ... any
---@return fun(): string?
function Command:lines(...) end

---"out" or "err" and a line, while it runs.
---@param ... any
---@return fun(): string?, string?
function Command:iter(...) end

---With options.
---@param options rshell.CommandOptions
---@return rshell.Command
function Command:with(options) end

---With its input from a path of any machine, a function or a stream.
---@param source string | rshell.Path | fun(): string? | rshell.Stream
---@return rshell.Command
function Command:from(source) end

---With its output to a path of any machine, a function or a stream.
---@param sink string | rshell.Path | fun(block: string) | rshell.Stream
---@return rshell.Command
function Command:to(sink) end

---As `to`, at the end of a file.
---@param sink string | rshell.Path | fun(block: string) | rshell.Stream
---@return rshell.Command
function Command:append(sink) end

---With its error output there.
---@param sink string | rshell.Path | fun(block: string) | rshell.Stream
---@return rshell.Command
function Command:err_to(sink) end

---With its error output where its output goes.
---@return rshell.Command
function Command:err_to_out() end

---How a command runs: `c & FG`, `FG(c)`, `c & TF{retcode=1}`.
---@class rshell.Modifier
---@operator call(any): any

---Programs under way.
---@class rshell.Process
---@field pid integer
---@field stdin? rshell.Stream
---@field stdout? rshell.Stream
---@field stderr? rshell.Stream
---@field machine rshell.Machine
---@field code? integer nil while it runs, and when a signal ended it
---@field termsig? string "KILL"
local Process = {}

---The code; nil and the signal's name when a signal ended it. Raises `timeout`.
---@param seconds? number
---@return integer? code, string? signal
function Process:wait(seconds) end

---nil while it runs, else the code, or 128 and the signal's number.
---@return integer?
function Process:poll() end

---To the whole group; TERM.
---@param signal? integer | string
function Process:kill(signal) end

---Writes input, reads both outputs to their ends, and waits.
---@param input? string
---@return string out, string err
function Process:communicate(input) end

---Of its terminal.
---@param rows integer
---@param cols integer
function Process:resize(rows, cols) end

---Ends it at once, with its group. Harmless twice.
function Process:close() end

---What `c & BG` gives. Its fields wait until it has ended.
---@class rshell.Future
---@field stdout string
---@field stderr string
---@field code? integer
---@field signal? string
local Future = {}

---Raises on a bad status, and `timeout`.
---@param seconds? number
---@return rshell.Future
function Future:wait(seconds) end

---@return boolean
function Future:ready() end

---Ends it at once. Harmless twice.
function Future:close() end
