-- `proc` in a connection: programs.

local answer = require "agent.public.check".answer
local err = require "rshell.shared.error"
local proc = require "rshell.sys.proc"
local task = require "rshell.task"

local M = {}

local function spec_of(who, argv, opts)
    if type(argv) ~= "table" or type(argv[1]) ~= "string" then
        err.usage("%s: a list of arguments expected", who)
    end
    local spec = {}
    for k, v in next, opts or {} do spec[k] = v end
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
    local spec = spec_of("spawn", argv, opts)
    spec.stdout, spec.stderr = spec.stdout or "pipe", spec.stderr or "pipe"
    return (started(argv, proc.spawn(spec)))
end

--- Runs it: code, stdout, stderr, and the signal that ended it.
function M.run(argv, opts)
    local r = started(argv, proc.run(spec_of("run", argv, opts)))
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
    return (answer("find", name, proc.which({name}, os.getenv "PATH" or "/usr/bin:/bin", M.cwd())))
end

function M.cwd() return (answer("look at the working directory", nil, proc.cwd())) end

M.sleep = task.sleep

return M
