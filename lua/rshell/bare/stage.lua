-- The sh text of one stage of a pipeline. All that can fail is tried before anything is started; what failed is told by
-- `F stage step` in the head. Nothing here forks unless it must.
--
--   setup   umask, environment                         files  opens what it is redirected to, as 7, 8 and 9
--   late    opens the FIFOs that files has left out: that waits for the other side, so it comes when the start is told
--   enter   the working directory                      find   is there such a program, and can it be run

local err = require "rshell.shared.error"
local text = require "rshell.text"

local M = {}

local quote = text.quote
local DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"

-- ---- the environment ----

-- Names that one shell or other keeps for itself: env sets those.
local RESERVED = {}
for name in ([[
    _ COLUMNS DIRSTACK ENV EPOCHREALTIME EPOCHSECONDS ERRNO EUID FUNCNAME GROUPS HISTCMD HISTFILE HISTSIZE IFS LINENO
    LINES MAIL MAILCHECK MAILPATH OPTARG OPTERR OPTIND PATHSEP PGRP PIPESTATUS PPID PS1 PS2 PS3 PS4 PWD OLDPWD RANDOM
    REPLY SECONDS SHELLOPTS SHLVL SRANDOM TMOUT UID USER_ID POSIXLY_CORRECT
]]):gmatch "%S+" do RESERVED[name] = true end

local function is_plain(name)
    return name:find "^[%a_][%w_]*$" and not RESERVED[name] and not name:find "^K?S?H?BASH" and not name:find "^KSH"
end

local function check_name(name, value)
    if type(name) ~= "string" then error("env: a name must be a string", 0) end
    if name == "" or name:find "[=%z]" then error(("env: not a name of a variable: '%s'"):format(name), 0) end
    if value ~= false and type(value) ~= "string" then error(name .. ": a string expected", 0) end
end

local function sorted(env)
    local names = {}
    for name, value in pairs(env or {}) do
        check_name(name, value)
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

--- sh code that changes the environment, and the words of an env that does the rest.
local function environment(env)
    local code, set, unset = {}, {}, {}
    for _, name in ipairs(sorted(env)) do
        local value = env[name]
        local by_env = not is_plain(name)
        if name == "PATH" then by_env = "later" end
        if by_env == true then
            if value then set[#set + 1] = quote(name .. "=" .. value) else unset[#unset + 1] = "-u " .. quote(name) end
        elseif not by_env then
            code[#code + 1] = value and ("export %s=%s"):format(name, quote(value)) or "unset " .. name
        end
    end
    local path = env and env.PATH
    if path ~= nil and set[1] == nil and unset[1] == nil then
        code[#code + 1] = path and "export PATH=" .. quote(path) or "unset PATH"
    elseif path ~= nil then -- so that env itself is found
        if path then set[#set + 1] = quote("PATH=" .. path) else unset[#unset + 1] = "-u PATH" end
    end
    for _, word in ipairs(set) do
        if word:find "^'?%-" then
            unset[#unset + 1] = "--"
            break
        end
    end
    table.move(set, 1, #set, #unset + 1, unset)
    return code, unset
end

-- ---- the program ----

-- $_p becomes the file that would be run. What the account exports under a name of ours would change for the program:
-- hence the _.
local SEARCH = [[IFS=:;set -f;for _n in %s;do for _d in $_P;do _p=${_d:-.}/$_n;]]
    .. [=[[ -f "$_p" ]&&[ -x "$_p" ]&&break 2;_p=;done;done;]=]
local GIVEN = [[for _p in %s;do [ -f "$_p" ]&&[ -x "$_p" ]&&break;_p=;done;]]

-- The kernel refuses what has no first line that it knows, but sh would run it as a script of its own. Where the system
-- keeps its own programs nothing is looked at.
local KIND = [[
[ "$_p" ]||F %d exec
case $_p in /bin/*|/sbin/*|/usr/bin/*|/usr/sbin/*);;*)
_l=;[ -r "$_p" ]&&{ read -r _l<"$_p";case $_l in "#!"*)IFS=" 	";set -- ${_l#??};[ -x "$1" ]||F %d interpreter;;
""|[" "-~]*)case $_l in MZ*);;*)F %d noexec;;esac;;esac;};;esac
]]

local function is_path(name) return name:find("/", 1, true) end

--- The code that finds the program, and the word that exec gets.
local function program(s, k, env_words)
    local name, other = s.argv[1], s.other
    local names = quote(name) .. (other and " " .. quote(other) or "")
    local code
    if is_path(name) then
        code = GIVEN:format(names)
    else
        local path = s.env and s.env.PATH
        local from = path and quote(path .. ":")
        from = from or path == false and DEFAULT_PATH .. ":" or "${PATH-" .. DEFAULT_PATH .. "}:"
        code = "_P=" .. from .. ";" .. SEARCH:format(names)
    end
    code = code .. KIND:format(k, k, k)
    local odd = name:find "^-" or name == "" or s.env and s.env.PATH == false and not is_path(name)
    local word = odd and '"$_p"' or other and (is_path(name) and '"$_p"' or '"$_n"') or quote(name)
    if env_words[1] then
        -- env would take a name with = for a variable.
        local guard = name:find("=", 1, true) and "nice -n 0 " or ""
        word = "env " .. table.concat(env_words, " ") .. " " .. guard .. word
    end
    return code, word
end

-- ---- redirections ----

local SLOTS = {stdin = 7, stdout = 8, stderr = 9}
local function sign_of(target, which)
    return which == "stdin" and "<" or target.append and ">>" or ">"
end

--- open: opens the file; files and late: the same, what is no FIFO and what is one.
local function open_file(t, s, k, which)
    local target = s[which]
    if type(target) ~= "table" then return end
    local slot = SLOTS[which]
    local exec = ("command exec %d%s"):format(slot, sign_of(target, which))
    local path, failed = quote(M.path(target.path)), ("||F %d %s\n"):format(k, which)
    t.open = t.open .. exec .. path .. failed
    t.files = t.files .. ('_%d=%s;[ -p "$_%d" ]||%s"$_%d"%s'):format(slot, path, slot, exec, slot, failed)
    t.late = t.late .. ('[ ! -p "$_%d" ]||%s"$_%d"||exit 126\n'):format(slot, exec, slot)
end

--- Not to be taken for an option or, after < or >, for a descriptor.
function M.path(path)
    return path:sub(1, 1) == "/" and path or "./" .. path
end

-- Where a stage's stream goes that nothing was said about: i is the first stage, n the last.
local function redirect_in(s, pty)
    local target = s.stdin
    if type(target) == "table" then return "<&7" end
    if target == "pipe" or target == "inherit" or pty then return "" end
    return "</dev/null"
end

local function redirect(s, which, fd)
    local target = s[which]
    if type(target) == "table" then return (" %s>&%d"):format(fd, SLOTS[which]) end
    if target == "null" then return (" %s>/dev/null"):format(fd) end
    if target == "out" then return " 2>&1" end
    return ""
end

local function closes(s)
    local words = ""
    for which, fd in pairs(SLOTS) do
        if type(s[which]) == "table" then words = words .. (" %d>&-"):format(fd) end
    end
    return words
end

--- The redirections of a stage that has opened its files.
function M.redirections(s, pty)
    return redirect_in(s, pty) .. redirect(s, "stdout", "") .. redirect(s, "stderr", "2") .. closes(s)
end

-- ---- accounts ----

-- Sets S to what starts a shell of that account, "" where that is who we are.
local BECOME = [[
u=$(id -u %s)&&g=$(id -g %s)||F %d nouser
if [ "$u" = "$(id -u)" ];then S=/bin/sh;else [ "$(id -u)" = 0 ]||F %d user
S="setpriv --reuid=$u --regid=$g --init-groups /bin/sh";$S -c :||S="su -m -s /bin/sh %s";$S -c :||F %d user;fi
]]

-- As BECOME has it, the trial runs in a shell of the account; what fails there comes back as a status.
local TRIAL = [[
$S -c %s;case $? in 0);;11)F %d cwd;;12)F %d exec;;13)F %d interpreter;;14)F %d noexec;;*)F %d user;;esac
]]

local INNER_F = "F() { case $2 in cwd)exit 11;;exec)exit 12;;interpreter)exit 13;;*)exit 14;;esac;}\n"

-- ---- all of it ----

local function check_user(user)
    return user:find "^[%w_.][%w_.@-]*%$?$"
end

--- The texts of stage k: setup, files and late (or open, which is both), check (that it can start, without leaving a
--- trace), enter, and run (a simple command that can follow `exec`, after setup and enter).
---@param s table a stage of a spec
---@param k integer
function M.of(s, k)
    local code, env_words = environment(s.env)
    local t = {}
    if s.umask then table.insert(code, 1, ("umask %03o"):format(s.umask)) end
    t.setup = #code > 0 and table.concat(code, "\n") .. "\n" or ""
    t.open, t.files, t.late = "", "", ""
    for _, which in ipairs {"stdin", "stdout", "stderr"} do open_file(t, s, k, which) end
    t.enter = s.cwd and ("cd %s||F %d cwd\n"):format(quote(M.path(s.cwd)), k) or ""
    local find, word = program(s, k, env_words)
    local args = #s.argv > 1 and " " .. quote(table.unpack(s.argv, 2)) or ""
    t.check, t.run = t.enter .. find, word .. args
    if s.user then
        local user = check_user(s.user) and s.user or "*"
        local inner = INNER_F .. t.check .. "exec " .. t.run
        t.check = BECOME:format(quote(user), quote(user), k, k, user, k)
            .. TRIAL:format(quote(INNER_F .. t.check .. "exit 0"), k, k, k, k, k)
        t.run, t.enter = "$S -c " .. quote(inner), ""
    end
    return t
end

-- ---- checking a spec, as the C module does ----

local TARGETS = {pipe = true, null = true, inherit = true, out = true}

local function check_text(value, what)
    if type(value) ~= "string" then err.usage("%s: a string expected, got %s", what, type(value)) end
    if value:find("\0", 1, true) then err.usage("%s: a NUL byte can't be passed to a program", what) end
end

local function check_stage(s)
    if type(s.argv) ~= "table" or #s.argv == 0 then err.usage "argv: an array expected" end
    for _, word in ipairs(s.argv) do check_text(word, "argv") end
    for _, field in ipairs {"other", "cwd", "user"} do
        if s[field] ~= nil then check_text(s[field], field) end
    end
    for which in pairs(SLOTS) do
        local target = s[which]
        if type(target) == "table" then
            check_text(target.path, which)
        elseif target ~= nil and not TARGETS[target] then
            err.usage("%s: 'pipe', 'null', 'inherit', 'out' or a file expected", which)
        end
    end
    for _, name in ipairs(sorted(s.env)) do
        if s.env[name] then check_text(s.env[name], name) end
    end
end

--- The stages of a spec.
function M.list(spec)
    local stages = spec.stages or {spec}
    if #stages == 0 then err.usage "1 to 1000 stages expected, got 0" end
    for _, s in ipairs(stages) do check_stage(s) end
    return stages
end

return M
