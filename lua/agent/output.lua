-- What is printed over here goes to the controller, in order with the results of calls.

local task = require "rshell.task"

local M = {}

local LATE = 0.02 -- seconds that something printed may wait for the loop's next turn

-- ---- files that are streams of events ----

local Out = {}
Out.__index = Out
Out.__name = "FILE*"

local function text_of(who, ...)
    local list = {...}
    for i = 1, select("#", ...) do
        local v = list[i]
        if type(v) ~= "string" and type(v) ~= "number" then
            error(("bad argument #%d to '%s' (string expected, got %s)"):format(i, who, type(v)), 3)
        end
    end
    return table.concat(list)
end

function Out:write(...)
    self.send(text_of("write", ...))
    return self
end

function Out:flush()
    self.flush_link()
    return self
end

function Out.setvbuf() return true end
function Out.close() return true end
function Out.seek() return nil, "Illegal seek", 29 end
function Out.read() return nil, "Bad file descriptor", 9 end
function Out:__tostring() return ("file (%s)"):format(self.which) end

-- ---- installing ----

local function sender(peer, link, which)
    local last = 0
    return function(data)
        if data == "" or peer.why then return end
        if peer:tell(0, which, data) then peer.port:room() end
        local now = task.now()
        if now - last > LATE then link:flush() end
        last = now
    end
end

--- Replaces print, and what io and os know of our outputs.
---@param peer rshell.Peer
---@param link userdata
---@param g table the globals
function M.install(peer, link, g)
    local function flush_link() link:flush() end
    local function file(which)
        return setmetatable({which = which, send = sender(peer, link, which), flush_link = flush_link}, Out)
    end
    local io_write, io_output, io_type, io_close = io.write, io.output, io.type, io.close
    local out, err = file "stdout", file "stderr"
    local current = out
    M.stdout, M.stderr = out, err

    function g.print(...)
        local list = table.pack(...)
        for i = 1, list.n do list[i] = tostring(list[i]) end
        out.send(table.concat(list, "\t") .. "\n")
    end

    task.on_unobserved(function(e)
        local ok, text = pcall(tostring, e)
        if peer.why or type(e) == "table" and e.kind == "cancelled" then return end
        peer:tell(0, "stderr", ("a task failed and nobody awaited it: %s\n"):format(ok and text or type(e)))
    end)

    local lib = setmetatable({}, {__index = io})
    g.io = lib
    lib.stdout, lib.stderr = out, err

    function lib.write(...)
        if current == nil then return io_write(...) end
        return current:write(...)
    end

    function lib.output(f)
        if f == nil then return current or io_output() end
        if getmetatable(f) == Out then
            current = f
            return f
        end
        current = nil
        return io_output(f)
    end

    function lib.type(f) return getmetatable(f) == Out and "file" or io_type(f) end

    function lib.close(f)
        if f == nil and current or getmetatable(f) == Out then return true end
        return io_close(f)
    end
end

return M
