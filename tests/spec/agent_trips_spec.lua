-- How many round trips things take with an agent. Exact, see tests/tools/proxy.c.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local agents = require "rshell.agents"
local proxy = require "proxy"
local spec = require "spec"
local here, ssh = require "rshell".here, require "rshell".ssh
local task = require "rshell.task"

local DELAY = 0.04

local bed <close> = require "bed".new()
local link <close> = proxy.new(bed.port, {delay = DELAY})
proxy.trust(bed, link)

local function connect() return ssh("127.0.0.1", bed:options {port = link.port, agent = true}) end

local function costs(t, n, fn)
    t.eq(link:trips(fn, n), n)
end

-- TCP, banners, key exchange, two for the login, channel, exec; image and first call together. An image with sanitizers
-- is larger than the server's window of 2 MiB.
local COLD = 8 + #agents.image(here.arch) // (2 * 1024 * 1024)

spec.table("from nothing to the first answer:", {
    {"a command", function(m) m["true"]() end},
    {"a file that is read", function(m) m:path("/etc/passwd"):read() end},
    {"many at once", function(m)
        local tasks = {}
        for i = 1, 20 do tasks[i] = task.spawn(function() m:path("/etc/passwd"):stat() end) end
        for _, each in ipairs(tasks) do each:await() end
    end},
}, function(t, c)
    local m
    costs(t, COLD, function()
        if m then m:close() end
        m = connect()
        c[2](m)
    end)
    m:close()
end)

local m <close> = connect()
local dir = m:tempdir()
local text, folder = dir / "text", dir / "folder"
text:write "some text\n"
folder:mkdir()
for i = 1, 5 do (folder / ("f" .. i)):write(i) end

spec.table("one round trip:", {
    {"a command", function() m["true"]() end},
    {"a command with all settings", function() m.printenv:with {env = {A = "1"}, cwd = "/", umask = 63} "A" end},
    {"a pipeline", function() (m.echo["a"] | m.cat)() end},
    {"input and output", function() (m.cat << "text")() end},
    {"path:read", function() text:read() end},
    {"path:write", function() text:write "other text\n" end},
    {"path:stat", function() text:stat() end},
    {"path:exists", function() text:exists() end},
    {"path:list", function() folder:list {stat = true} end},
    {"path:glob", function() folder:glob "*" end},
    {"path:checksum", function() text:checksum "sha256" end},
    {"path:mkdir", function() (dir / "a/b/c"):mkdir {parents = true, exist_ok = true} end},
    {"path:copy", function() text:copy(dir / "copy", {override = true}) end},
    {"path:delete", function() (dir / "nothing"):delete {missing_ok = true} end},
    {"which", function() m:which "sh" end},
    {"processes", function() m:list_processes() end},
    {"a connection", function() m:connect_sock(bed.port):close() end},
    {"100 operations at once", function()
        local tasks = {}
        for i = 1, 100 do tasks[i] = task.spawn(function() text:stat() end) end
        for _, each in ipairs(tasks) do each:await() end
    end},
}, function(t, c)
    c[2]() -- what is asked once only
    costs(t, 1, c[2])
end)

dir:close()

spec.finish()
