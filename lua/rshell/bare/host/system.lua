-- Questions about the system itself.

local M = {}

local function lines_of(text)
    local lines = {}
    for line in ((text or "") .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
    return lines
end

local function first_line(text)
    return text and text:match "^([^\n]+)"
end

M.uname = {
    script = "S uname;for o in s n r v m;do uname -$o;done",
    parse = function(s)
        local l = lines_of(s.uname)
        if not l[5] then return nil, "EUNSUPPORTED" end
        return {sysname = l[1], nodename = l[2], release = l[3], version = l[4], machine = l[5]}
    end,
}

M.hostname = {
    script = "S hostname;uname -n",
    parse = function(s) return first_line(s.hostname) end,
}

M.pid = {
    script = "S pid;echo $$",
    parse = function(s) return math.tointeger(first_line(s.pid)) end,
}

M.ids = {
    script = "S ids;id -u;id -g",
    parse = function(s)
        local uid, gid = (s.ids or ""):match "(%d+)\n(%d+)"
        return {uid = math.tointeger(uid), gid = math.tointeger(gid)}
    end,
}

-- ---- os-release ----

--- What sh would make of a value: quotes go, and a backslash before what it protects.
local function unquote(value)
    local quoted = value:match '^"(.*)"%s*$'
    if quoted then return (quoted:gsub('\\(["$`\\])', "%1")) end
    return value:match "^'([^']*)'%s*$" or (value:gsub("%s+$", ""):gsub("\\(.)", "%1"))
end

M.os_release = {
    script = "S os;if [ -e /etc/os-release ];then cat /etc/os-release;else cat /usr/lib/os-release;fi&&echo&&S os_end",
    parse = function(s)
        if not s.os_end then return nil, "ENOENT" end
        local fields = {}
        for _, line in ipairs(lines_of(s.os)) do
            local key, value = line:match "^%s*([%a_][%w_]*)=(.*)$"
            if key then fields[key:lower()] = unquote(value) end
        end
        return fields
    end,
}

-- ---- the environment ----

-- Where env has no -0, export quotes the values, each shell in its own way that sh reads.
M.env = {
    script = "S env;env -0 2>/dev/null||{ S export;export -p;}",
    parse = function(s)
        if s.export then return require "rshell.bare.host.exports"(s.export) end
        local env = {}
        for name, value in (s.env or ""):gmatch "([^%z=]+)=([^%z]*)%z" do
            if env[name] == nil then env[name] = value end
        end
        return env
    end,
}

-- ---- memory, load, time ----

local MEMORY = {
    MemTotal = "total", MemFree = "free", MemAvailable = "available", Buffers = "buffers", Cached = "cached",
    SwapTotal = "swap_total", SwapFree = "swap_free",
}

local function bsd_memory(text)
    local l = lines_of(text)
    local total, page = math.tointeger(l[1]), math.tointeger(l[2])
    if not total or not page then return nil, "EUNSUPPORTED" end
    local free = (math.tointeger(l[3]) or 0) * page
    local inactive = (math.tointeger(l[4]) or 0) * page
    return {total = total, free = free, available = free + inactive}
end

M.memory = {
    script = "S meminfo;cat /proc/meminfo 2>/dev/null||{ S sysctl;sysctl -n hw.physmem hw.pagesize "
        .. "vm.stats.vm.v_free_count vm.stats.vm.v_inactive_count;}",
    parse = function(s)
        if s.sysctl then return bsd_memory(s.sysctl) end
        local memory = {}
        for name, kib in (s.meminfo or ""):gmatch "(%w+):%s*(%d+) kB" do
            local field = MEMORY[name]
            if field then memory[field] = math.tointeger(kib) * 1024 end
        end
        return memory
    end,
}

local function floats(text, n)
    local list = {}
    for word in (text or ""):gmatch "%d[%d.]*" do
        if #list < n then list[#list + 1] = tonumber(word) + 0.0 end
    end
    return list[n] and list
end

M.loadavg = {
    script = "S load;cat /proc/loadavg 2>/dev/null||sysctl -n vm.loadavg",
    parse = function(s) return floats(s.load, 3) end,
}

M.uptime = {
    script = "S uptime;cat /proc/uptime 2>/dev/null||{ S boot;sysctl -n kern.boottime;date +%s;}",
    parse = function(s)
        if not s.boot then return (floats(s.uptime, 1) or {})[1] end
        local boot, now = s.boot:match "sec = (%d+)", s.boot:match "(%d+)%s*$"
        return boot and now and now - boot + 0.0
    end,
}

-- ---- processors ----

local MODELS = {"model name", "Model", "cpu model", "Hardware", "uarch", "cpu", "isa"}

local function model_of(cpuinfo)
    for _, name in ipairs(MODELS) do
        local model = ("\n" .. cpuinfo):match("\n" .. name .. "%s*:%s?([^\n]*)")
        if model then return model end
    end
end

local function topology(text)
    local cores, sockets, seen, places = 0, 0, {}, {}
    for socket, core in text:gmatch "(%-?%d+) (%-?%d+)\n" do
        if not seen[socket .. " " .. core] then
            seen[socket .. " " .. core] = true
            cores = cores + 1
            if not places[socket] then sockets = sockets + 1 end
            places[socket] = true
        end
    end
    if cores > 0 then return cores, sockets end
end

M.cpus = {
    script = [[
S count;getconf _NPROCESSORS_ONLN 2>/dev/null||grep -c ^processor /proc/cpuinfo 2>/dev/null||sysctl -n hw.ncpu
S usable;nproc 2>/dev/null
S cpuinfo;head -c 8000 /proc/cpuinfo 2>/dev/null||sysctl -n hw.model
S topology;for d in /sys/devices/system/cpu/cpu[0-9]*/topology;do
read -r a 2>/dev/null <"$d/physical_package_id"&&read -r b 2>/dev/null <"$d/core_id"&&echo "$a $b";done]],
    parse = function(s)
        local cpus = {count = math.tointeger(first_line(s.count)) or 1, usable = math.tointeger(first_line(s.usable))}
        local info = s.cpuinfo or ""
        cpus.model = model_of(info) or not info:find ":" and first_line(info) or nil
        cpus.cores, cpus.sockets = topology((s.topology or "") .. "\n")
        return cpus
    end,
}

-- ---- what is mounted ----

local function unescape(word)
    return (word:gsub("\\(%d%d%d)", function(octal) return string.char(tonumber(octal, 8) & 255) end))
end

local function mount_of(line)
    local device, path, kind, options = line:match "^(%S+) (%S+) (%S+) (%S+)"
    if device then
        return {device = unescape(device), path = unescape(path), type = unescape(kind), options = unescape(options)}
    end
    device, path, kind, options = line:match "^(.-) on (.-) %(([^,)]*),?%s*(.*)%)$"
    if device then return {device = device, path = path, type = kind, options = options:gsub(", ", ",")} end
end

--- Sizes as stat -f tells them: block size, blocks, free, available, files, free files.
local function add_sizes(m, line)
    local n = {}
    for word in (line or ""):gmatch "%S+" do n[#n + 1] = math.tointeger(word) end
    if #n < 6 then
        m.error = line and line:find "ermission" and "EACCES" or "EIO"
        return
    end
    m.total, m.free, m.available, m.files, m.files_free = n[1] * n[2], n[1] * n[3], n[1] * n[4], n[5], n[6]
end

-- The format of printf knows the octal numbers that the kernel writes for blanks.
local SIZES = [[
LC_ALL=C;export LC_ALL;S sizes;while read -r d p r;do
case $p in *\\*)p=$(printf "$(printf %s "$p"|sed 's/%/%%/g')");;esac
x=$(stat -f -c '%S %b %f %a %c %d' "$p" 2>&1)||x="x $x";echo $x;done </proc/self/mounts]]

M.mounts = {
    script = function(o)
        return "S mounts;cat /proc/self/mounts 2>/dev/null||mount\n" .. (o and o.sizes and SIZES or "")
    end,
    parse = function(s, o)
        local mounts, sizes = {}, lines_of(s.sizes)
        for i, line in ipairs(lines_of(s.mounts)) do
            local m = mount_of(line)
            mounts[#mounts + 1] = m
            if m and o and o.sizes then add_sizes(m, sizes[i]) end
        end
        return mounts
    end,
}

return M
