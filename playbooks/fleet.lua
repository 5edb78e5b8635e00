-- Several machines at once. usage: rshell run playbooks/fleet.lua HOSTS [SSH_CONFIG]

local hosts, config = arg[1] or error "usage: fleet.lua HOSTS [SSH_CONFIG]", arg[2]
local web <close> = cluster(hosts, {config = config})

print("machines: " .. tostring(web))

print "\none command on all of them, identical outputs together:"
print(web.uname("-sm"):fold())

print "\na function on each, with that machine in its hands:"
local results = web:each(function(m)
    local dir <close> = m:tempdir()
    local file = dir / "motd"
    file:write(("welcome to %s\n"):format(m.name))
    local words = (m.cat[file] | m.wc["-w"]):text()
    return ("%s holds %d bytes, %s words"):format(m.name, file:size(), words)
end)
for _, text in results:each() do print("  " .. tostring(text)) end

print "\nwhat fails says where and why, and stops nobody else:"
local mixed = web:sh("test $(hostname) = nowhere || { echo no luck >&2; exit 3; }")
print("  " .. tostring(mixed))
local first = mixed[mixed.failed[1]]
print("  " .. tostring(first.error):gsub("\n", "\n  "))
