-- Lines of a log from many hosts: a filter is shipped to each, so that only what it lets through crosses the network.
-- usage: rshell run playbooks/logs.lua HOSTS FILE PATTERN [SSH_CONFIG]        PATTERN: as Lua's string.find takes it

local hosts, file, pattern, config = arg[1], arg[2], arg[3], arg[4]
if not pattern then error("usage: logs.lua HOSTS FILE PATTERN [SSH_CONFIG]", 0) end
local web <close> = cluster(hosts, {config = config})

--- Runs over there, where `fs` is: the last lines that match, and of how many.
local function matching(path, wanted, most)
    local found, total = {}, 0
    for line in fs.lines(path) do -- luacheck: ignore fs
        total = total + 1
        if line:find(wanted) then
            found[#found + 1] = line
            if #found > most then table.remove(found, 1) end
        end
    end
    return found, total
end

local results = web:each(function(m)
    local conn <close> = m:connect()
    local found, total = conn:call(matching, file, pattern, 100)
    return {lines = found, total = total}
end)

for host, log in results:each() do
    if log then
        print(("%s: %d of %d lines"):format(host, #log.lines, log.total))
        for _, line in ipairs(log.lines) do print("  " .. line) end
    end
end
for _, host in ipairs(results.failed) do io.stderr:write(host, ": ", tostring(results[host].error), "\n") end
