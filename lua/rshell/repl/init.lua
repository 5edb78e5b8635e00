-- The prompt: reads, runs, shows, until the end of input; then closes what was opened.

local background = require "rshell.repl.background"
local colour = require "rshell.repl.colour"
local commands = require "rshell.repl.commands"
local cost = require "rshell.repl.cost"
local editor = require "rshell.editor"
local eval = require "rshell.repl.eval"
local history = require "rshell.repl.history"
local opened = require "rshell.opened"
local read = require "rshell.repl.read"
local task = require "rshell.task"
local term = require "rshell.term"
local typed = require "rshell.repl.typed"
local variables = require "rshell.repl.variables"
local where = require "rshell.repl.where"

local M = {}

---@class rshell.repl.Session
---@field where rshell.repl.Where
---@field history rshell.repl.History
---@field kept {how: string, text: string}[] lines that did what they should, for :save
---@field closing any[] what was declared <close>
---@field locals table of the task: scopes that hold from line to line
---@field input rshell.Stream? where lines come from without the line editor
---@field timing boolean?
---@field leaving boolean? Ctrl-D was the last that was typed
local Session = {}
Session.__index = Session

--- Notes a line that has worked: a "statement", a "call" that gave nothing, a "value" that print shows, too, another
--- one that was "shown", "several" that were, a "shell" line, or "lua" that a command stands for.
function Session:keep(line, how)
    self.kept[#self.kept + 1] = {how = how, text = line, machine = self.where.machine, cluster = self.where.cluster}
end

--- Where the cursor may not be in the first column, a mark and a new line, as zsh does it. Colours that a program has
--- left behind end.
function M.new_line()
    local _, columns = term.size()
    if columns then io.write("\27[m", colour.paint("dim", "\226\143\142"), (" "):rep(columns - 1), "\r\27[K") end
    io.stdout:flush()
end

function Session:prompt()
    if self.input then return ("rsh%s> "):format(self:label()) end
    M.new_line()
    return colour.paint_prompt("good", "rsh") .. colour.paint_prompt("name", self:label())
        .. colour.paint_prompt("good", ">") .. " "
end

function Session:label()
    local label = self.where:label()
    return label == "" and "" or " " .. label
end

-- ---- one input ----

local PLAIN = {exit = "quit", quit = "quit", help = "help"}

--- Words that people type at any prompt, unless they are variables here.
local function plain_word(line)
    local word = line:match "^%s*(%a+)%s*$"
    return word and PLAIN[word] and variables.get(word) == nil and PLAIN[word]
end

--- Runs what was typed; true when it did what it should.
---@param line string
---@return boolean?
function Session:run(line)
    local first, rest = line:match "^%s*([:!])(.*)$"
    if not first then
        local word = plain_word(line)
        if word then return commands.run(self, word) end
        return eval.lua(self, line)
    end
    -- What was pasted behind a line of this kind is more input.
    local more
    rest, more = rest:match "^([^\n]*)\n?(.*)$"
    local ok
    if first == "!" then ok = commands.bang(self, rest) else ok = commands.run(self, rest) end
    if more:find "%S" and not self.ended then return self:run(more) end
    return ok
end

local function step(session, line)
    local so_far = cost.begin()
    session:run(line)
    if session.timing or editor.trace() then so_far() end
end

-- ---- the end ----

--- What would end with the session.
local function running()
    local n = 0
    for _, kind in ipairs {"task", "future", "process"} do n = n + #opened.list(kind) end
    return n
end

--- The first Ctrl-D tells what still runs, the second one leaves.
local function may_leave(session)
    local n = running()
    if n == 0 or session.leaving or session.input then return true end
    session.leaving = true
    local what = n == 1 and "1 job still runs" or n .. " jobs still run"
    io.write(what, ": :jobs lists, Ctrl-D again ends ", n == 1 and "it" or "them", "\n")
    return false
end

local CLOSE_SECONDS = 3 -- for all of it together; what is left ends with the program

local function close_all(session)
    for i = #session.closing, 1, -1 do
        local value = session.closing[i]
        local close = type(debug.getmetatable(value)) == "table" and debug.getmetatable(value).__close
        if close then pcall(close, value) end
    end
    for _, kind in ipairs {"process", "future", "tunnel", "task"} do
        for _, one in ipairs(opened.list(kind)) do pcall(one.thing.close, one.thing) end
    end
    local machines = {}
    for i, one in ipairs(opened.list "machine") do machines[i] = task.spawn(one.thing.close, one.thing) end
    for _, t in ipairs(machines) do pcall(t.await, t) end
end

-- ---- the whole ----

local function config_file()
    local dir = os.getenv "XDG_CONFIG_HOME"
    if not dir or dir:sub(1, 1) ~= "/" then dir = (os.getenv "HOME" or "") .. "/.config" end
    return dir .. "/rshell/init.lua"
end

--- Runs a file in the session's surroundings; true when it raised nothing.
local function run_file(session, path, arg)
    local ok, caught = eval.protected(session, function()
        local fn, message = loadfile(path, "t")
        if not fn then error(message, 0) end
        return fn(table.unpack(arg or {}))
    end)
    if ok then session:keep(("dofile %q"):format(path), "call") else eval.tell(caught) end
    return ok
end

local function exists(path)
    local f <close> = io.open(path, "rb")
    return f ~= nil
end

local function greet(session)
    if session.input then return end
    io.write(colour.paint("name", "rshell"), " ", session.version,
        colour.paint("dim", ": Lua; !COMMAND runs a program, Tab completes, :help tells more"), "\n")
end

local function loop(session)
    while not session.ended do
        opened.list() -- lets go of what is over
        background.settle()
        local line = read.next(session)
        if not line then
            if may_leave(session) then return end
        elseif line:find "%S" then
            session.leaving = false
            local ok, why = true, nil
            if term.is_terminal(0) then ok, why = session.history:add(line) end
            if not ok then eval.tell {value = why} end
            step(session, line)
        end
    end
end

local function new_session(version)
    return setmetatable({
        where = where.new(), history = history.new(), kept = {}, closing = {}, locals = {}, version = version,
    }, Session)
end

--- The prompt. file and code run first; their globals are there then.
---@param opts {version: string, file: string?, code: string?, arg: string[]?}
---@return integer status
function M.run(opts)
    local session = new_session(opts.version)
    opened.keep {watcher = background.watcher, over = background.over}
    task.on_unobserved(background.failed)
    require "rshell.globals".install("", function(name)
        if name == "m" then return session.where.machine end
    end)
    _G.arg = opts.arg or {}
    read.open(session)
    typed.install(session)
    editor.divert_interrupts(true)
    M.running = true
    greet(session)
    if exists(config_file()) then run_file(session, config_file()) end
    if opts.file then run_file(session, opts.file, _G.arg) end
    if opts.code then session:run(opts.code) end
    local ok, e = pcall(loop, session)
    task.shield(function() pcall(task.timeout, CLOSE_SECONDS, close_all, session) end)
    editor.close()
    if not ok then error(e, 0) end
    return 0
end

return M
