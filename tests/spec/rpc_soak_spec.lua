-- Random calls, callbacks, errors, cancels, futures, batches and drops from several tasks on several connections: every
-- call is accounted for, and nothing is left. SOAK=seconds makes it long, CONNECTIONS and TASKS wide; SEED repeats one.

local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path

local agent = require "agent"
local proxy = require "rshell.shared.proxy"
local rshell = require "rshell"
local spec = require "spec"
local task = require "rshell.task"

local function setting(name, default) return tonumber(os.getenv(name) or "") or default end

local SECONDS, CONNECTIONS, TASKS = setting("SOAK", 3), setting("CONNECTIONS", 4), setting("TASKS", 8)
local SEED = setting("SEED", os.time())

local m = agent.machine()
local conns = {}

local SETUP = [[
    Box = {__name = "Box"}
    Box.__index = Box
    function Box:put(v) self.v = v return self end
    function Box:get() return self.v end
    function box(v) return setmetatable({v = v}, Box) end
    function twice(f, x) return f(f(x)) end
    function fail(v) error(v, 0) end
    function nap(s, v) sleep(s) return v end
]]

local function pick() return conns[math.random(#conns)] end

-- What may happen; each returns whether it went as it should.
local acts = {
    function()
        local x = math.random(1000)
        return pick():call(function(y) return x + y end, 1) == x + 1
    end,
    function()
        local v = math.random(1000)
        local b = pick().namespace.box(v)
        return b:get() == v and b:put(v + 1):get() == v + 1 and rawequal(b:put(1), b)
    end,
    function()
        local c, x = pick(), math.random(100)
        return c.namespace.twice(function(v) return v + c:eval "1" end, x) == x + 2
    end,
    function()
        local ok, e = pcall(pick().namespace.fail, {code = 7})
        return not ok and e.kind == "remote" and e.code == 7
    end,
    function()
        local ok, e = pcall(pick().namespace.twice, function() error("here", 0) end, 1)
        return not ok and e.kind == "remote" and e.value == "here"
    end,
    function()
        local t = task.spawn(pick().namespace.nap, 20)
        task.sleep(math.random() / 100)
        t:cancel()
        local ok, e = pcall(t.await, t)
        return not ok and e.kind == "cancelled"
    end,
    function()
        local c = pick()
        local ok, e = pcall(function() c:with{timeout = 0.05}:execute "while true do end" end)
        return not ok and e.kind == "timeout"
    end,
    function()
        local list = {}
        for i = 1, 20 do list[i] = rshell.async(pick().namespace.nap)(math.random() / 200, i) end
        for i = 1, 20 do
            if list[i]:await() ~= i then return false end
        end
        return true
    end,
    function()
        return pick():batch(function(b)
            local x = b:eval "1"
            for _ = 1, 5 do x = b:call(function(v) return v + 1 end, x) end
            return x
        end) == 6
    end,
    function() -- of one connection on another
        local b = pick().namespace.box(5)
        return pick():call(function(o) return o:get() + o.v end, b) == 10
    end,
    function()
        local list = {}
        for i = 1, 200 do list[i] = i end
        local n = 0
        for _, v in ipairs(pick():call(function(l) return _ENV.ref(l) end, list)) do n = n + v end
        return n == 20100
    end,
    function()
        local s = ("x"):rep(math.random(200000))
        return pick():call(function(v) return v end, s) == s
    end,
    function()
        collectgarbage()
        return true
    end,
}

local function kept(c)
    local n = 0
    for _ in next, proxy.state(c.namespace).peer.kept do n = n + 1 end
    return n
end

spec.test(("soak, SEED=%d"):format(SEED), function(t)
    math.randomseed(SEED)
    for i = 1, CONNECTIONS do
        conns[i] = m:connect()
        conns[i]:execute(SETUP)
    end
    local stop, count, wrong = task.now() + SECONDS, 0, {}
    local tasks = {}
    for i = 1, TASKS do
        tasks[i] = task.spawn(function()
            while task.now() < stop do
                local which = math.random(#acts)
                local ok, right = pcall(acts[which])
                count = count + 1
                if not ok or not right then wrong[#wrong + 1] = ("%d: %s"):format(which, tostring(right)) end
            end
        end)
    end
    for i = 1, TASKS do tasks[i]:await(SECONDS + 60) end
    t.same(wrong, {})
    t.ok(count > TASKS)
    for _, c in ipairs(conns) do
        local peer = proxy.state(c.namespace).peer
        for _ = 1, 100 do
            collectgarbage()
            c:execute "collectgarbage()"
            if kept(c) == 0 then break end
            task.sleep(0.05)
        end
        t.same({kept(c), next(peer.calls), next(peer.workers)}, {0})
        t.eq(c:eval "1", 1)
        c:close()
    end
end)

spec.finish()
