-- A pipeline under way. Neighbours on one machine are one segment, which runs over there with kernel pipes; between segments, and
-- between machines and Lua, tasks move the bytes, a block at a time.

local err = require "rshell.shared.error"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

local BLOCK = 65536

---@class rshell.Job
---@field segments table[]
---@field pumps rshell.Task[]
---@field stdin rshell.Stream?
---@field stdout rshell.Stream?
---@field stderr rshell.Stream?
local Job = {}
Job.__index = Job

-- ---- from stages to segments ----

local function native(s, e)
    return e and e.path and e.view.conn == s.view.conn
end

local function foreign(s, e)
    return e and not e.out and not native(s, e)
end

local function splits(before, s)
    return before.view.conn ~= s.view.conn or foreign(s, s.from) or foreign(before, before.to) or foreign(before, before.err)
        or foreign(s, s.err)
end

local function file(e)
    return {path = e.path, append = e.append}
end

local function environment(s, opts)
    local env = view.env(s.view)
    if s.opts.env then env = require "rshell.env".changed(env, s.opts.env) end
    if opts.env and opts.env ~= s.opts.env then env = require "rshell.env".changed(env, opts.env) end
    return next(env) ~= nil and env or nil
end

local function stage_spec(s, opts)
    local dir = opts.cwd
    if dir == nil then dir = s.opts.cwd end
    return {
        argv = s.argv, other = s.other, env = environment(s, opts),
        cwd = dir ~= nil and require "rshell.path".text(s.view, dir) or view.cwd(s.view),
        umask = opts.umask or s.opts.umask or s.view.umask, user = opts.user or s.opts.user or s.view.user,
        stdin = native(s, s.from) and file(s.from) or nil,
        stdout = native(s, s.to) and file(s.to) or nil,
        stderr = s.err and (s.err.out and "out" or native(s, s.err) and file(s.err)) or nil,
    }
end

--- The segments of a plan: {view=, stages=specs, texts=, source=, sink=, err_sink=, linked=}. A segment is linked when it reads
--- what the one before it writes.
function M.segments(plan)
    local segments, before = {}, nil
    for i, s in ipairs(plan.stages) do
        local segment = segments[#segments]
        if i == 1 or splits(before, s) then
            segment = {view = s.view, stages = {}, commands = {}, source = foreign(s, s.from) and s.from or nil}
            segment.linked = i > 1 and not s.from and not before.to
            segments[#segments + 1] = segment
        end
        segment.stages[#segment.stages + 1] = stage_spec(s, plan.opts)
        segment.commands[#segment.commands + 1] = s
        segment.sink = foreign(s, s.to) and s.to or nil
        segment.filed = native(s, s.to)
        segment.err_sink = foreign(s, s.err) and s.err or segment.err_sink
        before = s
    end
    local first = segments[1]
    if plan.opts.input and not plan.stages[1].from then first.source = {data = plan.opts.input} end
    return segments
end

--- True when one request can do all of it: start, feed, collect, wait.
function M.is_simple(segments)
    local s = segments[1]
    return #segments == 1 and not s.sink and not s.err_sink and (not s.source or s.source.data ~= nil)
end

-- ---- failures ----

local STEPS = {
    cwd = function(stage, text) return ("can't enter %s: %s"):format(stage.cwd, text) end,
    user = function(stage, text, name)
        if name == "ENOTFOUND" then return ("no user '%s'"):format(stage.user), "notfound" end
        return ("can't become user '%s': %s"):format(stage.user, text), nil, "changing the user needs root"
    end,
    interpreter = function(stage)
        return ("can't run %s: the interpreter that its first line names is not there"):format(stage.argv[1])
    end,
}

local function search_path(stage)
    local env = stage.env
    return env and env.PATH or nil
end

local function exec_failure(s, stage, text, name)
    local program = stage.argv[1]
    if name == "ENOENT" and not program:find("/", 1, true) then
        local path = search_path(stage) or view.getenv(s.view, "PATH") or ""
        return ("no program '%s' in PATH (%s)"):format(program, path)
    elseif name == "ENOEXEC" then
        return ("can't run %s: it is no program that the system knows"):format(program), nil,
            "a script needs a first line like #!/bin/sh, or is run by name: m.sh[file]"
    end
    return ("can't run %s: %s"):format(program, text)
end

--- Raises for a segment that could not be started.
function M.fail_start(plan, segment, text, name, where)
    local s, stage = segment.commands[where.stage], segment.stages[where.stage]
    local message, kind, hint
    if where.file then
        message = ("can't open %s: %s"):format(where.file, text)
    elseif STEPS[where.step] then
        message, kind, hint = STEPS[where.step](stage, text, name)
    elseif where.step == "exec" then
        message, kind, hint = exec_failure(s, stage, text, name)
    else
        message = ("can't start %s: %s"):format(stage.argv[1], text)
    end
    err.raise {
        kind = kind or err.kind_of(name), message = message, hint = hint, host = s.view.conn.name, name = stage.argv[1],
        command = plan.text, path = where.file or (where.step == "cwd" and stage.cwd) or nil,
    }
end

-- ---- moving bytes ----

--- An iterator over what a stream gives, a block at a time.
function M.blocks(stream)
    return function() return stream:read(BLOCK) end
end

local blocks = M.blocks

--- A function that gives the next block, or nil at the end.
local function reader(source)
    if source.fn then return source.fn end
    if source.data then
        local data = source.data
        return function()
            local block = data
            data = nil
            return block
        end
    end
    if source.stream then return blocks(source.stream) end
    local f = view.ask(source.view, "fs", "open", source.path, "r")
    return function()
        local block = f:read(BLOCK)
        if not block then f:close() end
        return block
    end
end

--- Functions that take a block, and that end it.
local function writer(sink)
    if sink.fn then return sink.fn, function() end end
    if sink.stream then return function(block) sink.stream:write(block) end, function() end end
    local f = view.ask(sink.view, "fs", "open", sink.path, sink.append and "a" or "w")
    return function(block) f:write(block) end, function() f:close() end
end

local function gone(e)
    return err.is(e) and e.kind == "closed"
end

--- Feeds a program; one that reads no more is no failure.
local function feed(stream, source)
    local read = reader(source)
    local ok, e = pcall(function()
        for block in read do
            if type(block) ~= "string" then err.usage("a source gave a %s, not a string", type(block)) end
            stream:write(block)
        end
    end)
    stream:close()
    if not ok and not gone(e) then error(e, 0) end
end

--- Takes what a program writes to where it belongs.
local function drain(stream, sink)
    local write, finish = writer(sink)
    for block in blocks(stream) do write(block) end
    finish()
end

local function link(from, to)
    feed(to, {stream = from})
    from:close() -- who wrote there learns that nobody reads
end

function Job:pump(fn, ...)
    self.pumps[#self.pumps + 1] = task.spawn(fn, ...)
end

-- ---- starting and ending ----

local function start_segment(plan, segment, how, last)
    local spec = {stages = segment.stages, pty = plan.opts.pty, foreground = how.foreground, keep = how.keep}
    local first, final = spec.stages[1], spec.stages[#spec.stages]
    first.stdin = first.stdin or (segment.source or segment.linked) and "pipe" or how.stdin
    if last then final.stdout = final.stdout or how.stdout end
    for _, stage in ipairs(spec.stages) do stage.stderr = stage.stderr or how.stderr end
    local handle, text, name, where = view.check(segment.view).proc.spawn(spec)
    if not handle then M.fail_start(plan, segment, text, name, where) end
    return handle
end

local function connect_segment(job, i)
    local segment, handle = job.segments[i], job.segments[i].handle
    local before = job.segments[i - 1]
    if segment.source then
        job:pump(feed, handle.stdin, segment.source)
    elseif segment.linked then
        job:pump(link, before.handle.stdout, handle.stdin)
    end
    if before and not segment.linked and before.handle.stdout and not before.sink then
        before.handle.stdout:close() -- as in sh: what is redirected away from the pipe leaves it closed
    end
    if segment.sink then job:pump(drain, handle.stdout, segment.sink) end
    if segment.err_sink then job:pump(drain, handle.stderr, segment.err_sink) end
end

--- Starts a plan. how: stdin, stdout, stderr of what nothing else was said about, foreground, keep.
---@return rshell.Job
function M.start(plan, segments, how)
    local job = setmetatable({plan = plan, segments = segments, pumps = {}}, Job)
    for i, segment in ipairs(segments) do
        local ok, handle = pcall(start_segment, plan, segment, how, i == #segments)
        if not ok then
            job:close()
            error(handle, 0)
        end
        segment.handle = handle
    end
    for i = 1, #segments do connect_segment(job, i) end
    local first, last = segments[1], segments[#segments]
    job.stdin = not first.source and first.handle.stdin or nil
    job.stdout = not last.sink and last.handle.stdout or nil
    job.stderr = not last.err_sink and last.handle.stderr or nil
    return job
end

--- What every stage left: arrays of {code=} or {signal=}; false for one that runs.
function Job:exits()
    local all = {}
    for _, segment in ipairs(self.segments) do
        local exits = segment.exits or segment.handle:exits()
        table.move(exits, 1, #exits, #all + 1, all)
    end
    return all
end

function Job:ended()
    for _, segment in ipairs(self.segments) do
        if not segment.exits and not segment.handle:ended() then return false end
    end
    return true
end

--- Waits until all programs have ended and all bytes have moved; false when that took longer.
---@param seconds number?
function Job:wait(seconds)
    local limit = seconds and task.now() + seconds
    local function left() return limit and math.max(0, limit - task.now()) end
    for _, segment in ipairs(self.segments) do
        if not segment.exits then
            segment.exits = segment.handle:wait(left())
            if not segment.exits then return false end
        end
    end
    for _, t in ipairs(self.pumps) do
        if not t.done and limit and not pcall(t.await, t, left()) and not t.done then return false end
        t:await()
    end
    return true
end

--- TERM to everything that still runs, KILL after half a second; waits for it.
function Job:stop()
    for _, segment in ipairs(self.segments) do
        if segment.handle and not segment.exits then segment.exits = segment.handle:stop() end
    end
end

--- Ends everything and lets go of it. Harmless twice.
function Job:close()
    if self.closed then return end
    self.closed = true
    task.shield(function()
        self:stop()
        for _, t in ipairs(self.pumps) do t:close() end
        for _, segment in ipairs(self.segments) do
            local h = segment.handle
            if h then
                for _, s in ipairs {h.stdin or false, h.stdout or false, h.stderr or false} do
                    if s then s:close() end
                end
                h:release()
            end
        end
    end)
end

function Job:kill(sig)
    for _, segment in ipairs(self.segments) do
        if not segment.exits then
            local ok, text, name = segment.handle:kill(sig)
            if not ok and name ~= "ESRCH" then view.fail(segment.view, "kill", text, name) end
        end
    end
end

return M
