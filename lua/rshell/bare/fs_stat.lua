-- What a machine's stat tells, by whatever tool it has, as the tables of rshell.sys.fs.

local M = {}

-- A record: S, the fields, the name, the mark; and for a link L, the name, the mark, its text, the mark. GNU and
-- busybox have the same letters, of which %x to %z give fractions of seconds (old busybox has none); BSD has others.
M.SH = [[
export m
export A="S%s %f %u %g %i %h %d|%X|%Y|%Z|%x|%y|%z|%U|%G|%n$m"
export B="S%z %Xp %u %g %i %l %d|%a|%m|%c|%Fa|%Fm|%Fc|%Su|%Sg|%N$m"
]]

-- For `sh -c`: tells of each of its arguments, following no links.
M.EACH = [[
if stat -c %s / >/dev/null 2>&1; then stat -c "$A" "$@" 2>/dev/null
else stat -f "$B" "$@" 2>/dev/null; fi
for f do [ -L "$f" ] && printf "L%s$m" "$f" && readlink -n "$f" && printf "%s\n" "$m"; done; :]]

local TYPES = {
    [8] = "file", [4] = "dir", [10] = "link", [12] = "socket", [1] = "fifo", [6] = "block", [2] = "char",
}

local function fraction(text)
    local digits = text:match "%.(%d+)" or "0"
    return tonumber((digits .. "000000000"):sub(1, 9)) / 1e9
end

local FIELDS = "^(%d+) (%x+) (%d+) (%d+) (%d+) (%d+) (%d+)" .. ("|(%-?%d+)"):rep(3) .. ("|([^|]*)"):rep(5) .. "|"

--- One record without its S: the stat and the name.
---@param record string
---@return table? stat
---@return string name
function M.parse(record)
    local f = {record:match(FIELDS .. "()")}
    if #f < 16 then return nil, "" end
    local raw = tonumber(f[2], 16)
    local function time(i) return tonumber(f[i]) + fraction(f[i + 3]) end
    local function name(i, id) return (f[i] == "UNKNOWN" or f[i] == "") and f[id] or f[i] end
    return {
        size = tonumber(f[1]), mode = raw & 4095, type = TYPES[raw >> 12] or "unknown",
        uid = tonumber(f[3]), gid = tonumber(f[4]), owner = name(14, 3), group = name(15, 4),
        atime = time(8), mtime = time(9), ctime = time(10),
        ino = tonumber(f[5]), nlink = tonumber(f[6]), dev = tonumber(f[7]),
    }, record:sub(f[16])
end

--- All records: names in their order, and what is known of each.
---@param out string
---@param mark string
function M.parse_all(out, mark)
    local names, stats, at = {}, {}, 1
    local function take()
        local start, stop = out:find(mark, at, true)
        if not start then return nil end
        local text = out:sub(at, start - 1)
        at = stop + 1
        return text
    end
    for record in take do
        record = record:gsub("^\n", "")
        if record:sub(1, 1) == "L" then
            local name, target = record:sub(2), take()
            if stats[name] then stats[name].target = target end
        else
            local stat, name = M.parse(record:sub(2))
            if stat then
                if not stats[name] then names[#names + 1] = name end
                stats[name] = stat
            end
        end
    end
    return names, stats
end

return M
