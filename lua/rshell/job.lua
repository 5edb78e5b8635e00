-- A pipeline under way: the segments' processes, the tasks that move bytes between them, and its end.
--
--   running --(all programs have ended, all bytes have moved)--> over
--      |                                                          ^
--      +--(time is over, too much output, a pump failed)--> aborted
--
-- What proc.spawn gives for a segment, a handle, has: stdin stdout stderr (streams, or nil) pids, wait([seconds])
-- exits() ended() kill(sig) stop([seconds]) release() resize(rows, cols).

local err = require "rshell.shared.error"
local proc = require "rshell.sys.proc"
local pump = require "rshell.pump"
local segment = require "rshell.segment"
local status = require "rshell.status"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

local BLOCK = 65536
local GRACE = 1 -- seconds that bytes have to arrive after their program was ended
local SLICE = 1 -- seconds until who waits for a program looks whether it was given up
local GIVE_UP = 3 -- seconds that a program has to be gone; one of another account may stay
local LATE = 0.1 -- seconds that an output may end after its program: from afar, or from a child just forked

---@class rshell.Job
---@field segments table[]
---@field reason string? why it was ended: timeout, line_timeout, limit
---@field failure any? the error of a pump
---@field stdin rshell.Stream?
---@field stdout rshell.Stream?
---@field stderr rshell.Stream?
local Job = {}
Job.__index = Job

-- ---- starting ----

--- Opens what the segments read and write outside. That comes first: as in sh, one that can't be opened starts nothing.
local function open_ends(job)
    for i, s in ipairs(job.segments) do
        local ends = {}
        job.ends[i] = ends
        ends.source = s.source and pump.source(s.source)
        ends.sink = s.sink and pump.sink(s.sink)
        ends.err_sink = s.err_sink and pump.sink(s.err_sink)
    end
end

local function start_segment(job, i, how)
    local s = job.segments[i]
    local spec = {stages = s.stages, pty = job.plan.opts.pty, foreground = how.foreground, keep = how.keep}
    local first, last = s.stages[1], s.stages[#s.stages]
    if s.source or s.linked then
        first.stdin = "pipe"
    elseif i == 1 then
        first.stdin = first.stdin or how.stdin
    end
    if i == #job.segments then last.stdout = last.stdout or not s.sink and how.stdout or nil end
    for _, stage in ipairs(s.stages) do stage.stderr = stage.stderr or not s.err_sink and how.stderr or nil end
    local spawn = view.check(s.view).proc.spawn
    local handle, text, name, where =
        status.answered(job.plan, pcall(view.within, s.view, status.limit(job.plan), spawn, spec))
    if not handle then segment.fail(job.plan, s, text, name, where) end
    job.handles[i] = handle
end

local function connect(job, i)
    local s, handle, ends = job.segments[i], job.handles[i], job.ends[i]
    local before = job.handles[i - 1]
    if ends.source then
        job:pump(pump.feed, handle.stdin, ends.source)
    elseif s.linked then
        job:pump(function()
            pump.link(pump.blocks(before.stdout), before.stdout, handle.stdin)
            handle.stdin:close()
        end)
    end
    if before and before.stdout and not s.linked and not job.ends[i - 1].sink then
        before.stdout:close() -- as in sh: a pipe that its reader doesn't read
    end
    if ends.sink then job:pump(pump.drain, job:blocks(handle.stdout), ends.sink) end
    if ends.err_sink then job:pump(pump.drain, job:blocks(handle.stderr), ends.err_sink) end
end

--- One stream of what all segments print on stderr, and nobody else takes.
local function merge_errors(job)
    local streams = {}
    for i, handle in ipairs(job.handles) do
        if not job.ends[i].err_sink then streams[#streams + 1] = handle.stderr end
    end
    if not streams[2] then return streams[1] end
    local read, write, name = proc.pipe()
    if not read then err.raise {kind = err.kind_of(name), message = "can't make a pipe: " .. write} end
    local left = #streams
    for _, stream in ipairs(streams) do
        job:pump(function()
            pump.link(pump.blocks(stream), stream, write)
            left = left - 1
            if left == 0 then write:close() end
        end)
    end
    job.ends[#job.ends + 1] = {write, read}
    return read
end

local function start_all(job, how)
    open_ends(job)
    for i = 1, #job.segments do start_segment(job, i, how) end
    for i = 1, #job.segments do connect(job, i) end
    local first, last = 1, #job.segments
    if not job.ends[first].source then job.stdin = job.handles[first].stdin end
    if not job.ends[last].sink then job.stdout = job.handles[last].stdout end
    job.stderr = merge_errors(job)
end

--- Starts a plan. how: stdin, stdout, stderr of what nothing else was said about, foreground, keep, and loose: its
--- streams are the user's, who may read them when it has ended.
---@param plan table
---@param segments table[]
---@param how table
---@return rshell.Job
function M.start(plan, segments, how)
    local job = setmetatable({
        plan = plan, segments = segments, handles = {}, ends = {}, exited = {}, pumps = {}, moving = 0, busy = 0,
        event = task.event(), loose = how.loose,
    }, Job)
    local ok, e = pcall(start_all, job, how)
    if not ok then
        job:close()
        error(e, 0)
    end
    return job
end

-- ---- moving bytes ----

--- Runs fn in a task that belongs to the job; its failure ends the job.
function Job:pump(fn, ...)
    self.moving = self.moving + 1
    self.pumps[#self.pumps + 1] = task.spawn(function(...)
        local ok, e = pcall(fn, ...)
        self.moving = self.moving - 1
        self.event:notify()
        if not ok then self:abort("failure", e) end
    end, ...)
end

--- An iterator over what a program prints. While somebody works on a block, the program isn't idle.
---@param stream rshell.Stream
function Job:blocks(stream)
    return self:reads(function() return stream:read(BLOCK) end)
end

--- An iterator over the lines that a program prints; past max bytes without a newline the job is ended.
---@param stream rshell.Stream
---@param max number
function Job:lines(stream, max)
    return self:reads(function()
        local line = stream:read("L", nil, max + 1)
        if not line or line:sub(-1) == "\n" then return line and line:sub(1, -2) end
        if #line <= max then return line end
        self:abort("reason", "limit")
    end)
end

--- An iterator over what read gives.
---@param read fun(): string?
function Job:reads(read)
    local working = 0
    return function()
        self.busy = self.busy - working
        self.active = task.now()
        local block = read()
        working = block and 1 or 0
        self.busy = self.busy + working
        self.active = task.now()
        return block
    end
end

--- Reads a stream to its end, into an array; past max bytes the job is ended. Blocks are shown if show is given.
---@param stream rshell.Stream?
---@param max number
---@param show fun(block: string)?
---@return string[]
function Job:collect(stream, max, show)
    local got, size = {}, 0
    local function read_all()
        for block in self:blocks(stream) do
            if show then show(block) end
            size = size + #block
            got[#got + 1] = size <= max and block or block:sub(1, #block - size + max)
            if size > max then return self:abort("reason", "limit") end
        end
    end
    if stream then self:pump(read_all) end
    return got
end

-- ---- waiting ----

--- What every stage left: an array of {code=} or {signal=}; false for one that runs.
function Job:exits()
    local all = {}
    for i, handle in ipairs(self.handles) do
        local exits = self.exited[i] or handle:exits()
        table.move(exits, 1, #exits, #all + 1, all)
    end
    return all
end

--- Numbers of the processes that run, or could not be ended.
function Job:running()
    local pids = {}
    for i, handle in ipairs(self.handles) do
        for k, exit in ipairs(self.exited[i] or handle:exits()) do
            if not exit then pids[#pids + 1] = handle.pids[k] end
        end
    end
    return pids
end

function Job:ended()
    for i, handle in ipairs(self.handles) do
        if not self.exited[i] and not handle:ended() then return false end
    end
    return true
end

--- Waits until the programs of a segment have ended, or another task has closed the job or given them up; false when
--- that took longer.
local function await(job, i, stop)
    local handle = job.handles[i]
    while not job.exited[i] do
        local left = math.max(0, stop - task.now())
        local ok, exits = pcall(handle.wait, handle, math.min(left, SLICE))
        if not ok and not job.exited[i] then error(exits, 0) end
        job.exited[i] = job.exited[i] or exits
        if left == 0 then break end
    end
    return job.exited[i] and true or false
end

--- Waits until all programs have ended and all bytes have moved; false when that took longer.
---@param seconds number?
function Job:settle(seconds)
    local stop = seconds and task.now() + seconds or math.huge
    for i = 1, #self.handles do
        if not await(self, i, stop) then return false end
    end
    local function left() return math.max(0, stop - task.now()) end
    while self.moving > 0 do
        if not self.event:wait(left()) then return false end
    end
    return true
end

--- The same; raises when bytes could not be moved.
---@param seconds number?
function Job:wait(seconds)
    local settled = self:settle(seconds)
    if self.failure then error(self:cause(self.failure), 0) end
    return settled
end

--- What is behind an error of a stream.
function Job:cause(e)
    for i, handle in ipairs(self.handles) do e = view.cause(self.segments[i].view, handle, e) end
    return e
end

local function watch(job, stop, idle)
    while true do
        local now = task.now()
        local quiet = idle and (job.busy > 0 and now or job.active) + idle or math.huge
        if now >= stop then return job:abort("reason", "timeout") end
        if now >= quiet then return job:abort("reason", "line_timeout") end
        if job:settle(math.min(stop, quiet) - now) then return end
    end
end

--- Ends the job after so many seconds, or so many without output.
---@param seconds number?
---@param idle number?
function Job:limit(seconds, idle)
    if not seconds and not idle then return end
    self.active = task.now()
    self.watcher = task.spawn(watch, self, seconds and self.active + seconds or math.huge, idle)
end

-- ---- ending ----

local function close_streams(job)
    for _, h in ipairs(job.handles) do
        for _, stream in ipairs {h.stdin or false, h.stdout or false, h.stderr or false} do
            if stream then stream:close() end
        end
    end
end

local function close_pumps(job)
    for _, t in ipairs(job.pumps) do t:close() end
end

--- TERM to all, KILL after half a second, and waits for it. What can't be ended is left alone.
function Job:stop()
    if self.handles[2] then
        for _, handle in ipairs(self.handles) do handle:stop(0) end
    end
    for i, handle in ipairs(self.handles) do self.exited[i] = handle:stop(GIVE_UP) or handle:exits() end
end

local function end_now(job)
    job:stop()
    if not job:settle(GRACE) then close_pumps(job) end
    if not job.loose then close_streams(job) end
end

--- Ends what still runs, because of its reason or failure. Who waits for the job learns of it when it is over.
---@param field "reason"|"failure"
---@param value any
function Job:abort(field, value)
    if self.closed or self.reason or self.failure then return end
    self[field] = value
    self.aborter = task.spawn(end_now, self)
end

--- True when nothing more will come; reads away what is there. Who prints more than pipes hold has not ended.
local function is_at_end(stream)
    for _ = 1, stream and 64 or 0 do
        local ok, block = pcall(stream.read, stream, BLOCK, LATE)
        if not ok then return err.is(block) and block.kind == "closed" end
        if not block then return true end
    end
    return not stream
end

--- Programs that ended by themselves, with their output at its end, are forgotten: what they put in the background
--- lives on.
local function is_over(job)
    if not job:ended() then return false end
    for _, h in ipairs(job.handles) do
        if not (is_at_end(h.stdout) and is_at_end(h.stderr)) then return false end
    end
    return true
end

local function close(job)
    if job.watcher then job.watcher:close() end
    if job.aborter then job.aborter:close() end
    if is_over(job) then
        for i, h in ipairs(job.handles) do job.exited[i] = h:exits() end
    else
        job:stop()
    end
    close_pumps(job)
    for _, ends in ipairs(job.ends) do
        for _, e in pairs(ends) do e:close() end
    end
    close_streams(job)
    for _, h in ipairs(job.handles) do h:release() end
end

--- Ends everything and lets go of it. Harmless twice.
function Job:close()
    if self.closed then return end
    self.closed = true
    task.shield(close, self)
end

--- Sends a signal to all that runs, from the last to the first: who reads would end by itself when its writer is gone.
function Job:kill(sig)
    for i = #self.handles, 1, -1 do
        local handle = self.handles[i]
        if not self.exited[i] then
            local ok, text, name = handle:kill(sig)
            if not ok and name ~= "ESRCH" then view.fail(self.segments[i].view, "kill", text, name) end
        end
    end
end

return M
