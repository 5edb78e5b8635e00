---@meta

---A command: a value; nothing runs before it is called. Indexed, it binds an argument: `ls["-l"]`, unless the name is one of
---the members below.
---@class rshell.Command: rshell.Runnable
---@operator call(...: rshell.Argument): string
---@field argv string[] the program as written, then its bound arguments
---@field machine rshell.Machine
---@field [rshell.Argument] rshell.Command

---Commands that `|` has joined. Arguments go to the first stage, redirections bind to the stage they are written on.
---@class rshell.Pipeline: rshell.Runnable
---@operator call(...: rshell.Argument): string

---A string, a number, a path of the command's machine, a command (its argv is appended; under ssh it is one word, quoted),
---or a table of them. No shell ever reads it.
---@alias rshell.Argument string | number | rshell.Path | rshell.Command | rshell.Argument[]

---Where bytes come from: a path of any machine, a function that gives blocks and nil at the end, or what has a method read.
---@alias rshell.Source string | rshell.Path | fun(): string? | rshell.Stream | file*

---Where bytes go: a path of any machine, a function that takes blocks, or what has a method write.
---@alias rshell.Sink string | rshell.Path | fun(block: string) | rshell.Stream | file*

---What commands and pipelines have in common. A call runs it and returns what it printed; a bad status raises kind
---`process`.
---@class rshell.Runnable
---@operator call(...: rshell.Argument): string
---@operator bor(rshell.Runnable): rshell.Pipeline both, joined by a pipe
---@operator shl(string | number): rshell.Command its standard input
---@operator shr(rshell.Sink): rshell.Command its output, at the end of a file
---@operator band(rshell.Modifier): any runs it in another way
local Command = {}

---@class rshell.CommandOptions
---@field retcode? integer | integer[] | "any" statuses that are fine, 0 without; a signal counts as 128 and its number
---@field timeout? number seconds that it may take; then the whole group is ended and kind `timeout` is raised
---@field line_timeout? number the same for so many seconds without output
---@field cwd? string | rshell.Path
---@field env? table<string, string | number | false> changes; false unsets
---@field input? string its standard input
---@field umask? integer | string a number, or octal: "027"
---@field user? string who it runs as
---@field pty? boolean | {rows?: integer, cols?: integer} a terminal of its own, 24 by 80 without a size
---@field max_output? number bytes of each output that are kept in memory, 64 MiB without; past it the call raises
---@field pipefail? boolean the last stage that fails counts, not the last one

---The same with more arguments.
---@param ... rshell.Argument
---@return rshell.Command
function Command:bind(...) end

---Runs it; a bad status doesn't raise. The code is nil where a signal ended it, whose name is the fifth value then.
---@param args? rshell.Argument
---@param options? rshell.CommandOptions
---@return integer? code
---@return string stdout
---@return string stderr
---@return integer[] codes of every stage; a signal counts as 128 and its number
---@return string? signal
function Command:run(args, options) end

---What it prints, without the newlines at the end.
---@param ... rshell.Argument
---@return string
function Command:text(...) end

---What it prints, decoded; kind `parse` where that is no JSON.
---@param ... rshell.Argument
---@return any
function Command:json(...) end

---Starts it.
---@param options? rshell.CommandOptions
---@return rshell.Process
function Command:popen(options) end

---Iterates over the lines it prints, while it runs. Leaving the loop ends it; a bad status raises at the end.
---@param ... rshell.Argument
---@return fun(): string?
function Command:lines(...) end

---Iterates over "out" or "err" and a line, while it runs. Leaving the loop ends it; a bad status raises at the end.
---@param ... rshell.Argument
---@return fun(): ("out" | "err")?, string?
function Command:iter(...) end

---The same with options; those of a later call win.
---@param options rshell.CommandOptions
---@return rshell.Command
function Command:with(options) end

---The same with its standard input from elsewhere.
---@param source rshell.Source
---@return rshell.Command
function Command:from(source) end

---The same with its output elsewhere.
---@param sink rshell.Sink
---@return rshell.Command
function Command:to(sink) end

---The same with its output at the end of a file.
---@param sink rshell.Sink
---@return rshell.Command
function Command:append(sink) end

---The same with what it prints on stderr elsewhere.
---@param sink rshell.Sink
---@return rshell.Command
function Command:err_to(sink) end

---The same with stderr where its output goes.
---@return rshell.Command
function Command:err_to_out() end
