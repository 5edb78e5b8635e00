-- What an agent over SSH leaves behind when its connection ends in a bad way: nothing.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path

local programs = require "programs"
local proxy = require "proxy"
local rshell = require "rshell"
local spec = require "spec"

local here = rshell.here
local bed <close> = require "bed".new()
local link <close> = proxy.new(bed.port)
proxy.trust(bed, link)

-- Another rshell, with an agent that has much to clean up; it prints its temporary folder, and waits.
local BUSY = [[
    local m = ssh("127.0.0.1", {user = arg[1], port = math.tointeger(arg[2]), keyfile = arg[3], known_hosts = arg[4],
        config = false, agent = true, keepalive = 0.5})
    local dir = m:tempdir()
    local stubborn = m:sh("trap '' TERM HUP; echo ready; sleep 777; sleep 777"):popen()
    assert(stubborn.stdout:read "l" == "ready")
    local background = m:sh("sleep 778 & sleep 779"):popen()
    local listener = m:listen(tostring(dir / "socket"))
    io.write(tostring(dir), "\n")
    io.flush()
    sleep(1000)]]

local function busy()
    local c = here[os.getenv "RSHELL"][{"-e", BUSY, bed.user, link.port, bed.key, bed.known_hosts}]
    local p = c:popen()
    return p, assert(p.stdout:read "l")
end

--- Processes of the account; one that only waits for its parent to look is none.
local function running()
    local out = select(2, here:sh("ps -u $1 -o stat=,args= || true", bed.user):run())
    local list = {}
    for line in out:gmatch "[^\n]+" do
        if line:sub(1, 1) ~= "Z" then list[#list + 1] = line end
    end
    return list
end

local WAYS = {
    {name = "rshell is killed", function(p) p:kill "KILL" end},
    {name = "the server's session is killed", function() here:sh("pkill -9 -u $1 sshd", bed.user):run() end},
    {name = "the agent is killed", function() here:sh("pkill -9 -u $1 -x rshell-agent", bed.user):run() end},
    {name = "the link is cut", function() link:cut() end},
    {name = "the link is silent", function() link:freeze() end, after = function() link:thaw() end},
}

spec.table("nothing stays when", WAYS, function(t, c)
    local p <close>, dir = busy()
    t.ok(#running() >= 5, "an agent, its guard, and programs")
    t.ok(here:path(dir):exists())
    c[1](p)
    local gone = programs.wait_for(function()
        local left = running()
        -- The server's own session may wait for a link that is silent as long as it likes.
        for i = #left, 1, -1 do
            if left[i]:find "sshd:" then table.remove(left, i) end
        end
        return #left == 0
    end)
    t.ok(gone, table.concat(running(), "\n"))
    t.eq(here:path(dir):exists(), false)
    p:kill "KILL"
    if c.after then c.after() end
end)

spec.finish()
