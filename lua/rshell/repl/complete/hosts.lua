-- Names of hosts: those of ssh_config, of known_hosts, of the groups files, and those that are open.

local groups = require "rshell.nodeset.groups"
local opened = require "rshell.opened"
local pending = require "rshell.repl.complete.pending"

local M = {}

local AGE = 10 -- seconds
local owner = {}

local function lines_of(path)
    local f = path and io.open(path, "rb")
    if not f then return function() end end
    local next_line = f:lines()
    return function()
        local line = next_line()
        if not line then f:close() end
        return line
    end
end

local function is_name(word) return word ~= "" and not word:find "[*?!|%[%]]" end

local add_config

--- What Include names: relative to the file's own folder.
local function include(words, dir, add, depth)
    for word in words:gmatch "%S+" do
        word = word:gsub('^"(.*)"$', "%1"):gsub("^~", os.getenv "HOME" or "~")
        if word:sub(1, 1) ~= "/" then word = dir .. word end
        local here = require "rshell".here
        local ok, files = pcall(function() return here:path(word:match "^.*/") // word:match "[^/]*$" end)
        for _, file in ipairs(ok and files or {}) do add_config(tostring(file), add, depth + 1) end
    end
end

function add_config(path, add, depth)
    if depth > 8 then return end
    for line in lines_of(path) do
        local key, words = line:match "^%s*(%a+)%s*[%s=]%s*(.-)%s*$"
        key = key and key:lower()
        if key == "host" then
            for word in words:gmatch "[^%s\"]+" do
                if is_name(word) then add(word, "in ssh_config") end
            end
        elseif key == "include" then
            include(words, path:match "^.*/", add, depth)
        end
    end
end

local function add_known(path, add)
    for line in lines_of(path) do
        local names = line:match "^([^%s#@|][^%s]*)%s"
        for name in (names or ""):gmatch "[^,]+" do
            local host = name:match "^%[(.-)%]:%d+$" or name
            if is_name(host) then add(host, "in known_hosts") end
        end
    end
end

local function add_groups(add)
    local config = os.getenv "XDG_CONFIG_HOME" or (os.getenv "HOME" or "") .. "/.config"
    for _, path in ipairs {config .. "/rshell/groups", "/etc/rshell/groups"} do
        for name, set in next, groups.read(path, true) or {} do add("@" .. name, set) end
    end
end

local function ask()
    local found, seen = {}, {}
    local function add(name, about)
        if seen[name] then return end
        seen[name] = true
        found[#found + 1] = {text = name, about = about}
    end
    local home = os.getenv "HOME" or ""
    add_config(home .. "/.ssh/config", add, 0)
    add_config("/etc/ssh/ssh_config", add, 0)
    add_known(home .. "/.ssh/known_hosts", add)
    add_known("/etc/ssh/ssh_known_hosts", add)
    add_groups(add)
    return found
end

function M.candidates(_, what)
    local found = {}
    local known = pending.ask(owner, "hosts", AGE, ask) or {}
    for _, one in ipairs(opened.list "machine") do
        found[#found + 1] = {text = one.thing.name, about = "connected", ending = what.quote}
    end
    local user = what.word:match "^[^@]+@" or ""
    for _, host in ipairs(known) do
        found[#found + 1] = {text = user .. host.text, about = host.about, ending = what.quote}
    end
    if not what.quote then found[#found + 1] = {text = "here", about = "this machine"} end
    return found
end

return M
