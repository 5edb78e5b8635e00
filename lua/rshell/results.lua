-- What came of doing something on many hosts: one result for each, in the order of the cluster.

local arity = require "rshell.arity"
local color = require "rshell.output.color"
local err = require "rshell.shared.error"
local fold = require "rshell.output.fold"
local near = require "rshell.shared.near"
local nodeset = require "rshell.nodeset"
local object = require "rshell.object"
local text = require "rshell.text"

local M = {}

-- State: names, and entries by name. A host's entry is there from the beginning, as skipped.
local mt, make, state, test = object.class "results"
M.test = test

---@class rshell.HostResult
---@field host string
---@field status string ok failed unreachable timeout cancelled skipped
---@field value any what the function returned; stdout of a command
---@field stdout string?
---@field stderr string?
---@field code integer?
---@field error any what was raised
local entry_mt = {__name = "rshell.HostResult"}

local STATUSES = {"ok", "failed", "unreachable", "timeout", "cancelled", "skipped"}

local BY_KIND = {
    connect = "unreachable", unreachable = "unreachable", hostkey = "unreachable", auth = "unreachable",
    timeout = "timeout", cancelled = "cancelled",
}

-- ---- filling ----

--- Results in which nothing has happened yet.
---@param names string[] each once
---@return rshell.Results
function M.new(names)
    local s = {names = table.move(names, 1, #names, 1, {}), entries = {}}
    for _, name in ipairs(names) do
        if s.entries[name] then err.usage("the host '%s' is there twice", name) end
        s.entries[name] = setmetatable({host = name, status = "skipped"}, entry_mt)
    end
    return make(s)
end

local function entry_of(r, name)
    return state(r).entries[name] or err.usage("no host '%s' in these results", tostring(name))
end

--- Records what a host returned; stdout, stderr and code where it was a command.
---@param r rshell.Results
---@param name string
---@param value any
---@param fields table?
function M.succeeded(r, name, value, fields)
    local e = entry_of(r, name)
    e.status, e.value = "ok", value
    for k, v in next, fields or {} do e[k] = v end
    return e
end

--- Records what it raised.
---@param r rshell.Results
---@param name string
---@param raised any
function M.failed(r, name, raised)
    local e = entry_of(r, name)
    e.status, e.error = "failed", raised
    if err.is(raised) then
        e.status = BY_KIND[raised.kind] or "failed"
        e.stdout, e.stderr, e.code = raised.stdout, raised.stderr, raised.code
    end
    return e
end

-- ---- what they look like ----

--- A value as text: the same for the same value, as far as that can be.
local function value_text(value)
    if value == nil then return "" end
    if type(value) ~= "table" then return tostring(value) end
    local ok, json = pcall(require "rshell.sys.json".encode, value, {sort = true})
    return ok and json or tostring(value)
end

local function message_of(raised)
    if err.is(raised) then return tostring(raised.message or raised.kind) end
    if type(raised) == "table" and not getmetatable(raised) then return value_text(raised) end
    return tostring(raised)
end

--- What a host has to say, without its name.
local function output_of(e)
    if e.status == "ok" then return value_text(e.value) end
    if e.status == "skipped" then return "" end
    local parts = {message_of(e.error)}
    for _, printed in ipairs {e.stdout or "", e.stderr or ""} do
        if type(printed) == "string" and printed ~= "" then parts[#parts + 1] = printed:gsub("\n$", "") end
    end
    return table.concat(parts, "\n")
end

function entry_mt.__tostring(e)
    local printed = output_of(e):gsub("\n$", "")
    return text.escape(("%s: %s%s"):format(e.host, e.status, printed ~= "" and "\n" .. printed or ""))
end

local blocks_mt = {__name = "rshell.Blocks"}

function blocks_mt.__tostring(blocks) return fold.format(blocks) end

-- ---- members ----

---@class rshell.Results
local members = {}
local fields = {}
M.members, M.fields = members, fields

local function select_names(s, wanted)
    local names = {}
    for _, name in ipairs(s.names) do
        if (s.entries[name].status == "ok") == wanted then names[#names + 1] = name end
    end
    return names
end

function fields.ok(s) return select_names(s, true) end
function fields.failed(s) return select_names(s, false) end
function fields.hosts(s) return table.move(s.names, 1, #s.names, 1, {}) end

--- for host, out in r:each(): what it printed or returned; nil for those that failed.
function members:each()
    local s, i = state(self), 0
    return function()
        i = i + 1
        local name = s.names[i]
        if name == nil then return nil end
        return name, s.entries[name].value
    end
end

--- Each line with its host, failures too.
---@param out table? where to; standard output
function members:print(out)
    local s = state(self)
    out = out or io.stdout
    local fd = out == io.stdout and 1 or nil
    local function paint(style, words) return fd and color.paint(style, words, fd) or words end
    for _, name in ipairs(s.names) do
        local e, shown = s.entries[name], paint("name", text.escape(name) .. ":") .. " "
        local prefix = e.status == "ok" and shown or shown .. paint("error", e.status .. ":") .. " "
        fold.each_line(output_of(e), function(line) out:write(prefix, line, "\n") end)
        if e.status == "skipped" then out:write(shown, "skipped\n") end
    end
end

local function block_of(s, names)
    local e = s.entries[names[1]]
    return {
        hosts = nodeset.fold_names(names), count = #names, names = names, status = e.status, output = output_of(e),
    }
end

local RANK = {}
for i, status in ipairs(STATUSES) do RANK[status] = i end

--- Identical outputs together: an array of {hosts=, names=, count=, output=, status=}, ok ones and larger ones first.
function members:fold()
    local s = state(self)
    local groups, order = {}, {}
    for _, name in ipairs(s.names) do
        local e = s.entries[name]
        local key = e.status .. "\0" .. output_of(e)
        if not groups[key] then
            groups[key] = {}
            order[#order + 1] = groups[key]
        end
        table.insert(groups[key], name)
    end
    local blocks, place = setmetatable({}, blocks_mt), {}
    for i, names in ipairs(order) do
        blocks[i] = block_of(s, names)
        place[blocks[i]] = i
    end
    table.sort(blocks, function(a, b)
        if a.status ~= b.status then return RANK[a.status] < RANK[b.status] end
        if a.count ~= b.count then return a.count > b.count end
        return place[a] < place[b]
    end)
    return blocks
end

-- ---- the object ----

local function no_such(s, key)
    local known = table.move(s.names, 1, #s.names, 1, {})
    for _, of in ipairs {members, fields} do
        for name in next, of do known[#known + 1] = name end
    end
    err.usage("no host '%s' in these results%s", tostring(key), near.suffix(key, known))
end

--- A host's name comes before a member of that name.
function mt.__index(self, key)
    local s = state(self)
    local e = s.entries[key]
    if e then return e end
    if members[key] then return members[key] end
    if fields[key] then return fields[key](s) end
    if math.type(key) == "integer" then return s.entries[s.names[key]] end
    no_such(s, key)
end

function mt.__len(self) return #state(self).names end

--- for host, result in pairs(r)
function mt.__pairs(self)
    local s, i = state(self), 0
    return function()
        i = i + 1
        local name = s.names[i]
        return name, name and s.entries[name]
    end
end

--- "18 ok, 2 failed"
function mt.__tostring(self)
    local s, counts, parts = state(self), {}, {}
    for _, e in next, s.entries do counts[e.status] = (counts[e.status] or 0) + 1 end
    for _, status in ipairs(STATUSES) do
        if counts[status] then parts[#parts + 1] = ("%d %s"):format(counts[status], status) end
    end
    return #parts > 0 and table.concat(parts, ", ") or "no hosts"
end

arity.strict(members)

return M
