-- m.env: the environment that commands of this view get. What is changed is in an overlay, name -> value or false; the
-- rest is what the machine had, asked once.

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local number = require "rshell.shared.number"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local path = require "rshell.path"
local view = require "rshell.view"

local M = {}

local mt, make, state = object.class "environment"
local list_mt, make_list, list_state = object.class "environment.path"

---@class rshell.Environment
local members = {}
---@class rshell.EnvironmentPath
local list_members = {}
M.members, M.list_members = members, list_members

-- ---- names and values ----

local function check_name(name)
    if type(name) ~= "string" then err.usage("the name of a variable is a string, not %s", object.type(name)) end
    if name == "" then err.usage "the name of a variable is empty" end
    if name:find "[=\0]" then err.usage("the name of a variable can't hold '=' or NUL: %q", name) end
    return name
end

--- What the overlay holds: nil and false unset.
local function check_value(name, value)
    if value == nil or value == false then return false end
    if type(value) == "number" then return number.text(value) end
    if type(value) ~= "string" then
        err.raise {
            kind = "usage",
            message = ("%s: a value is a string or a number, not a %s"):format(name, object.type(value)),
            hint = path.test(value) and "write tostring(path)" or nil,
        }
    end
    if value:find("\0", 1, true) then err.usage("%s: a value can't hold NUL: %q", name, value) end
    return value
end

local function with(overlay, changes)
    local new = {}
    for name, value in next, overlay do new[name] = value end
    for name, value in next, changes do new[name] = value end
    return new
end

--- An overlay with more changes, checked: name -> string, number, or false for unset.
---@param overlay table<string, string|false>
---@param changes table<string, string|number|false>
---@return table<string, string|false>
function M.changed(overlay, changes)
    if type(changes) ~= "table" then
        err.usage("a table of variables expected, got %s", object.type(changes))
    end
    local checked = {}
    for name, value in next, changes do checked[check_name(name)] = check_value(name, value) end
    return with(overlay, checked)
end

---@param v rshell.View
function M.new(v)
    return make {view = v}
end

--- The view whose it is.
---@param environment rshell.Environment
---@return rshell.View
function M.view(environment)
    return state(environment).view
end

--- All variables, in a new table.
local function all(v)
    local vars = with(view.base_env(v), view.env(v))
    for name, value in next, vars do
        if not value then vars[name] = nil end
    end
    return vars
end

-- ---- members ----

function members:get(name)
    return view.getenv(state(self).view, check_name(name))
end

function members:set(name, value)
    local v = state(self).view
    view.set_env(v, with(view.env(v), {[check_name(name)] = check_value(name, value)}))
end

local function check_text(who, text)
    if type(text) == "string" then return text end
    local p = path.test(text)
    if p then return p.text end
    err.usage("%s: a string expected, got %s", who, object.type(text))
end

--- $NAME and ${NAME} are replaced, by nothing where there is no such variable. Every other $ stays.
function members:expand(text)
    local v = state(self).view
    text = check_text("expand", text)
    local function value(name) return view.getenv(v, name) or "" end
    -- What was put in is not looked at again.
    return (text:gsub("%$({?)([%a_][%w_]*)(}?)", function(open, name, close)
        if open == "" then return value(name) .. close end
        if close ~= "" then return value(name) end
    end))
end

--- ~ and ~user at the start are replaced by a home directory.
function members:expanduser(text)
    local v = state(self).view
    text = check_text("expanduser", text)
    local user, rest = text:match "^~([^/]*)(.*)$"
    if not user then return text end
    local home = user == "" and view.getenv(v, "HOME")
    if not home or home == "" then
        local words, name
        home, words, name = view.call(v, "host", "home", user ~= "" and user or nil)
        if not home then view.fail(v, "can't expand " .. text, words, name, {path = text}) end
    end
    if rest ~= "" then home = home:gsub("/+$", "") end
    return home .. rest
end

-- ---- env.path ----

local function entries(v)
    local list = {}
    local text = view.getenv(v, "PATH") or ""
    if text == "" then return list end
    for entry in (text .. ":"):gmatch "(.-):" do list[#list + 1] = entry end
    return list
end

local function set_entries(v, list)
    view.set_env(v, with(view.env(v), {PATH = table.concat(list, ":")}))
end

local function check_entry(v, entry)
    local text = entry
    if path.test(entry) then text = path.text(v, entry) end
    if type(text) ~= "string" then err.usage("an entry of PATH is a string or a path, not %s", object.type(entry)) end
    if text == "" or text:find "[:\0]" then err.usage("%q can't be an entry of PATH", text) end
    return text
end

local function check_place(who, list, i, last)
    i = number.integer(i)
    if not i or i < 1 or i > last then err.usage("%s: there is no place %s in a PATH of %d", who, i or "?", #list) end
    return i
end

--- insert(i, entry), or insert(entry) at the end.
function list_members:insert(i, ...)
    local v = list_state(self).view
    local list = entries(v)
    local entry, extra = ...
    if extra ~= nil then err.usage "insert takes a place and an entry, and nothing more" end
    if select("#", ...) == 0 then i, entry = #list + 1, i end
    table.insert(list, check_place("insert", list, i, #list + 1), check_entry(v, entry))
    set_entries(v, list)
    return self
end

function list_members:append(entry)
    return list_members.insert(self, entry)
end

local function position(v, list, entry)
    local text = check_entry(v, entry)
    for i, have in ipairs(list) do
        if have == text then return i end
    end
    err.raise {kind = "notfound", host = v.conn.name, path = text, message = ("%s is not in PATH"):format(text)}
end

--- remove(i), or remove(entry): the first that is the same. Gives what was removed.
function list_members:remove(x)
    local v = list_state(self).view
    local list = entries(v)
    local i = type(x) == "number" and check_place("remove", list, x, #list) or position(v, list, x)
    local removed = table.remove(list, i)
    set_entries(v, list)
    return removed
end

function list_mt.__index(self, key)
    local member = list_members[key]
    if member then return member end
    local v = list_state(self).view
    if type(key) == "number" then return entries(v)[key] end
    options.no_member("PATH", key, list_members)
end

function list_mt.__newindex(self, key, entry)
    local v = list_state(self).view
    local list = entries(v)
    list[check_place("PATH", list, key, #list + 1)] = check_entry(v, entry)
    set_entries(v, list)
end

function list_mt.__len(self) return #entries(list_state(self).view) end
function list_mt.__tostring(self) return view.getenv(list_state(self).view, "PATH") or "" end

function list_mt.__eq(a, b)
    return object.type(a) == object.type(b) and tostring(a) == tostring(b)
end

--- In order, as they are now.
function list_mt.__pairs(self)
    return ipairs(entries(list_state(self).view))
end

-- ---- the object ----

function mt.__index(self, key)
    local member = members[key]
    if member then return member end
    local s = state(self)
    if key == "path" then
        s.list = s.list or make_list(s)
        return s.list
    end
    return view.getenv(s.view, check_name(key))
end

function mt.__newindex(self, key, value)
    if members[key] or key == "path" then
        err.raise {
            kind = "usage", message = ("m.env.%s is a member of environments"):format(key),
            hint = ("m.env:set(%q, value) sets the variable"):format(key),
        }
    end
    members.set(self, key, value)
end

--- m.env{NAME = value}: until what this gives is closed. false unsets.
function mt.__call(self, changes)
    local v = state(self).view
    return view.enter_env(v, M.changed(view.env(v), changes))
end

--- Sorted by name, as they are now.
function mt.__pairs(self)
    local vars = all(state(self).view)
    local names = {}
    for name in next, vars do names[#names + 1] = name end
    table.sort(names)
    local i = 0
    return function()
        i = i + 1
        return names[i], vars[names[i]]
    end
end

function mt.__len(self)
    local n = 0
    for _ in next, all(state(self).view) do n = n + 1 end
    return n
end

--- Without the values: there may be secrets among them.
function mt.__tostring(self)
    local v = state(self).view
    if v.conn.closed then return ("environment of %s (closed)"):format(v.conn.name) end
    return ("environment of %s (%d variables)"):format(v.conn.name, #self)
end

arity.strict(members)
arity.strict(list_members)

return M
