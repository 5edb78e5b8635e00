-- 8 tasks on 20 connections: random calls, callbacks, errors, cancels, timeouts and ends. Every call has the result
-- that it must have, or fails because its connection was ended; nothing hangs, nothing is kept. For longer:
-- scripts/soak

local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path

local agent = require "agent"
local generator = require "generator"
local rshell = require "rshell"
local spec = require "spec"

local here = rshell.here
local SECONDS = tonumber(os.getenv "RSHELL_SOAK" or 4)
local SEED = math.tointeger(tonumber(os.getenv "RSHELL_SEED" or 1))
local TASKS, CONNECTIONS = 8, 20
local AT_MOST = 60 -- seconds that one call may take, on a busy machine

local m = agent.machine()
local server = m:deploy()
local slots, counts = {}, {}

local function note(what) counts[what] = (counts[what] or 0) + 1 end

local SETUP = [[
    made = setmetatable({}, {__mode = "k"})
    function object()
        local o = setmetatable({n = 0}, {__index = {up = function(self, by) self.n = self.n + by return self.n end}})
        made[o] = true
        return o
    end
    function left()
        collectgarbage()
        collectgarbage()
        local n = 0
        for _ in pairs(made) do n = n + 1 end
        return n
    end
]]

local function open(i)
    local conn = server:connect()
    conn:execute(SETUP)
    slots[i] = conn
end

-- ---- what is done ----

local does = {}

function does.call(conn, n)
    local a, b, c = conn:call(function(x, ...) return x + 1, nil, select("#", ...) end, n, nil, nil)
    assert(a == n + 1 and b == nil and c == 2)
end

function does.data(conn, n)
    local t = {n, {("x"):rep(n * 100)}}
    t.t = t
    local back = conn:call(function(v) return v end, t)
    assert(back[1] == n and #back[2][1] == n * 100 and back.t == back)
end

function does.callback(conn, n)
    local function back(depth)
        if depth == 0 then return 1 end
        return conn:call(function(f, d) return f(d - 1) + 1 end, back, depth)
    end
    assert(back(n % 5) == n % 5 + 1)
end

does["error"] = function(conn, n)
    local ok, e = pcall(conn.call, conn, function(x) error {code = x} end, n)
    if not ok and e.kind == "closed" then error(e, 0) end
    assert(not ok and e.code == n)
end

function does.object(conn, n)
    local o = conn.namespace.object()
    assert(o:up(n) == n and o.n == n)
    o.n = -1
    assert(o.n == -1)
end

function does.cancel(conn, n)
    local code = n % 4 == 0 and "while true do end" or "sleep(60)"
    local t = rshell.spawn(conn.execute, conn, code)
    rshell.sleep(n % 10 / 1000)
    t:cancel()
    local ok, e = pcall(t.await, t)
    if not ok and e.kind == "closed" then error(e, 0) end
    assert(not ok and e.kind == "cancelled", tostring(e))
end

function does.timeout(conn)
    local ok, e = pcall(conn.execute, conn:with{timeout = 0.01}, "sleep(60)")
    if not ok and e.kind == "closed" then error(e, 0) end
    assert(not ok and e.kind == "timeout", tostring(e))
end

function does.many(conn, n)
    local futures = {}
    for i = 1, n % 20 do futures[i] = conn:async(function(x) return x * 2 end, i) end
    for i, f in ipairs(futures) do assert(f:await() == 2 * i) end
end

--- A function of one connection, called by another; either may end meanwhile.
function does.across(conn, n)
    local other = slots[n % CONNECTIONS + 1]
    local f = other:execute "return function(x) return -x end"
    assert(conn:call(function(g, x) return g(x) end, f, n) == -n)
end

local names = {}
for name in pairs(does) do names[#names + 1] = name end
table.sort(names)

-- ---- ends ----

--- One is closed, exits or is killed, and there is another in its place.
local function replace(i, how)
    local conn = slots[i]
    open(i)
    if how == 1 then
        conn:close()
    elseif how == 2 then
        local _, e = pcall(rshell.timeout, AT_MOST, conn.execute, conn, "os.exit(1)")
        if e.kind ~= "closed" then error("exit: " .. tostring(e), 0) end
    else
        here.cmd.kill:run({"-9", tostring(conn.pid)}, {retcode = "any"}) -- it may have ended already
    end
    note "ended"
end

local function is_end(e, conn, ended)
    return type(e) ~= "string" and e.kind == "closed" and (conn.closed or ended())
end

local function work(random, stop)
    while rshell.now() < stop do
        local i, n, name = random(CONNECTIONS), random(1000), names[random(#names)]
        local conn, other = slots[i], slots[n % CONNECTIONS + 1]
        note "begun"
        local ok, e = pcall(rshell.timeout, AT_MOST, does[name], conn, n)
        if ok then
            note(name)
        elseif is_end(e, conn, function() return other.closed end) then
            note "lost"
        else
            error(("%s: %s"):format(name, tostring(e)), 0)
        end
        if random(100) == 1 then replace(i, random(3)) end
    end
end

spec.test(("%d tasks on %d connections for %g s"):format(TASKS, CONNECTIONS, SECONDS), function(t)
    for i = 1, CONNECTIONS do open(i) end
    local tasks, stop = {}, rshell.now() + SECONDS
    for i = 1, TASKS do tasks[i] = rshell.spawn(work, generator(SEED + i), stop) end
    for _, one in ipairs(tasks) do one:await() end
    local done = counts.lost or 0
    for _, name in ipairs(names) do done = done + (counts[name] or 0) end
    t.eq(done, counts.begun, "every call is accounted for")
    if os.getenv "RSHELL_SOAK" then
        for name, n in pairs(counts) do io.write(("# %s: %d\n"):format(name, n)) end
    end
end)

local function waited(fn)
    local stop = rshell.now() + AT_MOST
    repeat
        collectgarbage()
        if fn() then return true end
        rshell.sleep(0.1)
    until rshell.now() > stop
end

spec.test("what was handed out is released", function(t)
    for i, conn in ipairs(slots) do
        t.ok(conn.closed or waited(function() return conn.namespace.left() == 0 end), "connection " .. i)
    end
end)

spec.test("20,000 proxies", function(t)
    local conn = server:connect()
    conn:execute(SETUP)
    local object = conn.namespace.object
    for _ = 1, 200 do
        local tasks = {}
        for i = 1, 100 do tasks[i] = rshell.spawn(object) end
        for _, one in ipairs(tasks) do one:await() end
    end
    t.ok(waited(function() return conn.namespace.left() == 0 end))
end)

server:close()
m:close()
spec.finish()
