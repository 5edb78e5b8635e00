-- A map-reduce over a cluster: each host counts the words of its own files, we add up. Only counts cross the network.
-- usage: rshell run playbooks/mapreduce.lua HOSTS FOLDER [SSH_CONFIG]

local hosts, where, config = arg[1], arg[2], arg[3]
if not where then error("usage: mapreduce.lua HOSTS FOLDER [SSH_CONFIG]", 0) end
local web <close> = cluster(hosts, {config = config})

local machines = {}
for i, name in ipairs(web.hosts) do machines[i] = web:machine(name) end
local servers <close> = rshell.MultiServerDeployment(machines)
local conns = {servers:connect_all()}

--- Runs over there.
local function map(path)
    local counts = {}
    for _, file in ipairs(fs.glob(path, "*.txt")) do -- luacheck: ignore fs
        for line in fs.lines(file) do -- luacheck: ignore fs
            for word in line:lower():gmatch "%a+" do counts[word] = (counts[word] or 0) + 1 end
        end
    end
    return counts
end

local function reduce(into, counts)
    for word, n in pairs(counts) do into[word] = (into[word] or 0) + n end
    return into
end

local futures, total = {}, {}
for i, conn in ipairs(conns) do futures[i] = conn:async(map, where) end
for _, future in ipairs(futures) do total = reduce(total, future:await()) end

local words = {}
for word in pairs(total) do words[#words + 1] = word end
table.sort(words, function(a, b) return total[a] > total[b] or total[a] == total[b] and a < b end)
for i = 1, math.min(10, #words) do print(("%6d %s"):format(total[words[i]], words[i])) end
