package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local net = require "rshell.sys.net"
local proxy = require "proxy"
local raw = require "rshell.ssh.raw"
local ssh = require "rshell".ssh
local task = require "rshell.task"

-- Of fifty servers some stop answering, one at each stage of a connection: the others finish all the same, and those
-- end with their timeout and their name.

local OTHERS = 50
local SHORT, LONG = 1, 600 -- seconds: one that gives up, one that would wait for ever

task.on_unobserved(function() end)

local bed <close> = require "bed".new()

--- How many bytes have come from the server when each step is done.
local function measure()
    local link <close> = proxy.new(bed.port)
    local stream = assert(net.connect("127.0.0.1", link.port))
    local session <close> = assert(raw.new(stream, {user = bed.user, host = "127.0.0.1", hostkeys = "ssh-ed25519"}))
    local function bytes()
        link:settle()
        return link:stat().down
    end
    local at = {}
    assert(session:handshake())
    at.handshake = bytes()
    assert(session:auth("key", raw.load_key(bed.key)) == "accepted")
    at.login = bytes()
    session:open "session":close()
    at.channel = bytes()
    return at
end

local at = measure()

--- Connects to what is behind a port and runs something; agent is the socket of one.
local function run(name, port, seconds, agent, work)
    local m <close> = ssh(name, bed:options {
        port = port, keyfile = agent and {} or bed.key, connect_timeout = seconds, timeout = seconds, batch = true,
        options = {HostName = "127.0.0.1", IdentityAgent = agent},
    })
    return work(m)
end

local function id(m) return m.id("-un"):gsub("\n", "") end

local function much(m) return #m.head("-c", "3000000", "/dev/zero") end

-- ---- the stages ----

--- A server that stops after so many bytes.
local function stopping(bytes, work)
    return function(t, name, seconds)
        local link = proxy.new(bed.port)
        t.defer(link.close, link)
        proxy.trust(bed, link)
        link:after("down", bytes, "freeze")
        return task.spawn(run, name, link.port, seconds, nil, work)
    end
end

local REQUEST_IDENTITIES, IDENTITIES = 11, 12

--- An SSH agent that says which keys it has, or not even that, and nothing more.
local function silent_agent(t, keys)
    local path = t.tmp() .. "/agent"
    local l = assert(net.listen(path))
    local held = {}
    local server = task.spawn(function()
        for s in function() return l:accept() end do
            held[#held + 1] = s
            if keys and (s:read {exact = 5} or ""):byte(-1) == REQUEST_IDENTITIES then s:write((">s4"):pack(keys)) end
        end
    end)
    t.defer(function()
        server:close()
        l:close()
        for _, s in ipairs(held) do s:close() end
    end)
    return path
end

--- A server that is fine, behind an SSH agent that isn't.
local function asking(keys)
    return function(t, name, seconds)
        return task.spawn(run, name, bed.port, seconds, silent_agent(t, keys), id)
    end
end

local public = here:path(bed.key .. ".pub"):read():match "^%S+ (%S+)"
local _, blob = here.base64["-d"]:run({}, {input = public})
local ONE_KEY = (">BI4s4s4"):pack(IDENTITIES, 1, blob, "a key")

local STAGES = {
    {"accepts and says nothing", stopping(0, id)},
    {"stops in its banner", stopping(20, id)},
    {"stops before its key exchange", stopping(300, id)},
    {"stops in its key exchange", stopping(at.handshake - 100, id)},
    {"stops when the login begins", stopping(at.handshake, id)},
    {"stops in the login", stopping(at.login - 100, id)},
    {"stops when a channel is opened", stopping(at.login, id)},
    {"stops in its output", stopping(at.channel + 100000, much)},
    {"has an agent that never answers", asking(nil), "agent %(does not answer%)"},
    {"has an agent that never signs", asking(ONE_KEY), "agent %(1 key%)"},
}

spec.test("the others finish, whatever those do that never end", function(t)
    for i, stage in ipairs(STAGES) do
        local forever = stage[2](t, "server" .. i, LONG)
        t.defer(function()
            t.ok(not forever.done, stage[1])
            forever:close()
        end)
    end
    local others = {}
    for i = 1, OTHERS - #STAGES do others[i] = task.spawn(run, "good", bed.port, LONG, nil, id) end
    for _, each in ipairs(others) do t.eq(each:await(), bed.user) end
end)

spec.test("each that stalls ends with its timeout, and says who it was", function(t)
    local tasks = {}
    for i, stage in ipairs(STAGES) do tasks[i] = stage[2](t, "server" .. i, SHORT) end
    for i, stage in ipairs(STAGES) do
        local ok, e = pcall(tasks[i].await, tasks[i], 60)
        t.ok(not ok, stage[1])
        t.eq(e.host, "server" .. i, stage[1])
        t.eq(e.kind, stage[3] and "auth" or "timeout", stage[1] .. ": " .. tostring(e))
        t.match(e.message, stage[3] or "", stage[1])
    end
end)

spec.finish()
