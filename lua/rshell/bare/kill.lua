-- Signals to what runs over there: by a second channel, since that answers; where none can be had in time, by the SSH
-- signal request, which doesn't.

local err = require "rshell.shared.error"
local errno = require "rshell.bare.errno"
local proc = require "rshell.sys.proc"
local task = require "rshell.task"

local M = {}

local PATIENCE = 0.5 -- seconds between TERM and KILL
local GONE = 3 -- seconds for KILL to have its effect
local TURN = 2 -- seconds to get a channel, on a server that has no more of them

-- $1 is the process, a negative one a group. No `--`: busybox takes it for a number. 1: no such process; 2: the account
-- may not.
local SEND = [[
send() { m=$(LC_ALL=C;export LC_ALL;kill "-$1" "$2" 2>&1)||case $m in *ermi*)exit 2;;*)false;;esac;}
]]

-- What is below a process, from the leaves up, where it doesn't lead a group.
local BELOW = [[
pairs() { ps -A -o pid= -o ppid= 2>/dev/null||ps -o pid,ppid;}
below() { for c in $(pairs|while read -r p q;do [ "$q" = "$1" ]&&echo "$p";done);do below "$c";echo "$c";done;}
]]

local ONE = SEND .. [[send "$2" "$1"]]

local ALL = SEND .. BELOW .. [[
send "$2" "-$1"&&exit
for c in $(below "$1");do send "$2" "$c";done
send "$2" "$1"]]

-- TERM, KILL to what is left after half a second. Those that ignore TERM may outlive who started them.
local STOP = SEND .. BELOW .. [[
if kill -0 "-$1" 2>/dev/null;then all=-$1;else all="$(below "$1") $1";fi
for s in TERM KILL;do
f=1;for p in $all;do send $s "$p"&&f=0;done
[ $f = 0 ]&&[ $s = TERM ]||exit 0
for i in 1 2 3 4 5;do
f=1;for p in $all;do kill -0 "$p" 2>/dev/null&&f=0;done
[ $f = 0 ]||exit 0
sleep 0.1 2>/dev/null||{ sleep 1;break;}
done;done]]

local FAILURES = {[1] = "ESRCH", [2] = "EPERM"}

--- What kill(1) names otherwise in some shells goes by its number.
local NAMED = {}
for name in ("HUP INT QUIT ABRT KILL USR1 SEGV USR2 PIPE ALRM TERM CONT STOP TSTP TTIN TTOU"):gmatch "%S+" do
    NAMED[name] = true
end

local function word(sig)
    local number = proc.signal(sig)
    local name = number > 0 and proc.signal_name(number)
    return NAMED[name] and name or tostring(number)
end

local function answer(r, text, name)
    if not r then return nil, text, name end
    if r.code == 0 then return true end
    return errno.fail(FAILURES[r.code] or "EIO")
end

--- Sends a signal to a process, or to a group where pid is negative: true, or nil, text, NAME.
---@param shell rshell.bare.Shell
---@param pid integer
---@param sig string|integer
function M.one(shell, pid, sig)
    return answer(shell:run(ONE, {args = {tostring(pid), word(sig)}}))
end

--- Runs a script unless it takes long to get a channel: its result, or nil.
local function run_soon(shell, script, args)
    local full = shell.connector.full
    if full and full() then return nil end
    local ok, r = pcall(task.timeout, TURN, shell.run, shell, script, {args = args})
    if ok then return r end
    if not (err.is(r) and r.kind == "timeout") and not shell.connector.broken() then error(r, 0) end
end

--- Sends a signal to all that a program started: true, or nil, text, NAME.
---@param shell rshell.bare.Shell
---@param ch table its channel
---@param pid integer its leader
---@param sig string|integer
function M.all(shell, ch, pid, sig)
    local r = run_soon(shell, ALL, {tostring(pid), word(sig)})
    if r then return answer(r) end
    if shell.connector.broken() then return errno.fail "ECLOSED" end
    return ch:signal(proc.signal_name(sig))
end

local function request(ch)
    for _, sig in ipairs {"TERM", "KILL"} do
        ch:signal(sig)
        if ch:wait(PATIENCE) then return end
    end
end

--- Ends all that a program started, whether it still runs or not: the exit; nil where it could not be ended, which
--- loses its channel.
---@param shell rshell.bare.Shell
---@param ch table
---@param pid integer
function M.stop(shell, ch, pid)
    if shell.connector.broken() then return ch:exit() or {} end
    if not run_soon(shell, STOP, {tostring(pid)}) then request(ch) end
    local exit = ch:wait(GONE)
    if not exit then ch:close() end
    return exit
end

return M
