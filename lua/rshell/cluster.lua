-- Clusters: what is done to one is done to all of its machines, and gives results. Members are below; every other name
-- is a command, as with machines.

local arity = require "rshell.arity"
local broadcast = require "rshell.cluster.broadcast"
local err = require "rshell.shared.error"
local nodeset = require "rshell.nodeset"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local pool = require "rshell.cluster.pool"
local words = require "rshell.text"

local M = {}

-- A cluster's state: pool, names, limit, groups, root (it owns the pool).
local mt, make, state, test = object.class "cluster"
M.test = test

-- A command's: cluster (a state), argv, opts.
local command_mt, make_command, command_state = object.class "cluster command"

---@class rshell.Cluster
local members = {}
local fields = {}
M.members, M.fields = members, fields

local LIMIT, RETRIES, RETRY_DELAY = 64, 3, 0.5

-- ---- options ----

local OWN = {
    limit = "integer", retries = "integer", retry_delay = "number", connect = "function", groups = "table|function",
    all = "any",
}

local BATCH = {limit = "integer", serial = "integer", stop_on_error = "boolean", done = "function"}
local EACH = {timeout = "number"}
for name, types in next, BATCH do EACH[name] = types end

--- With what connecting takes; its values are checked there.
local function known_options()
    local known = {}
    for name in next, require "rshell.ssh.connect".OPTIONS do known[name] = "any" end
    for name, types in next, OWN do known[name] = types end
    return known
end

--- Numbers that have a smallest value.
local function check_least(who, opts, least)
    for name, min in next, least do
        if opts[name] and opts[name] < min then err.usage("%s: option '%s': %d or more expected", who, name, min) end
    end
    return opts
end

local function check_batch(who, opts, known)
    return check_least(who, options.check(who, opts, known), {limit = 1, serial = 1, timeout = 0})
end

local function for_connect(opts)
    local out = {}
    for name, value in next, opts do
        if not OWN[name] then out[name] = value end
    end
    return out
end

-- ---- making ----

local function add_names(p, names)
    for _, name in ipairs(names) do
        if not p.hosts[name] then pool.add(p, name) end
    end
end

local function add_machine(p, machine)
    local name = machine.name
    if p.hosts[name] then err.usage("cluster: two machines are called '%s'", name) end
    pool.add(p, name, machine)
end

local function add_hosts(p, what, opts)
    if require "rshell.machine".test(what) then
        add_machine(p, what)
    elseif type(what) == "table" and not getmetatable(what) then
        for _, item in ipairs(what) do add_hosts(p, item, opts) end
    else
        add_names(p, nodeset.expand(what, {groups = opts.groups, all = opts.all}))
    end
end

--- What a name itself says of user and port holds for it.
local function by_ssh(name, opts)
    local _, user, port = require "rshell.ssh.connect".parse(name)
    local own = {}
    for key, value in next, opts do own[key] = value end
    own.user, own.port = user or own.user, port or own.port
    return require "rshell".ssh(name, own)
end

--- A cluster of a node set, or of a list of node sets and machines.
---@param hosts any
---@param opts table?
---@return rshell.Cluster
function M.new(hosts, opts)
    opts = options.check("cluster", opts, known_options())
    check_least("cluster", opts, {limit = 1, retries = 0, retry_delay = 0})
    if hosts == nil then err.usage "cluster: a node set or a list of machines expected, got nil" end
    local limit = opts.limit or LIMIT
    local p = pool.new {
        connect = opts.connect or by_ssh, opts = for_connect(opts), limit = limit, retries = opts.retries or RETRIES,
        retry_delay = opts.retry_delay or RETRY_DELAY,
    }
    add_hosts(p, hosts, opts)
    return make {pool = p, names = p.names, limit = limit, groups = opts.groups, root = true}
end

-- ---- doing ----

--- fn(machine, name) for each.
local function each(s, opts, fn)
    pool.check(s.pool)
    return broadcast.run(s.names, {
        limit = opts.limit or s.limit, serial = opts.serial, stop_on_error = opts.stop_on_error, timeout = opts.timeout,
        done = opts.done, fn = function(name) return fn(pool.machine(s.pool, name), name) end,
    })
end

local function is_callable(fn)
    if type(fn) == "function" then return true end
    local meta = debug.getmetatable(fn)
    return type(meta) == "table" and meta.__call ~= nil
end

--- Calls fn(machine, name) for each host; what it returns is the value of the host's result.
---@param fn function
---@param opts table? limit serial stop_on_error timeout (for each host) done
---@return rshell.Results
function members:each(fn, opts)
    local s = state(self)
    if not is_callable(fn) then err.usage("each: a function expected, got %s", object.type(fn)) end
    opts = check_batch("each", opts, EACH)
    return each(s, opts, function(m, name)
        local value = fn(m, name)
        return value
    end)
end

--- Runs a command to its end; leaving this ends it over there.
local function run_command(c)
    local f <close> = c & require "rshell.modifiers".BG
    f:wait()
    return f.stdout, {stdout = f.stdout, stderr = f.stderr, code = f.code}
end

local function check_argument(value)
    local t = type(value)
    if t == "string" and value:find("\0", 1, true) then err.usage("an argument can't hold a NUL byte: %q", value) end
    if test(value) then err.usage "a cluster can't be an argument: write web.uptime(), not web:uptime()" end
    if t == "string" or t == "number" or t == "userdata" or (t == "table" and not getmetatable(value)) then return end
    err.usage("an argument is a string, number, path or command, not %s", value == nil and "nil" or "a " .. t)
end

--- The options of a command and those of the batch.
local function run_options(opts)
    local known, batch, rest = {}, {}, {}
    for name, types in next, require "rshell.command".OPTIONS do known[name] = types end
    for name, types in next, BATCH do known[name] = types end
    for name, value in next, check_batch("run", opts, known) do
        if BATCH[name] then batch[name] = value else rest[name] = value end
    end
    return rest, batch
end

local function run_argv(s, argv, opts)
    if argv[1] == nil then err.usage "run: the name of a program expected" end
    for i = 1, argv.n or #argv do check_argument(argv[i]) end
    local rest, batch = run_options(opts)
    return each(s, batch, function(m)
        return run_command(m.cmd[argv[1]]:bind(table.unpack(argv, 2, argv.n or #argv)):with(rest))
    end)
end

local function is_options(x)
    return type(x) == "table" and not getmetatable(x) and x[1] == nil and next(x) ~= nil
end

--- Words, of which the last may be a table of options.
local function words_of(...)
    local argv = table.pack(...)
    local opts
    if argv.n > 1 and is_options(argv[argv.n]) then
        opts = argv[argv.n]
        argv[argv.n], argv.n = nil, argv.n - 1
    end
    return argv, opts
end

--- web:run({"ls", "-l"}, opts) or web:run("ls", "-l", opts): on all hosts.
---@return rshell.Results
function members:run(first, ...)
    local s = state(self)
    if type(first) == "table" and not getmetatable(first) then
        if select("#", ...) > 1 then err.usage "run: after a list of words only a table of options is taken" end
        return run_argv(s, first, (...))
    end
    return run_argv(s, words_of(first, ...))
end

--- Runs a script with sh on all hosts; further values are $1..., a last table of named values is options.
---@return rshell.Results
function members:sh(script, ...)
    local s = state(self)
    if type(script) ~= "string" then err.usage("sh: a script expected, got %s", object.type(script)) end
    local argv, opts = words_of("sh", "-c", script, "sh", ...)
    return run_argv(s, argv, opts)
end

-- ---- parts ----

local function check_member(s, name)
    if s.pool.hosts[name] then
        for _, own in ipairs(s.names) do
            if own == name then return end
        end
    end
    err.raise {
        kind = "usage", name = name,
        message = ("no host '%s' in this cluster%s"):format(name, require "rshell.shared.near".suffix(name, s.names)),
        hint = "`*&` before a pattern takes only what is in the cluster",
    }
end

--- The hosts of a node set, in the cluster's order: a cluster with the same connections, which closes nothing.
function members:select(p)
    local s = state(self)
    local wanted, names = {}, {}
    for _, name in ipairs(nodeset.expand(p, {groups = s.groups, all = nodeset.of_names(s.names)})) do
        wanted[name] = true
        check_member(s, name)
    end
    for _, name in ipairs(s.names) do
        if wanted[name] then names[#names + 1] = name end
    end
    return make {pool = s.pool, names = names, limit = s.limit, groups = s.groups}
end

--- The machine of a host; connects it if need be.
function members:machine(name)
    local s = state(self)
    check_member(s, name)
    return pool.machine(s.pool, name)
end

--- Closes the machines that the cluster opened. Harmless twice.
function members:close()
    local s = state(self)
    if s.root then pool.close(s.pool) end
end

--- A machine of it that is connected already, if any.
---@param cluster rshell.Cluster
---@return rshell.Machine?
function M.connected(cluster)
    return pool.connected(state(cluster).pool)
end

function fields.hosts(s) return table.move(s.names, 1, #s.names, 1, {}) end
function fields.limit(s) return s.limit end
function fields.closed(s) return s.pool.closed end

-- ---- commands ----

local command_members = {}
M.command_members = command_members

local function command(s, name)
    if type(name) ~= "string" then err.usage("a program is named by a string, not a %s", object.type(name)) end
    if name == "" then err.usage "the name of a program is empty" end
    check_argument(name)
    return make_command {cluster = s, argv = {name}, opts = {}}
end

local function joined(argv, ...)
    argv = table.move(argv, 1, #argv, 1, {})
    for i = 1, select("#", ...) do
        local value = select(i, ...)
        check_argument(value)
        argv[#argv + 1] = value
    end
    return argv
end

function command_members:bind(...)
    local c = command_state(self)
    return make_command {cluster = c.cluster, argv = joined(c.argv, ...), opts = c.opts}
end

--- The same command with options: those of commands, and limit, serial, stop_on_error.
command_members["with"] = function(self, opts)
    local c = command_state(self)
    run_options(opts)
    local all = {}
    for _, from in ipairs {c.opts, opts or {}} do
        for name, value in next, from do all[name] = value end
    end
    return make_command {cluster = c.cluster, argv = c.argv, opts = all}
end

function command_mt.__call(self, ...)
    local c = command_state(self)
    return run_argv(c.cluster, joined(c.argv, ...), c.opts)
end

function command_mt.__index(self, key)
    return command_members[key] or command_members.bind(self, key)
end

local function argument_text(value)
    if type(value) ~= "table" then return words.quote(tostring(value)) end
    local parts = {}
    for i, item in ipairs(value) do parts[i] = argument_text(item) end
    return table.concat(parts, " ")
end

function command_mt.__tostring(self)
    return argument_text(command_state(self).argv)
end

local names_mt, make_names, names_state = object.class "cluster commands"

--- web.cmd: every name is a command.
function fields.cmd(s) return make_names(s) end
function names_mt.__index(self, key) return command(names_state(self), key) end
function names_mt.__tostring(self) return ("commands of %d hosts"):format(#names_state(self).names) end

-- ---- the object ----

function mt.__index(self, key)
    local s = state(self)
    if members[key] then return members[key] end
    if fields[key] then return fields[key](s) end
    if math.type(key) then err.usage "a cluster has no numbered members: cluster.hosts has the names" end
    return command(s, key)
end

function mt.__newindex(_, key)
    err.usage("a cluster's '%s' can't be set", tostring(key))
end

function mt.__len(self) return #state(self).names end

function mt.__tostring(self)
    local s = state(self)
    local closed = s.pool.closed and ", closed" or ""
    return ("cluster of %d hosts (%s%s)"):format(#s.names, nodeset.fold_names(s.names), closed)
end

mt.__close = members.close

arity.strict(members)
arity.strict(command_members)

return M
