-- Names of hosts that are written down on this machine, for completion: those of ssh_config and known_hosts, and the
-- groups of node sets. Whatever can't be read is passed over: a suggestion is no place for errors.

local fs = require "rshell.sys.fs"
local groups = require "rshell.nodeset.groups"
local words = require "rshell.ssh.words"

local M = {}

local MAX_DEPTH = 16

local function lines_of(path)
    local text = fs.read(path)
    return (text or ""):gmatch "[^\r\n]+"
end

-- ---- ssh_config ----

local add_config

--- The files that Include names, as ssh finds them.
local function include(found, patterns, dir, home, depth)
    for _, name in ipairs(patterns) do
        name = name:gsub("^~/", home .. "/")
        if name:sub(1, 1) ~= "/" then name = dir .. "/" .. name end
        for _, path in ipairs(fs.glob("/", name) or {}) do add_config(found, path, dir, home, depth + 1) end
    end
end

function add_config(found, path, dir, home, depth)
    if depth > MAX_DEPTH then return end
    for line in lines_of(path) do
        local keyword, rest = words.first((words.trim(line):gsub("^[ \t]+", "")))
        keyword = (keyword or ""):lower()
        local args = rest and (keyword == "host" or keyword == "include") and words.split(rest) or {}
        if keyword == "include" then
            include(found, args, dir, home, depth)
        else
            for _, name in ipairs(args) do
                if not name:find "[*?!]" then found[name] = true end
            end
        end
    end
end

-- ---- known_hosts ----

--- Plain names of lines, those of another port as [host]:port.
local function add_known(found, path)
    for line in lines_of(path) do
        local names = line:match "^(%S+)%s+%S+%s+%S"
        if names and not names:find "^[|@#]" then
            for name in names:gmatch "[^,]+" do
                local host, port = name:match "^%[(.*)%]:(%d+)$"
                if host and not host:find ":" then name = host .. ":" .. port end
                if not name:find "[*?!%[]" then found[name] = true end
            end
        end
    end
end

--- All names that begin with this, sorted.
---@param prefix string?
---@return string[]
function M.names(prefix)
    prefix = prefix or ""
    local found, home = {}, os.getenv "HOME" or ""
    add_config(found, home .. "/.ssh/config", home .. "/.ssh", home, 0)
    add_config(found, "/etc/ssh/ssh_config", "/etc/ssh", home, 0)
    for _, path in ipairs {home .. "/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"} do add_known(found, path) end
    local ok, named = pcall(groups.names)
    for _, name in ipairs(ok and named or {}) do found["@" .. name] = true end
    local list = {}
    for name in pairs(found) do
        if name:sub(1, #prefix) == prefix then list[#list + 1] = name end
    end
    table.sort(list)
    return list
end

return M
