-- An SSH connection as a connector (see rshell.bare): programs, connections passed through, and ports over there.

local raw_ssh = require "rshell.ssh.raw"
local refusal = require "rshell.ssh.refusal"
local task = require "rshell.task"

local M = {}

local PATIENCE = 0.3 -- seconds that work waits for a place on the connections there are, before another one is made
local BETWEEN = 10 -- seconds between attempts to make one
local MOST = 16 -- connections
local LAG = 0.02 -- seconds between attempts to get a place that should be free: servers notice late
local REFUSED = 1 -- seconds until a server that refuses the very first channel is believed

---@class rshell.ssh.Channel
local Channel = {}
Channel.__index = Channel

local function wrap(c, raw)
    local function stream(which) return raw:stream(which, c.host) end
    c = {raw = raw, stdin = stream "in", stdout = stream "out", stderr = stream "err"}
    return setmetatable(c, Channel)
end

--- `c.unread` is called when the program has printed something for a stream that was closed, with a function that tells
--- whether it has done so again.
function Channel:wait(seconds)
    local stop = seconds and task.now() + seconds
    while true do
        local exit, text, name = self.raw:wait(stop and math.max(0, stop - task.now()) or -1)
        if not exit or not exit.unread then return exit, text, name end
        if self.unread then self.unread(function() return self:again() end) end
    end
end

--- Whether it has, since the last time; not where somebody has closed the channel meanwhile.
function Channel:again()
    local open, more = pcall(self.raw.unread, self.raw)
    return open and more
end

function Channel:exit() return self.raw:exit() end
function Channel:signal(name) return self.raw:signal(name) end
function Channel:resize(rows, cols) return self.raw:resize(rows, cols) end

function Channel:close()
    self.stdin:close()
    self.stdout:close()
    self.stderr:close()
    self.raw:close()
end

-- A connector's functions, with its state before their arguments.
local functions = {}

-- ---- how many channels the server lets us have ----

-- A lane is one connection: its session, the most channels it has had at once (peak), and how many it may have (limit),
-- once the server has refused one. Work beyond that waits its turn, for a while; then another connection is made, since
-- what runs may run for long.

--- True when a channel can be asked for.
local function has_room(lane)
    local open, opening = lane.session:places()
    return not lane.limit or open + opening < lane.limit
end

--- A channel; false and why where the lane is full, nil and why where it is broken.
local function open_on(lane)
    local session = lane.session
    local why = session:broken()
    if why then return nil, why, "ECLOSED" end
    if not has_room(lane) then return false end
    local raw, text, name = session:open "session"
    if not raw and session:broken() then return nil, text, name end
    local open = session:places()
    lane.peak = math.max(lane.peak, open)
    if raw then return raw end
    lane.limit = lane.peak > 0 and lane.peak or nil -- who has refused the first is asked again
    return false, text, name
end

local function drop(c, k)
    local lane = table.remove(c.lanes, k)
    lane.session:close()
    if lane.close_way then lane.close_way() end
end

--- Makes another connection; who waits for places meanwhile is told when it is there.
local function add_lane(c)
    c.next_try = task.now() + BETWEEN
    c.adding = true
    local ok, session, close_way = pcall(c.another)
    c.adding = false
    if ok and c.closed then
        session:close()
        close_way()
    elseif ok then
        c.lanes[#c.lanes + 1] = {session = session, close_way = close_way, peak = 0}
        c.next_try = 0
    end
    c.freed:notify()
end

local function may_add(c)
    return c.another and not c.adding and #c.lanes < MOST and task.now() >= c.next_try
end

--- Until it is worth another look.
local function pause(c, began)
    if #c.lanes > 1 or c.adding then return c.freed:wait(LAG) end
    local lane = c.lanes[1]
    if has_room(lane) then return task.sleep(LAG) end
    local seconds = math.max(LAG, may_add(c) and began + PATIENCE - task.now() or PATIENCE)
    pcall(task.timeout, seconds, lane.session.await_room, lane.session, lane.limit)
end

--- The first lane with room: a channel; false and why where none has any; nil and why where the connection is gone.
local function try_lanes(c)
    local said, code
    for k = #c.lanes, 1, -1 do
        local raw, text, name = open_on(c.lanes[k])
        if raw then return raw end
        if raw == nil and k == 1 then return nil, text, name end
        if raw == nil then drop(c, k) end
        said, code = said or text, code or name
    end
    return false, said, code
end

local function open_channel(c)
    local began = task.now()
    while true do
        local raw, text, name = try_lanes(c)
        if raw ~= false then return raw, text, name end
        local waited = task.now() - began
        if c.lanes[1].peak == 0 and text and waited > REFUSED then
            return nil, "the server opens no session for this account (MaxSessions): " .. text, "EPERM"
        end
        if c.lanes[1].peak > 0 and waited >= PATIENCE and may_add(c) then add_lane(c) else pause(c, began) end
    end
end

--- A spare channel is kept open, so that a command takes one round trip. It doesn't count against what others may
--- need: when the server has no more places it is used up.
local function prepare(c)
    local lane = c.lanes[1]
    if c.preparing or c.spare or c.no_spare or lane.limit or c.closed then return end
    c.preparing = true
    task.spawn(function()
        local raw = open_on(lane)
        c.preparing = false
        if not raw then return end
        if c.closed then return raw:close() end
        c.spare = raw
        c.freed:notify()
    end)
end

--- The spare channel, if the server has left it open: dropbear closes it when another program ends.
local function take_spare(c)
    local raw = c.spare
    c.spare = nil
    if not raw or not raw:exit() then return raw end
    c.no_spare = true
    raw:close()
end

--- Runs a line ("exec") or a subsystem in an open channel: true, or nil and why not.
local function start(c, raw, what, text, pty)
    for var, value in pairs(c.setenv or {}) do raw:request("env", var, value) end
    if pty then
        local ok, why, name = raw:request("pty", pty.term or "xterm", pty.rows or 24, pty.cols or 80)
        if not ok and name == "EPROTOCOL" then return nil, "the server gives this account no terminal", "EACCES" end
        if not ok then return nil, why, name end
    end
    return raw:request(what, text)
end

local function run_in_channel(c, what, text, pty)
    local spare = take_spare(c)
    local raw, why, name = spare, nil, nil
    if not raw then raw, why, name = open_channel(c) end
    if not raw then return nil, why, name end
    prepare(c)
    local ok
    ok, why, name = start(c, raw, what, text, pty)
    if ok then return wrap(c, raw) end
    local closed = raw:exit()
    raw:close()
    if spare and closed and not c.session:broken() then -- before it had got the line
        c.no_spare = true
        return run_in_channel(c, what, text, pty)
    end
    return nil, why, name
end

local function run(c, what, text, pty)
    local channel, why, name = run_in_channel(c, what, text, pty)
    if channel then return channel end
    local broken = functions.broken(c)
    if broken then return nil, broken, "ECLOSED" end
    return nil, why, name
end

function functions.exec(self, line, opts) return run(self, "exec", line, opts and opts.pty) end

--- A channel to a subsystem of the server.
function functions.subsystem(self, name) return run(self, "subsystem", name) end

local function pass_through(c, kind, where, port)
    local raw, text, name = c.session:open(kind, where, port)
    if not raw then return nil, refusal.read(text, name) end
    return raw:stream("both", c.host)
end

function functions.connect_tcp(self, host, port) return pass_through(self, "tcp", host, port) end
function functions.connect_unix(self, path) return pass_through(self, "unix", path, 0) end

-- ---- ports over there ----

---@class rshell.ssh.Listener
local Listener = {}

function Listener.__index(l, key)
    if key == "closed" then return l.raw:closed() end
    return Listener[key]
end

function Listener:accept(seconds)
    local stream, peer, name = self.raw:accept(seconds or -1)
    if stream then raw_ssh.of_host(stream, self.host) end
    return stream, peer, name
end

--- Its place is taken until the server has given it up.
function Listener:close()
    if self.left then return end
    self.left = true
    task.shield(self.raw.close, self.raw)
    self.taken[self.place] = nil
end

Listener.__gc = function(l)
    if not l.left then l.taken[l.place] = nil end
end

function Listener:__tostring()
    if self.closed then return "listener (closed)" end
    return self.path and "listener on " .. self.path or ("listener on port %d"):format(self.port)
end

local FIRST, LAST, TRIES = 20000, 32767, 4 -- below those that systems give to connections that go out

local function listener(c, raw, place, host)
    local is_path = type(place) == "string"
    local port = not is_path and (raw.port or place) or nil
    local l = {raw = raw, port = port, path = is_path and place or nil, place = port or place, taken = c.listeners}
    l.address, l.host = not is_path and host or nil, c.host
    c.listeners[l.place] = true
    return setmetatable(l, Listener)
end

local function listen_on(c, place, host)
    if c.listeners[place] then return nil, "address already in use", "EADDRINUSE" end
    c.listeners[place] = place ~= 0 or nil
    local ok, raw, text, name = pcall(c.session.listen, c.session, host, place)
    if ok and raw then return listener(c, raw, place, host) end
    c.listeners[place] = nil
    if not ok then error(raw, 0) end
    return nil, text, name
end

--- A free port is one of ours that the server doesn't refuse. The one that it would choose is told in an answer that
--- libssh doesn't keep for us.
local function listen_anywhere(c, host)
    local l, text, name
    for _ = 1, TRIES do
        l, text, name = listen_on(c, math.random(FIRST, LAST), host)
        if l or name ~= "EPROTOCOL" and name ~= "EADDRINUSE" then break end
    end
    return l, text, name
end

--- A listener; without a host only that machine itself can connect, with "*" whoever the server lets.
function functions.listen(self, port, host)
    local any = self.session.any_listener
    if type(port) == "string" and not any then
        return nil, "libssh can't listen on unix sockets over there", "EUSAGE",
            'an agent can (this machine was opened with agent=false, or has none), and transport="openssh"'
    end
    host = host == nil and "127.0.0.1" or host == "*" and "" or host
    if port == 0 and not any then return listen_anywhere(self, host) end
    return listen_on(self, port, host)
end

function functions.broken(self) return self.why or self.session:broken() end

--- True while a new channel would have to wait for its turn.
function functions.full(self)
    if self.spare or may_add(self) or self.adding then return false end
    for _, lane in ipairs(self.lanes) do
        if has_room(lane) then return false end
    end
    return true
end

--- Ends all connections, those to the same account that were made for more places too.
---@param why string? where it is not what was asked for
function functions.close(self, why)
    if self.closed then return end
    self.closed, self.why = true, why
    if self.spare then self.spare:close() end
    for k = #self.lanes, 1, -1 do drop(self, k) end
end

--- A connector over a session that has logged in. opts: host (a name, for errors), setenv, and `another`, which makes
--- one more session of that kind: it, and a function that ends what it goes through; it raises where that is not
--- possible.
---@param session userdata
---@param opts {host: string, setenv: table<string, string>?, another: (fun(): userdata, function)?}
function M.new(session, opts)
    local state = {
        session = session, host = opts.host, setenv = opts.setenv, another = opts.another,
        lanes = {{session = session, peak = 0}}, next_try = 0, freed = task.event(), listeners = {},
    }
    local connector = {host = opts.host}
    -- Dropbear leaves when a line is longer than its MAX_CMD_LEN of 9,000.
    if session:banner():find("dropbear", 1, true) then connector.longest = 8000 end
    for name, fn in next, functions do
        connector[name] = function(...) return fn(state, ...) end
    end
    return connector
end

return M
