-- How an agent comes to a machine: one program for its sh, with the image and the first frames right behind it.
--
--   exec --(the program)--> lands --(image)--> agent --(HELLO)--> serves
--                             |
--                             +--> says why not: another CPU, no gzip, no place to run, no room
--
-- The image is unpacked into a file that has no name any more: its folder is removed before the first byte arrives, and
-- the open file is executed. Where there is no /proc the agent removes it itself.

local shell = require "rshell.bare.shell"
local task = require "rshell.task"

local M = {}

local STDERR_KEPT = 4096

-- @words are filled in. d: where it lands; i: its number, so that the next try can go on after it.
local PROGRAM = [[
N=@nonce;a=$(uname -sm);[ "$a" = "Linux @arch" ]||{ echo $N uname $a;exit;}
command -v gzip >/dev/null||{ echo $N gzip;exit;}
u=$(umask);umask 077;i=0;o=
trap '[ -z "$f" ]||rm -rf "$f"' 0 1 2 15
for d in "$XDG_RUNTIME_DIR" /dev/shm /tmp /var/tmp "$HOME";do i=$((i+1));f=
[ $i -gt @skip ]&&[ -n "$d" ]&&[ -d "$d" ]&&[ -w "$d" ]||continue
f=$d/.$N;mkdir "$f" 2>/dev/null||{ f=;continue;}
printf "#!/bin/sh\n" >$f/a&&chmod 700 $f/a&&$f/a&&: >$f/a&&exec 3>$f/a 4<$f/a&&{ o=$i;break;}
rm -rf "$f";done 2>/dev/null
[ "$o" ]||{ echo $N noexec;exit;}
p=/proc/self/fd/4;[ -e $p ]&&{ rm -rf "$f";f=;}||p=$f/a
dd bs=@size count=1 iflag=fullblock 2>/dev/null 3>&- 4<&-|gzip -dc 2>/dev/null >&3 4<&-||{ echo $N write $i;exit;}
exec 3>&-;trap - 0 1 2 15;umask $u;echo $N agent;exec $p serve @args "$f"
]]

--- The program, without what its readers need.
---@param fields table<string, string|integer>
local function program(fields)
    return (PROGRAM:gsub("@(%l+)", fields):gsub("([;|&{])\n", "%1"):gsub("\n", ";"):gsub(";$", ""))
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

--- The image, written by a task of its own: who refuses it doesn't read it.
local function feed(ch, image)
    return task.spawn(function() pcall(ch.stdin.write, ch.stdin, image) end)
end

local function last_line(text)
    return text:match "([^\r\n]+)%s*$"
end

--- Starts the program and gives it the image: the channel once the agent runs over there; or nil and its words.
local function try(connector, how)
    local nonce = ("rs%016x"):format(math.random(0))
    local line = shell.line(program {
        nonce = nonce, arch = how.arch, skip = how.skip, size = #how.image, args = how.args,
    })
    local ch, text, name = connector.exec(line)
    if not ch then return nil, "exec " .. text, name end
    local said = {text = ""}
    local ok, words, noise = pcall(function()
        feed(ch, how.image)
        local listener = ch.stderr and listen(ch, said)
        local head, before = read_head(ch.stdout, nonce)
        if head ~= "agent" and listener then pcall(listener.await, listener, 1) end
        return head, before
    end)
    if ok and words == "agent" then return ch, said end
    ch:close()
    if not ok then error(words, 0) end
    return nil, words or "noise " .. (last_line(said.text) or last_line(noise) or "nothing was said"), "EPROTOCOL"
end

-- ---- until it stands ----

local reasons = {
    uname = function(what) return ("no agent for %s"):format(what) end,
    gzip = function() return "no gzip to unpack the agent with" end,
    noexec = function() return "no folder in which programs can be run" end,
    write = function() return "no room for the agent" end,
    noise = function(what) return "no POSIX shell answered: " .. what end,
    exec = function(what) return "no program can be started: " .. what end,
}

--- An agent's channel, or nil and why there is none. how: images(arch), arch, args.
---@param connector table
---@param how {images: fun(arch: string): string?, arch: string, args: string}
function M.start(connector, how)
    local arch, skip, tried = how.arch, 0, {}
    while true do
        local image = how.images(arch)
        if not image then return nil, reasons.uname("Linux " .. arch) end
        local ch, words = try(connector, {arch = arch, image = image, skip = skip, args = how.args})
        if ch then return ch, words, arch end
        local why = connector.broken()
        if why then return nil, why, "ECLOSED" end
        local what, rest = words:match "^(%S+)%s*(.*)$"
        local other = what == "uname" and rest:match "^Linux (%S+)$"
        if other and not tried[other] then
            tried[arch], arch = true, other
            if not how.images(other) then return nil, reasons.uname(rest) end
        elseif what == "write" and tonumber(rest) and tonumber(rest) > skip then
            skip = math.tointeger(tonumber(rest))
        else
            if what == "noexec" and skip > 0 then what = "write" end -- the folders before were full
            return nil, (reasons[what] or reasons.noise)(rest)
        end
    end
end

return M
