-- conn:interact(): a prompt whose lines run over there, with the connection's variables. What goes by reference is
-- shown by what it says of itself.

local editor = require "rshell.editor"
local eval = require "rshell.repl.eval"
local history = require "rshell.repl.history"
local pretty = require "rshell.repl.pretty"
local read = require "rshell.repl.read"
local repl = require "rshell.repl"
local source = require "rshell.repl.source"
local task = require "rshell.task"
local term = require "rshell.term"
local text = require "rshell.text"

local function new_session(core)
    local name = text.escape(core.server.view.conn.name)
    return {
        history = history.new(), locals = {}, plain = true,
        prompt = function(self)
            if not self.input then repl.new_line() end
            return name .. " lua> "
        end,
    }
end

--- Runs a line over there, and shows what it gives.
local function run(core, line)
    local what = source.compile(line, "=rsh")
    local name, code = "execute", what.text or (source.lift_locals(line))
    if what.is_expression and not what.before then name, code = "eval", (line:gsub("^%s*=", "")) end
    local values = table.pack(core:call_within(nil, name, code))
    local _, columns = term.size()
    for i = 1, what.is_expression and values.n or 0 do io.write(pretty.result(values[i], columns), "\n") end
end

--- One line after another, until the end of the input or of the connection.
local function loop(core, session)
    local outer = task.current()
    while not core:ended() do
        local line = read.next(session)
        if not line then return end
        if line:find "%S" then
            session.history:add(line)
            local ok, caught = eval.protected(session, run, core, line)
            if not ok then eval.tell(caught) end
            task.front(outer)
        end
    end
end

---@param core rshell.rpc.Core
return function(core)
    local session = new_session(core)
    read.open(session)
    if repl.running then return loop(core, session) end
    editor.divert_interrupts(true)
    local _ <close> = setmetatable({}, {__close = function()
        editor.divert_interrupts(false)
        editor.close()
    end})
    loop(core, session)
end
