-- What an account has on its machine: files, processes, sockets, shared memory, cgroups, mounts. A shell looks for it
-- over there, as anybody else could who knows nothing of us.
--
--   local who = {user = bed.user, home = bed.home}
--   local before = leftovers.list(who)
--   local seconds, left = leftovers.gone(who, before)      -- waits; nil and what is left when it doesn't go

local rshell = require "rshell"

local M = {}

local LATEST = 20 -- seconds; what is meant to be gone after 2 may take this long where a machine is busy

-- $1 is the account's number, the others are folders. Nobody else's test keeps anything of this account's.
local LOOK = [[
uid=$1;shift
{ find "$@" -user $uid; find /tmp /var/tmp /dev/shm /run /dev/mqueue /sys/fs/cgroup -maxdepth 4 -user $uid; } \
    2>/dev/null | sed 's/^/file /'
ps -u $uid -U $uid -o stat=,pid=,args= | sed '/^Z/d;s/^/process /'
awk -v uid=$uid '
FILENAME ~ /sysvipc/ && FNR == 1 { for (i = 1; i <= NF; i++) if ($i == "uid") column = i; next }
FILENAME ~ /sysvipc/ && $column == uid { print FILENAME, $0 }
FILENAME ~ /net\/tcp/ && $4 == "0A" && $8 == uid { print "listener", $2 }
FILENAME ~ /mounts/ && $0 ~ "user_id=" uid { print "mount", $0 }
' /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg /proc/net/tcp /proc/net/tcp6 /proc/mounts 2>/dev/null
for home; do awk -v home="$home/" 'index($8, home) { print "socket", $8 }' /proc/net/unix; done]]

--- Lines that begin with what they are: file, process, listener, socket, mount, or a file of /proc/sysvipc.
--- who: user, home, inside (words before the shell's: how to come to where the account is).
---@param who {user: string, home: string, inside: string[]?}
---@return string[]
function M.list(who)
    local here = rshell.here
    who.uid = who.uid or here.id:text("-u", who.user)
    local sh = here:sh(LOOK, who.uid, who.home)
    if who.inside then sh = here[who.inside[1]][{table.unpack(who.inside, 2)}][sh] end
    local lines = {}
    for line in select(2, sh:run()):gmatch "[^\n]+" do lines[#lines + 1] = line end
    return lines
end

--- Those that weren't there before; all where before is nil. ignore(line): true for what doesn't count.
---@param who table
---@param before string[]?
---@param ignore (fun(line: string): any)?
function M.since(who, before, ignore)
    local known, new = {}, {}
    for _, line in ipairs(before or {}) do known[line] = true end
    for _, line in ipairs(M.list(who)) do
        if not known[line] and not (ignore and ignore(line)) then new[#new + 1] = line end
    end
    return new
end

--- Those that are files.
---@param who table
---@param before string[]?
function M.files(who, before)
    return M.since(who, before, function(line) return not line:find "^file" end)
end

--- Waits until nothing is left; the seconds that took since then, or nil and what is.
---@param who table
---@param before string[]?
---@param ignore (fun(line: string): any)?
---@param start number? now where it isn't given
function M.gone(who, before, ignore, start)
    start = start or rshell.now()
    while true do
        local asked = rshell.now()
        local left = M.since(who, before, ignore)
        if #left == 0 then return asked - start end
        if asked - start > LATEST then return nil, table.concat(left, "\n") end
        rshell.sleep(0.05)
    end
end

return M
