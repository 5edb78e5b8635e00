-- Signals to what runs over there. A second channel is used first, since it answers; where none can be had, the SSH signal
-- request, which doesn't.

local task = require "rshell.task"

local M = {}

local PATIENCE = 0.5 -- seconds between TERM and KILL
local GONE = 3 -- seconds for KILL to have its effect

-- $1 is the signal, $2 the process. Where it leads no group, everything below it is found by the numbers of the parents, from
-- the leaves up. No `--`: busybox takes it for a number. 1: there is no such process; 2: the account may not.
local SEND = [[
LC_ALL=C;export LC_ALL
send() { m=$(kill "-$1" "$2" 2>&1)||case $m in *ermi*)exit 2;;*)false;;esac;}
below() {
for c in $(ps -A -o pid= -o ppid= 2>/dev/null|while read -r p q;do [ "$q" = "$1" ]&&echo "$p";done);do
below "$c";echo "$c";done
}
send "$1" "-$2"&&exit
for c in $(below "$2");do send "$1" "$c";done
send "$1" "$2"]]

local ANSWERS = {[1] = {"no such process", "ESRCH"}, [2] = {"operation not permitted", "EPERM"}}

--- Sends a signal to a group: true, or nil, text, NAME.
---@param shell rshell.bare.Shell
---@param ch table? its channel
---@param pid integer its leader
---@param sig string "TERM"
function M.send(shell, ch, pid, sig)
    local r, text, name = shell:run(SEND, {args = {sig, tostring(pid)}})
    if not r and ch then return ch:signal(sig) end
    if not r then return nil, text, name end
    if r.code == 0 then return true end
    local answer = ANSWERS[r.code] or {"the signal could not be sent", "EIO"}
    return nil, answer[1], answer[2]
end

--- TERM, and KILL after half a second; waits: the exit. What can't be ended loses its channel.
---@param shell rshell.bare.Shell
---@param ch table
---@param pid integer
function M.stop(shell, ch, pid)
    for _, step in ipairs {{"TERM", PATIENCE}, {"KILL", GONE}} do
        local exit = ch:exit()
        if exit or shell.connector.broken() then return exit or {} end
        local before = task.now()
        pcall(M.send, shell, ch, pid, step[1])
        exit = ch:wait(math.max(0.01, step[2] - (task.now() - before)))
        if exit then return exit end
    end
    ch:close()
    return {signal = "KILL"}
end

return M
