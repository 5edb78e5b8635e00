-- Servers on several machines, deployed at once: rshell.MultiServerDeployment{m1, m2, ...}.

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local server = require "rshell.rpc.server"
local task = require "rshell.task"

local M = {}

local mt, make, state = object.class "deployment"

---@class rshell.MultiServerDeployment
local members = {}
local fields = {}
M.members, M.fields = members, fields

-- ---- doing something for each at the same time ----

--- Results in order, and errors by index.
local function each(list, fn)
    local tasks, results, errors = {}, {}, {}
    for i, v in ipairs(list) do tasks[i] = task.spawn(fn, v) end
    for i, t in ipairs(tasks) do
        local ok, r = pcall(t.await, t)
        if ok then results[i] = r else errors[i] = r end
    end
    return results, errors
end

local function first_of(errors, n)
    for i = 1, n do
        if errors[i] ~= nil then return errors[i] end
    end
end

-- ---- deploying ----

local function check_machines(machines)
    if type(machines) ~= "table" or getmetatable(machines) ~= nil or machines[1] == nil then
        err.usage("MultiServerDeployment: a list of machines expected, got %s", object.type(machines))
    end
    local views = {}
    for i, m in ipairs(machines) do
        views[i] = require "rshell.machine".test(m)
        if not views[i] then
            err.usage("MultiServerDeployment: machine %d is none, but %s", i, object.type(m))
        end
    end
    return views
end

--- The servers that stand, in order, and what is wrong with the others, by the name of their machine.
local function stand(views, servers, failures)
    local list, errors = {}, {}
    for i, v in ipairs(views) do
        if servers[i] then list[#list + 1] = servers[i] else errors[v.conn.name] = failures[i] end
    end
    return list, errors
end

--- Deploys to all of them in parallel. Without partial=true all are closed if one fails, and its error is raised.
---@param machines rshell.Machine[]
---@param opts table?
function M.new(machines, opts)
    local views = check_machines(machines)
    local partial = options.check("MultiServerDeployment", opts, {partial = "boolean"}).partial
    local servers, failures = each(views, server.deploy)
    local failed = first_of(failures, #views)
    if failed and not partial then
        each(stand(views, servers, failures), function(s) s:close() end)
        error(failed, 0)
    end
    local list, errors = stand(views, servers, failures)
    return make {servers = list, errors = errors, connections = {}}
end

-- ---- members ----

--- A connection to each server, in order, as so many results; opts as for server:connect.
function members:connect_all(opts)
    local d = state(self)
    local conns, failures = each(d.servers, function(s) return s:connect(opts) end)
    local failed = first_of(failures, #d.servers)
    if failed then
        local standing = {}
        for _, conn in pairs(conns) do standing[#standing + 1] = conn end
        each(standing, function(conn) conn:close() end)
        error(failed, 0)
    end
    for _, conn in ipairs(conns) do d.connections[#d.connections + 1] = conn end
    return table.unpack(conns)
end

--- Those that connect_all has made, in order; it is called where it wasn't.
function members:connections()
    local d = state(self)
    if #d.connections == 0 and not d.closed then members.connect_all(self) end
    return table.move(d.connections, 1, #d.connections, 1, {})
end

--- Closes every server; harmless twice.
function members:close()
    local d = state(self)
    d.closed = true
    each(d.servers, function(s) s:close() end)
end

function fields.errors(d) return d.errors end

function mt.__index(self, key)
    local d = state(self)
    if math.type(key) == "integer" then return d.servers[key] end
    if members[key] then return members[key] end
    if fields[key] then return fields[key](d) end
    options.no_member("deployment", key, members, fields)
end

function mt.__len(self) return #state(self).servers end

function mt.__tostring(self)
    return ("deployment to %d machines"):format(#state(self).servers)
end

mt.__close = members.close

arity.strict(members)

return M
