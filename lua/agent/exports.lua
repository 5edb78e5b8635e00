-- What leaves an agent by reference: programs under way, files, walkers, listeners; and streams, whose bytes go over
-- the link of themselves.

local err = require "rshell.shared.error"
local rpc = require "rshell.rpc"
local task = require "rshell.task"

local M = {}

local MINE = rpc.EXT.MINE

-- ---- streams ----

--- Moves what comes from one to the other until the end; the name of the error that ended it otherwise.
local function move(from, to)
    local ok, e = pcall(from.pump, from, to)
    return not ok and (err.is(e) and e.name or "EIO") or nil
end

--- To the controller. Where it stops reading the writer learns it: our end is closed.
local function send(self, stream, wire, id)
    local failed = move(stream, wire)
    if failed then self.port:fail(id, failed) end
    pcall(wire.shutdown, wire)
    return failed
end

--- From the controller; its end is the stream's.
local function receive(wire, stream)
    local failed = move(wire, stream)
    pcall(stream.shutdown, stream)
    return failed
end

-- A pipe has one direction, a socket two.
local function open(self, stream, reads, writes)
    local wire, id = self.port:open()
    local left = 0
    local function side(fn, ...)
        left = left + 1
        task.spawn(function(...)
            local failed = fn(...)
            left = left - 1
            if left == 0 or failed then
                stream:close()
                wire:close()
            end
        end, ...)
    end
    if reads then side(send, self, stream, wire, id) end
    if writes then side(receive, wire, stream) end
    return id
end

-- ---- the others ----

local exporters = {}

exporters["rshell.Stream"] = function(self, stream)
    return MINE, 0, "stream", open(self, stream, true, true)
end

--- The controller is told when it has ended, so that it needn't ask.
local function watch(self, id, process)
    local ok, exits = pcall(process.wait, process)
    if ok and exits then self:tell(id, "ended", exits, process:usage()) end
end

exporters["rshell.sys.Process"] = function(self, process)
    local id, pids = self:keep(process), process.pids
    local streams = {
        stdin = process.stdin and open(self, process.stdin, false, true),
        stdout = process.stdout and open(self, process.stdout, true, false),
        stderr = process.stderr and open(self, process.stderr, true, false),
    }
    task.spawn(watch, self, id, process)
    return MINE, id, "process", pids, streams
end

exporters["rshell.Listener"] = function(self, listener)
    return MINE, self:keep(listener), "listener", {
        port = listener.port, address = listener.address, path = listener.path,
    }
end

for _, class in ipairs {"rshell.File", "rshell.Walker", "rshell.Copier", "rshell.agent.Held"} do
    exporters[class] = function(self, object)
        return MINE, self:keep(object), "object", class
    end
end

--- For rshell.shared.peer.
function M.export(self, value)
    local mt = debug.getmetatable(value)
    local exporter = exporters[mt and mt.__name]
    if not exporter then error(("a %s can't be sent"):format(mt and mt.__name or type(value)), 0) end
    return exporter(self, value)
end

--- What the controller sends back.
function M.import(self, ext, id)
    local object = ext == rpc.EXT.YOURS and self:object(id)
    if not object then return nil, "a reference that isn't there" end
    return object
end

return M
