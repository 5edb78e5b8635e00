-- What an agent and its controller really say to each other, garbled, to the one and to the other: neither crashes,
-- hangs or grows, all who wait are told, others go on. RSHELL_SEEDS is how often.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path

local agent = require "agent"
local agents = require "rshell.agents"
local fs = require "rshell.sys.fs"
local generator = require "generator"
local leftovers = require "leftovers"
local log = require "rshell.log"
local programs = require "programs"
local rshell = require "rshell"
local spec = require "spec"
local wiretap = require "wiretap"

local here = rshell.here

local HUNTED = os.getenv "RSHELL_SEEDS" -- then errors of ours that data of a strange kind leads to are told, too
local SEEDS = math.tointeger(tonumber(HUNTED or 60))
local FIRST = math.tointeger(tonumber(os.getenv "RSHELL_SEED" or 1))
local LATEST = 60 -- seconds, for machines that are slow
local AT_ONCE = 8
local MB = 200 -- that garbled sessions may take

-- ---- a session in which much happens ----

local ops = {
    function(m) return m.echo "x" end,
    function(m) return #m:path("/etc"):list {stat = true} end,
    function(m) return m:path("/etc/passwd"):read() end,
    function(m) return m:path("/nowhere"):stat() end,
    function(m)
        local p <close> = m.cat:popen()
        p.stdin:write "some bytes"
        p.stdin:close()
        return p.stdout:read "a", p:wait()
    end,
    function(m)
        local p <close> = m:sh("seq 1 20000; echo error >&2; exit 3"):popen()
        return #p.stdout:read "a", p.stderr:read "a", p:wait()
    end,
    function(m) return (m.seq["1"]["1000"] | m.sort["-n"] | m.tail["-n"]["1"])() end,
    function(m)
        local l <close> = m:listen(0)
        local s <close> = m:connect_sock(l.port)
        local far <close> = l:accept()
        s:write "hello\n"
        return far:read "l"
    end,
    function(m)
        for _ in m:path("/etc"):walk {depth = 2} do end
    end,
    function(m)
        local f <close> = m:path("/etc/passwd"):open()
        return f:read(10)
    end,
    function(m)
        local conn <close> = m:connect()
        conn:execute "object = setmetatable({n = 1}, {__index = {up = function(self, n) return self.n + n end}})"
        local sum = conn:call(function(f, t) return f(t.a) + t.b end, function(x) return x + 1 end, {a = 1, b = 2})
        local n = 0
        for _ in pairs(conn.builtins.string) do n = n + 1 end
        local ok, e = pcall(conn.eval, conn, "error {code = 5}")
        return sum, n, conn.namespace.object:up(2), conn.modules.hash.sha1 "x", ok, e
    end,
    function(m) return rshell.timeout(0.05, m.sleep, "10") end,
    function(m)
        local to <close> = here:tempdir()
        return m:download("/etc/default", to / "copy").files
    end,
}

--- All of it at once, in the same order each time; how each has ended.
local function run(m)
    pcall(m.echo, "first")
    local tasks, ends = {}, {}
    for i, op in ipairs(ops) do tasks[i] = rshell.spawn(op, m) end
    for i, t in ipairs(tasks) do
        local ok, e = pcall(t.await, t, LATEST)
        ends[i] = not t.done and "hangs" or not ok and e or "done"
        if not t.done then t:close() end
    end
    return ends
end

local recorded

do
    local m <close>, connector = agent.machine()
    recorded = wiretap.record(connector)
    run(m)
end

-- ---- to the controller ----

local honest <close> = agent.machine()
honest.echo "x"

local KINDS = {}
for kind in ("closed protocol timeout process notfound io remote usage exists denied cancelled parse"):gmatch "%a+" do
    KINDS[kind] = true
end

--- What nobody should read who has done nothing wrong.
local function is_internal(text)
    return HUNTED and text:find "attempt to " or text:find "bad argument" or text:find "%.lua:%d"
end

--- What garbled data does to the operations above is theirs to know.
local function is_ours(e)
    return type(e) == "string" and e:find "garbled_spec.lua:%d"
end

local function judge(ends)
    for i, e in ipairs(ends) do
        if e == "hangs" then return ("operation %d hangs"):format(i) end
        if HUNTED and e ~= "done" and not is_ours(e) and (type(e) ~= "table" or not KINDS[e.kind]) then
            return ("operation %d: %s"):format(i, tostring(e))
        end
        if type(e) == "table" and is_internal(e.message) then
            return ("operation %d: %s: %s"):format(i, e.kind, e.message)
        end
    end
end

local function open_files()
    collectgarbage()
    collectgarbage()
    return #fs.list "/proc/self/fd"
end

--- One garbled session; nil, or what is wrong with it.
local function mislead(seed)
    local m, connector = agent.machine(nil, {must = true})
    wiretap.replay(connector, recorded, seed and generator(seed))
    local ends = run(m)
    m:close()
    return judge(ends), ends
end

spec.test("what was recorded is understood", function(t)
    local wrong, ends = mislead()
    t.eq(wrong, nil)
    local done = 0
    for _, e in ipairs(ends) do done = done + (e == "done" and 1 or 0) end
    t.ok(done >= 3, done) -- others may come in another order than they had then
end)

--- Calls it with every seed, some at a time; what it says is wrong.
local function each_seed(at_once, try)
    local wrong, seed = {}, FIRST - 1
    local function some()
        while seed < FIRST + SEEDS - 1 do
            seed = seed + 1
            local mine = seed
            local why = try(mine)
            if why then wrong[#wrong + 1] = ("seed %d: %s"):format(mine, why) end
        end
    end
    local tasks = {}
    for i = 1, at_once do tasks[i] = rshell.spawn(some) end
    for _, each in ipairs(tasks) do each:await() end
    return wrong
end

--- One that is lied to, and now and then whether the honest one goes on.
local function mislead_beside(seed)
    local why = mislead(seed)
    if seed % 20 == 0 and honest.echo "x" ~= "x\n" then return "the honest one; " .. (why or "") end
    return why
end

spec.test("a controller survives what an agent might say", function(t)
    local before, wrong, said = open_files(), nil, {}
    log.sink(function(_, _, text) said[#said + 1] = is_internal(text) and not is_ours(text) and text or nil end)
    programs.bounded(t, MB, function() wrong = each_seed(AT_ONCE, mislead_beside) end)
    log.sink(nil)
    t.same(wrong, {})
    t.same(said, {})
    t.ok(programs.wait_for(function() return open_files() <= before end), open_files())
    t.eq(honest.echo "x", "x\n")
end)

-- ---- to the agent ----

if here.id["-u"]:text() ~= "0" then
    spec.finish()
    return
end

-- An account of its own: who knows what a garbled call asks for. Whatever it does to its own files is its own order.
local accounts <close> = require "accounts".new()
local user = accounts:add()
local who = {user = user, home = accounts.dir .. "/" .. user}
local program = here:path(accounts.dir, "agent"):write(agents.program(here.arch), {mode = "755"})
local before = leftovers.list(who)

local function is_wanted(line) return line:find "^file" and not line:find("rshell-", 1, true) end

--- One agent that is told garbled things; nil, or what is wrong with how it ends.
local function confuse(seed)
    local p <close> = here.setpriv["--reuid"][user]["--regid"][user]["--clear-groups"][program]["serve"]["0"]:with {
        env = {HOME = who.home, TMPDIR = who.home}, cwd = who.home,
    }:popen()
    local reader = rshell.spawn(pcall, function()
        while p.stdout:read(65536) do end
    end)
    local last = rshell.spawn(p.stderr.read, p.stderr, "a")
    pcall(function()
        for _, frame in ipairs(wiretap.garbled(recorded, "up", generator(seed))) do p.stdin:write(frame) end
        rshell.sleep(0.02) -- for some of it to begin
    end)
    p.stdin:close()
    local ok, code = pcall(p.wait, p, LATEST)
    reader:close()
    if not ok then return "it goes on" end
    local said = last:await(LATEST)
    if p.termsig or code > 1 then return ("it ends with %s: %s"):format(p.termsig or code, said) end
    if is_internal(said) then return said end
end

spec.test("an agent ends well, whatever it was told, and leaves nothing", function(t)
    t.same(each_seed(AT_ONCE // 2, confuse), {})
    local gone, left = leftovers.gone(who, before, is_wanted)
    t.ok(gone, left)
end)

spec.finish()
