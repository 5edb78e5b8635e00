-- How an agent comes to a machine: one program for its sh, with the image and the first frames right behind it.
--
--   exec --(the program)--> lands --(image)--> agent --(HELLO)--> serves
--                             |
--                             +--> says why not: another CPU, no gzip, no place to run, no room
--
-- The image is unpacked into a file that has no name any more before its first byte arrives, and the open file is
-- executed. sh can't make a file without a name: a shell that is killed in the moment between leaves it, and the
-- next one that lands there removes it. Where there is no /proc the agent removes it itself: there it is tried first,
-- since a shell whose exec fails does nothing any more, not even what it has set a trap for. A bare root has no
-- /dev/null either.

local err = require "rshell.shared.error"
local shell = require "rshell.bare.shell"
local task = require "rshell.task"

local M = {}

local STDERR_KEPT = 4096
local PIECE = 65536
local SILENCE = 30 -- seconds that a shell may take for its start-up files

-- @words are filled in. _d: where it lands; _i: its number, so that the next try can go on after it; _f: the file,
-- while it has a name. What the account exports under a name of ours would change for the agent: hence the _. Some
-- shells keep what they have opened from others unless it is redirected once more: hence 4<&4.
local PROGRAM = [[
_n=@nonce;[ -c /dev/null ]&&exec 5>/dev/null||exec 5>&2
_a=$(uname -sm);[ "$_a" = "Linux @arch" ]||{ echo $_n uname $_a;exit;}
command -v @unpack >&5||{ echo $_n gzip;exit;}
exec 4>&5;_u=$(umask);umask 077;set -C;_i=0;_o=
trap '[ -z "$_f" ]||rm -f "$_f"' 0 1 2 15
for _d in "$XDG_RUNTIME_DIR" /dev/shm /tmp /var/tmp "$HOME";do _i=$((_i+1));_f=
[ $_i -gt @skip ]&&[ -n "$_d" ]&&[ -d "$_d" ]&&[ -w "$_d" ]||continue
_f=$_d/.rshell-$_n
{ echo "#!/bin/sh" >&3;[ ! -r /proc/self/fd/3 ]||
{ exec 4</proc/self/fd/3;rm -f "$_d"/.rshell-rs????????????????;_f=;};} 3>"$_f"&&
_p=${_f:-/proc/self/fd/4}&&chmod 700 "$_p" 4<&4&&"$_p" 4<&4&&exec 3<>"$_p"&&{ _o=$_i;break;}
[ ! "$_f" ]||rm -f "$_f";done 2>&5
[ "$_o" ]||{ echo $_n noexec;exit;}
dd bs=@size count=1 iflag=fullblock 2>&5 3>&- 4<&-|@unpack @how 2>&5 >&3 4<&-||{ echo $_n write $_i;exit;}
exec 3>&-;[ ! "$_f" ]||case $("$_p" 2>&1 <&-) in rshell-agent*);;*)echo $_n refused;exit;;esac
trap - 0 1 2 15;umask $_u;echo $_n agent;exec "$_p" serve @args "$_f"
]]

--- The program, without what its readers need. fields: nonce, arch, skip, size, args; raw: its image is not compressed.
---@param fields table<string, string|integer|boolean>
function M.program(fields)
    fields.unpack, fields.how = fields.raw and "cat" or "gzip", fields.raw and "" or "-dc"
    return (PROGRAM:gsub("@(%l+)", fields):gsub("([;|&])\n", "%1"):gsub("\n", ";"):gsub(";$", ""))
end

-- ---- one try ----

--- Keeps the last that it says on stderr: why it died.
local function listen(ch, keep)
    return task.spawn(function()
        pcall(function()
            for block in function() return ch.stderr:read(STDERR_KEPT) end do
                keep.text = (keep.text .. block):sub(-STDERR_KEPT)
            end
        end)
    end)
end

--- What is said after the nonce, whatever start-up files print before it: words; nil and the noise without.
local function read_head(stream, nonce)
    local noise = ""
    for line in function() return stream:read("L", nil, 65536) end do
        local _, stop = line:find(nonce, 1, true)
        if stop then return line:sub(stop + 1):match "^%s*(.-)%s*$" end
        noise = (noise .. line):sub(-STDERR_KEPT)
    end
    return nil, noise
end

--- Calls fn within the time that a shell may be silent.
local function within(seconds, fn, ...)
    local got = table.pack(pcall(task.timeout, seconds, fn, ...))
    if got[1] then return table.unpack(got, 2, got.n) end
    local e = got[2]
    if not err.is(e) or e.kind ~= "timeout" then error(e, 0) end
    err.raise {
        kind = "timeout", message = ("its shell did not answer within %g s"):format(seconds),
        hint = "see what its start-up files wait for; connect_timeout=SECONDS gives more time",
    }
end

--- Gives it the image, as fast as it is taken; false when it is refused: then it says why.
local function give(ch, image, seconds)
    for i = 1, #image, PIECE do
        local ok, e = pcall(within, seconds, ch.stdin.write, ch.stdin, image:sub(i, i + PIECE - 1))
        if not ok and err.is(e) and e.kind == "timeout" then error(e, 0) end
        if not ok then return false end
    end
    return true
end

local function last_line(text)
    return text:match "([^\r\n]+)%s*$"
end

--- Starts the program and gives it the image, and what how.begin(ch, said) sends behind it: true once the agent runs
--- over there; or nil and the program's words.
---@param connector table
---@param how table as of M.start, with image and skip
function M.try(connector, how)
    local nonce = ("rs%016x"):format(math.random(0))
    local text = M.program {
        nonce = nonce, arch = how.arch, skip = how.skip, size = #how.image, args = 0, raw = how.raw,
    }
    local ch, why, name = connector.exec(connector.plain and text or shell.line(text))
    if not ch then return nil, "exec " .. why, name end
    local said = {text = ""}
    local begun
    local ok, words, noise = pcall(function()
        local listener = ch.stderr and listen(ch, said)
        local seconds = how.seconds or SILENCE
        if give(ch, how.image, seconds) then begun = how.begin(ch, said) end
        local head, before = within(seconds, read_head, ch.stdout, nonce)
        if head ~= "agent" and listener then pcall(listener.await, listener, 1) end
        return head, before
    end)
    if ok and words == "agent" and begun then return begun end
    if begun then begun:close "it has not started" end
    ch:close()
    if not ok then
        if connector.broken() then return nil, "noise" end
        error(words, 0)
    end
    if words and words ~= "agent" then return nil, words end
    return nil, "noise " .. (last_line(said.text) or last_line(noise or "") or "nothing was said")
end

-- ---- until it stands ----

local LOST_SECONDS = 0.2 -- that the news of a lost connection may come after the ends of its channels

--- Why the connection is gone, or nil. What ends without a word of ours may have ended with it.
local function lost(connector, words)
    local stop = task.now() + LOST_SECONDS
    local silent = words:find "^noise" or words:find "^exec"
    while silent and not connector.broken() and task.now() < stop do task.sleep(LOST_SECONDS / 10) end
    return connector.broken()
end

local reasons = {
    uname = function(what) return ("there is none for %s"):format(what) end,
    gzip = function() return "no gzip to unpack the agent with" end,
    noexec = function() return "no folder in which programs can be run" end,
    write = function() return "no room for the agent" end,
    refused = function() return "the machine doesn't run the agent" end,
    noise = function(what) return "no POSIX shell answered: " .. what end,
    exec = function(what) return "no program can be started: " .. what end,
}

--- Starts one: what how.begin gave, and the CPU; or nil and why there is none. how: images(arch), programs(arch) (the
--- same, not compressed), raw (whether to begin with that), arch, begin(ch, said), seconds (that its shell may be
--- silent).
---@param connector table
---@param how table
function M.start(connector, how)
    local try = connector.try or M.try
    local arch, skip, tried, raw = how.arch, 0, {}, how.raw or false
    while true do
        local image = (raw and how.programs or how.images)(arch)
        if not image then return nil, reasons.uname("Linux " .. arch) end
        local begun, words = try(connector, setmetatable({arch = arch, image = image, skip = skip, raw = raw},
            {__index = how}))
        if begun then return begun, arch end
        local why = lost(connector, words)
        if why then return nil, why, "ECLOSED" end
        local what, rest = words:match "^(%S+)%s*(.*)$"
        local other = what == "uname" and rest:match "^Linux (%S+)$"
        if other and not tried[other] then
            tried[arch], arch = true, other
            if not how.images(other) then return nil, reasons.uname(rest) end
        elseif what == "gzip" and not raw and how.programs then
            raw = true
        elseif what == "write" and tonumber(rest) and tonumber(rest) > skip then
            skip = math.tointeger(tonumber(rest))
        else
            if what == "noexec" and skip > 0 then what = "write" end -- the folders before were full
            return nil, (reasons[what] or reasons.noise)(rest)
        end
    end
end

return M
