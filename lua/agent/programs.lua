-- os.execute and io.popen through the loop: a child that sleeps holds nobody up.

local output = require "agent.output"
local proc = require "rshell.sys.proc"
local task = require "rshell.task"

local M = {}

local BLOCK = 65536
local LINGER = 0.05 -- seconds in which nothing comes from a program that has ended
local STOP_SECONDS = 2 -- that a program of an interrupted call has to end

local function status(exit)
    if exit.signal then return nil, "signal", proc.signal(exit.signal) or exit.signal end
    return exit.code == 0 or nil, "exit", exit.code
end

--- Passes on what comes; its state is {task, waits: whether for more, n: how often something came}.
local function pump(stream, to)
    local state = {n = 0}
    state.task = task.spawn(function()
        repeat
            state.waits = true
            local block = stream:read(BLOCK)
            state.waits, state.n = false, state.n + 1
            if block then to:write(block) end
        until not block
    end)
    return state
end

--- Waits until all that an ended program has printed is passed on. What it has left in the background may keep its
--- output open: then it is enough that nothing comes.
local function drain(state)
    while not state.task.done do
        local before = state.n
        local ok, e = pcall(state.task.await, state.task, LINGER)
        if not ok and e.kind ~= "timeout" then error(e, 0) end
        if state.waits and state.n == before then return end
    end
end

--- The status of a program, when what it has printed is passed on. With the call that waits for it the program ends.
local function finish(p, pumps)
    local ok, exits = pcall(function()
        local exits = p:wait()
        for _, state in ipairs(pumps) do drain(state) end
        return exits
    end)
    if ok then
        p:release()
        return status(exits[1])
    end
    task.shield(p.stop, p, STOP_SECONDS)
    error(exits, 0)
end

local function start(command, stdin, stdout)
    local p, text, name = proc.spawn {
        argv = {"/bin/sh", "-c", command}, stdin = stdin, stdout = stdout, stderr = "pipe",
    }
    if not p then return nil, text, name end
    return p, pump(p.stderr, output.stderr)
end

local function check_command(who, command)
    if type(command) == "string" then return end
    error(("bad argument #1 to '%s' (string expected, got %s)"):format(who, type(command)), 3)
end

--- As os.execute.
function M.execute(command)
    if command == nil then return true end
    check_command("execute", command)
    local p, errors, name = start(command, "null", "pipe")
    if not p then return nil, errors, name end
    return finish(p, {pump(p.stdout, output.stdout), errors})
end

-- ---- popen ----

local Pipe = {}
Pipe.__index = Pipe
Pipe.__name = "FILE*"

local function one(stream, format)
    if format == nil then return stream:read "l" end
    if type(format) == "number" then
        if format == 0 then return "" end
        return stream:read {exact = format}
    end
    format = format:gsub("^%*", "")
    if format == "n" then return tonumber(stream:read "l") end
    return stream:read(format) or format == "a" and "" or nil
end

function Pipe:read(...)
    local stream, list = self.stream, {...}
    if #list == 0 then return one(stream) end
    for i, format in ipairs(list) do
        list[i] = one(stream, format)
        if list[i] == nil then break end
    end
    return table.unpack(list)
end

function Pipe:lines(...)
    local formats = table.pack(...)
    return function() return self:read(table.unpack(formats, 1, formats.n)) end
end

function Pipe:write(...)
    self.stream:write(table.concat {...})
    return self
end

function Pipe:flush() return self end
function Pipe.setvbuf() return true end

function Pipe:close()
    if self.closed then error("attempt to use a closed file", 2) end
    self.closed = true
    self.stream:close()
    return finish(self.process, {self.errors, self.out})
end

function Pipe:__close()
    if not self.closed then self:close() end
end

function Pipe:__tostring() return self.closed and "file (closed)" or "file (a program)" end

--- As io.popen.
function M.popen(command, mode)
    mode = mode or "r"
    if mode ~= "r" and mode ~= "w" then error("bad argument #2 to 'popen' (invalid mode)", 2) end
    check_command("popen", command)
    local reads = mode == "r"
    local p, errors, name = start(command, reads and "null" or "pipe", "pipe")
    if not p then return nil, errors, name end
    return setmetatable({
        process = p, errors = errors, stream = reads and p.stdout or p.stdin,
        out = not reads and pump(p.stdout, output.stdout) or nil,
    }, Pipe)
end

return M
