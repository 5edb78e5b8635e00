-- Trees over there, for copies: lists are calls, files go through a stream of the agent's own link.

local M = {}

local BLOCK = {block = 512 * 1024} -- what a worker gets at once: each is a turn of two threads

-- ---- sources and sinks ----

--- Starts a call that works on a new stream.
local function begin(b, name, ...)
    local peer = b:agent()
    local wire, id = peer.port:open()
    peer.port:widen(id)
    return {peer = peer, wire = wire, call = peer:start(0, name, id, ...)}
end

--- What the call says in the end.
local function outcome(s)
    s.over = true
    return s.peer:finish(s.call)
end

local function close(s)
    s.wire:close()
    if not s.over and not s.peer.why then s.peer:cancel(s.call) end
    s.over = true
end

local Source = {close = close}
Source.__index = Source

--- A stream that fails does so because of what the call says, unless it was us who gave up.
local function on_stream(s, method, arg)
    local ok, value = pcall(s.wire[method], s.wire, arg)
    if not ok and (value.kind == "cancelled" or value.kind == "timeout") then error(value, 0) end
    return ok, value
end

function Source:next()
    local ok, block = on_stream(self, "read", BLOCK)
    if ok and block then return block end
    local packed, text, name = outcome(self)
    if not packed then return nil, text, name end
    if not ok then error(block, 0) end
end

local Sink = {close = close}
Sink.__index = Sink

--- Who takes no more says why.
function Sink:write(block)
    if on_stream(self, "write", block) then return true end
    local _, text, name, where = outcome(self)
    return nil, text or "it takes no more", name or "EPROTOCOL", where
end

function Sink:finish()
    on_stream(self, "shutdown")
    return outcome(self)
end

-- ---- the module ----

--- ask(otherwise, name, ...) calls the agent, or otherwise where none can run.
---@param b rshell.agent.Backend
---@param ask function
function M.new(b, ask)
    local function none() return nil end
    local native = require "rshell.transfer.native".new {
        far = true,
        list = function(...) return ask(b, none, "tree.list", ...) end,
        source = function(...) return setmetatable(begin(b, "tree.pack", ...), Source) end,
        sink = function(...) return setmetatable(begin(b, "tree.unpack", ...), Sink) end,
    }
    local mixed = {far = true}
    -- The first question starts the agent; where that can't be, the shell over there answers it.
    function mixed.manifest(path, names, how)
        local m, text, name, where = native.manifest(path, names, how)
        if m == nil and b.reason then return b.bare.tree.manifest(path, names) end
        return m, text, name, where
    end
    return setmetatable(mixed, {__index = function(_, key)
        if b.reason then return b.bare.tree[key] end
        return native[key]
    end})
end

return M
