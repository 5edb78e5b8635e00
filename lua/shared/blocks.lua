-- Files of this machine's trees as streams of blocks, and streams of blocks as files (rshell.sys.tree): one side of
-- each copy, on the host and in the agent.

local new_queue = require "rshell.shared.queue"
local task = require "rshell.task"
local tree = require "rshell.sys.tree"

local M = {}

local AHEAD = 2 -- blocks that are made while others are under way

-- ---- sources ----

local Source = {}
Source.__index = Source

--- The next block; nil at the end, or nil, text, NAME.
function Source:next()
    local block = self.queue:take()
    if block then return block end
    self.reading:await()
    if self.failure then return table.unpack(self.failure, 1, self.failure.n) end
end

function Source:close()
    self.queue:close()
    self.reading:close()
    self.packer:close()
end

local function read_ahead(s)
    repeat
        local got = table.pack(s.packer:next())
        if got.n > 1 then s.failure = got end
    until not got[1] or not s.queue:put(got[1])
    s.queue:close()
end

--- names: as rshell.sys.tree.packer takes them.
---@param path string
---@param names string
function M.source(path, names)
    local packer, text, name = tree.packer(path, names)
    if not packer then return nil, text, name end
    local s = setmetatable({packer = packer, queue = new_queue(AHEAD)}, Source)
    s.reading = task.spawn(read_ahead, s)
    return s
end

-- ---- sinks ----

local Sink = {}
Sink.__index = Sink

function Sink:write(block) return self.unpacker:write(block) end

--- The places in the plan of the files that haven't come.
function Sink:finish()
    local ok, text, name, where = self.unpacker:finish()
    if not ok then return nil, text, name, where end
    return self.unpacker:missing()
end

function Sink:close() self.unpacker:close() end

---@param path string
---@param plan string
---@param how {follow: boolean?, umask: integer?}
function M.sink(path, plan, how)
    local unpacker, text, name, where = tree.unpacker(path, plan, how)
    if not unpacker then return nil, text, name, where end
    return setmetatable({unpacker = unpacker}, Sink)
end

return M
