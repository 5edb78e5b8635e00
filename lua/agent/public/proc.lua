-- `proc` in a connection: programs.

local check = require "agent.public.check"
local err = require "rshell.shared.error"
local options = require "rshell.shared.options"
local proc = require "rshell.sys.proc"
local task = require "rshell.task"

local answer = check.answer

local M = {}

local SPAWN = {
    env = "table", cwd = "string", umask = "umask", user = "string|number", stdin = "string|table",
    stdout = "string|table", stderr = "string|table", pty = "boolean|table", keep = "boolean",
}
local RUN = {input = "string", max_output = "bytes", timeout = "seconds", line_timeout = "seconds"}
for name, kinds in next, SPAWN do RUN[name] = kinds end

local function spec_of(who, argv, opts, known)
    if type(argv) ~= "table" or type(argv[1]) ~= "string" then err.usage("%s: a list of arguments expected", who) end
    opts = options.check(who, opts, known)
    local spec = {}
    for k, v in next, opts do spec[k] = v end
    spec.argv = argv
    return spec
end

--- What came of starting it; where it failed is told of a pipeline's stages, of which there is one.
local function started(argv, first, text, name)
    return answer("run", argv[1], first, text, name)
end

--- Starts a program: an object with pids, stdin, stdout, stderr, wait(seconds), kill(signal). Its output is a pipe
--- unless opts say something else.
function M.spawn(argv, opts)
    local spec = spec_of("proc.spawn", argv, opts, SPAWN)
    spec.stdout, spec.stderr = spec.stdout or "pipe", spec.stderr or "pipe"
    return (started(argv, proc.spawn(spec)))
end

--- Runs it: code, stdout, stderr, and the signal that ended it.
function M.run(argv, opts)
    local r = started(argv, proc.run(spec_of("proc.run", argv, opts, RUN)))
    local exit = r.exits[1]
    return exit.code, r.stdout, r.stderr, exit.signal
end

--- The processes of the machine: tables of pid ppid uid user name args argv stat.
function M.list()
    return (answer("list processes", nil, require "rshell.sys.host".processes()))
end

function M.kill(pid, signal)
    return (answer("signal", tostring(pid), proc.kill(pid, signal or "TERM")))
end

--- The path of a program.
function M.which(name)
    check.text("proc.which", 1, name)
    return (answer("find", name, proc.which({name}, os.getenv "PATH" or "/usr/bin:/bin", M.cwd())))
end

function M.cwd() return (answer("look at the working directory", nil, proc.cwd())) end

M.sleep = task.sleep

return check.public("proc", M)
