local err = require "rshell.shared.error"
local variables = require "rshell.repl.variables"

local M = {
    name = "hosts", args = "SET [COMMAND]", complete = "host",
    about = "sets many machines where ! runs; with COMMAND runs only that",
    more = [[
SET is a node set, web[1-5], or a variable that holds a cluster. Outputs that are the same are shown once, with the
hosts that gave them. :host goes back to one machine.]],
}

local function cluster_of(session, set)
    local v = set:find "^[%a_][%w_]*$" and variables.get(set)
    if v ~= nil and v and require "rshell.object".type(v) == "cluster" then return v, set end
    session.clusters = session.clusters or {}
    local known = session.clusters[set]
    if not known or known.closed then
        known = require "rshell".cluster(set)
        session.clusters[set] = known
        session.closing[#session.closing + 1] = known
    end
    return known, ("cluster %q"):format(set)
end

function M.run(session, argument)
    local set, command = argument:match "^(%S*)%s*(.-)$"
    if set == "" then err.usage ":hosts: a node set expected, web[1-5]" end
    local cluster, lua = cluster_of(session, set)
    local where = session.where
    local before = {where.cluster, where.name, where.lua}
    where:set_many(cluster, set, lua)
    session:keep(lua, "hosts")
    if command == "" then
        io.write(tostring(cluster), "\n")
        return true
    end
    local _ <close> = setmetatable({}, {__close = function()
        where.cluster, where.name, where.lua = table.unpack(before, 1, 3)
    end})
    return require "rshell.repl.commands.bang".run(session, command)
end

return M
