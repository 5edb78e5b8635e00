-- Places to call functions in, by name: rshell.endpoints().

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local near = require "rshell.shared.near"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local task = require "rshell.task"

local M = {}

local mt, make, state = object.class "endpoints"

---@class rshell.Endpoints
local members = {}
M.members = members

function M.new()
    return make {list = {}}
end

-- ---- what a name stands for ----

--- A machine, the name of one as ssh takes it, a server, or a connection. Made when it is first called.
local function kind_of(target)
    if require "rshell.rpc.connection".test(target) then return "connection" end
    if require "rshell.rpc.server".test(target) then return "server" end
    if require "rshell.machine".test(target) then return "machine" end
    if type(target) == "string" then return "name" end
    err.usage("endpoints: a machine, its name, a server or a connection expected, got %s", object.type(target))
end

local openers = {}

function openers.connection(e) return e.target end

function openers.server(e)
    e.own = e.target:connect()
    return e.own
end

function openers.machine(e)
    e.own = e.target:connect()
    return e.own
end

function openers.name(e)
    e.machine = e.machine or require "rshell".ssh(e.target)
    e.own = e.machine:connect()
    return e.own
end

--- The connection of an endpoint; others who want it meanwhile wait for the same one.
local function connection(e)
    if e.conn and not e.conn.closed then return e.conn end
    if not e.opening then
        e.opening = task.spawn(function()
            e.conn = openers[e.kind](e)
            e.opening = nil
        end)
    end
    local opening = e.opening
    local ok, why = pcall(opening.await, opening)
    if not ok then
        e.opening = nil
        error(why, 0)
    end
    return e.conn
end

local function close(e)
    if e.own then e.own:close() end
    if e.machine then e.machine:close() end
end

local function check(e)
    if e.closed then err.raise {kind = "closed", message = "the endpoints were closed"} end
    return e
end

local function find(e, name)
    local endpoint = check(e).list[name]
    if endpoint then return endpoint end
    err.raise {
        kind = "notfound", name = name,
        message = ("no endpoint '%s'%s"):format(tostring(name), near.suffix(name, e.list)),
    }
end

-- ---- members ----

--- target: a machine, the name of one, a server, or a connection. Connects when it is first called.
function members:add(name, target)
    local e = check(state(self))
    if type(name) ~= "string" then err.usage("add: a name expected, got %s", object.type(name)) end
    if e.list[name] then
        err.raise {kind = "exists", name = name, message = ("there is an endpoint '%s' already"):format(name)}
    end
    e.list[name] = {target = target, kind = kind_of(target)}
    return self
end

function members:remove(name)
    local e = state(self)
    local endpoint = find(e, name)
    e.list[name] = nil
    close(endpoint)
    return self
end

function members:exists(name)
    return state(self).list[name] ~= nil
end

--- Calls a function there; it is shipped.
function members:call(name, fn, ...)
    return connection(find(state(self), name)):call(fn, ...)
end

local function check_call(name, what)
    if type(what) == "function" or type(what) == "table" and what[1] ~= nil then return end
    err.usage("multicall: '%s' is {function, arguments...}", name)
end

local function call_one(self, name, what)
    if type(what) == "function" then what = {what} end
    return (members.call(self, name, table.unpack(what, 1, what.n or #what)))
end

local function raise_all(results, errors)
    local names, lines = {}, {}
    for name in next, errors do names[#names + 1] = name end
    table.sort(names)
    for i, name in ipairs(names) do lines[i] = ("  %s: %s"):format(name, tostring(errors[name])) end
    local first = errors[names[1]]
    err.raise {
        kind = err.is(first) and first.kind or "remote", results = results, errors = errors,
        message = ("%d of the endpoints failed:\n%s"):format(#names, table.concat(lines, "\n")),
    }
end

--- {name = {fn, ...}, ...}, all at the same time: the first result of each by name. When some fail, one error with
--- .results and .errors is raised.
function members:multicall(calls)
    local e = state(self)
    if type(calls) ~= "table" then err.usage("multicall: {name = {function, arguments...}} expected") end
    for name, what in next, calls do
        find(e, name)
        check_call(name, what)
    end
    local tasks, results, errors = {}, {}, {}
    for name, what in next, calls do tasks[name] = task.spawn(call_one, self, name, what) end
    for name, t in next, tasks do
        local ok, r = pcall(t.await, t)
        if ok then results[name] = r else errors[name] = r end
    end
    if next(errors) ~= nil then raise_all(results, errors) end
    return results
end

--- Closes the connections that were made for it.
function members:close()
    local e = state(self)
    local list = e.list
    e.list, e.closed = {}, true
    for _, endpoint in next, list do close(endpoint) end
end

function mt.__index(self, key)
    state(self)
    if members[key] then return members[key] end
    options.no_member("set of endpoints", key, members)
end

function mt.__tostring(self)
    local names = {}
    for name in next, state(self).list do names[#names + 1] = name end
    table.sort(names)
    return ("endpoints (%s)"):format(table.concat(names, ", "))
end

mt.__close = members.close

arity.strict(members)

return M
