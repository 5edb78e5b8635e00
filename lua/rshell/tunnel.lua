-- m:tunnel(lport, dport, opts): one connects to lport here and comes out at dport over there; or, in reverse, connects
-- over there and comes out here. Both ends are the `net` of a backend, whatever machine it is.
--
-- A task accepts; each connection is a task that moves bytes both ways until both sides have ended what they send.

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local log = require "rshell.log"
local machine = require "rshell.machine"
local object = require "rshell.object"
local opened = require "rshell.opened"
local options = require "rshell.shared.options"
local sockets = require "rshell.sockets"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

local RETRY = 0.1 -- seconds until the next try to accept when that failed for want of something (files, memory)

local mt, make, state, test = object.class "tunnel"

---@class rshell.Tunnel
local members = {}
M.members = members

-- ---- one connection ----

--- Moves bytes until `from` ends, and passes the end on.
local function move(t, from, to, counter)
    for n in function() return from:pass(to) end do t[counter] = t[counter] + n end
    to:shutdown()
end

--- One direction that fails ends the other: who can't be written to is gone.
local function move_both(t, near, far)
    local ends = {task.spawn(move, t, near, far, "sent"), task.spawn(move, t, far, near, "received")}
    local _ <close> = setmetatable({}, {__close = function() for _, one in ipairs(ends) do one:close() end end})
    local first, i = task.select(ends)
    first:await()
    ends[3 - i]:await()
end

local function told(e)
    return err.is(e) and e.message or tostring(e)
end

local function serve(t, near)
    local _ <close> = near
    local far, text = sockets.open(t.to, t.dport, t.dhost)
    if not far then
        log.write("info", "tunnel", ("%s: can't connect: %s"):format(t.name, text))
        return
    end
    local _ <close> = far
    move_both(t, near, far)
end

local function connection(t, near)
    t.connections = t.connections + 1
    local ok, e = pcall(serve, t, near)
    t.connections = t.connections - 1
    t.tasks[task.current()] = nil
    if not ok then log.write("debug", "tunnel", ("%s: %s"):format(t.name, told(e))) end
end

-- ---- accepting ----

local PASSING = {EMFILE = true, ENFILE = true, ENOMEM = true, ENOBUFS = true, ECONNABORTED = true}

local function accept_all(t)
    while true do
        local near, text, name = t.listener:accept()
        if near then
            t.tasks[task.spawn(connection, t, near)] = near
        elseif PASSING[name] then
            log.write("warning", "tunnel", ("%s: can't accept a connection: %s"):format(t.name, text))
            task.sleep(RETRY)
        else
            return text
        end
    end
end

--- Without an acceptor, most often since the machine is gone, the tunnel is of no more use.
local function acceptor(t)
    local _, why = pcall(accept_all, t)
    if t.closed then return end
    t.defunct = true
    log.write("info", "tunnel", ("%s: accepts no more: %s"):format(t.name, told(why)))
end

-- ---- the tunnel ----

local OPTIONS = {host = "string", lhost = "string", reverse = "boolean"}

local function place_name(place, host)
    return type(place) == "string" and place or host and ("%s:%d"):format(host, place) or ("%d"):format(place)
end

--- The view of this machine.
local function here()
    return machine.test(require "rshell".here)
end

---@param v rshell.View
---@param lport integer|string|rshell.Path where one connects; 0 takes a free port
---@param dport integer|string|rshell.Path where it comes out
---@param opts {host: string?, lhost: string?, reverse: boolean?}?
---@return rshell.Tunnel
function M.new(v, lport, dport, opts)
    opts = options.check("tunnel", opts, OPTIONS)
    view.check(v)
    local from, to = here(), v
    if opts.reverse then from, to = to, from end
    local t = {view = v, from = from, to = to, reverse = opts.reverse or false, dhost = opts.host}
    lport = sockets.place(from, "tunnel", lport, 0)
    t.dport = sockets.place(to, "tunnel", dport, 1)
    t.connections, t.sent, t.received, t.tasks = 0, 0, 0, {}
    t.listener = sockets.bind(from, lport, opts.lhost)
    t.lport = t.listener.port or lport
    t.name = ("%s:%s -> %s:%s"):format(from.conn.name, place_name(t.lport, opts.lhost), to.conn.name,
        place_name(t.dport, opts.host))
    t.acceptor = task.spawn(acceptor, t)
    return opened.add("tunnel", make(t), function() return t.closed end)
end

local function stop(t)
    if t.closed then return end
    t.closed = true
    t.listener:close()
    task.shield(function()
        t.acceptor:close()
        for one in pairs(t.tasks) do one:cancel() end
        while next(t.tasks) do
            local one, near = next(t.tasks)
            one:close()
            near:close() -- it may not have begun
            t.tasks[one] = nil
        end
    end)
end

--- Drops every connection and frees the port. Harmless twice.
function members:close()
    stop(state(self))
end

local fields = {}
for _, name in ipairs {"lport", "dport", "reverse", "connections", "sent", "received"} do
    fields[name] = function(t) return t[name] end
end
function fields.closed(t) return t.closed or false end
M.fields = fields

function mt.__index(self, key)
    local t = state(self)
    if members[key] then return members[key] end
    if fields[key] then return fields[key](t) end
    options.no_member("tunnel", key, members, fields)
end

function mt.__newindex(_, key)
    err.usage("a tunnel's '%s' can't be set; another tunnel is another m:tunnel(...)", tostring(key))
end

function mt.__tostring(self)
    local t = state(self)
    local defunct = t.defunct or t.from.conn.closed or t.to.conn.closed
    local now = t.closed and "closed" or defunct and "defunct" or ("%d open"):format(t.connections)
    return ("tunnel %s (%s)"):format(t.name, now)
end

mt.__close = members.close

--- Dropped: no waiting here, a task ends it.
function mt.__gc(self)
    local t = test(self)
    if t and not t.closed then task.spawn(stop, t) end
end

arity.strict(members)

return M
