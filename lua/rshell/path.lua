-- Paths: values that name a place on one machine. What can be told from the text alone is here; what asks the machine
-- is in rshell.pathops. Workdirs and temporary folders are paths too: classes made by M.class.
--
-- A path's state: view, text (absolute, without "." parts and doubled slashes), into (it was written with a slash at
-- its end, which says "into" to copies), info (what a listing told).

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local number = require "rshell.shared.number"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local view = require "rshell.view"

local M = {}

local mt, make, state, test = object.class "path"

---@class rshell.PathState
---@field view rshell.View
---@field text string
---@field into boolean?
---@field info table?

---@class rshell.Path
local members = {}
local fields = {}
M.members, M.fields = members, fields

-- The other classes of paths: functions that give the state of one now, or nil.
local kinds = {}

--- The state of a path, a workdir or a temporary folder; nil for anything else.
---@return rshell.PathState?
function M.test(p)
    local s = test(p)
    if s or type(p) ~= "userdata" then return s end
    for _, kind in ipairs(kinds) do
        s = kind(p)
        if s then return s end
    end
end

local function check(p)
    return M.test(p) or state(p)
end
M.check = check

-- ---- texts ----

--- Without "." parts, doubled slashes and a slash at the end.
local function normal(text)
    if not (text:find("//", 1, true) or text:find("/.", 1, true) or text:find "/$") then return text end
    local parts = {}
    for part in text:gmatch "[^/]+" do
        if part ~= "." then parts[#parts + 1] = part end
    end
    return "/" .. table.concat(parts, "/")
end
M.normal = normal

local function check_text(x)
    if x:find("\0", 1, true) then err.usage("a path can't hold a NUL byte: %q", x) end
    return x
end

--- The text of a string, or of a path of this machine.
local function text_of(v, x)
    if type(x) == "string" then return check_text(x) end
    local p = M.test(x)
    if not p then err.usage("a path is a string or a path, not %s", x == nil and "nil" or "a " .. object.type(x)) end
    if p.view.conn ~= v.conn then
        err.usage("%s is a path of %s, and %s was meant", p.text, p.view.conn.name, v.conn.name)
    end
    return p.text, p.into
end

-- Joins parts on what is there; an absolute part starts anew. Gives the text, and whether it was written with a slash
-- at its end.
local function join(v, text, ...)
    local into = false
    for i = 1, select("#", ...) do
        local part, of_path = text_of(v, (select(i, ...)))
        if part:sub(1, 1) == "/" then
            text = part
        elseif part ~= "" then
            text = text .. "/" .. part
        end
        into = of_path or part:sub(-1) == "/" or (part == "" and into)
    end
    return normal(text), into or nil
end

local function new(v, text, into)
    return make {view = v, text = text, into = into}
end

--- m:path(...)
---@param v rshell.View
---@return rshell.Path
function M.new(v, ...)
    if select("#", ...) == 1 and ... == "" then err.usage "a path is empty" end
    local start = ""
    local first = text_of(v, (...) or "")
    if first:sub(1, 1) ~= "/" then start = view.cwd(v) end
    return new(v, join(v, start, ...))
end

--- The path of an absolute text, with what a listing told of it.
---@param v rshell.View
---@param text string
---@param info table?
---@return rshell.Path
function M.of(v, text, info)
    return make {view = v, text = normal(text), info = info}
end

--- The absolute path that a string or a path of this machine names.
---@param v rshell.View
---@param x string|rshell.Path
---@return string text
---@return boolean? into it was written with a slash at its end
function M.text(v, x)
    local text, into = text_of(v, x)
    if text == "" then err.usage "a path is empty" end
    return normal(view.absolute(v, text)), into or text:sub(-1) == "/" or nil
end

-- ---- names ----

local function name_of(text)
    return text:match "[^/]*$"
end

--- The name before its last suffix, and that suffix; a dot at either end of a name starts none.
local function split_name(name)
    local stem, suffix = name:match "^(.*[^.].*)(%.[^.]+)$"
    if not stem then return name, "" end
    return stem, suffix
end

local function parent_of(text)
    local parent = text:match "^(.*)/[^/]*$"
    return parent == "" and "/" or parent
end

function fields.name(p) return name_of(p.text) end
function fields.stem(p) return (split_name(name_of(p.text))) end
function fields.suffix(p) return (select(2, split_name(name_of(p.text)))) end
function fields.parent(p) return new(p.view, parent_of(p.text)) end
function fields.root() return "/" end
function fields.machine(p) return require "rshell.machine".of(p.view) end
fields.dirname = fields.parent

function fields.suffixes(p)
    local all = {}
    local stem, suffix = split_name(name_of(p.text))
    while suffix ~= "" do
        table.insert(all, 1, suffix)
        stem, suffix = split_name(stem)
    end
    return all
end

function fields.parts(p)
    local parts = {"/"}
    for part in p.text:gmatch "[^/]+" do parts[#parts + 1] = part end
    return parts
end

local function encode(text)
    return (text:gsub("[^%w/._~-]", function(c) return ("%%%02X"):format(c:byte()) end))
end

function fields.uri(p)
    local conn = p.view.conn
    if conn.kind == "local" then return "file://" .. encode(p.text) end
    local host = conn.host:find(":", 1, true) and "[" .. conn.host .. "]" or conn.host
    return ("ssh://%s%s%s%s"):format(
        conn.user and encode(conn.user) .. "@" or "", host, conn.port and ":" .. conn.port or "", encode(p.text))
end

-- ---- what needs no machine ----

function members:join(...)
    local p = check(self)
    return new(p.view, join(p.view, p.text, ...))
end

function members:up(n)
    local p = check(self)
    n = number.integer(n == nil and 1 or n)
    if not n or n < 0 then err.usage "up: a number of folders expected" end
    local text = p.text
    while n > 0 and text ~= "/" do text, n = parent_of(text), n - 1 end
    return new(p.view, text)
end

local function check_name(who, name)
    if type(name) ~= "string" then err.usage("%s: a name expected, got %s", who, object.type(name)) end
    check_text(name)
    if name == "" or name == "." or name == ".." or name:find("/", 1, true) then
        err.usage("%s: '%s' is not the name of a file", who, name)
    end
end

--- The path of another name in the same folder.
function M.sibling(who, p, name)
    check_name(who, name)
    if p.text == "/" then err.usage("%s: / has no name", who) end
    return join(p.view, parent_of(p.text), name)
end

function members:with_name(name)
    local p = check(self)
    return new(p.view, M.sibling("with_name", p, name))
end

function members:with_suffix(suffix)
    local p = check(self)
    if type(suffix) ~= "string" or suffix ~= "" and not suffix:find "^%.[^/]*[^./]$" then
        err.usage("with_suffix: a suffix like '.txt' expected, got %s",
            type(suffix) == "string" and ("%q"):format(suffix) or object.type(suffix))
    end
    return new(p.view, M.sibling("with_suffix", p, split_name(name_of(p.text)) .. suffix))
end

--- What leads here from a folder above: "." for the folder itself.
function members:relative_to(base)
    local p = check(self)
    if base == nil then err.usage "relative_to: a path expected" end
    local text = M.text(p.view, base)
    if text == p.text then return "." end
    local head = text == "/" and "/" or text .. "/"
    if p.text:sub(1, #head) ~= head then err.usage("%s is not below %s", p.text, text) end
    return p.text:sub(#head + 1)
end

function members:is_absolute()
    check(self)
    return true
end

--- A pattern without slashes is for the name; one with slashes for the last parts, or for the whole when it is
--- absolute.
function members:match(pattern)
    local p = check(self)
    if type(pattern) ~= "string" or pattern == "" then
        err.usage("match: a pattern expected, got %s", pattern == "" and "an empty string" or object.type(pattern))
    end
    local ok, text = require "rshell.sys.fs".match(check_text(pattern), p.text)
    if ok == nil then err.usage("match: %s: %s", pattern, text) end
    return ok
end

-- ---- operators ----

local function divide(a, b)
    local p = M.test(a)
    if not p then err.usage("/ joins something to a path: %s has none on its left", object.type(a)) end
    return new(p.view, join(p.view, p.text, b))
end

local function glob(a, pattern)
    if not M.test(a) then err.usage("// takes a path on its left, not a %s", object.type(a)) end
    return members.glob(a, pattern)
end

local function side(x)
    local p = M.test(x)
    if p then return p.text end
    if type(x) == "string" or type(x) == "number" then return x end
    err.usage("a path can't be joined with %s by ..", x == nil and "nil" or "a " .. object.type(x))
end

local function equal(a, b)
    local p, q = M.test(a), M.test(b)
    return p ~= nil and q ~= nil and p.view.conn == q.view.conn and p.text == q.text
end

local function both(a, b)
    local p, q = M.test(a), M.test(b)
    if not p or not q then
        err.usage("a path can't be compared with a %s by < and >", object.type(p and b or a))
    end
    if p.view.conn ~= q.view.conn then
        err.usage("%s and %s are paths of two machines, which have no order", p.text, q.text)
    end
    return p.text, q.text
end

local function less(a, b)
    local x, y = both(a, b)
    return x < y
end

local function less_equal(a, b)
    local x, y = both(a, b)
    return x <= y
end

-- What a listing told is a table that can be called as the method: `x.stat.size` and `x:stat()`.
local info_mt = {__name = "stat", __call = function(_, p) return members.stat(p) end}

local function index(p, key)
    local field = fields[key]
    if field then return field(p) end
    if key == "stat" and p.info then return setmetatable(p.info, info_mt) end
    return members[key]
end

local function known(more)
    local all = {}
    for _, t in ipairs {members, fields, more} do
        for name in pairs(t) do all[name] = true end
    end
    return all
end

local function complete(class, name, get, more)
    function class.__index(self, key)
        local own = more[key]
        if own then return own end
        local value = index(get(self), key)
        if value == nil then options.no_member(name, key, known(more)) end
        return value
    end

    function class.__newindex(_, key)
        err.usage("a %s's '%s' can't be set", name, tostring(key))
    end

    function class.__tostring(self) return get(self).text end
    class.__div, class.__idiv, class.__eq, class.__lt, class.__le = divide, glob, equal, less, less_equal
    function class.__concat(a, b) return side(a) .. side(b) end
end

--- A class of paths with members of its own. now: the path's state for a state of the class.
---@param name string
---@param more table<string, function>
---@param now fun(s: table): rshell.PathState
function M.class(name, more, now)
    local class, make_one, state_of, test_one = object.class(name)
    local function get(x)
        local s = test_one(x)
        return s and now(s)
    end
    kinds[#kinds + 1] = get
    complete(class, name, get, more)
    return class, make_one, state_of, test_one
end

complete(mt, "path", test, {})

require "rshell.pathops".add(M)

arity.strict(members)

return M
