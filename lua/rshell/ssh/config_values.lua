-- How values of ssh_config are read. A reader takes the text and gives the value, or nil and what is wrong with it.
-- M.NONE is a value that leaves the option as if it had not been set.

local pattern = require "rshell.ssh.pattern"

local M = {}

M.NONE = {}

local FLAGS = {yes = true, ["true"] = true, no = false, ["false"] = false}

function M.word(s)
    return s
end

function M.flag(s)
    local value = FLAGS[s:lower()]
    if value == nil then return nil, ("yes or no expected, not '%s'"):format(s) end
    return value
end

--- Some know no other spelling.
function M.strict_flag(s)
    if s:lower() == "true" or s:lower() == "false" then return nil, ("yes or no expected, not '%s'"):format(s) end
    return M.flag(s)
end

--- A reader for one of some words; the table says what each of them gives.
---@param words table<string, any>
function M.choice(words)
    local names = {}
    for name in pairs(words) do names[#names + 1] = name end
    table.sort(names)
    return function(s)
        local value = words[s:lower()]
        if value == nil then return nil, ("one of %s expected, not '%s'"):format(table.concat(names, ", "), s) end
        return value
    end
end

local function whole(s, max)
    local digits = s:match "^%s*%+?(%d+)$"
    local n = digits and #digits < 18 and math.tointeger(digits)
    return n and n <= max and n or nil
end

function M.integer(s)
    local n = whole(s, 0x7fffffff)
    if not n then return nil, ("a whole number expected, not '%s'"):format(s) end
    return n
end

-- Services have names; they are looked up where the C library looks.
local function service(name)
    local file = name:find "^[%w_-]+$" and io.open "/etc/services"
    if not file then return nil end
    local found
    for line in file:lines() do
        local words = {}
        for word in line:gsub("#.*", ""):gmatch "%S+" do words[#words + 1] = word end
        local port = words[2] and words[2]:match "^(%d+)/tcp$"
        for i = 1, port and #words or 0 do found = found or i ~= 2 and words[i] == name and math.tointeger(port) end
        if found then break end
    end
    file:close()
    return found or nil
end

function M.port(s)
    local n = whole(s, 65535) or service(s)
    if not n or n == 0 then return nil, ("'%s' is no port"):format(s) end
    return n
end

local UNITS = {[""] = 1, s = 1, m = 60, h = 3600, d = 86400, w = 604800}

--- Seconds: "90", "1m30s".
function M.time(s)
    if s:lower() == "none" then return M.NONE end
    local total, at = 0, 1
    while at <= #s do
        local digits, unit, after = s:match("^(%d+)(%a?)()", at)
        local factor = digits and #digits < 12 and UNITS[unit:lower()]
        if not factor or total > 0x7fffffff then return nil, ("'%s' is no time"):format(s) end
        total, at = total + math.tointeger(digits) * factor, after
    end
    if s == "" or total > 0x7fffffff then return nil, ("'%s' is no time"):format(s) end
    return total
end

local SCALE = {[""] = 0, k = 10, m = 20, g = 30}

--- RekeyLimit: bytes, then perhaps a time.
function M.rekey(words)
    local size, bytes = words[1]:lower(), 0
    if size ~= "default" then
        local digits, unit = size:match "^(%d+)(%a?)$"
        if not digits or #digits > 10 or not SCALE[unit] then return nil, ("'%s' is no size"):format(words[1]) end
        bytes = math.tointeger(digits) << SCALE[unit]
        if bytes > 0 and bytes < 16 then return nil, ("%d bytes are too few"):format(bytes) end
    end
    local seconds, text = M.time(words[2] or "none")
    if not seconds then return nil, text end
    if #words > 2 then return nil, ("'%s' is too much"):format(words[3]) end
    return {bytes = bytes, seconds = seconds == M.NONE and 0 or seconds}
end

--- File names; "none" stands alone.
function M.files(words)
    for _, word in ipairs(words) do
        if word == "" then return nil, "a name is empty" end
        if word:lower() == "none" then
            if #words > 1 and (word == words[1] or words[1]:lower() == "none") then
                return nil, "'none' must stand alone"
            end
            if #words == 1 then return {} end
        end
    end
    if #words > 32 then return nil, "more than 32 files" end
    return words
end

--- A socket: ~, tokens and variables are for later, but what can never be is told now.
function M.socket(s)
    local tokens = require "rshell.ssh.tokens"
    local _, text = tokens.dollar(s)
    if text then return nil, text end
    if s:find "^%$[^{]" and not s:find "^%$[%w_]+$" or s == "$" then
        return nil, ("'%s' names no variable"):format(s)
    end
    return s
end

function M.flag_or_socket(s)
    local value = M.flag(s)
    if value ~= nil then return value end
    return M.socket(s)
end

--- Names of algorithms, perhaps with + - or ^ before them; which are known is the transport's to say.
function M.algorithms(s)
    if not s:find "^[-+^]?%g+$" then return nil, ("'%s' is no list of algorithms"):format(s) end
    return s
end

-- ---- what adds up ----

function M.add_identity(list, words)
    for _, old in ipairs(list) do
        if old == words[1] then return end
    end
    if #list >= 100 then return "more than 100 identity files" end
    list[#list + 1] = words[1]
end

local function without(list, hidden)
    local kept = {}
    for _, name in ipairs(list) do
        if not pattern.match(name, hidden) then kept[#kept + 1] = name end
    end
    return kept
end

local function append_new(list, word)
    for _, old in ipairs(list) do
        if old == word then return end
    end
    list[#list + 1] = word
end

function M.check_sendenv(words)
    for _, word in ipairs(words) do
        if word == "" or word:find("=", 1, true) then return nil, ("'%s' is no name of a variable"):format(word) end
    end
    return words
end

--- Patterns; one with - takes back what was named before.
function M.add_sendenv(list, words)
    for _, word in ipairs(words) do
        if word:sub(1, 1) == "-" then
            local kept = without(list, word:sub(2))
            table.move(kept, 1, math.max(#kept, #list), 1, list)
        else
            append_new(list, word)
        end
    end
end

--- The first line that sets any wins; within it, the first value of a name.
function M.setenv(words)
    local map = {}
    for _, word in ipairs(words) do
        local name, value = word:match "^([^=]+)=(.*)$"
        if not name then return nil, ("'%s' is not NAME=VALUE"):format(word) end
        if map[name] == nil then map[name] = value end
    end
    return map
end

-- ---- ProxyJump ----

local function decode(s)
    if s:gsub("%%%x%x", ""):find("%", 1, true) then return nil end
    return (s:gsub("%%(%x%x)", function(x) return string.char(tonumber(x, 16)) end))
end

-- "host", "host:22", "[::1]:22"
local function host_port(s)
    local host, port = s:match "^%[([^%]]*)%]:?(.*)$"
    if host and not s:find "%]:" and port ~= "" then return nil end
    if not host then host, port = s:match "^([^:/]*):?(.*)$" end
    if host == "" or port:find "/" then return nil end
    if port == "" then return host end
    port = M.port(port)
    return port and host, port
end

--- One machine on the way: "user@host:port" or an ssh:// URI; nil for what is neither.
---@param s string
---@return {user: string?, host: string, port: integer?}?
function M.hop(s)
    local uri = s:match "^[sS][sS][hH]://(.*)$"
    local rest = uri and uri:match "^([^/]*)/?$" or s
    if uri and rest == s then return nil end
    local user, place = rest:match "^(.*)@(.-)$"
    local host, port = host_port(place or rest)
    if not host or user == "" then return nil end
    if uri and user then user = decode(user:match "^[^;]*") end
    if user == "" or uri and place and not user then return nil end
    return {user = user, host = host, port = port}
end

function M.jump(raw)
    local text = raw:match "^[^ \t#]*"
    if text:lower() == "none" then return "none" end
    local hops = {}
    for part in (text:gsub('"', "") .. ","):gmatch "(.-)," do
        local hop = M.hop(part)
        if not hop then return nil, ("'%s' names no machine"):format(part) end
        hops[#hops + 1] = hop
    end
    return hops
end

return M
