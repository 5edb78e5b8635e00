-- How an agent comes to a machine: one program for its sh, with the image and the first frames right behind it.
--
--   exec --(the program)--> lands --(image)--> agent --(HELLO)--> serves
--                             |
--                             +--> says why not: another CPU, no gzip, no place to run, no room
--
-- The image is unpacked into a file that has no name any more before its first byte arrives, and the open file is
-- written and executed by its name in /proc. The shell doesn't have it open for writing, since mksh keeps a copy of
-- what it closes, and what is open for writing can't be executed. sh can't make a file without a name: a shell that is
-- killed in the moment between leaves it, and the next one that lands there removes it. Where there is no /proc the
-- agent removes it itself: there it is tried first, since a shell whose exec fails does nothing any more, not even
-- what it has set a trap for. A bare root has no /dev/null either. An account's PATH in which nothing of use is gets
-- the usual places meanwhile. Signal 25 is XFSZ: where no file may be so large (ulimit -f), a write shall fail and not
-- end the shell before it has removed the file.

local err = require "rshell.shared.error"
local shell = require "rshell.bare.shell"
local task = require "rshell.task"

local M = {}

local STDERR_KEPT = 4096
local PIECE = 65536
local QUOTED = 200 -- bytes of a line that is shown
local LAST_SECONDS = 1 -- that the last on stderr may take to come
local SILENCE = 30 -- seconds that a shell may take for its start-up files

-- @words are filled in. _d: where it lands; _i: its number, so that the next try can go on after it; _f: the file,
-- while it has a name. What the account exports under a name of ours would change for the agent: hence the _. Some
-- shells keep what they have opened from others unless it is redirected once more: hence 4<&4.
local PROGRAM = [[
_n=@nonce;[ -c /dev/null ]&&[ -w /dev/null ]&&exec 5>/dev/null||exec 5>&2
_e=$PATH;command -v uname >&5||PATH=${PATH:+$PATH:}/bin:/usr/bin
_a=$(uname -sm);[ "$_a" = "Linux @arch" ]||{ echo $_n uname $_a;exit;}
command -v @unpack >&5||{ echo $_n gzip;exit;}
exec 4>&5;_u=$(umask);umask 077;set -C;_i=0;_o=
trap '[ -z "$_f" ]||rm -f "$_f"' 0 1 2 13 15;trap '' 25
for _d in "$XDG_RUNTIME_DIR" /dev/shm /tmp /var/tmp "$HOME";do _i=$((_i+1));_f=
[ $_i -gt @skip ]&&[ -n "$_d" ]&&[ -d "$_d" ]&&[ -w "$_d" ]||continue
_f=$_d/.rshell-$_n
{ echo "#!/bin/sh" >&3;[ ! -r /proc/self/fd/3 ]||
{ exec 4</proc/self/fd/3;rm -f "$_d"/.rshell-rs????????????????;_f=;};} 3>"$_f"&&
_p=${_f:-/proc/self/fd/4}&&chmod 700 "$_p" 4<&4&&"$_p" 4<&4&&{ _o=$_i;break;}
[ ! "$_f" ]||rm -f "$_f";done 2>&5
[ "$_o" ]||{ echo $_n noexec;exit;}
dd bs=@size count=1 iflag=fullblock 2>&5 4<&-|@unpack @how >|"$_p" 4<&-||{ echo $_n write $_i;exit;}
[ ! "$_f" ]||case $("$_p" 2>&1 <&-) in rshell-agent*);;*)echo $_n refused;exit;;esac
trap - 0 1 2 13 15 25;umask $_u;PATH=$_e;echo ${_n#rs}>&2;echo $_n agent;exec "$_p" serve @args "$_f"
]]

--- The program, without what its readers need. fields: nonce, arch, skip, size, args; raw: its image is not compressed.
---@param fields table<string, string|integer|boolean>
function M.program(fields)
    fields.unpack, fields.how = fields.raw and "cat" or "gzip", fields.raw and "" or "-dc"
    fields.nonce = shell.spoken(fields.nonce)
    return (PROGRAM:gsub("@(%l+)", fields):gsub("([;|&])\n", "%1"):gsub("\n", ";"):gsub(";$", ""))
end

-- ---- one try ----

--- Keeps the last that it says on stderr: why it died. What start-up files have said ends with a line of the number.
local function listen(ch, keep, number)
    return task.spawn(function()
        pcall(function()
            for block in function() return ch.stderr:read(STDERR_KEPT) end do
                keep.text = (keep.text .. block):sub(-STDERR_KEPT)
                local _, stop = keep.text:find(number .. "\n", 1, true)
                if stop then keep.text = keep.text:sub(stop + 1) end
            end
        end)
    end)
end

--- Waits a moment for what is still on its way of what was said: a server may tell earlier that all is over.
function M.hear_out(said)
    if said.listener then pcall(said.listener.await, said.listener, LAST_SECONDS) end
end

--- What is said after the nonce, whatever start-up files print before it: words; nil and the noise without. A long
--- line comes in pieces, and the nonce may be in two of them.
local function read_head(stream, nonce)
    local noise = ""
    for piece in function() return stream:read("L", nil, PIECE) end do
        noise = noise:sub(-STDERR_KEPT) .. piece
        local _, stop = noise:find(nonce, 1, true)
        if stop then
            local rest = noise:sub(stop + 1)
            if not rest:find "\n" then rest = rest .. (stream:read "L" or "") end
            return rest:match "^%s*(.-)%s*$"
        end
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
    local line = text:match "([^\r\n]+)%s*$"
    return line and line:sub(1, QUOTED)
end

--- Reads the head while the image goes out: a shell that waits for its noise to be taken takes nothing itself.
local function reader(ch, nonce)
    return task.spawn(function() return table.pack(pcall(read_head, ch.stdout, nonce)) end)
end

local function await_head(reading)
    local got = reading:await()
    if not got[1] then error(got[2], 0) end
    return table.unpack(got, 2, got.n)
end

--- The program's words; those about what could not be unpacked with gzip's own.
local function explained(words, said)
    local line = words:find "^write" and last_line(said.text)
    return line and words .. " " .. line or words
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
        said.listener = ch.stderr and listen(ch, said, nonce:sub(3))
        local reading = reader(ch, nonce)
        local seconds = how.seconds or SILENCE
        if give(ch, how.image, seconds) then begun = how.begin(ch, said) end
        local head, before = within(seconds, await_head, reading)
        if head ~= "agent" then M.hear_out(said) end
        return head, before
    end)
    if ok and words == "agent" and begun then return begun end
    if begun then begun:close "it has not started" end
    if not ok then pcall(ch.signal, ch, "KILL") end -- what reads nothing doesn't notice that we are gone
    ch:close()
    if not ok then
        if connector.broken() then return nil, "noise" end
        error(words, 0)
    end
    if words and words ~= "agent" then return nil, explained(words, said) end
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
    uname = function(what)
        return what == "" and "uname doesn't say for what" or ("there is none for %s"):format(what)
    end,
    gzip = function() return "no gzip to unpack the agent with" end,
    noexec = function() return "no folder in which programs can be run" end,
    write = function(what)
        local line = what:match "^%d+ (.+)"
        return line and ("no room for the agent, or no way to unpack it: %s"):format(line) or "no room for the agent"
    end,
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
    local arch, skip, tried, raw, full = how.arch, 0, {}, how.raw or false, nil
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
        elseif what == "write" and (tonumber(rest:match "^%d+") or 0) > skip then
            skip, full = math.tointeger(tonumber(rest:match "^%d+")), rest
        else
            if what == "noexec" and skip > 0 then what, rest = "write", full end -- the folders before were full
            return nil, (reasons[what] or reasons.noise)(rest)
        end
    end
end

return M
