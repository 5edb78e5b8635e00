-- Three real SSH servers on loopback, with their own keys and accounts, and a playbook run over them. scripts/demo
-- runs it.

package.path = arg[0]:gsub("[^/]*$", "") .. "../tests/lib/?.lua;" .. package.path

local bed = require "bed"
local rshell_program = os.getenv "RSHELL"

local function say(...) print("-- " .. string.format(...)) end

say "on this machine:"
here[rshell_program]("run", "playbooks/demo.lua"):gsub("[^\n]+", print)

say "three sshd's of our own:"
local beds <close> = setmetatable({}, {__close = function(t) for _, b in ipairs(t) do b:close() end end})
local lines = {}
for i = 1, 3 do
    local b = bed.new()
    beds[i] = b
    say("web%d is 127.0.0.1 port %d, as %s", i, b.port, b.user)
    local entry = "Host web%d\n  HostName 127.0.0.1\n  Port %d\n  User %s\n  IdentityFile %s\n  UserKnownHostsFile %s\n"
    lines[i] = entry:format(i, b.port, b.user, b.key, b.known_hosts)
end
local config = beds[1].tmp / "config"
config:write(table.concat(lines), {mode = "600"})

say("rshell run playbooks/fleet.lua 'web[1-3]'")
print(here[rshell_program]:text("run", "playbooks/fleet.lua", "web[1-3]", config))
say "everything was taken down"
