-- The network interfaces: ip where it is, else ifconfig; the rest from /sys.

local M = {}

local SCRIPT = [[
S sys;for d in /sys/class/net/*;do [ -d "$d" ]||continue
i=;m=;a=;o=;f=;read -r i <"$d/ifindex";read -r m <"$d/mtu";read -r a <"$d/address";read -r o <"$d/operstate"
read -r f <"$d/flags"
echo "${d##*/} ${i:-0} ${m:-0} ${o:-?} ${f:-?} ${a:-?}";done 2>/dev/null
S ip;ip -o addr show 2>/dev/null||ip addr show 2>/dev/null||{ S ifconfig;ifconfig -a;}]]

local FLAGS = {
    {1, "up"}, {2, "broadcast"}, {8, "loopback"}, {0x10, "pointopoint"}, {0x40, "running"}, {0x80, "noarp"},
    {0x100, "promisc"}, {0x200, "allmulti"}, {0x400, "master"}, {0x800, "slave"}, {0x1000, "multicast"},
    {0x8000, "dynamic"},
}

local function flags_of(bits)
    local list = {}
    for _, f in ipairs(FLAGS) do
        if bits & f[1] ~= 0 then list[#list + 1] = f[2] end
    end
    return list
end

local function add(all, i)
    if all[i.name] then return all[i.name] end
    i.addresses, i.flags = i.addresses or {}, i.flags or {}
    all[i.name] = i
    all[#all + 1] = i
    return i
end

-- The file of flags has all but whether it is running, which follows from the state.
local function from_sys(all, text)
    for line in text:gmatch "[^\n]+" do
        local name, index, mtu, state, flags, mac = line:match "^(%S+) (%d+) (%d+) (%S+) (%S+) (%S+)$"
        if name then
            local bits = math.tointeger(tonumber(flags)) or 0
            if bits & 1 ~= 0 and (state == "up" or state == "unknown") then bits = bits | 0x40 end
            add(all, {
                name = name, index = math.tointeger(index), mtu = math.tointeger(mtu), flags = flags_of(bits),
                state = state ~= "?" and state or bits & 0x40 ~= 0 and "up" or "down",
                mac = #mac == 17 and mac or nil,
            })
        end
    end
end

local function scope_of(address)
    return address:find "^[fF][eE][89aAbB]" and "link" or address == "::1" and "host" or "global"
end

local function address_of(family, text)
    local address, peer, prefix = text:match "^(%S+) peer (%S+)/(%d+)"
    if not address then address, prefix = text:match "^([^%s/]+)/(%d+)" end
    if not address then
        address, prefix = text:match "^(%S+)", family == "inet" and 32 or 128
    end
    local a = {family = family == "inet" and "ipv4" or "ipv6", address = address, prefix = math.tointeger(prefix)}
    a.peer = peer
    a.broadcast = text:match " brd (%S+)"
    if a.family == "ipv6" then a.scope = scope_of(address) end
    return a
end

local function from_ip(all, text)
    local name
    for line in text:gmatch "[^\n]+" do
        local index, found = line:match "^(%d+): ([^:@%s]+)"
        if found then name = add(all, {name = found, index = math.tointeger(index), state = "unknown"}).name end
        local family, rest = line:match "%f[%w](inet6?) (.*)$"
        if family and name then
            local list = all[name].addresses
            list[#list + 1] = address_of(family, rest)
        end
    end
end

local function bits_of(mask)
    if not mask then return nil end
    local n, count = tonumber(mask), 0
    if not n then
        n = 0
        for part in mask:gmatch "%d+" do n = n << 8 | math.tointeger(part) end
    end
    for bit = 0, 31 do count = count + (n >> bit & 1) end
    return count
end

local function add_ifconfig(i, line)
    i.mtu = i.mtu or math.tointeger(line:match "mtu (%d+)" or line:match "MTU:(%d+)")
    i.mac = i.mac or line:match "ether (%x%x:%S+)" or line:match "HWaddr (%x%x:%S+)"
    local v4 = line:match "inet addr:(%S+)" or line:match "inet (%d[%d.]*)"
    if v4 then
        local mask = line:match "Mask:(%S+)" or line:match "netmask (%S+)"
        i.addresses[#i.addresses + 1] = {
            family = "ipv4", address = v4, prefix = bits_of(mask),
            broadcast = line:match "Bcast:(%S+)" or line:match "broadcast (%S+)",
        }
    end
    local v6 = line:match "inet6 addr: ?([%x:]+)" or line:match "inet6 ([%x:]+)"
    if v6 then
        local prefix = line:match "inet6 addr: ?[%x:]+/(%d+)" or line:match "prefixlen (%d+)"
        i.addresses[#i.addresses + 1] = {
            family = "ipv6", address = v6, prefix = math.tointeger(prefix), scope = scope_of(v6),
        }
    end
end

local function from_ifconfig(all, text)
    local current
    for line in text:gmatch "[^\n]+" do
        local name, rest = line:match "^([^%s:]+):?%s+(.*)$"
        if name then
            current = add(all, {name = name, index = #all + 1, state = "unknown"})
            local words = rest:match "<([%w,]*)>"
            for word in (words or ""):gmatch "%w+" do
                if not current.mtu then current.flags[#current.flags + 1] = word:lower() end
            end
        end
        if current then add_ifconfig(current, line) end
    end
end

M.interfaces = {
    script = SCRIPT,
    parse = function(s)
        local all = {}
        from_sys(all, s.sys or "")
        if s.ifconfig then from_ifconfig(all, s.ifconfig) else from_ip(all, s.ip or "") end
        local list = table.move(all, 1, #all, 1, {})
        table.sort(list, function(a, b) return a.index < b.index end)
        return list
    end,
}

return M
