-- Signals to what runs over there. A second channel is used first, since it answers; where none can be had, the SSH
-- signal request, which doesn't.

local errno = require "rshell.bare.errno"
local proc = require "rshell.sys.proc"
local task = require "rshell.task"

local M = {}

local PATIENCE = 0.5 -- seconds between TERM and KILL
local GONE = 3 -- seconds for KILL to have its effect

-- $1 is the signal, $2 the process. Where it leads no group, everything below it is found by the numbers of the
-- parents, from the leaves up. No `--`: busybox takes it for a number. 1: no such process; 2: the account may not.
local SEND = [[
LC_ALL=C;export LC_ALL
send() { m=$(kill "-$1" "$2" 2>&1)||case $m in *ermi*)exit 2;;*)false;;esac;}
]]

local ONE = SEND .. [[send "$1" "$2"]]

local ALL = SEND .. [[
below() {
for c in $(ps -A -o pid= -o ppid= 2>/dev/null|while read -r p q;do [ "$q" = "$1" ]&&echo "$p";done);do
below "$c";echo "$c";done
}
send "$1" "-$2"&&exit
for c in $(below "$2");do send "$1" "$c";done
send "$1" "$2"]]

local FAILURES = {[1] = "ESRCH", [2] = "EPERM"}

--- What kill(2) names otherwise in some shells goes by its number.
local NAMED = {}
for name in ("HUP INT QUIT ABRT KILL USR1 SEGV USR2 PIPE ALRM TERM CONT STOP TSTP TTIN TTOU"):gmatch "%S+" do
    NAMED[name] = true
end

local function word(sig)
    local name = proc.signal_name(sig)
    return NAMED[name] and name or tostring(proc.signal(sig))
end

--- Sends a signal to a process, or to a group where pid is negative: true, or nil, text, NAME.
---@param shell rshell.bare.Shell
---@param pid integer
---@param sig string|integer
function M.one(shell, pid, sig)
    local r, text, name = shell:run(ONE, {args = {word(sig), tostring(pid)}})
    if not r then return nil, text, name end
    if r.code == 0 then return true end
    return errno.fail(FAILURES[r.code] or "EIO")
end

--- Sends a signal to all that a program started: true, or nil, text, NAME.
---@param shell rshell.bare.Shell
---@param ch table its channel
---@param pid integer its leader
---@param sig string|integer
function M.all(shell, ch, pid, sig)
    local r, text, name = shell:run(ALL, {args = {word(sig), tostring(pid)}})
    if not r and not shell.connector.broken() then return ch:signal(proc.signal_name(sig)) end
    if not r then return nil, text, name end
    if r.code == 0 then return true end
    return errno.fail(FAILURES[r.code] or "EIO")
end

--- TERM, and KILL after half a second: the exit; nil where it could not be ended, which loses its channel.
---@param shell rshell.bare.Shell
---@param ch table
---@param pid integer
function M.stop(shell, ch, pid)
    for _, step in ipairs {{"TERM", PATIENCE}, {"KILL", GONE}} do
        local exit = ch:exit()
        if exit or shell.connector.broken() then return exit or {} end
        local before = task.now()
        pcall(M.all, shell, ch, pid, step[1])
        exit = ch:wait(math.max(0.01, step[2] - (task.now() - before)))
        if exit then return exit end
    end
    ch:close()
    return nil
end

return M
