-- Questions at the terminal, one at a time, whoever asks.

local err = require "rshell.shared.error"
local task = require "rshell.task"
local term = require "rshell.term"

local M = {}

local turn = task.event()
local asking = false

--- Can anybody be asked?
function M.possible()
    local tty = term.open()
    if tty then tty:close() end
    return tty ~= nil
end

local function ask(prompt, echo)
    local _ <close> = require "rshell.output.progress".hold()
    local tty, text = term.open()
    if not tty then err.raise {kind = "auth", message = "there is no terminal to ask at: " .. text} end
    if not echo then term.echo(false) end
    local ok, answer = pcall(function()
        tty:write(prompt)
        return tty:read "l"
    end)
    if not echo then
        term.echo(true)
        pcall(tty.write, tty, "\n")
    end
    tty:close()
    if not ok then error(answer, 0) end
    return answer
end

--- Calls fn while nobody else asks: for a question that depends on the answer before it.
function M.alone(fn, ...)
    while asking do turn:wait() end
    asking = true
    local r = table.pack(pcall(fn, ...))
    asking = false
    turn:notify()
    if not r[1] then error(r[2], 0) end
    return table.unpack(r, 2, r.n)
end

--- The line that was typed; nil at the end of input. echo=false hides it.
---@param prompt string
---@param echo boolean
---@return string?
function M.line(prompt, echo)
    return M.alone(ask, require "rshell.text".escape(prompt), echo)
end

--- As `line`, for use inside `alone`.
M.now = ask

return M
