-- Values as the prompt shows them: tables with sorted keys, on one line where that fits, with limits on depth, number
-- and length; objects in a line of their own words. Nothing here waits, but for what an object's own description
-- does.
--
-- An object of another module may bring two metamethods: __describe(v), a line that says what it is without fetching it
-- whole, and __names(v), its fields for completion.

local colour = require "rshell.repl.colour"
local fold = require "rshell.output.fold"
local layout = require "rshell.output.layout"
local object = require "rshell.object"
local text = require "rshell.text"

local M = {}

local MAX_DEPTH, MAX_ITEMS, MAX_STRING, MAX_ALL = 6, 100, 500, 2000
local MAX_LINES, MAX_BYTES = 1000, 200000 -- of a string that is shown as it is

-- ---- single values ----

local ESCAPES = {["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\"}

--- A string as Lua would write it, readable where it is UTF-8.
local function quoted(s)
    local rest = #s - MAX_STRING
    if rest > 0 then s = s:sub(1, (utf8.offset(s, 0, MAX_STRING + 1) or MAX_STRING + 1) - 1) end
    s = s:gsub('[%c"\\\127]', function(c) return ESCAPES[c] or ("\\x%02x"):format(c:byte()) end)
    if not utf8.len(s) then s = s:gsub("[\128-\255]", function(c) return ("\\x%02x"):format(c:byte()) end) end
    local shown = colour.paint("string", '"' .. text.escape(s) .. '"')
    return rest > 0 and shown .. colour.paint("dim", ("... (%d bytes more)"):format(rest)) or shown
end

local function one_line(s)
    return (text.escape(s):gsub("%s*\n%s*", " | "))
end

--- What an object says about itself, and the class if it says nothing.
local function described(v)
    local mt = debug.getmetatable(v)
    local describe = type(mt) == "table" and rawget(mt, "__describe")
    local ok, words = pcall(describe or tostring, v)
    if not ok or type(words) ~= "string" then words = object.type(v) .. " (can't be shown)" end
    return words
end

local KIND = {["nil"] = "constant", boolean = "constant", number = "number"}

--- What is no plain table, on one line.
local function atom(v)
    local kind = type(v)
    if kind == "string" then return quoted(v) end
    if KIND[kind] then return colour.paint(KIND[kind], tostring(v)) end
    return colour.paint("object", one_line(described(v)))
end

local function is_plain(v)
    if type(v) ~= "table" then return false end
    local mt = debug.getmetatable(v)
    return type(mt) ~= "table" or not (rawget(mt, "__tostring") or rawget(mt, "__name") or rawget(mt, "__describe"))
end

-- ---- tables ----

local RANK = {number = 1, string = 2, boolean = 3}

local function before(a, b)
    local x, y = RANK[type(a)] or 4, RANK[type(b)] or 4
    if x ~= y then return x < y end
    if x <= 2 then return a < b end
    return tostring(a) < tostring(b)
end

local function sorted_keys(t, n)
    local keys = {}
    for k in next, t do
        if not (math.type(k) == "integer" and k >= 1 and k <= n) then keys[#keys + 1] = k end
    end
    table.sort(keys, before)
    return keys
end

local KEYWORDS = require "rshell.repl.tokens".KEYWORDS

local function key_text(k)
    if type(k) == "string" and k:find "^[%a_][%w_]*$" and not KEYWORDS[k] then return colour.paint("key", k) end
    return "[" .. atom(k) .. "]"
end

--- What one sees: without colours, in characters.
local function width(s)
    return layout.width((s:gsub("\27%[[%d;]*m", "")))
end

local show

--- The parts of a table: "1", "x = 2", ...; with a last one for what is left out.
local function parts_of(t, s, depth)
    local parts, n = {}, rawlen(t)
    local keys = sorted_keys(t, n)
    local function add(part)
        s.count = s.count + 1
        parts[#parts + 1] = part
    end
    local function full() return #parts >= MAX_ITEMS or s.count >= MAX_ALL end
    for i = 1, n do
        if full() then break end
        add(show(rawget(t, i), s, depth + 1))
    end
    for _, k in ipairs(keys) do
        if full() then break end
        add(key_text(k) .. " = " .. show(rawget(t, k), s, depth + 1))
    end
    local left = n + #keys - #parts
    if left > 0 then parts[#parts + 1] = colour.paint("dim", ("... %d more"):format(left)) end
    return parts
end

local SHORT = 20 -- columns of an item, at most, that stands beside others

--- Short items of an array share lines.
local function fill(parts, room)
    local lines, line = {}, parts[1]
    for i = 2, #parts do
        if width(line) + 2 + width(parts[i]) + 1 > room then
            lines[#lines + 1] = line
            line = parts[i]
        else
            line = line .. ", " .. parts[i]
        end
    end
    lines[#lines + 1] = line
    return lines
end

local function all_short(parts)
    for _, part in ipairs(parts) do
        if width(part) > SHORT then return false end
    end
    return true
end

local function join(parts, s, depth, is_array)
    local total = 0
    for _, part in ipairs(parts) do
        if part:find("\n", 1, true) then total = math.huge end
        total = total + width(part) + 2
    end
    if total + depth * 2 < s.width then return "{" .. table.concat(parts, ", ") .. "}" end
    local margin = ("  "):rep(depth + 1)
    if is_array and all_short(parts) then parts = fill(parts, s.width - #margin) end
    return "{\n" .. margin .. table.concat(parts, ",\n" .. margin) .. "\n" .. ("  "):rep(depth) .. "}"
end

function show(v, s, depth)
    if not is_plain(v) then return atom(v) end
    if s.parents[v] then return colour.paint("dim", "<" .. s.parents[v] .. ">") end
    if next(v) == nil then return "{}" end
    if depth >= MAX_DEPTH then return colour.paint("dim", "{...}") end
    s.parents[v] = depth == 0 and "the table itself" or ("a table %d above"):format(depth)
    local shown = join(parts_of(v, s, depth), s, depth, rawlen(v) > 0 and next(v, rawlen(v)) == nil)
    s.parents[v] = nil
    return shown
end

--- A value as it stands in a table.
---@param v any
---@param columns integer?
---@return string
function M.value(v, columns)
    return show(v, {parents = {}, count = 0, width = columns or 80}, 0)
end

-- ---- what stands on its own ----

--- Bytes that would do something else in a terminal are shown; so much and no more.
local function as_text(s)
    local total, shown = #s, s
    if #shown > MAX_BYTES then shown = shown:sub(1, MAX_BYTES) end
    local at, lines = 0, 0
    while at and lines < MAX_LINES do
        at, lines = shown:find("\n", at + 1, true), lines + 1
    end
    if at and at < #shown then shown = shown:sub(1, at) end
    local left = total - #shown
    if not utf8.len(shown) then
        shown = shown:gsub("[\128-\255]", function(c) return ("\\x%02x"):format(c:byte()) end)
    end
    shown = text.escape(shown):gsub("\n$", "")
    if left == 0 then return shown end
    return shown .. "\n" .. colour.paint("dim", ("... %d bytes more; io.write(_) shows all"):format(left))
end

local function is_command(v)
    local kind = object.type(v)
    return kind == "command" or kind == "pipeline"
end

local special = {}

--- Outputs that are the same together, then how many.
function special.results(v)
    local counts = tostring(v)
    local folded = fold.format(v:fold(), colour.is_on() and 1 or nil)
    return folded == "" and counts or folded .. "\n" .. colour.paint("dim", counts)
end

--- A value that a line gave, for a reader: text is shown as it is.
---@param v any
---@param columns integer?
---@return string
function M.result(v, columns)
    if type(v) == "string" then return v == "" and quoted(v) or as_text(v) end
    if is_plain(v) then return M.value(v, columns) end
    local own = special[object.type(v)]
    if own then return own(v) end
    if is_command(v) then
        local hint = colour.paint("dim", "   -- not run: c() or c & FG runs it")
        return colour.paint("object", one_line(described(v))) .. hint
    end
    if type(v) == "userdata" or type(v) == "table" then return colour.paint("object", text.escape(described(v))) end
    return atom(v)
end

return M
