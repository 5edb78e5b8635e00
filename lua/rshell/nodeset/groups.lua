-- Where groups and the universe come from: what the caller gave, else the groups files.
--
-- A groups file has lines `group: node set`; `#` starts a comment, a group that is there twice has both.

local err = require "rshell.shared.error"
local near = require "rshell.shared.near"
local set = require "rshell.nodeset.set"

local M = {}

-- The user's own come first: of a group in several files the first one holds.
local function files()
    local home = os.getenv "HOME"
    local config = os.getenv "XDG_CONFIG_HOME" or (home and home .. "/.config")
    local clush = "/etc/clustershell/groups"
    local legacy = io.open(clush)
    if legacy then legacy:close() else clush = "/etc/clustershell/groups.d/local.cfg" end
    local list = {{"/etc/rshell/groups"}, {clush, lenient = true}}
    if config then table.insert(list, 1, {config .. "/rshell/groups"}) end
    return list
end

local function bad_line(path, number)
    local message = ("%s:%d: `group: node set` expected"):format(path, number)
    err.raise {kind = "parse", file = path, line = number, message = message}
end

local function add_line(groups, line, path, number, lenient)
    line = line:gsub("%s+#.*", ""):match "^%s*(.-)%s*$"
    if line == "" or line:sub(1, 1) == "#" then return end
    local name, value = line:match "^([^%s:,@]+)%s*:%s*(.*)$"
    if not name then
        if lenient then return end
        bad_line(path, number)
    end
    local before = groups[name]
    groups[name] = before and before ~= "" and value ~= "" and before .. "," .. value or before or value
end

--- The groups of a file, name -> node set as text; nil where there is no such file.
---@param path string
---@param lenient boolean? lines that aren't understood are passed over
---@return table<string, string>?
function M.read(path, lenient)
    local f <close> = io.open(path, "rb")
    if not f then return nil end
    local groups, number = {}, 0
    for line in f:lines() do
        number = number + 1
        add_line(groups, line, path, number, lenient)
    end
    return groups
end

local default

--- What the groups files say; read once.
local function from_files()
    if default then return default end
    local all = {}
    for _, file in ipairs(files()) do
        for name, value in next, M.read(file[1], file.lenient) or {} do all[name] = all[name] or value end
    end
    default = all
    return all
end

--- The names of the groups in the groups files.
---@return string[]
function M.names()
    local names = {}
    for name in next, from_files() do names[#names + 1] = name end
    return names
end

local function check_source(ctx, source)
    if ctx.groups or source == "local" or source == "default" then return end
    err.usage("no source of groups '%s': groups files are the source 'local'", source)
end

--- The groups of a source that are known by name: a table.
local function known(ctx, source)
    local groups = ctx.groups
    if not groups then return from_files() end
    if type(groups) ~= "table" then return {} end
    if not source then return groups end
    local own = groups[source]
    return type(own) == "table" and own[1] == nil and own or {}
end

--- What a group holds, unevaluated; nil where there is none.
local function value_of(ctx, source, name)
    if type(ctx.groups) == "function" then return ctx.groups(name, source) end
    local value = known(ctx, source)[name]
    if value == nil and source and ctx.groups then value = ctx.groups[source .. ":" .. name] end
    return value
end

local function full_name(source, name)
    return source and "@" .. source .. ":" .. name or "@" .. name
end

local function evaluate_group(ctx, source, name)
    local full = full_name(source, name)
    local value = value_of(ctx, source, name)
    if value == nil then err.usage("no group '%s'%s", full, near.suffix(name, known(ctx, source))) end
    if ctx.stack[full] then err.usage("the group '%s' contains itself", full) end
    ctx.stack[full] = true
    local ok, members = pcall(ctx.evaluate, value, ctx)
    ctx.stack[full] = nil
    if ok then return members end
    if err.is(members) and members.kind == "parse" and not members.group then
        members.group = full
        members.message = ("in the group '%s': %s"):format(full, members.message)
    end
    error(members, 0)
end

local function union_of(ctx, source, names)
    local all = set.new()
    for _, name in ipairs(names) do set.apply(all, ",", evaluate_group(ctx, source, name)) end
    return all
end

local function universe_of_groups(ctx, source)
    local groups = known(ctx, source)
    if groups.all ~= nil then return evaluate_group(ctx, source, "all") end
    local names = {}
    for name, value in next, groups do
        if type(name) == "string" and not (type(value) == "table" and value[1] == nil) then names[#names + 1] = name end
    end
    table.sort(names)
    return union_of(ctx, source, names)
end

--- All names there are, as a set that isn't to be modified.
function M.universe(ctx, source)
    local all = ctx.all
    if type(all) == "function" then all = all() end
    if all ~= nil and not source then
        ctx.universe = ctx.universe or ctx.evaluate(all, ctx)
        return ctx.universe
    end
    local found = universe_of_groups(ctx, source)
    if found.n == 0 then
        err.raise {
            kind = "usage", message = "no names are known that a `*` or a `~regex` could choose from",
            hint = "an inventory, a groups file (~/.config/rshell/groups) or the option `all` tells them",
        }
    end
    return found
end

--- The members of `group`, `source:group`, `*` (all) or a glob on the names of groups.
---@param text string without the @
---@return rshell.NameSet
function M.members(ctx, text)
    local source, name = text:match "^([^:]*):(.*)$"
    name = name or text
    if source then check_source(ctx, source) end
    if name == "*" then return M.universe(ctx, source) end
    if not name:find "[*?]" then return evaluate_group(ctx, source, name) end
    local matches, names = require "rshell.nodeset.match".glob(name), {}
    for group in next, known(ctx, source) do
        if type(group) == "string" and matches(group) then names[#names + 1] = group end
    end
    if #names == 0 then err.usage("no group matches '%s'", full_name(source, name)) end
    table.sort(names)
    return union_of(ctx, source, names)
end

return M
