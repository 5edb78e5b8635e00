-- One input after another: a line, or several where Lua isn't complete after the first. With the line editor where
-- there is one, else plainly.

local complete = require "rshell.repl.complete"
local editor = require "rshell.editor"
local progress = require "rshell.output.progress"
local source = require "rshell.repl.source"
local task = require "rshell.task"
local term = require "rshell.term"

local M = {}

--- Whether Enter ends this input. Lines for a command are never continued.
---@param line string
---@return boolean
function M.is_complete(line)
    if line:find "^%s*[:!]" then return true end
    return not source.compile(line, "=rsh").unfinished
end

-- ---- with the line editor ----

local INDENT = "  "

local function continue(line, at)
    local before, after = line:sub(1, at), line:sub(at + 1)
    local depth = source.depth(before)
    if after:find "^%s*[%)}%]]" or after:find "^%s*end%f[^%w_]" then depth = depth - 1 end
    editor.replace(at, at, "\n" .. INDENT:rep(math.max(depth, 0)))
end

--- `end` and brackets that close go where what they close began.
local function outdent(line, at)
    local start = (line:sub(1, at):match "^.*()\n" or 0)
    local blanks, word = line:sub(start + 1, at):match "^(%s*)(%S+)$"
    if start == 0 or not word or not word:find "^[%)}%]]" and not word:find "^end%f[^%w_]" and word ~= "else" then
        return line, at
    end
    local depth = source.depth(line:sub(1, at)) - (word == "else" and 1 or 0)
    local wanted = INDENT:rep(math.max(depth, 0))
    if #wanted >= #blanks then return line, at end
    editor.replace(start, start + #blanks, wanted)
    editor.replace(start + #wanted + #word, start + #wanted + #word, "")
    return editor.text()
end

local function on_enter()
    local line, at = editor.text()
    line, at = outdent(line, at)
    if M.is_complete(line) then
        editor.finish()
        return line
    end
    continue(line, at)
end

local function edit(session)
    local _ <close> = progress.hold()
    complete.forget()
    editor.start(session:prompt())
    while true do
        local event = editor.await()
        if event == "enter" then
            local line = on_enter()
            if line then return line end
        elseif event == "line" then
            local line = editor.text()
            if M.is_complete(line) then return line end
            editor.start(session:prompt(), line .. "\n")
        elseif event == "end" then
            return nil
        elseif event == "interrupt" then
            editor.finish "^C"
            return ""
        elseif not session.plain then
            complete.key(session, event == "list")
        end
    end
end

-- ---- plainly ----

local function ask(input, prompt)
    io.write(prompt)
    io.stdout:flush()
    local t <close> = task.spawn(function() return input:read "l" end)
    task.front(t)
    local ok, line = pcall(t.await, t)
    if ok and line then return line end
    io.write "\n"
    if ok then return nil end
    return nil, "interrupted"
end

local function read_plainly(session)
    local lines, prompt = {}, session:prompt()
    while true do
        local line, why = ask(session.input, prompt)
        if why then return "" end
        if not line then return lines[1] and table.concat(lines, "\n") end
        lines[#lines + 1] = line
        local all = table.concat(lines, "\n")
        if M.is_complete(all) then return all end
        prompt = "...> "
    end
end

--- The next input; "" after Ctrl-C; nil at the end.
---@return string?
function M.next(session)
    if session.input then return read_plainly(session) end
    for _, entry in ipairs(session.history:news()) do editor.remember(entry) end
    return edit(session)
end

--- Opens the line editor, or what there is in its place.
function M.open(session)
    local on_terminal = term.is_terminal(0) and term.is_terminal(1) and (os.getenv "TERM" or "dumb") ~= "dumb"
    if on_terminal and editor.open() then return end
    session.input = require "rshell.stdio".input()
end

return M
