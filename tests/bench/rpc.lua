-- RPC over SSH on loopback, against rpyc (through a tunnel of ssh's, with a server that is up), mitogen and execnet.
-- Each program takes all of its figures in one go, the programs in turn.
-- usage: scripts/bench rpc [ROUNDS]

package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local bench = require "bench"
local bed <close> = require("bed").new {config = {"MaxSessions 300"}, shell = "/bin/bash"}
local net = require "rshell.sys.net"
local proxy = require "proxy"
local rshell = require "rshell"

local ROUNDS = tonumber(arg[1] or 5)
local CALLS, FLIGHT, BLOCKS, MIB = 2000, 2000, 10, 1024 * 1024
local ADDRESS = "127.0.0.1"
local config = tostring(bed.tmp / "ssh_config")

bench.ssh_config(bed, config)

-- ---- ours ----

local function per(n, fn)
    local before = rshell.now()
    for _ = 1, n do fn() end
    return (rshell.now() - before) / n
end

--- So many bytes there and back, as a call and its answer are.
local function echo()
    local m <close> = rshell.ssh(ADDRESS, {config = config, agent = false})
    local p <close> = m.cat:popen()
    local block = ("x"):rep(24)
    local function once()
        p.stdin:write(block)
        p.stdout:read {exact = #block}
    end
    per(100, once)
    return {bound = per(CALLS, once)}
end

local function ours()
    local m <close> = rshell.ssh(ADDRESS, {config = config, agent = true})
    local conn = m:connect()
    conn:execute "function nothing() end function same(x) return x end"
    local nothing, same, space = conn.namespace.nothing, conn.namespace.same, conn.namespace
    per(100, nothing)
    local later = rshell.async(nothing)
    local data = ("x"):rep(MIB)
    return {
        bound = per(CALLS, nothing), named = per(CALLS, function() space.nothing() end),
        shipped = per(CALLS, function() conn:call(function() end) end),
        flight = per(1, function()
            local futures = {}
            for i = 1, FLIGHT do futures[i] = later() end
            for _, f in ipairs(futures) do f:await() end
        end) / FLIGHT,
        data = per(BLOCKS, function() same(data) end),
    }
end

-- ---- theirs ----

local HEAD = [[
import sys, time, os
config, user, port, key, n, flight, blocks, tunnel = sys.argv[1:9]
port, n, flight, blocks, tunnel = int(port), int(n), int(flight), int(blocks), int(tunnel)
now = time.monotonic
def per(n, f):
    b = now()
    for _ in range(n): f()
    return (now() - b) / n
def tell(**figures):
    for k, v in figures.items(): print(k, v)
    sys.stdout.flush()
]]

local RPYC = [[
import rpyc
c = rpyc.classic.connect("127.0.0.1", tunnel)
f, same = c.eval("lambda: None"), c.eval("lambda x: x")
c.execute("def nothing(): pass")
per(100, f)
a, data = rpyc.async_(f), b"x" * 1048576
def many():
    for r in [a() for _ in range(flight)]: r.wait()
tell(bound=per(n, f), named=per(n, lambda: c.namespace["nothing"]()), flight=per(1, many) / flight,
     data=per(blocks, lambda: same(data)))
]]

local EXECNET = [[
import execnet
gw = execnet.makegateway("ssh=-F %s 127.0.0.1//python=/usr/bin/python3" % config)
ch = gw.remote_exec("while 1: channel.send(channel.receive())")
def one(x=None):
    ch.send(x)
    return ch.receive()
per(100, one)
data = b"x" * 1048576
def many():
    for _ in range(flight): ch.send(None)
    for _ in range(flight): ch.receive()
tell(bound=per(n, one), flight=per(1, many) / flight, data=per(blocks, lambda: one(data)))
gw.exit()
]]

local MITOGEN = [[
import mitogen.core, mitogen.master, mitogen.utils, copy
@mitogen.utils.run_with_router
def main(router):
    c = router.ssh(hostname="127.0.0.1", port=port, username=user, identity_file=key, check_host_keys="ignore",
                   python_path="/usr/bin/python3")
    f = lambda: c.call(os.getpid)
    per(100, f)
    data = mitogen.core.Blob(b"x" * 1048576)
    def many():
        for r in [c.call_async(os.getpid) for _ in range(flight)]: r.get()
    tell(bound=per(n, f), flight=per(1, many) / flight, data=per(blocks, lambda: c.call(copy.copy, data)))
]]

local tunnel

local function python(text, port, ssh_config)
    local c = here.cmd["/usr/bin/python3"]:bind("-c", HEAD .. text, ssh_config or config, bed.user, port or bed.port,
        bed.key, CALLS, FLIGHT, BLOCKS, tunnel)
    return function()
        local figures = {}
        for name, value in tostring(c()):gmatch "(%l+) ([%d.e-]+)" do figures[name] = tonumber(value) end
        return figures
    end
end

local function free_port()
    local l <close> = assert(net.listen(0, ADDRESS))
    return l.port
end

--- rpyc's server, and the way to it.
local function rpyc_server()
    local port = free_port()
    tunnel = free_port()
    local server = here.cmd["/usr/bin/python3"]:bind("-c", ([[
from rpyc.utils.server import ThreadedServer
from rpyc.core.service import SlaveService
ThreadedServer(SlaveService, hostname="127.0.0.1", port=%d).start()]]):format(port)):popen()
    local way = here.cmd.ssh:bind("-F", config, "-N", "-L", ("%d:127.0.0.1:%d"):format(tunnel, port), ADDRESS):popen()
    here.cmd.timeout("20", "bash", "-c",
        ("until : < /dev/tcp/127.0.0.1/%d; do sleep 0.1; done 2> /dev/null"):format(tunnel))
    return setmetatable({}, {__close = function()
        way:close()
        server:close()
    end})
end

local _ <close> = rpyc_server()

local function have(module)
    local ok = here["/usr/bin/python3"]["-c"]["import " .. module] & rshell.TF
    if not ok then print(("%-34s %-28s not installed"):format("", module)) end
    return ok
end

-- ---- all of them ----

local peers = {{"raw channel echo", echo}, {"rshell", ours}}
for _, p in ipairs {{"rpyc", RPYC}, {"mitogen", MITOGEN}, {"execnet", EXECNET}} do
    if have(p[1]) then peers[#peers + 1] = {p[1], python(p[2])} end
end

local lists = {}
for i = 1, #peers do lists[i] = {} end
for _ = 1, ROUNDS do
    for i, p in ipairs(peers) do
        for name, value in pairs(p[2]()) do
            lists[i][name] = lists[i][name] or {}
            table.insert(lists[i][name], value)
        end
    end
end

local function report(title, name, unit, scale)
    local cases, figures = {}, {}
    for i, p in ipairs(peers) do
        if lists[i][name] then
            cases[#cases + 1], figures[#figures + 1] = p, lists[i]
        end
    end
    bench.report(title, cases, figures, name, unit, scale)
end

report("an empty call", "bound", "us", 1e6)
report("the same, name looked up", "named", "us", 1e6)
report("a function shipped and called", "shipped", "us", 1e6)
report("calls in flight", "flight", "us", 1e6)
report("1 MiB there and back", "data", "ms", 1e3)

-- ---- cold ----

local COLD = {
    {"ssh, which runs true"}, {"rshell"},
    {"mitogen", [[
import mitogen.utils
@mitogen.utils.run_with_router
def main(router):
    c = router.ssh(hostname="127.0.0.1", port=port, username=user, identity_file=key, check_host_keys="ignore",
                   python_path="/usr/bin/python3")
    c.call(os.getpid)]]},
    {"execnet", [[
import execnet
gw = execnet.makegateway("ssh=-F %s 127.0.0.1//python=/usr/bin/python3" % config)
gw.remote_exec("channel.send(1)").receive()
gw.exit()]]},
    {"rpyc", [[
from plumbum import SshMachine
from rpyc.utils.zerodeploy import DeployedServer
with SshMachine("127.0.0.1", ssh_opts=["-F", config], scp_opts=["-F", config]) as m:
    with DeployedServer(m, python_executable="/usr/bin/python3") as server: server.classic_connect().eval("1")]]},
}

--- What each of them is called to do, for a server behind this port.
local function cold(port, ssh_config)
    local start = ([[local m <close> = ssh(%q, {config = %q}) local c <close> = m:connect() c:eval "1"]])
        :format(ADDRESS, ssh_config)
    local starts = {
        ["rshell"] = here.cmd[os.getenv "RSHELL"]:bind("-e", start),
        ["ssh, which runs true"] = here.cmd.ssh:bind("-F", ssh_config, ADDRESS, "true"),
    }
    local cases = {}
    for _, peer in ipairs(COLD) do
        local name, text = table.unpack(peer)
        local call = not text and starts[name] or have(name) and python(text, port, ssh_config)
        if call then cases[#cases + 1] = {name, function() call() end} end
    end
    return cases
end

bench.compare("cold: deploy, connect, call, end", ROUNDS, cold(bed.port, config), "ms", 1e3)

--- The same through a slow link, which counts how often one side waits for the other.
local function cold_trips()
    local link <close> = proxy.new(bed.port)
    proxy.trust(bed, link)
    local slow = tostring(bed.tmp / "slow_config")
    bench.ssh_config({user = bed.user, port = link.port, key = bed.key, known_hosts = bed.known_hosts}, slow)
    local cases = cold(link.port, slow)
    for _, case in ipairs(cases) do
        local run = case[2]
        case[2] = function() return link:trips(run) end
    end
    bench.compare("the same, round trips", 1, cases, "trips", 1)
end

cold_trips()

-- ---- memory ----

-- In a process of its own: what was freed there before would count as nothing.
local MEMORY = [[
local function resident()
    for line in io.lines "/proc/self/status" do
        local kb = line:match "VmRSS:%s*(%d+)"
        if kb then return tonumber(kb) end
    end
end
local m <close> = ssh(arg[1], {config = arg[2], agent = true})
local server, conns, n = m:deploy(), {}, 50
for i = 1, 2 do conns[i] = server:connect() end
collectgarbage()
local before = resident()
for i = 3, n + 2 do conns[i] = server:connect() end
collectgarbage()
print((resident() - before) / n, conns[n]:call(resident))]]

local here_kb, there_kb = here.cmd[os.getenv "RSHELL"]:bind("-e", MEMORY, ADDRESS, config)():match "(%S+)%s+(%S+)"
print(("%-34s %-28s %10.0f KB resident here, %d KB there"):format("memory of a connection", "rshell", here_kb,
    there_kb))
