-- Trees over here, for copies: what the controller asks for goes through a stream that it has opened.

local blocks = require "rshell.shared.blocks"
local tree = require "rshell.sys.tree"

local M = {}

local BLOCK = {block = 512 * 1024} -- what a worker gets at once: each is a turn of two threads

local function closing(...)
    local list = {...}
    return setmetatable({}, {__close = function()
        for _, each in ipairs(list) do each:close() end
    end})
end

function M.list(_, ...) return tree.list(...) end

--- Sends files into a stream of the controller's.
---@param id integer
---@param path string
---@param names string
function M.pack(self, id, path, names)
    local wire = self.port:claim(id)
    local source, text, name = blocks.source(path, names)
    local _ <close> = closing(wire, source)
    if not source then return nil, text, name end
    while true do
        local block
        block, text, name = source:next()
        if not block then break end
        wire:write(block)
    end
    if name then return nil, text, name end
    return true
end

--- Makes a tree of what comes.
---@param id integer
---@param path string
---@param plan string
---@param how table
function M.unpack(self, id, path, plan, how)
    local wire = self.port:claim(id)
    self.port:widen(id)
    local sink, text, name, where = blocks.sink(path, plan, how)
    local _ <close> = closing(wire, sink)
    if not sink then return nil, text, name, where end
    for block in function() return wire:read(BLOCK) end do
        local ok
        ok, text, name, where = sink:write(block)
        if not ok then return nil, text, name, where end
    end
    return sink:finish()
end

return M
