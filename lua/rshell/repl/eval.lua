-- Runs what was typed: in a task of its own, which Ctrl-C cancels, and shows what came of it.

local colour = require "rshell.repl.colour"
local err = require "rshell.shared.error"
local meant = require "rshell.repl.meant"
local near = require "rshell.shared.near"
local pretty = require "rshell.repl.pretty"
local report = require "rshell.cli.report"
local source = require "rshell.repl.source"
local task = require "rshell.task"
local term = require "rshell.term"
local text = require "rshell.text"
local tokens = require "rshell.repl.tokens"
local variables = require "rshell.repl.variables"

local M = {}

-- ---- a task for each line ----

--- Scopes of the working directory and the environment belong to a task; those that a line enters hold in the next.
local function take_over(locals, into)
    for key in next, into do into[key] = nil end
    for key, value in next, locals do into[key] = value end
end

local function body(session, fn, ...)
    take_over(session.locals, task.locals())
    local results = table.pack(xpcall(fn, report.handler, ...))
    take_over(task.locals(), session.locals)
    return table.unpack(results, 1, results.n)
end

local function unpack_results(ok, done, ...)
    if not ok then return false, {value = done} end
    return done, ...
end

--- fn(...) where Ctrl-C cancels it. Gives true and its results, or false and {value=, trace=}.
function M.protected(session, fn, ...)
    local t <close> = task.spawn(body, session, fn, ...)
    task.front(t)
    return unpack_results(pcall(t.await, t))
end

-- ---- showing ----

--- A call that was made for what it does: a program that prints nothing, io.write, which gives its file.
local function says_nothing(is_call, values)
    return values.n == 0 or is_call and values.n == 1
        and (values[1] == nil or values[1] == "" or values[1] == io.stdout or values[1] == io.stderr)
end

--- For :save: "several" values, a "value" that print shows as we do, or one that was "shown".
local function how_shown(values)
    local value = values[1]
    if values.n > 1 then return "several" end
    local is_object = type(value) == "table" or type(value) == "userdata"
    local is_whole = type(value) ~= "string" or value:find "[^\n]$"
    return not is_object and is_whole and "value" or "shown"
end

--- Values of an expression, one below the other. A call that gives nothing, nil or "" shows nothing.
local function show(session, is_call, values)
    while values.n > 1 and values[values.n] == nil do values.n = values.n - 1 end
    if says_nothing(is_call, values) then return nil end
    _G._ = values[1]
    local _, columns = term.size()
    for i = 1, values.n do io.write(pretty.result(values[i], columns), "\n") end
    session.shown = true
    return how_shown(values)
end

--- What is raised without words: a table that somebody has made.
local function is_bare(e)
    local mt = debug.getmetatable(e)
    return type(e) == "table" and not (type(mt) == "table" and mt.__tostring)
end

local function say_hint(said)
    if said then io.stderr:write(colour.paint("dim", "  hint: " .. text.escape(said)), "\n") end
end

--- Says which program may have been meant, if any.
---@param program string|false|nil
function M.say_meant(program)
    if program then say_hint(("did you mean '%s'?"):format(program)) end
end

--- Tells an error that a line ended with. That it came from the only line that there is need not be said.
---@param caught any
---@param line string?
function M.tell(caught, line)
    local e, trace = report.unpack(caught)
    io.stdout:flush()
    if err.is(e) and e.kind == "cancelled" then
        io.stderr:write("\n", colour.paint("dim", "interrupted"), "\n") -- the terminal has written ^C
        return
    end
    local lines = is_bare(e) and "an error that is a table: " .. pretty.value(e) or report.lines(e, trace)
    if line and not line:find "\n" then lines = lines:gsub("^rsh:1: ", ""):gsub("\n  at rsh:1%f[^%w]", "") end
    local first, rest = lines:match "^([^\n]*)(.*)$"
    io.stderr:write(colour.paint("error", first), rest, "\n")
    M.say_meant(err.is(e) and meant.by_error(e))
end

-- ---- Lua ----

--- What somebody may have meant who typed no Lua.
local function hint_for(session, line)
    local word, rest = line:match "^([%w_][%w_.+-]*)(.*)$"
    if not word or tokens.KEYWORDS[word] then return nil end
    local command = require "rshell.repl.commands".find(word)
    if command and rest == "" then return (":%s is the command"):format(word) end
    if variables.get(word) ~= nil or rest:find "^%s*[=(,.:%[{\"']" then return nil end
    local m = not session.where.cluster and session.where.machine
    if m and meant.is_program(m, word) then return ("!%s%s runs the program"):format(word, rest) end
    local name = near.find(word, table.move(require "rshell".globals(), 1, 100, 1, {}))
    if name then return ("did you mean '%s'?"):format(name) end
    -- `gti status` was meant as a command; a lonely word may be anything.
    local program = m and rest:find "^%s+%S" and meant.program(m, word)
    return program and ("did you mean '!%s%s'?"):format(program, rest)
end

local function hint(session, line)
    say_hint(hint_for(session, line))
end

local function tell_syntax(session, line, message)
    message = message:gsub("^rsh:1: ", ""):gsub("^rsh:(%d+): ", "line %1: ")
    io.stderr:write(colour.paint("error", text.escape(message)), "\n")
    local object, method = line:match "([%w_.]+):([%a_][%w_]*)%s*$"
    if method and message:find "function arguments expected" then
        return say_hint(("%s:%s(...) calls it; :doc %s.%s tells about it"):format(object, method, object, method))
    end
    hint(session, line)
end

local function ends_as_call(line)
    local list = tokens.of(line)
    local last = list[#list]
    return #list > 1 and last and (last.text == ")" or last.text == "}" or last.kind == "string")
end

--- Things that a line declared <close> are closed when the session ends.
local function note_closing(session, names)
    for _, name in ipairs(names) do
        local value = variables.get(name)
        if value ~= nil then session.closing[#session.closing + 1] = value end
    end
end

--- Runs Lua; true when it raised nothing.
---@param line string
---@return boolean
function M.lua(session, line)
    local what = source.compile(line, "=rsh")
    if not what.text then
        tell_syntax(session, line, what.message)
        return false
    end
    local fn = variables.bind(what.text, "=rsh", what.declared)
    local function run() return fn() end
    local ok, caught = M.protected(session, function()
        local values = table.pack(run())
        if what.is_expression then
            local is_call = ends_as_call(line)
            local shown = show(session, is_call, values)
            if what.before then session:keep(what.before, "statement") end
            session:keep(what.value or line, shown or "call")
            if not shown and not is_call and values.n > 0 then hint(session, line) end
        else
            session:keep(line, "statement")
        end
    end)
    note_closing(session, what.closing)
    if not ok then
        M.tell(caught, line)
        if tostring(caught.value):find "a nil value %(global" then hint(session, line) end
    end
    return ok
end

return M
