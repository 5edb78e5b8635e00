---@meta

---What subcommands print with: `rshell.output`.
---@class rshell.output
local output = {}

---@class rshell.TableOptions
---@field columns? string[] names, shown above; a row may have them as keys
---@field width? integer columns of the terminal that it may take; the window's without, and where there is none, what it needs

---The lines of a table that fits the window: numbers at the right; the widest columns are cut where all is too wide.
---@param rows table[]
---@param options? rshell.TableOptions
---@return string
function output.table(rows, options) end

---How many columns of a terminal text takes: 2 for East Asian characters and emoji, none for what combines.
---@param text string
---@return integer
function output.width(text) end

---Text on one line, cut to so many columns.
---@param text string
---@param columns integer
---@return string
function output.fit(text, columns) end

---Text in a style, where standard output takes colours: it is a terminal, and NO_COLOR isn't set; or CLICOLOR_FORCE is.
---@param style "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "magenta" | "cyan" | "error" | "good" | "warning" | "name" | "title"
---@param text string
---@return string
function output.paint(style, text) end

---Writes values to standard output as the prompt shows them, one below the other: tables with what is in them. Of text
---nothing is left out.
---@param ... any
function output.show(...) end

---"12.3 MB"
---@param bytes number
---@return string
function output.size(bytes) end

---"4:05"
---@param seconds number
---@return string
function output.time(seconds) end

---@class rshell.ProgressOptions
---@field label? string
---@field total? number
---@field bytes? boolean amounts are bytes

---A line at the bottom of the terminal: how much is done, how fast, how long it still takes. What is printed meanwhile
---comes above it. Nothing is shown where standard error is no terminal.
---@param options? rshell.ProgressOptions
---@return rshell.Progress
function output.progress(options) end

---Closes with `<close>`.
---@class rshell.Progress
---@field done number
---@field total? number
local Progress = {}

---So much is done; and is all, where that is known by now.
---@param done number
---@param total? number
function Progress:set(done, total) end

---So much more is done.
---@param n? number 1
function Progress:add(n) end

---Takes the line away. Harmless twice.
function Progress:close() end

return output
