-- Where bytes come from and go to that a program's machine can't open: strings, functions, streams, files elsewhere.

local err = require "rshell.shared.error"
local view = require "rshell.view"

local M = {}

local BLOCK = 65536

local function fail(e, what, text, name)
    if e.path then view.fail(e.view, ("%s %s"):format(what, e.path), text, name, {path = e.path}) end
    err.raise {kind = "io", message = ("%s: %s"):format(what, text)}
end

--- What a file or a stream answered. Ours raise by themselves; files of Lua and of fs say nil, text.
local function checked(e, what, value, text, name)
    if not value and text then fail(e, what, text, name) end
    return value
end

local function open(e, mode)
    local f, text, name = view.call(e.view, "fs", "open", e.path, mode, {umask = e.view.umask})
    if not f then fail(e, "can't open", text, name) end
    return f
end

local function nothing() end

--- {read = fn() -> block or nil, close = fn}
---@param e table an endpoint: {data=} {fn=} {stream=} or {path=, view=}
function M.source(e)
    if e.fn then return {read = e.fn, close = nothing} end
    if e.data then
        local data = e.data
        return {close = nothing, read = function()
            local block = data
            data = nil
            return block
        end}
    end
    local f = e.stream or open(e, "r")
    return {
        read = function() return checked(e, "can't read", f:read(BLOCK)) end,
        close = e.stream and nothing or function() f:close() end,
    }
end

--- {write = fn(block), finish = fn (all was written), close = fn (whatever happened)}
---@param e table an endpoint: {fn=} {stream=} or {path=, view=, append=}
function M.sink(e)
    if e.fn then return {write = e.fn, finish = nothing, close = nothing} end
    local f = e.stream or open(e, e.append and "a" or "w")
    local function write(block) checked(e, "can't write", f:write(block)) end
    if e.stream then return {write = write, finish = nothing, close = nothing} end
    return {
        write = write,
        finish = function() checked(e, "can't write", f:close()) end,
        close = function() f:close() end,
    }
end

--- An iterator over what a stream gives, a block at a time.
function M.blocks(stream)
    return function() return stream:read(BLOCK) end
end

--- Writes to a program; false when it reads no more, which is no failure.
---@param stream rshell.Stream
---@param block string
function M.offer(stream, block)
    local ok, e = pcall(stream.write, stream, block)
    if ok then return true end
    if err.is(e) and e.kind == "closed" then return false end
    error(e, 0)
end

--- Gives a program all of a source, and leaves both open; false when the program has ended before, or reads no more.
function M.pass(stream, source)
    for block in source.read do
        if type(block) ~= "string" then
            err.usage("the function that is read from gave a %s, not a string", type(block))
        end
        if not M.offer(stream, block) then return false end
    end
    return true
end

--- Feeds a program until the source ends, or the program.
function M.feed(stream, source)
    M.pass(stream, source)
    stream:close()
    source.close()
end

--- Takes what a program writes to where it belongs; blocks is an iterator.
function M.drain(blocks, sink)
    for block in blocks do sink.write(block) end
    sink.finish()
end

--- Passes on what a program writes.
function M.link(blocks, from, to)
    for block in blocks do
        if not M.offer(to, block) then break end
    end
    from:close() -- who wrote there learns that nobody reads
end

return M
