-- Machines inside or behind a machine: another account, a container, another root, or what its ssh leads to. Each has
-- an agent of its own, which ends with the machine that it is inside of.

local connector = require "rshell.inside.connector"
local err = require "rshell.shared.error"
local options = require "rshell.shared.options"
local view = require "rshell.view"

local M = {}

-- Who makes which.
local WAYS = {
    sudo = "accounts", su = "accounts", doas = "accounts", container = "roots", chroot = "roots", via = "roots",
    ssh = "ssh",
}

-- What each of them takes besides its own.
local COMMON = {env = "table", cwd = "any", timeout = "seconds", agent = "boolean"}

-- ---- the connection ----

---@class rshell.inside.Connection: rshell.Connection
---@field outer rshell.Connection the machine that it is inside of
local Connection = {}

local lazy = {}

--- Whoever is there when somebody wants to know.
function lazy.user(conn)
    local user = conn.backend.host.user()
    conn.user = user and user.name or "?"
    return conn.user
end

function lazy.closed(conn) return conn.outer.closed end

function Connection.__index(conn, key)
    if lazy[key] then return lazy[key](conn) end
    return Connection[key]
end

function Connection:close()
    if rawget(self, "closed") then return end
    M.close_all(self)
    if package.loaded["rshell.tempdir"] and not self.outer.closed then pcall(require "rshell.tempdir".clear, self) end
    self.closed = true
    if self.kind == "agent" then self.backend:close() end
    self.connector.close()
    if self.outer.inner then self.outer.inner[self] = nil end
end

--- Ends what is inside of a machine.
---@param conn rshell.Connection
function M.close_all(conn)
    for inner in pairs(conn.inner or {}) do inner:close() end
end

-- ---- starting ----

--- Where the machine around it has no agent because none was wanted, none is wanted in there.
local function choose_backend(conn, v, wanted)
    local outer, around = v.conn, v.conn.backend
    if wanted == nil and outer.kind == "bare" and not outer.reason then wanted = false end
    conn.kind = wanted == false and "bare" or "agent"
    if wanted == false then
        local why = conn.connector.no_shell()
        if why then err.usage("%s: there must be an agent: %s", conn.name, why) end
        conn.backend = require "rshell.bare".new(conn.connector)
        return
    end
    local agents, outer_arch = require "rshell.agents", around.arch
    if outer.kind == "local" then outer_arch = around.host.uname().machine end
    conn.backend = require "rshell.agent".new(conn, conn.connector, {
        images = agents.image, programs = agents.program, raw = outer.kind == "local",
        must = wanted or wanted == nil and around.must, keepalive = around.keepalive,
        arch = outer_arch,
    })
end

local function connection(v, place, opts)
    local outer = v.conn
    local conn = setmetatable({
        name = place.host, host = place.address or outer.host, port = place.port or outer.port, outer = outer,
    }, Connection)
    conn.connector = connector.new(v, place)
    choose_backend(conn, v, opts.agent)
    outer.inner = outer.inner or setmetatable({}, {__mode = "k"})
    outer.inner[conn] = true
    return conn
end

--- Whoever is not let in learns it now.
local function start(root)
    root.conn.uname = view.ask(root, "host", "uname")
end

local function known(own)
    local all = {}
    for name, types in next, COMMON do all[name] = types end
    for name, types in next, own do all[name] = types end
    return all
end

--- The machine that m:sudo and its like give: way is the member's name, subject its first argument where it has one.
---@param v rshell.View
---@param way string
---@param opts table?
---@param subject any
---@return rshell.Machine
function M.open(v, way, opts, subject)
    view.check(v)
    local maker = require("rshell.inside." .. WAYS[way])
    maker = maker[way] or maker
    opts = options.check(way, opts, known(maker.options))
    local place = maker.place(opts, subject, v)
    place.host = ("%s %s"):format(v.conn.name, place.label)
    local conn = connection(v, place, opts)
    local root = view.new(conn)
    conn.root = root
    if opts.env then root.env = require "rshell.env".changed({}, opts.env) end
    root.timeout = opts.timeout or v.timeout
    local ok, e = pcall(start, root)
    if not ok then
        conn:close()
        error(e, 0)
    end
    if opts.cwd ~= nil then root.cwd = require "rshell.path".text(root, opts.cwd) end
    return require "rshell.machine".of(root)
end

return M
