-- Node sets: many names written short, `web[1-20]!web7`. The grammar is in nodeset/parse.lua, the order and the short
-- form in nodeset/fold.lua.
--
-- Wherever a node set is taken, it is text, a list of node sets (their union), or an object of `new`. Options:
--   groups   name -> node set, or a function(name, source); `@source:name` is groups[source][name] or
--            groups["source:name"]
--   all      the node set, or a function that gives it, that `*` and `~regex` choose from; else the group `all`,
--            else all groups together
-- Without `groups` the groups files are read when a group is first asked for.

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local fold = require "rshell.nodeset.fold"
local groups = require "rshell.nodeset.groups"
local near = require "rshell.shared.near"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local parse = require "rshell.nodeset.parse"
local set = require "rshell.nodeset.set"

local M = {}

-- An object's state is a set that isn't modified any more.
local mt, make, state, test = object.class "nodeset"
M.test = test

local OPTIONS = {groups = "table|function", all = "any"}

-- ---- evaluating ----

local function evaluate(value, ctx)
    if type(value) == "string" then return parse.text(value, ctx) end
    if type(value) == "table" and not getmetatable(value) then return parse.list(value, ctx) end
    local found = test(value)
    if found then return set.copy(found) end
    err.usage("a node set expected (text, a list, or an object), got %s", object.type(value))
end

local function context(who, opts)
    opts = options.check(who, opts, OPTIONS)
    return {groups = opts.groups, all = opts.all, stack = {}, evaluate = evaluate}
end

local function read(who, p, opts)
    if p == nil then err.usage("%s: a node set expected, got nil", who) end
    return test(p) or evaluate(p, context(who, opts))
end

--- The names in order; belongs to the set.
local function list_of(s)
    s.list = s.list or fold.sorted(set.names(s))
    return s.list
end

local function text_of(s)
    s.text = s.text or fold.fold(set.names(s))
    return s.text
end

-- ---- functions ----

--- The names, sorted: by what isn't a number, then by their numbers from the left: web2 before web10 before web010.
---@param p any
---@param opts table?
---@return string[]
function M.expand(p, opts)
    local list = list_of(read("expand", p, opts))
    return table.move(list, 1, #list, 1, {})
end

--- The short form: expand(fold(p)) is expand(p).
---@param p any
---@param opts table?
---@return string
function M.fold(p, opts)
    return text_of(read("fold", p, opts))
end

---@param p any
---@param opts table?
---@return integer
function M.count(p, opts)
    return read("count", p, opts).n
end

--- An object of names that are taken as they are: whatever is in them is part of the name.
---@param names string[]
---@return rshell.Nodeset
function M.of_names(names)
    return make(set.new(names))
end

--- Such names, folded.
---@param names string[]
---@return string
function M.fold_names(names)
    return text_of(set.new(names))
end

local function slice(list, first, last)
    local s = set.new(table.move(list, first, last, 1, {}))
    return make(s)
end

local function split(s, n)
    if math.type(n) ~= "integer" or n < 1 then err.usage "split: the number of parts is an integer from 1" end
    local list, parts, first = list_of(s), {}, 1
    n = math.min(n, #list)
    for i = 1, n do
        local size = #list // n + (i <= #list % n and 1 or 0)
        parts[i] = slice(list, first, first + size - 1)
        first = first + size
    end
    return parts
end

--- n node sets of nearly the same size, in order, the larger ones first; fewer where there aren't as many names.
---@param p any
---@param n integer
---@param opts table?
---@return rshell.Nodeset[]
function M.split(p, n, opts)
    return split(read("split", p, opts), n)
end

--- An object; the empty set without a node set.
---@param p any
---@param opts table?
---@return rshell.Nodeset
function M.new(p, opts)
    if test(p) then return p end
    return make(p == nil and set.new() or read("nodeset", p, opts))
end

--- The groups of a file, for the option `groups`.
---@param path string
---@return table<string, string>
function M.groups(path)
    if type(path) ~= "string" then err.usage("groups: the name of a file expected, got %s", object.type(path)) end
    local found = groups.read(path)
    if found then return found end
    err.raise {kind = "notfound", path = path, message = ("no groups file %s"):format(path)}
end

-- ---- objects ----

---@class rshell.Nodeset
local members = {}
M.members = members

--- The names, sorted, as an array of the caller's own.
function members:expand()
    return M.expand(self)
end

function members:split(n)
    return split(state(self), n)
end

--- Whether all names of a node set are in this one.
function members:contains(p)
    return set.includes(state(self), read("contains", p))
end

local function operator(op)
    return function(a, b)
        return make(set.apply(set.copy(read("nodeset", a)), op, read("nodeset", b)))
    end
end

mt.__add, mt.__sub, mt.__band, mt.__bxor = operator ",", operator "!", operator "&", operator "^"

function mt.__index(self, key)
    local s = state(self)
    if math.type(key) == "integer" then return list_of(s)[key] end
    return members[key] or options.no_member("nodeset", key, members)
end

function mt.__eq(a, b)
    local x, y = test(a), test(b)
    return x and y and set.equal(x, y) or false
end

function mt.__len(self) return state(self).n end
function mt.__tostring(self) return text_of(state(self)) end

function mt.__pairs(self)
    return ipairs(M.expand(self))
end

arity.strict(members)

setmetatable(M, {
    __index = function(_, name)
        err.usage("rshell.nodeset has no member '%s'%s", tostring(name), near.suffix(name, M))
    end,
})

return M
