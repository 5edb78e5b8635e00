-- Why something could not be started. The wrapper only says at which step, so that it stays short; who fails pays a
-- second round trip.

local errno = require "rshell.bare.errno"
local stage = require "rshell.bare.stage"

-- $1: the path. The nearest thing that is there says which error open(2) or chdir(2) would have given.
local LOOK = [[
p=$1
up() { case $p in */*)p=${p%/*};p=${p:-/};;*)p=.;;esac;}
if [ -d "$p" ];then echo dir;exit;fi
if [ -e "$p" ]||[ -L "$p" ];then [ -e "$p" ]&&echo there||echo ENOENT;exit;fi
while :;do
case $p in /|.)break;;esac
up
if [ -d "$p" ];then [ -x "$p" ]||{ echo EACCES;exit;};break;fi
[ -e "$p" ]&&{ echo ENOTDIR;exit;}
done
[ "$p" = "$2" ]&&[ ! -w "$p" ]&&{ echo EACCES;exit;}
echo ENOENT]]

local function look(shell, path, parent)
    local r = shell:run(LOOK, {args = {stage.path(path), parent or ""}})
    return r and r.stdout:match "%S+" or "EIO"
end

local STEPS = {}

function STEPS.cwd(shell, s)
    local what = look(shell, s.cwd)
    if what == "dir" then return "EACCES" end
    return what == "there" and "ENOTDIR" or what
end

-- The names of all places where the program may be, below its working directory.
local EXEC = [[
cd "$1" 2>/dev/null
case $2 in */*);;*)set -f;IFS=:
for d in $3;do d=${d:-.};[ -e "$d/$2" ]&&echo EACCES&&exit;[ -d "$d" ]&&[ ! -x "$d" ]&&echo EACCES&&exit;done
echo ENOENT;exit;;esac
p=$2;[ -e "$p" ]&&echo EACCES&&exit
while :;do case $p in */*)p=${p%/*};p=${p:-/};;*)p=.;;esac
[ -d "$p" ]&&{ [ -x "$p" ]&&echo ENOENT||echo EACCES;exit;}
[ -e "$p" ]&&{ echo ENOTDIR;exit;}
case $p in /|.)echo ENOENT;exit;;esac;done]]

function STEPS.exec(shell, s)
    local path = s.env and s.env.PATH
    local script = path and EXEC or EXEC:gsub("%$3", "${PATH-/usr/local/bin:/usr/bin:/bin}:", 1)
    local r = shell:run(script, {args = {s.cwd or ".", s.argv[1], path and path .. ":" or ""}})
    local name = r and r.stdout:match "%S+" or "ENOENT"
    return s.argv[1] == "" and "ENOENT" or name
end

function STEPS.noexec() return "ENOEXEC", "exec" end
function STEPS.interpreter() return "ENOENT" end
function STEPS.user() return "EPERM" end
function STEPS.nouser() return "ENOTFOUND", "user" end

local function file_step(which)
    return function(shell, s)
        local path = s[which].path
        local what = look(shell, path, which ~= "stdin" and stage.path(path):match "^(.+)/[^/]*$" or nil)
        if what == "dir" then return which == "stdin" and "EACCES" or "EISDIR", "fds", path end
        return what == "there" and "EACCES" or what, "fds", path
    end
end

for _, which in ipairs {"stdin", "stdout", "stderr"} do STEPS[which] = file_step(which) end

--- nil, text, NAME, {stage=, step=, file=} for what the wrapper told.
---@param shell rshell.bare.Shell
---@param stages table[]
---@param k integer
---@param step string
return function(shell, stages, k, step)
    local s = stages[k]
    if not s or not STEPS[step] then return errno.fail("EIO", {stage = 1, step = "fork"}) end
    local name, where, file = STEPS[step](shell, s)
    return errno.fail(name, {stage = k, step = where or step, file = file})
end
