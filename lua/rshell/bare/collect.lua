-- Feeds a channel and keeps what its program prints, within limits of time and size.

local err = require "rshell.shared.error"
local task = require "rshell.task"

local M = {}

local BLOCK = 65536
local GRACE = 0.25 -- seconds for what an ended program had written to arrive

--- One stream into a list. Past max bytes, what fitted is kept and the reason is "limit".
local function read(s, stream, into, max)
    local size = 0
    for block in function() return stream:read(BLOCK) end do
        s.last = task.now()
        size = size + #block
        if size > max then
            into[#into + 1] = block:sub(1, max - (size - #block))
            s.reason = s.reason or "limit"
            return
        end
        into[#into + 1] = block
    end
end

local function reader(s, stream, into, max)
    s.open = s.open + 1
    return task.spawn(function()
        local ok, e = pcall(read, s, stream, into, max)
        if not ok then s.err = s.err or e end
        s.open = s.open - 1
        s.event:notify()
    end)
end

--- A program that reads no more is no failure.
local function feed(stream, data)
    pcall(stream.write, stream, data)
    stream:close()
end

--- The moment at which the next limit of time is reached, and its name.
local function next_limit(s, o)
    local idle = o.line_timeout and s.last + o.line_timeout
    if idle and (not o.deadline or idle < o.deadline) then return idle, "line_timeout" end
    return o.deadline, "timeout"
end

local function await_end(s, o, ch)
    while s.open > 0 and not s.reason do
        local at, name = next_limit(s, o)
        local left = at and at - task.now()
        if left and left <= 0 then
            s.reason = name
        else
            s.event:wait(left)
        end
    end
    if s.err then error(s.err, 0) end
    if s.reason then return end
    while not s.exit do
        local at, name = next_limit(s, o)
        local left = at and math.max(0, at - task.now())
        s.exit = ch:wait(left)
        if not s.exit and next_limit(s, o) <= task.now() then
            s.reason = name
            return
        end
    end
end

--- What is on its way when the program was ended; nobody waits for something that left the group and holds a stream
--- open.
local function await_rest(s)
    local stop = task.now() + GRACE
    while s.open > 0 and task.now() < stop do s.event:wait(stop - task.now()) end
end

--- Reading has failed, and nobody knows how the program has ended: the connection is gone.
local function is_lost(e, exit)
    return err.is(e) and e.kind == "closed" and exit and not exit.code and not exit.signal
end

--- Runs a channel to its end: {exit=, stdout=, stderr=, reason=}. o: input, deadline (a moment), line_timeout
--- (seconds), max_output (bytes; stdout, stderr: of one of them), stop (a function that ends the program and gives
--- its exit). When the connection breaks the exit is {}.
---@param ch table
---@param o table
function M.run(ch, o)
    local s = {open = 0, last = task.now(), event = task.event()}
    local out, errors, max = {}, {}, o.max_output or math.huge
    local tasks = {reader(s, ch.stdout, out, o.stdout or max)}
    if ch.stderr then tasks[2] = reader(s, ch.stderr, errors, o.stderr or max) end
    if o.input then tasks[#tasks + 1] = task.spawn(feed, ch.stdin, o.input) else ch.stdin:close() end
    local ok, e = pcall(await_end, s, o, ch)
    if not ok or s.reason then
        task.shield(function()
            s.exit = o.stop()
            if ok then await_rest(s) end
        end)
    end
    for _, t in ipairs(tasks) do t:close() end
    if not ok and not is_lost(e, s.exit) then error(e, 0) end
    return {exit = s.exit, stdout = table.concat(out), stderr = table.concat(errors), reason = s.reason}
end

return M
