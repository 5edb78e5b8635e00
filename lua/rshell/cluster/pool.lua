-- The hosts of a cluster and their machines, which are connected when they are first wanted and then kept.
--
-- A host: name; machine, once there; own, if we opened it; busy while a task connects, and event for those who wait for
-- that. All who connect go through one gate, so that there are never more than `limit` at it.

local err = require "rshell.shared.error"
local task = require "rshell.task"

local M = {}

local MAX_DELAY = 30

---@class rshell.ClusterPool
---@field names string[]
---@field hosts table<string, table>
---@field connect fun(name: string, opts: table): rshell.Machine
---@field opts table for connect
---@field retries integer
---@field retry_delay number
---@field gate {limit: integer, used: integer, event: any}
---@field closed boolean

--- Calls fn when the block ends.
local function at_end(fn)
    return setmetatable({}, {__close = fn})
end

---@param settings table connect opts retries retry_delay limit
function M.new(settings)
    return {
        names = {}, hosts = {}, closed = false, connect = settings.connect, opts = settings.opts,
        retries = settings.retries, retry_delay = settings.retry_delay,
        gate = {limit = settings.limit, used = 0, event = task.event()},
    }
end

--- Adds a host; with a machine it is the caller's, and stays open.
---@param pool rshell.ClusterPool
---@param name string
---@param machine rshell.Machine?
function M.add(pool, name, machine)
    pool.names[#pool.names + 1] = name
    pool.hosts[name] = {name = name, machine = machine, own = not machine, event = task.event()}
end

---@param pool rshell.ClusterPool
function M.check(pool)
    if pool.closed then err.raise {kind = "closed", message = "the cluster was closed"} end
end

--- The first machine that is there and open.
---@param pool rshell.ClusterPool
---@return rshell.Machine?
function M.connected(pool)
    for _, name in ipairs(pool.names) do
        local m = pool.hosts[name].machine
        if m and not m.closed then return m end
    end
end

-- ---- connecting ----

local function attempt(pool, name)
    local gate = pool.gate
    while gate.used >= gate.limit do gate.event:wait() end
    gate.used = gate.used + 1
    local _ <close> = at_end(function()
        gate.used = gate.used - 1
        gate.event:notify()
    end)
    return pool.connect(name, pool.opts)
end

--- A server that has too many at its door refuses, or hangs up before it has said a word. No name comes by waiting.
local function worth_a_retry(e)
    return err.is(e) and e.kind == "connect" and e.name ~= "ENOTFOUND"
end

local function connect(pool, name)
    local delay = pool.retry_delay
    for _ = 1, pool.retries do
        local ok, m = pcall(attempt, pool, name)
        if ok then return m end
        if not worth_a_retry(m) then error(m, 0) end
        -- Those who were refused together don't come back together.
        task.sleep(delay * (0.5 + math.random() / 2))
        delay = math.min(delay * 2, MAX_DELAY)
    end
    return attempt(pool, name)
end

--- The machine of a host; connects it if need be. Two tasks that want the same one share it.
---@param pool rshell.ClusterPool
---@param name string
---@return rshell.Machine
function M.machine(pool, name)
    local host = pool.hosts[name]
    while host.busy do host.event:wait() end
    M.check(pool)
    if host.machine and not (host.own and host.machine.closed) then return host.machine end
    host.busy = true
    local _ <close> = at_end(function()
        host.busy = false
        host.event:notify()
    end)
    local m = connect(pool, name)
    if pool.closed then
        m:close()
        M.check(pool)
    end
    host.machine = m
    return m
end

-- ---- the end ----

local function close_all(pool)
    local closers = {}
    for _, name in ipairs(pool.names) do
        local host = pool.hosts[name]
        if host.own and host.machine then
            closers[#closers + 1] = task.spawn(pcall, host.machine.close, host.machine)
        end
    end
    for _, closer in ipairs(closers) do closer:await() end
end

--- Closes the machines that were opened here, all at once. Harmless twice.
---@param pool rshell.ClusterPool
function M.close(pool)
    if pool.closed then return end
    pool.closed = true
    task.shield(close_all, pool)
end

return M
