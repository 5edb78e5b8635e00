-- Machines: the local one, and views of it. Members are in `members` and `fields`; every other name is a command.

local arity = require "rshell.arity"
local command = require "rshell.command"
local err = require "rshell.shared.error"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

local mt, make, state, test = object.class "machine"

--- The view behind a machine, or nil for anything else.
M.test = test

---@param v rshell.View
---@return rshell.Machine
function M.of(v)
    v.machine = v.machine or make(v)
    return v.machine
end

---@class rshell.Machine
local members = {}
local fields = {}

-- ---- facts ----

local function uname(v)
    local conn = v.conn
    conn.uname = conn.uname or view.ask(v, "host", "uname")
    return conn.uname
end

function fields.name(v) return v.conn.name end
function fields.host(v) return v.conn.host end
function fields.port(v) return v.conn.port end
function fields.user(v) return v.user or v.conn.user end
function fields.uname(v) return uname(v).sysname end
function fields.os(v) return uname(v).sysname:lower() end
function fields.arch(v) return uname(v).machine end
function fields.backend(v) return v.conn.kind, v.conn.reason end
function fields.closed(v) return v.conn.closed or false end

function fields.home(v)
    local conn = v.conn
    conn.home = conn.home or view.ask(v, "host", "home")
    return conn.home
end

function fields.cwd(v)
    v.workdir = v.workdir or require "rshell.workdir".new(v)
    return v.workdir
end

function fields.env(v)
    v.environment = v.environment or require "rshell.env".new(v)
    return v.environment
end

function fields.cmd(v)
    v.commands = v.commands or command.namespace(v)
    return v.commands
end

--- python3 over there, else python.
function fields.python(v)
    return command.new(v, {tostring(members.which(M.of(v), "python3", "python"))})
end

function members:facts()
    return view.ask(state(self), "host", "facts")
end

--- Seconds for one round trip.
function members:ping()
    local v, before = state(self), task.now()
    view.check(v)
    if v.conn.ping then
        view.within(v, v.timeout, v.conn.ping, v.conn)
        return task.now() - before
    end
    view.ask(v, "host", "pid")
    return task.now() - before
end

-- ---- paths and programs ----

function members:path(...)
    return require "rshell.path".new(state(self), ...)
end

--- The path of the first program found.
function members:which(...)
    local v = state(self)
    local names = table.pack(...)
    if names.n == 0 then err.usage "which: the name of a program expected" end
    for i = 1, names.n do
        local name = names[i]
        if type(name) ~= "string" or name == "" or name:find "\0" then
            err.usage("which: the name of a program expected, got %s",
                type(name) == "string" and ("%q"):format(name) or object.type(name))
        end
    end
    local search = view.search_path(v)
    local found, text, name = view.call(v, "proc", "which", names, search, view.cwd(v))
    if found then return members.path(self, found) end
    if name ~= "ENOENT" then view.fail(v, "which", text, name) end
    err.raise {
        kind = "notfound", host = v.conn.name, path = search, name = names[1],
        message = ("no program '%s' in PATH (%s)"):format(table.concat(names, "' or '"), search),
    }
end

--- A command that runs a script with sh; further values are $1...
function members:sh(script, ...)
    local v = state(self)
    if type(script) ~= "string" then err.usage("sh: a script expected, got %s", object.type(script)) end
    return command.new(v, {"sh", "-c"}):bind(script, "sh", ...)
end

-- ---- views ----

function members:at(dir)
    local v = state(self)
    local d = view.derive(v)
    d.cwd = require "rshell.path".text(v, dir)
    return M.of(d)
end

local WITH = {env = "table", cwd = "any", timeout = "seconds", umask = "umask", user = "text"}

function members:with(opts)
    local v = state(self)
    opts = options.check("with", opts, WITH)
    local d = view.derive(v)
    if opts.env then d.env = require "rshell.env".changed(d.env, opts.env) end
    if opts.cwd ~= nil then d.cwd = require "rshell.path".text(v, opts.cwd) end
    d.timeout, d.umask, d.user = opts.timeout or d.timeout, opts.umask or d.umask, opts.user or d.user
    return M.of(d)
end

-- ---- more than one file holds ----

function members:session() return require "rshell.session".new(state(self)) end
function members:tempdir() return require "rshell.tempdir".new(state(self)) end

function members:upload(src, dst, opts)
    return require "rshell.copy".upload(state(self), src, dst, opts)
end

function members:download(src, dst, opts)
    return require "rshell.copy".download(state(self), src, dst, opts)
end

function members:connect_sock(where, host) return require "rshell.sockets".connect(state(self), where, host) end
function members:listen(where, host) return require "rshell.sockets".listen(state(self), where, host) end

function members:tunnel(lport, dport, opts)
    return require "rshell.tunnel".new(state(self), lport, dport, opts)
end

function members:list_processes() return require "rshell.processes".list(state(self)) end
function members:pgrep(pattern) return require "rshell.processes".grep(state(self), pattern) end

-- ---- machines inside or behind it ----

local function inside(self, ...) return require "rshell.inside".open(state(self), ...) end

function members:sudo(opts) return inside(self, "sudo", opts) end
function members:su(opts) return inside(self, "su", opts) end
function members:doas(opts) return inside(self, "doas", opts) end
function members:container(name, opts) return inside(self, "container", opts, name) end
function members:chroot(dir, opts) return inside(self, "chroot", opts, dir) end
function members:via(way, opts) return inside(self, "via", opts, way) end
function members:ssh(target, opts) return inside(self, "ssh", opts, target) end

-- ---- RPC ----

--- A server for connections of RPC.
function members:deploy() return require "rshell.rpc.server".deploy(state(self)) end

--- The same, and a connection, which closes both.
function members:connect(opts) return require "rshell.rpc.server".connect(state(self), opts) end

--- Closes the connection; `here` and views close nothing.
function members:close()
    local v = state(self)
    if v.conn.close and v.conn.root == v then v.conn:close() end
end

-- ---- methods that are named as programs: `m.sudo["-x"]` meant m.cmd.sudo ----

local method_mt, make_method, method_state = object.class "method"

function method_mt.__call(self, ...) return members[method_state(self).name](...) end
function method_mt.__tostring(self) return ("method '%s' of machines"):format(method_state(self).name) end

function method_mt.__index(self)
    local name = method_state(self).name
    err.raise {
        kind = "usage", message = ("m.%s is a method of machines, and was used as a command"):format(name),
        hint = ("the command is m.cmd.%s"):format(name),
    }
end

local program_methods = {}
for _, name in ipairs {"sh", "sudo", "su", "doas", "chroot", "ssh"} do
    program_methods[name] = make_method {name = name}
end

-- ---- the object ----

function mt.__index(self, key)
    local v = state(self)
    local member = program_methods[key] or members[key]
    if member then return member end
    local field = fields[key]
    if field then return (field(v)) end
    if key == nil then err.usage "a machine was indexed with nil" end
    return command.from_key(v, key)
end

function mt.__newindex(_, key)
    err.usage("a machine's '%s' can't be set; m.env, m.cwd:chdir and m:with change what can be changed", tostring(key))
end

function mt.__tostring(self)
    local v = state(self)
    local kind, reason = v.conn.kind, v.conn.reason
    local now = v.conn.closed and "closed" or reason and kind .. ": " .. reason or kind
    return ("machine %s (%s)"):format(v.conn.name, now)
end

--- Two views of one machine with the same settings are the same machine.
function mt.__eq(a, b)
    local x, y = test(a), test(b)
    return x and y and view.same(x, y) or false
end

mt.__close = members.close

--- Members by name, for completion, stubs and messages.
M.members, M.fields = members, fields

arity.strict(members)

return M
