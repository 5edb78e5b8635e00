-- m:session(): a shell that keeps its state between scripts.
--
-- One sh reads commands from a pipe. A script is one word of one command, so the shell has read all of that before any
-- of it runs, and a script with half a quote harms only itself. What a script printed ends at a mark on each output:
--
--   { { command eval 'SCRIPT'; } </dev/null 7>&- 8>&-
--     { command echo MARK:STATUS:FLAGS >&7; set +xv; command echo MARK >&8; } 2>/dev/null; }
--
-- `command` keeps a syntax error from ending the shell (dash, bash, busybox; not mksh). 7 and 8 are the shell's first
-- outputs: a script may redirect its own (`exec >log`) for good, and what it starts doesn't get them. Tracing is off
-- outside the scripts, so that they alone are traced. The mark is written in two halves: where the command itself is
-- shown it is no mark.

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local markers = require "rshell.markers"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local task = require "rshell.task"
local view = require "rshell.view"
local words = require "rshell.text"

local M = {}

local BLOCK = 65536
local MAX_OUTPUT = 64 << 20
local LATE = 0.2 -- seconds
local STOP = 3 -- seconds that a shell has to be gone
local GRACE = 0.5 -- seconds that an idle shell has to end by itself: it may have a trap

local mt, make, state, test = object.class "session"
local popen_mt, make_popen, popen_state, test_popen = object.class "session process"
local stream_mt, make_stream, stream_state = object.class "session stream"

---@class rshell.Session
local members = {}
---@class rshell.SessionProcess
local popen_members = {}
---@class rshell.SessionStream
local stream_members = {}
M.members, M.popen_members, M.stream_members = members, popen_members, stream_members

-- ---- the shell ----

local function start_shell(v, argv)
    local env = view.env(v)
    local handle, text, name = view.call(v, "proc", "spawn", {
        argv = argv, env = next(env) ~= nil and env or nil, cwd = view.start_dir(v), umask = v.umask, user = v.user,
        stdin = "pipe",
    })
    if not handle then view.fail(v, "can't start a session", text, name, {command = argv[1]}) end
    return handle
end

--- What is read from one of the shell's outputs. A read that is under way stays when its reader is interrupted.
local function source(s, stream)
    local src = {stream = stream, rest = ""}
    function src.next()
        if src.rest ~= "" then
            local block = src.rest
            src.rest = ""
            return block
        end
        src.reader = src.reader or task.spawn(stream.read, stream, BLOCK)
        if not src.reader.done then task.select {src.reader, s.ended} end
        -- What the shell wrote before it ended is there, or may be overtaken on its way by the news of the end; what it
        -- left running may hold the pipe open.
        if not src.reader.done then pcall(src.reader.await, src.reader, LATE) end
        if not src.reader.done then return nil end
        local reader = src.reader
        src.reader = nil
        return reader:await()
    end
    return src
end

--- A session on a view's machine. shell is the command that runs the scripts.
---@param v rshell.View
---@param shell string[]? a shell other than sh, for tests
---@return rshell.Session
function M.new(v, shell)
    local s = {view = v, handle = start_shell(v, shell or {"sh"}), tracing = ""}
    local handle = s.handle
    s.pid = handle.pids[1]
    s.ended = task.spawn(function() pcall(handle.wait, handle) end) -- it may fail: then the machine is gone
    s.out, s.err = source(s, handle.stdout), source(s, handle.stderr)
    local self = make(s)
    handle.stdin:write "exec 7>&1 8>&2\n"
    return self
end

-- ---- its end ----

--- Lets go of a shell that has ended.
local function dispose(s)
    if s.closed then return end
    s.closed = true
    local h = s.handle
    for _, src in ipairs {s.out, s.err} do
        if src.reader then src.reader:close() end
        src.stream:close()
    end
    pcall(h.stdin.close, h.stdin)
    s.exit = h:exits()[1] or nil
    s.ended:close()
    h:release()
end

--- Ends the shell and all that it left running.
local function stop(s)
    if s.closed then return end
    task.shield(function()
        if not s.busy then
            s.handle.stdin:close()
            pcall(s.handle.wait, s.handle, GRACE)
        end
        if not s.closed then
            s.handle:stop(STOP)
            dispose(s)
        end
    end)
end

local function raise_closed(s)
    local exit, why = s.exit, "was closed"
    if exit and exit.signal then why = "was ended by " .. exit.signal end
    if exit and exit.code then why = ("has ended with status %d"):format(exit.code) end
    err.raise {kind = "closed", host = s.view.conn.name, message = "the session " .. why}
end

-- ---- one script ----

--- What has ended by itself: the status, or nil and a signal.
local function finish(s)
    local r = s.busy
    if r.finished then return r.code, r.signal end
    r.finished = true
    local status, flags = (r.out.info or ""):match "^:(%d+):(.*)$"
    if status and r.err.info then
        r.code = math.tointeger(status)
        s.tracing = flags:gsub("[^xv]", "")
        s.out.rest, s.err.rest = r.out.rest, r.err.rest
    else
        local exit = (s.handle:wait() or {})[1] or {}
        r.code, r.signal = exit.code, exit.signal
        dispose(s)
    end
    s.busy = nil
    return r.code, r.signal
end

local function has_ended(r)
    return r.out.ended and r.err.ended
end

local function check_free(s)
    if s.closed then raise_closed(s) end
    view.check(s.view)
    local r = s.busy
    if r and r.out.ended then r.err:wait(MAX_OUTPUT) end
    if r and has_ended(r) then finish(s) end
    if s.closed then raise_closed(s) end
    if s.busy then
        err.raise {
            kind = "usage", message = "the session is running a script, and runs one at a time",
            hint = "read what it prints to its end, or use another session",
        }
    end
end

-- The first line is for bash, which takes the line after an unclosed quote in eval for something else.
local COMMAND = [[
:
{ { \command eval %s; } </dev/null 7>&- 8>&-
{ \command echo "%s""%s:$?:$-" >&7; \set +xv; \command echo "%s""%s" >&8; } 2>/dev/null; }
]]

--- Makes ready to run a script; `send` starts it.
local function prepare(s, who, script)
    if type(script) ~= "string" then err.usage("%s: a script expected, got %s", who, object.type(script)) end
    if script:find "\0" then err.usage("%s: a script can't hold a NUL byte", who) end
    check_free(s)
    local mark = markers.mark()
    local a, b = mark:sub(1, 8), mark:sub(9)
    if s.tracing ~= "" then script = ("set -%s; %s"):format(s.tracing, script) end
    s.busy = {
        session = s, command = COMMAND:format(words.quote(script), a, b, a, b),
        out = markers.answer(s.out.next, mark), err = markers.answer(s.err.next, mark),
    }
    return s.busy
end

--- A shell that has ended reads nothing, which is no failure: its answers end without a mark.
local function send(s, r)
    local ok, e = pcall(s.handle.stdin.write, s.handle.stdin, r.command)
    if not ok and not (err.is(e) and e.kind == "closed") then error(e, 0) end
end

local function too_much(s)
    err.raise {
        kind = "io", host = s.view.conn.name,
        message = ("the script printed more than %d MiB; the session was closed"):format(MAX_OUTPUT >> 20),
        hint = "popen keeps nothing in memory",
    }
end

--- Waits until both answers are there.
local function collect(s, r)
    local errors <close> = task.spawn(r.err.wait, r.err, MAX_OUTPUT)
    local all = r.out:wait(MAX_OUTPUT)
    if not all or not errors:await() then too_much(s) end
end

--- fn within a time limit. What interrupts it leaves a shell of which nobody knows where it is: that is ended.
local function guarded(s, r, seconds, fn)
    local ok, e
    if seconds then ok, e = pcall(task.timeout, seconds, fn) else ok, e = pcall(fn) end
    if ok then return end
    e = view.cause(s.view, s.handle, e)
    stop(s)
    if seconds and err.is(e) and e.kind == "timeout" then
        err.raise {
            kind = "timeout", host = s.view.conn.name, stdout = r.out:take_all(), stderr = r.err:take_all(),
            message = ("the script was not done after %g s; the session was closed"):format(seconds),
        }
    end
    error(e, 0)
end

local OPTIONS = {timeout = "seconds"}

--- Runs a script: its status (nil when a signal ended the shell), what it printed, what it complained, and that signal.
---@param script string
---@param opts {timeout: number?}?
---@return integer? code
---@return string out
---@return string err
---@return string? signal
function members:run(script, opts)
    local s = state(self)
    opts = options.check("run", opts, OPTIONS)
    local r = prepare(s, "run", script)
    guarded(s, r, opts.timeout or s.view.timeout, function()
        send(s, r)
        collect(s, r)
    end)
    local code, signal = finish(s)
    return code, r.out:take_all(), r.err:take_all(), signal
end

--- Starts a script and gives its outputs as streams.
---@param script string
---@return rshell.SessionProcess
function members:popen(script)
    local s = state(self)
    local r = prepare(s, "popen", script)
    guarded(s, r, s.view.timeout, function() send(s, r) end)
    return make_popen {
        r = r, session = self, -- which stays open as long as this is used
        stdout = make_stream {r = r, answer = r.out}, stderr = make_stream {r = r, answer = r.err},
    }
end

--- Ends the shell and what it left running. Harmless twice.
function members:close()
    stop(state(self))
end

local fields = {
    pid = function(s) return s.pid end,
    closed = function(s) return s.closed or false end,
    machine = function(s) return require "rshell.machine".of(s.view) end,
}
M.fields = fields

function mt.__index(self, key)
    local s = state(self)
    if members[key] then return members[key] end
    if fields[key] then return fields[key](s) end
    options.no_member("session", key, members, fields)
end

function mt.__tostring(self)
    local s = state(self)
    return ("session on %s (%s)"):format(s.view.conn.name, s.closed and "closed" or s.busy and "running" or "idle")
end

mt.__close = members.close

--- Dropped: no waiting here, a task ends it. Of a shell that is gone already the handle may have been collected, too.
function mt.__gc(self)
    local s = test(self)
    if s and not s.closed then task.spawn(pcall, stop, s) end
end

-- ---- popen ----

local popen_fields = {
    stdout = function(p) return p.stdout end,
    stderr = function(p) return p.stderr end,
    code = function(p)
        if has_ended(p.r) and p.r == p.r.session.busy then finish(p.r.session) end
        return p.r.code
    end,
}
M.popen_fields = popen_fields

--- Reads what is left and waits for the end: the status, or nil and the signal that ended the shell. Raises timeout if
--- it still runs then.
---@param seconds number?
function popen_members:wait(seconds)
    local p = popen_state(self)
    local s, r = p.r.session, p.r
    if r.finished then return r.code, r.signal end
    if s.closed then raise_closed(s) end
    local limit = seconds or s.view.timeout
    if limit then task.timeout(limit, collect, s, r) else collect(s, r) end
    return finish(s)
end

--- Ends a script that still runs, and the session with it, for a shell can't be brought back to where it was.
function popen_members:close()
    local r = popen_state(self).r
    if r.finished or r.session.closed then return end
    if has_ended(r) then finish(r.session) else stop(r.session) end
end

function popen_mt.__index(self, key)
    local p = popen_state(self)
    if popen_members[key] then return popen_members[key] end
    if popen_fields[key] then return popen_fields[key](p) end
    options.no_member("session process", key, popen_members, popen_fields)
end

function popen_mt.__tostring(self)
    local r = popen_state(self).r
    return ("script of a session (%s)"):format(r.finished and "ended" or r.session.closed and "closed" or "running")
end

popen_mt.__close = popen_members.close

--- Dropped: somebody must read what it prints, or the session never goes on.
function popen_mt.__gc(self)
    local p = test_popen(self)
    if not p or p.r.finished or p.r.session.closed then return end
    for _, answer in ipairs {p.r.out, p.r.err} do
        task.spawn(function()
            pcall(function() -- it fails when the session ends, which is nobody's concern then
                repeat answer:take_all() until not answer:fill()
            end)
        end)
    end
end

-- ---- its streams ----

--- As a stream's read.
---@param what rshell.ReadFormat?
---@param seconds number?
---@return string?
function stream_members:read(what, seconds)
    local t = stream_state(self)
    if t.r.session.closed and not t.answer.ended then raise_closed(t.r.session) end
    if seconds then return task.timeout(seconds, t.answer.read, t.answer, what) end
    return t.answer:read(what)
end

---@param what rshell.ReadFormat?
function stream_members:lines(what)
    return function() return self:read(what) end
end

function stream_mt.__index(_, key)
    return stream_members[key] or options.no_member("stream of a session", key, stream_members)
end

function stream_mt.__tostring(self)
    return stream_state(self).answer.ended and "stream (at its end)" or "stream"
end

arity.strict(members)
arity.strict(popen_members)
arity.strict(stream_members)

return M
