-- `:fg`: what runs in the background comes to the front: a process gets our terminal, a future or a task is awaited.

local bang = require "rshell.repl.commands.bang"
local err = require "rshell.shared.error"
local jobs = require "rshell.repl.commands.jobs"
local pretty = require "rshell.repl.pretty"
local term = require "rshell.term"

local M = {
    name = "fg", args = "[N]",
    about = "brings what runs in the background to the terminal: the last, or number N of :jobs",
    more = "A process is attached, as p:attach() does; a future or a task is awaited, and what it gave shown.",
}

local FRONT = {}

local function tell(code, signal)
    return code == 0 or bang.tell_status {code = code, signal = signal}
end

function FRONT.process(p)
    local code, signal = p:attach()
    return signal == "detached" or tell(code, signal)
end

function FRONT.future(f)
    io.write(f.stdout)
    io.stderr:write(f.stderr)
    return tell(f.code, f.signal)
end

function FRONT.task(t)
    local values = table.pack(t:await())
    local _, columns = term.size()
    for i = 1, values.n do io.write(pretty.result(values[i], columns), "\n") end
    return true
end

function M.run(_, argument)
    local list = jobs.list()
    local n = argument == "" and #list or math.tointeger(tonumber(argument))
    if not n then err.usage(":fg takes a number of :jobs, not '%s'", argument) end
    local job = list[n]
    if not job then
        err.usage(#list == 0 and "nothing runs in the background" or ":jobs has no number %d", n)
    end
    return FRONT[job.kind](job.thing)
end

return M
