-- What proc.spawn returns for a bare machine: a program under way, with its streams.

local errno = require "rshell.bare.errno"
local kill = require "rshell.bare.kill"
local proc = require "rshell.sys.proc"
local task = require "rshell.task"
local trailer = require "rshell.bare.trailer"

local M = {}

local END_OF_INPUT = "\4\4" -- typed on a terminal: ends a line, then the input
local TERM, KILL, PIPE = proc.signal "TERM", proc.signal "KILL", proc.signal "PIPE"
local LATE = 2 -- seconds that a trailer may take after its program
local UNKNOWN = 255 -- the status of a stage that none is known of
local DEAF = 1 -- seconds that a program may print on after SIGPIPE

-- ---- a channel for which several tasks may wait ----

local Waited = {}
Waited.__index = Waited

local function watch(w)
    local ok, exit = pcall(w.channel.wait, w.channel)
    w.ended = ok and exit or {}
    w.event:notify()
    if w.released then w.channel:close() end
end

local function waited(ch)
    local w = setmetatable({channel = ch, event = task.event()}, Waited)
    w.watcher = task.spawn(watch, w)
    return w
end

function Waited:exit() return self.ended or self.channel:exit() end

function Waited:wait(seconds)
    local stop = seconds and task.now() + seconds
    while not self.ended do
        local left = stop and stop - task.now()
        if left and left <= 0 or not self.event:wait(left) and not self.ended then return errno.fail "ETIMEOUT" end
    end
    return self.ended
end

function Waited:signal(name) return self.channel:signal(name) end

--- What can't be ended keeps nothing of ours.
function Waited:close() self.channel:close() end

-- ---- the handle ----

---@class rshell.bare.Handle
---@field pids integer[]
---@field stdin rshell.Stream?
---@field stdout rshell.Stream?
---@field stderr rshell.Stream?
local Handle = {}
Handle.__index = Handle

--- The exits of n stages, from the channel's and the codes of a trailer. There a signal is 128 and its number, as is an
--- exit with that code: only a signal that we have sent is told as one.
---@param sent table<integer, boolean>? numbers of signals
function M.exits(n, exit, codes, sent)
    local exits = {}
    for k = 1, n do
        local code = codes and codes[k]
        if code and sent and sent[code - 128] then
            exits[k] = {signal = proc.signal_name(code - 128)}
        elseif code then
            exits[k] = {code = code}
        elseif codes then
            exits[k] = {code = UNKNOWN} -- its shell could not be started, or was ended
        elseif not exit then
            exits[k] = false
        else
            exits[k] = exit.signal and {signal = exit.signal} or {code = exit.code or 255}
        end
    end
    return exits
end

--- Where the connection is gone nobody knows how it ended.
local function known(exit)
    return exit and (exit.code or exit.signal) and exit
end

function Handle:exits()
    local exit = self.waited:exit()
    exit = self:ended() and (known(exit) or {signal = self.cut or "HUP"})
    return M.exits(self.n, exit, self.filter and self.filter.codes, self.sent)
end

function Handle:ended()
    if not self.waited:exit() then return false end
    local f = self.filter
    return not f or f.codes ~= nil or f.ended or self.late or false
end

--- The exits, or nil, text, "ETIMEOUT".
---@param seconds number?
function Handle:wait(seconds)
    local stop = seconds and task.now() + seconds
    local exit, text, name = self.waited:wait(seconds)
    if not exit then return nil, text, name end
    if self.filter and not self:ended() then
        self.filter:take(LATE)
        self.late = true
    end
    for _, t in ipairs(self.pumps or {}) do
        if not t.done and not pcall(t.await, t, stop and math.max(0, stop - task.now())) and not t.done then
            return errno.fail "ETIMEOUT"
        end
    end
    if self.stop_typing then self.stop_typing() end
    self.stop_typing = nil
    return self:exits()
end

--- To the whole group.
---@param sig string|integer?
function Handle:kill(sig)
    sig = proc.signal(sig or "TERM")
    if self.waited:exit() then return errno.fail "ESRCH" end
    self.sent[sig] = true
    return kill.all(self.shell, self.waited, self.pids[1], sig)
end

--- TERM, then KILL; gives the exits once all have ended, or nil, text, "ETIMEOUT".
---@param seconds number?
function Handle:stop(seconds)
    local stop = seconds and task.now() + seconds
    self.sent[TERM], self.sent[KILL] = true, true
    self.stopping = self.stopping or task.spawn(function()
        pcall(kill.stop, self.shell, self.waited, self.pids[1])
    end)
    if not self.stopping.done then pcall(self.stopping.await, self.stopping, seconds) end
    if not self.waited:exit() then return errno.fail "ETIMEOUT" end
    return self:wait(stop and math.max(0, stop - task.now()))
end

--- Lets go of it: what still runs goes on.
function Handle:release()
    local w = self.waited
    if self.stop_typing then self.stop_typing() end
    self.stop_typing = nil
    w.released = true
    if w:exit() then w.channel:close() end
end

---@param rows integer
---@param cols integer
function Handle:resize(rows, cols)
    if not self.pty then return errno.fail "ENOTTY" end
    return self.waited.channel:resize(rows, cols)
end

-- ---- its streams ----

--- A terminal isn't closed: its end of file is typed.
local Typed = {}

function Typed.__index(t, key)
    local method = t.stream[key]
    t[key] = Typed[key] or function(_, ...) return method(t.stream, ...) end
    return t[key]
end

function Typed:close()
    if self.closed_ then return end
    self.closed_ = true
    pcall(self.stream.write, self.stream, END_OF_INPUT)
end

Typed.__close = Typed.close
Typed.shutdown = Typed.close

M.END_OF_INPUT = END_OF_INPUT
M.ENDED_BY_US = {[TERM] = true, [KILL] = true}

--- True when something of the stages arrives in a stream: any of them that was not redirected, for stdout the last.
local function wants(stages, which)
    for k, s in ipairs(stages) do
        local target = s[which]
        if target == nil and (which == "stderr" or k == #stages) then target = "pipe" end
        if target == "pipe" or target == "inherit" then return true end
    end
    return false
end

--- From here on the streams belong to who reads and writes them: what they drop is gone, though the channel stays until
--- the program has ended.
local function loosen(ch)
    for _, name in ipairs {"stdin", "stdout", "stderr"} do
        local weak = setmetatable({stream = ch[name]}, {__mode = "v"})
        ch[name] = {close = function() if weak.stream then weak.stream:close() end end}
    end
end

--- A program prints for nobody any more: SIGPIPE, as a pipe would have it. One that doesn't heed it loses its channel,
--- then its writes fail; with the channel goes its status.
local function end_writer(h, again)
    h.sent[PIPE] = true
    pcall(kill.all, h.shell, h.waited, h.pids[1], PIPE)
    again()
    local stop = task.now() + DEAF
    while not h.waited:wait(DEAF) do
        if task.now() >= stop and again() then
            h.cut = "PIPE"
            return h.waited:close()
        end
    end
end

--- The handle of what runs in a channel.
---@param shell rshell.bare.Shell
---@param ch table
---@param pid integer
---@param stages table[]
---@param how {pty: any, nonce: string}
function M.new(shell, ch, pid, stages, how)
    local h = setmetatable({
        shell = shell, waited = waited(ch), n = #stages, pids = {}, sent = {}, pty = how.pty,
    }, Handle)
    for k = 1, #stages do h.pids[k] = pid end
    local out, err = how.pty or wants(stages, "stdout"), not how.pty and wants(stages, "stderr")
    if how.pty then
        h.stdin = setmetatable({stream = ch.stdin, closed_ = false}, Typed)
    elseif stages[1].stdin == "pipe" then
        h.stdin = ch.stdin
    elseif stages[1].stdin ~= "inherit" then
        ch.stdin:close()
    end
    if #stages > 1 then
        local from = how.pty and ch.stdout or ch.stderr
        h.filter = trailer.filter(from, how.nonce, how.pty or err)
    end
    if out then h.stdout = how.pty and h.filter and h.filter.stream or ch.stdout end
    if err then h.stderr = h.filter and h.filter.stream or ch.stderr end
    if not how.foreground then loosen(ch) end
    local weak = setmetatable({h = h}, {__mode = "v"})
    ch.unread = function(again)
        if weak.h then task.spawn(end_writer, weak.h, again) end
    end
    return h
end

-- ---- programs that outlive us ----

local Kept = {}
Kept.__index = Kept

function Kept:running()
    local r = self.shell:run('kill -0 "$1" 2>/dev/null||[ -d "/proc/$1" ]', {args = {tostring(self.pids[1])}})
    return not r or r.code == 0
end

function Kept:exits() return self.over and M.exits(self.n, {code = nil, signal = "HUP"}) or M.exits(self.n) end
function Kept:ended() return self.over or false end
function Kept:release() end
function Kept:resize() return errno.fail "ENOTTY" end
function Kept:kill(sig) return kill.one(self.shell, -self.pids[1], sig or "TERM") end

--- It is asked for now and then: it is nobody's child any more.
function Kept:wait(seconds)
    local stop = task.now() + (seconds or math.huge)
    while self:running() do
        if task.now() >= stop then return errno.fail "ETIMEOUT" end
        task.sleep(math.max(0, math.min(0.2, stop - task.now())))
    end
    self.over = true
    return self:exits()
end

function Kept:stop(seconds)
    self:kill "TERM"
    if not self:wait(0.5) then self:kill "KILL" end
    return self:wait(seconds)
end

---@param shell rshell.bare.Shell
---@param pid integer
---@param n integer stages
function M.kept(shell, pid, n)
    local h = setmetatable({shell = shell, pids = {}, n = n}, Kept)
    for k = 1, n do h.pids[k] = pid end
    return h
end

return M
