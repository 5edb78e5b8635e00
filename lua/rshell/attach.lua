-- p:attach(): a program under way gets our terminal, or other sources and sinks, for a while.
--
--   attached --(it has ended, all that it printed is shown)--> ended
--      |
--      +--(the keys that detach, the end of a source, its time)--> detached: it goes on, and can be attached again
--
-- What it prints while nobody is attached waits in its streams; they hold it up when they are full. Who detaches is
-- never in the midst of a block, so nothing is lost between two that are attached one after the other.

local command = require "rshell.command"
local err = require "rshell.shared.error"
local options = require "rshell.shared.options"
local progress = require "rshell.output.progress"
local pump = require "rshell.pump"
local status = require "rshell.status"
local task = require "rshell.task"
local term = require "rshell.term"
local terminal = require "rshell.terminal"

local M = {}

local OPTIONS = {
    stdin = "any", stdout = "any", stderr = "any", append = "boolean", timeout = "seconds", escape = "string|boolean",
}
local ESCAPE = "\29" -- Ctrl-]
local LEAVE = "d"

-- ---- the keys ----

--- A function that takes what was typed and gives what of it is for the program, and whether one wants to leave: with
--- the escape key and d. The escape key twice is the key itself.
---@param escape string
---@return fun(typed: string): string, boolean
function M.scanner(escape)
    local held = false
    return function(typed)
        local out, at = {}, 1
        while at <= #typed do
            if held then
                local key = typed:sub(at, at)
                if key == LEAVE then return table.concat(out), true end
                out[#out + 1] = key == escape and key or escape .. key
                held, at = false, at + 1
            else
                local found = typed:find(escape, at, true)
                out[#out + 1] = typed:sub(at, (found or 0) - 1)
                held, at = found ~= nil, (found or #typed) + 1
            end
        end
        return table.concat(out), false
    end
end

local function key_name(escape)
    return escape:byte() < 32 and "Ctrl-" .. string.char(escape:byte() + 64):lower() or escape
end

-- ---- what moves ----

---@class rshell.Attachment
---@field p table the process's state
---@field event rshell.Event
---@field tasks rshell.Task[]
---@field closing table[] what is closed at its end, last first
---@field printing integer outputs that have not ended
---@field ended boolean? the programs have
---@field over boolean? detached
---@field failure any?

--- Runs fn beside the others; what it raises is raised by the attachment.
local function start(a, fn, ...)
    a.tasks[#a.tasks + 1] = task.spawn(function(...)
        local ok, e = pcall(fn, ...)
        if not ok then a.failure = a.failure or e end
        a.event:notify()
    end, ...)
end

local function at_end(a, fn)
    a.closing[#a.closing + 1] = fn
end

--- An output goes to write(block) until it ends.
local function print_to(a, stream, write, finish)
    if not stream then return end
    a.printing = a.printing + 1
    start(a, function()
        -- Once a block has been read it is written, whatever else happens.
        for block in pump.blocks(stream) do task.shield(write, block) end
        if finish then finish() end
        a.printing = a.printing - 1
    end)
end

local function show(a, stream, file)
    print_to(a, stream, function(block)
        file:write(block)
        file:flush()
    end)
end

--- What is typed goes to the program, to the end of our input, which is the end of its own.
local function type_in(a, escape)
    local from, to = require "rshell.stdio".input(), a.p.job.stdin
    local scan = escape and M.scanner(escape)
    at_end(a, function() from:close() end)
    start(a, function()
        for block in pump.blocks(from) do
            local keys, leaves = block, false
            if scan then keys, leaves = scan(block) end
            if to and keys ~= "" and not pump.offer(to, keys) and not scan then return end
            if leaves then
                a.over, a.typed = true, true
                return
            end
        end
        if to then to:close() end
    end)
end

-- ---- our terminal ----

local function resize(p, rows, cols)
    return p.job.handles[#p.job.handles]:resize(rows, cols)
end

--- Its terminal is as large as ours. What fills a screen draws it anew when its size changes: one that is attached
--- again finds it changed.
local function follow_window(p)
    local rows, cols = term.size()
    if rows and p.was_attached then pcall(resize, p, rows, math.max(cols - 1, 1)) end
    return terminal.follow_size(nil, nil, function(r, c) return resize(p, r, c) end)
end

local function lend_terminal(a)
    local sizes = follow_window(a.p)
    at_end(a, function() sizes:close() end)
    at_end(a, function() term.raw(false) end)
    term.raw(true)
end

local function say(text)
    io.stderr:write(require "rshell.text".escape(text), "\n")
end

--- To our own streams.
local function join_ours(a, escape)
    local p = a.p
    local typed = term.is_terminal(0) and escape or nil
    local drawn = p.plan.opts.pty and terminal.is_ours()
    local hold = progress.hold()
    at_end(a, function() hold:close() end)
    io.stdout:flush()
    if typed then
        local line = status.line(p.plan)
        say(("attached to `%s`; %s %s%s detaches"):format(line, key_name(typed), LEAVE, drawn and "" or " Enter"))
        at_end(a, function() if a.typed then say("\ndetached from `" .. line .. "`, which goes on") end end)
    end
    if drawn then lend_terminal(a) end
    show(a, p.job.stdout, io.stdout)
    show(a, p.job.stderr, io.stderr)
    type_in(a, typed)
end

-- ---- other sources and sinks ----

local function view_of(p, i)
    local stages = p.plan.stages
    return stages[i or #stages].view
end

local function source(p, x)
    if type(x) == "string" then return pump.source {data = x} end
    if x == io.stdin then
        local input = require "rshell.stdio".input()
        return {read = pump.blocks(input), close = function() input:close() end}
    end
    return pump.source(command.endpoint("attach: stdin", view_of(p, 1), x, "read"))
end

--- From a source; its end is the end of the attachment, and not of the program's input.
local function read_from(a, x)
    local to = a.p.job.stdin
    if not to then err.usage "attach: its standard input is not ours" end
    local from = source(a.p, x)
    at_end(a, from.close)
    start(a, function()
        if pump.pass(to, from) then a.over = true end
    end)
end

local function write_to(a, which, x, append)
    local stream = a.p.job[which]
    if not stream then err.usage("attach: its %s is not ours", which == "stdout" and "output" or "error output") end
    local e = command.endpoint("attach: " .. which, view_of(a.p), x, "write")
    e.append = append
    local to = pump.sink(e)
    at_end(a, to.close)
    print_to(a, stream, to.write, to.finish)
end

local function join_given(a, opts)
    if opts.escape ~= nil then err.usage "attach: 'escape' is a key of our terminal, which is not attached" end
    if opts.stdout ~= nil then write_to(a, "stdout", opts.stdout, opts.append) end
    if opts.stderr ~= nil then write_to(a, "stderr", opts.stderr, opts.append) end
    if opts.stdin ~= nil then read_from(a, opts.stdin) end
end

-- ---- the whole ----

local owner -- the attachment that has our own streams

local function check(p, opts)
    options.check("attach", opts, OPTIONS)
    if type(opts.escape) == "string" and #opts.escape ~= 1 or opts.escape == true then
        err.usage "attach: escape is one key, or false for none"
    end
    if p.job.closed then err.raise {kind = "closed", message = "the process was closed: " .. status.line(p.plan)} end
    if p.attached then err.usage("attach: `%s` is attached already", status.line(p.plan)) end
end

local function join(a, opts)
    a.p.attached = true
    local given = opts.stdin ~= nil or opts.stdout ~= nil or opts.stderr ~= nil
    if given then return join_given(a, opts) end
    if opts.append ~= nil then err.usage "attach: 'append' is for a file, with stdout or stderr" end
    if owner then err.usage("attach: our terminal is attached to `%s`", status.line(owner.p.plan)) end
    owner = a
    at_end(a, function() owner = nil end)
    join_ours(a, opts.escape == nil and ESCAPE or opts.escape)
    a.p.was_attached = true
end

--- Until it is over; past its time an error that says so.
local function await(a, seconds)
    local stop = seconds and task.now() + seconds or math.huge
    while not (a.failure or a.over or a.ended and a.printing == 0) do
        local left = stop - task.now()
        if left <= 0 then status.still_runs(a.p.plan, seconds, "p:attach() attaches it again") end
        a.event:wait(left < math.huge and left or nil)
    end
    if a.failure then error(a.p.job:cause(a.failure), 0) end
end

local function leave(a)
    for _, t in ipairs(a.tasks) do t:close() end
    for i = #a.closing, 1, -1 do a.closing[i]() end
    a.p.attached = nil
end

--- Attaches a process; true when it has ended, false when it goes on.
---@param p table a process's state
---@param opts table?
---@return boolean
function M.run(p, opts)
    opts = opts or {}
    check(p, opts)
    ---@type rshell.Attachment
    local a = {p = p, event = task.event(), tasks = {}, closing = {}, printing = 0}
    local _ <close> = setmetatable({}, {__close = function() task.shield(leave, a) end})
    join(a, opts)
    start(a, function()
        p.job:wait()
        a.ended = true
    end)
    await(a, opts.timeout)
    return not a.over
end

return M
