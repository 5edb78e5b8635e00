-- Questions about accounts: the files first, then the name service.

local M = {}

local function fields_of(line)
    local fields = {}
    for field in (line .. ":"):gmatch "(.-):" do fields[#fields + 1] = field end
    return fields
end

local function id(text)
    local n = text and text:find "^%d+$" and math.tointeger(text)
    return n and n < 0xffffffff and n or nil
end

local function user_of(line)
    local f = fields_of(line)
    if line:find "^[#+-]" or f[1] == "" or not id(f[3]) or not id(f[4]) then return nil end
    return {name = f[1], uid = id(f[3]), gid = id(f[4]), gecos = f[5] or "", home = f[6] or "", shell = f[7] or ""}
end

local function group_of(line)
    local f = fields_of(line)
    if line:find "^[#+-]" or f[1] == "" or not id(f[3]) then return nil end
    local members = {}
    for member in (f[4] or ""):gmatch "[^,]+" do members[#members + 1] = member end
    return {name = f[1], gid = id(f[3]), members = members}
end

local function all_of(text, parse)
    local list = {}
    for line in ((text or "") .. "\n"):gmatch "(.-)\n" do list[#list + 1] = parse(line) end
    return list
end

M.users = {script = "S passwd;cat /etc/passwd", parse = function(s) return all_of(s.passwd, user_of) end}
M.groups = {script = "S group;cat /etc/group", parse = function(s) return all_of(s.group, group_of) end}

--- The entry by name or number.
local function pick(list, who, field)
    local key = type(who) == "number" and field or "name"
    for _, entry in ipairs(list) do
        if entry[key] == who then return entry end
    end
end

local function none(what, who)
    local name = type(who) == "number" and tostring(who) or "'" .. who .. "'"
    return nil, ("no %s %s"):format(what, name), "ENOTFOUND"
end

local function check(who)
    if who == nil then return {} end
    if type(who) == "number" then
        if math.type(who) ~= "integer" or who < 0 or who >= 0xffffffff then error("no such number can exist", 0) end
    elseif type(who) ~= "string" then
        error("the name or number of an account expected", 0)
    end
    return {tostring(who)}
end

local ASK_USER = [[
S me;u=$(id -u);echo "$u"
S passwd;cat /etc/passwd;S more;getent passwd "${1-$u}" 2>/dev/null
]]

local function find_user(s, who)
    if who == nil then who = id((s.me or ""):match "%d+") end
    local user = pick(all_of(s.passwd, user_of), who, "uid") or pick(all_of(s.more, user_of), who, "uid")
    if not user then return none("user", who) end
    return user
end

M.user = {script = ASK_USER, args = check, parse = find_user}

M.group = {
    script = 'S me;g=$(id -g);echo "$g"\nS group;cat /etc/group;S more;getent group "${1-$g}" 2>/dev/null',
    args = check,
    parse = function(s, who)
        if who == nil then who = id((s.me or ""):match "%d+") end
        local group = pick(all_of(s.group, group_of), who, "gid") or pick(all_of(s.more, group_of), who, "gid")
        if not group then return none("group", who) end
        return group
    end,
}

M.home = {
    script = 'S home;echo "${HOME-}";S home_end\n' .. ASK_USER,
    args = check,
    parse = function(s, who)
        local home = s.home and s.home:gsub("\n$", "")
        if who == nil and home and home ~= "" then return home end
        local user, text, name = find_user(s, who)
        if not user then return nil, text, name end
        return user.home
    end,
}

-- id wants a name: a number is looked up first.
M.user_groups = {
    script = ASK_USER .. [[
w=${1-$u};case $w in *[!0-9]*);;*)n=$(getent passwd "$w" 2>/dev/null)||n=
[ "$n" ]||n=$(while IFS=: read -r a b c r;do [ "$c" = "$w" ]&&echo "$a"&&break;done </etc/passwd)
[ "$n" ]&&w=${n%%:*};;esac
S gids;id -G "$w"]],
    args = check,
    parse = function(s, who)
        local user, text, name = find_user(s, who)
        if not user then return nil, text, name end
        local gids, seen = {user.gid}, {[user.gid] = true}
        for word in (s.gids or ""):gmatch "%d+" do
            local gid = math.tointeger(word)
            if not seen[gid] then gids[#gids + 1] = gid end
            seen[gid] = true
        end
        return gids
    end,
}

return M
