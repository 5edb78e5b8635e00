-- The agent backend without a network: an agent that a local shell has started, as a login shell over SSH would.
--
--   local agent = require "agent"
--   local m, connector = agent.machine("/bin/sh", opts)
--
-- opts are those of bare.lua, and: must, images, keepalive, seconds, arch

local agents = require "rshell.agents"
local bare = require "bare"
local machine = require "rshell.machine"
local view = require "rshell.view"

local M = {}

local Connection = {}
Connection.__index = Connection

function Connection:close()
    if self.closed then return end
    if package.loaded["rshell.tempdir"] then pcall(require "rshell.tempdir".clear, self) end
    self.closed = true
    self.backend:close()
end

--- A machine whose agent a local shell starts.
---@param shell string?
---@param opts table?
---@param name string?
function M.machine(shell, opts, name)
    opts = opts or {}
    local connector = bare.connector(shell or "/bin/sh", opts)
    local conn = setmetatable({
        name = name or "agent", host = "localhost", user = os.getenv "USER" or "root", kind = "agent",
    }, Connection)
    conn.backend = require "rshell.agent".new(conn, connector, {
        images = opts.images or agents.image, programs = agents.program, must = opts.must,
        keepalive = opts.keepalive, seconds = opts.seconds, arch = opts.arch,
    })
    conn.root = view.new(conn)
    return machine.of(conn.root), connector
end

return M
