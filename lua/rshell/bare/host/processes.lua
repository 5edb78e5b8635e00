-- The processes: /proc read by a few programs for all of them, else ps.

local M = {}

-- head names each file; the way through dots and slashes is one that no program could have put into its arguments.
local SCRIPT = [[
S about;getconf PAGESIZE;getconf CLK_TCK
S boot;while read -r a b;do case $a in btime)echo "$b";;esac;done </proc/stat 2>/dev/null
S passwd;cat /etc/passwd
S way;d=/proc%s;echo "$d"
S proc
for k in 1 2 3 4 5 6 7 8 9;do for f in stat status cmdline;do
set -- $d/$k*/$f;[ -e "$1" ]&&head -c 1000000 "$@" /dev/null 2>/dev/null;done;done
S ps;[ -e /proc/self/stat ]||ps -A -o pid= -o ppid= -o pgid= -o uid= -o rss= -o stat= -o user= -o args=]]

local function hidden_way()
    local steps = {}
    for i = 1, 40 do steps[i] = math.random(0, 1) == 0 and "/" or "/." end
    return table.concat(steps)
end

-- Ends what head prints for the last of its files.
local NOTHING = "\n==> /dev/null <==\n"

--- The files of each process: [pid][file] = text. Between two of them head prints a newline.
local function files_of(text, way)
    local found, heads = {}, {}
    local pattern = "()==> " .. way:gsub("%.", "%%.") .. "/(%d+)/(%l+) <==\n()"
    for first, pid, file, after in text:gmatch(pattern) do
        heads[#heads + 1] = {first = first, pid = pid, file = file, after = after}
    end
    for i, head in ipairs(heads) do
        local stop = heads[i + 1] and heads[i + 1].first or #text + 1
        local body = text:sub(head.after, stop - 1)
        local cut = body:sub(-#NOTHING) == NOTHING and #NOTHING or 1
        found[head.pid] = found[head.pid] or {}
        found[head.pid][head.file] = body:sub(1, -cut - 1)
    end
    return found
end

--- A program that writes a title over its arguments leaves one with blanks, and zeros behind it.
local function argv_of(text)
    local title = text:match "^([^%z]* [^%z]*)%z*$"
    local argv = {}
    for word in ((title and title .. "\0") or text:sub(-1) == "\0" and text or text .. "\0"):gmatch "([^%z]*)%z" do
        argv[#argv + 1] = word
    end
    return text ~= "" and argv or {}
end

local function process_of(files, about)
    local pid, name, rest = (files.stat or ""):match "^(%d+) %((.*)%) (.*)"
    local uid = (files.status or ""):match "\nUid:%s*%d+%s+(%d+)"
    if not pid or not uid then return nil end
    local f = {}
    for word in rest:gmatch "%S+" do f[#f + 1] = word end
    local text = files.cmdline or ""
    local args = text:gsub("%z+$", ""):gsub("%z", " ")
    return {
        pid = math.tointeger(pid), ppid = math.tointeger(f[2]), pgid = math.tointeger(f[3]), uid = math.tointeger(uid),
        user = about.names[uid] or uid, name = name, stat = f[1], rss = math.tointeger(f[22]) * about.page,
        start = about.boot + f[20] / about.tick, argv = argv_of(text), args = args ~= "" and args or "[" .. name .. "]",
    }
end

local function about_of(s)
    local page, tick = (s.about or ""):match "(%d+)\n(%d+)"
    local boot = (s.boot or ""):match "%d+"
    local names = {}
    for line in (s.passwd or ""):gmatch "[^\n]+" do
        local name, uid = line:match "^([^:#+-][^:]*):[^:]*:(%d+):"
        if name then names[uid] = names[uid] or name end
    end
    return {
        page = math.tointeger(page) or 4096, tick = tonumber(tick) or 100, boot = tonumber(boot) or 0, names = names,
    }
end

local function from_ps(text)
    local list = {}
    for line in text:gmatch "[^\n]+" do
        local pid, ppid, pgid, uid, rss, stat, user, args =
            line:match "^%s*(%d+)%s+(%d+)%s+(%d+)%s+(%d+)%s+(%d+)%s+(%S)%S*%s+(%S+)%s+(.*)$"
        if pid then
            local argv = {}
            for word in args:gmatch "%S+" do argv[#argv + 1] = word end
            list[#list + 1] = {
                pid = math.tointeger(pid), ppid = math.tointeger(ppid), pgid = math.tointeger(pgid),
                uid = math.tointeger(uid), user = user, name = (argv[1] or "?"):match "[^/]*$":sub(1, 15), args = args,
                argv = argv, stat = stat, rss = math.tointeger(rss) * 1024, start = 0.0,
            }
        end
    end
    return list
end

M.processes = {
    script = function() return SCRIPT:format(hidden_way()) end,
    parse = function(s)
        local about, list = about_of(s), {}
        local found = files_of(s.proc or "", (s.way or "?"):match "[^\n]*")
        for _, files in pairs(found) do list[#list + 1] = process_of(files, about) end
        if #list == 0 then list = from_ps(s.ps or "") end
        if #list == 0 then return nil, "EUNSUPPORTED" end
        table.sort(list, function(a, b) return a.pid < b.pid end)
        return list
    end,
}

return M
