-- What is printed in a connection's process: to our own outputs, or where conn:stdio says. It is passed on in order,
-- and before the result of the call that printed it; who takes it may wait, and make calls himself.

local err = require "rshell.shared.error"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local task = require "rshell.task"

local M = {}

---@class rshell.rpc.Output
---@field sinks table<string, fun(chunk: string)>
---@field host string? for errors
local Output = {}
Output.__index = Output

function M.new()
    return setmetatable({sinks = {}, n = 0, count = 0}, Output)
end

-- It is seen when it comes, also in a file.
local OURS = {
    stdout = function(chunk)
        io.stdout:write(chunk)
        io.stdout:flush()
    end,
    stderr = function(chunk) io.stderr:write(chunk) end,
}

-- ---- passing on ----

local function report(self, e)
    require "rshell.log".write("error", "rpc",
        ("%s: what was printed could not be passed on: %s"):format(self.host or "?", tostring(e)))
end

local function pass(self, chunk)
    local ok, e = pcall(chunk.sink, chunk.data)
    if not ok then report(self, e) end
end

local function work(self)
    while self.first do
        local chunk = self.first
        pass(self, chunk)
        self.first = chunk.next
        self.count = self.count + 1
        if self.moved then self.moved:notify() end
    end
    self.last, self.worker = nil, nil
end

--- From the link; must not wait.
function Output:take(which, data)
    local sink = self.sinks[which]
    if not OURS[which] or type(data) ~= "string" then return end
    if not sink and not self.first then return OURS[which](data) end
    local chunk = {sink = sink or OURS[which], data = data}
    if self.last then self.last.next = chunk else self.first = chunk end
    self.last = chunk
    self.n = self.n + 1
    if not self.worker then self.worker = task.spawn(work, self) end
end

--- Waits until all that has come is passed on.
function Output:settle()
    local upto = self.n
    if self.worker == task.current() then return end -- a sink that makes calls
    self.moved = self.moved or task.event()
    while self.first and self.count < upto do self.moved:wait(1) end
end

-- ---- where to ----

local function writer(to)
    return function(chunk) to:write(chunk) end
end

local function sink_of(which, to)
    local path = require "rshell.path"
    if type(to) == "function" then return to end
    if type(to) == "string" then return writer(require "rshell".here:path(to):open "a") end
    if path.test(to) then return writer(to:open "a") end
    local ok, write = pcall(function() return type(to) == "userdata" and to.write end)
    if ok and write then return writer(to) end
    err.usage("stdio: %s is a function, a stream or a path, got %s", which, object.type(to))
end

--- to: {stdout=, stderr=}; what is nil goes to ours.
function Output:direct(to)
    options.check("stdio", to, {stdout = "any", stderr = "any"})
    local sinks = {}
    for _, which in ipairs {"stdout", "stderr"} do
        if to and to[which] ~= nil then sinks[which] = sink_of(which, to[which]) end
    end
    self.sinks = sinks
end

return M
