-- A bounded queue between tasks: who puts waits while it is full, who takes waits while it is empty.

local task = require "rshell.task"

local Queue = {}
Queue.__index = Queue

---@class rshell.Queue
---@param max integer
---@return rshell.Queue
local function new(max)
    return setmetatable({max = max, first = 1, last = 0, event = task.event()}, Queue)
end

--- Appends; waits for room. False when the queue was closed.
function Queue:put(value)
    while self.last - self.first + 1 >= self.max and not self.closed do self.event:wait() end
    if self.closed then return false end
    self.last = self.last + 1
    self[self.last] = value
    self.event:notify()
    return true
end

--- The oldest value; nil when the queue is closed and empty, or (and "timeout") when none came in time.
---@param seconds number?
function Queue:take(seconds)
    while self.first > self.last do
        if self.closed then return nil end
        if not self.event:wait(seconds) then return nil, "timeout" end
    end
    local value = self[self.first]
    self[self.first] = nil
    self.first = self.first + 1
    self.event:notify()
    return value
end

--- Nothing more will be put; what is in it can still be taken.
function Queue:close()
    self.closed = true
    self.event:notify()
end

return new
