-- Node sets as text, evaluated from left to right:
--
--   set      = [operand {operator operand}]
--   operator = "," | blanks | [","] ("!" | "&" | "^")
--   operand  = "@" [source ":"] name | "~" regex | name         a name with * or ? chooses from all names
--   name     = {text | "[" range {"," range} "]" | "[" address "]"}
--   range    = number ["-" number ["/" step]]
--
-- Ranges are put between what stands beside them as text: a4[1-10] is a41 to a49 and a410.

local err = require "rshell.shared.error"
local fold = require "rshell.nodeset.fold"
local groups = require "rshell.nodeset.groups"
local match = require "rshell.nodeset.match"
local set = require "rshell.nodeset.set"

local M = {}

---@class rshell.NodesetContext
---@field groups table|function|nil
---@field all any
---@field stack table<string, true> the groups that are being evaluated
---@field evaluate fun(value: any, ctx: rshell.NodesetContext): rshell.NameSet

local Parser = {}
Parser.__index = Parser

local TEXT = "^[^%c%s,!&^%[%]]+()"

-- ---- what is wrong ----

local function shortened(text)
    return #text <= 60 and text or text:sub(1, 60) .. "..."
end

--- Raises at a column what was expected there.
function Parser:fail(column, expected)
    local got = self.text:match("^[^\128-\191][\128-\191]*", column) or self.text:sub(column, column)
    got = got == "" and "the end" or "'" .. got .. "'"
    err.raise {
        kind = "parse", column = column, name = self.text,
        message = ("node set '%s', column %d: %s expected, got %s"):format(shortened(self.text), column, expected, got),
    }
end

--- Raises what is understood but can't be.
function Parser:refuse(column, what)
    err.raise {
        kind = "parse", column = column, name = self.text,
        message = ("node set '%s', column %d: %s"):format(shortened(self.text), column, what),
    }
end

-- ---- scanning ----

function Parser:peek() return self.text:sub(self.pos, self.pos) end

function Parser:skip_blanks()
    local start = self.pos
    self.pos = self.text:match("^%s*()", start)
    return self.pos > start
end

function Parser:number()
    self:skip_blanks()
    local digits, after = self.text:match("^(%d+)()", self.pos)
    if not digits then self:fail(self.pos, "a number") end
    if #digits > fold.MAX_DIGITS then
        self:refuse(self.pos, ("a number of more than %d digits"):format(fold.MAX_DIGITS))
    end
    self.pos = after
    self:skip_blanks()
    return digits
end

-- ---- ranges ----

local function is_padded(digits)
    return #digits > 1 and digits:byte() == 48
end

function Parser:add_range(values, column, first, last, step)
    if #first ~= #last and (is_padded(first) or is_padded(last)) then
        self:refuse(column, ("%s and %s differ in width"):format(first, last))
    end
    local from, to = tonumber(first), tonumber(last)
    if from > to then self:refuse(column, ("the range %s-%s goes backwards"):format(first, last)) end
    if step < 1 then self:refuse(column, "a step of 0") end
    if (to - from) // step + 1 + #values > set.MAX then set.too_many() end
    local format = is_padded(first) and ("%%0%dd"):format(#first) or "%d"
    for i = from, to, step do values[#values + 1] = format:format(i) end
end

function Parser:range(values)
    self:skip_blanks()
    local column = self.pos
    local first = self:number()
    if self:peek() ~= "-" then
        values[#values + 1] = first
        return
    end
    self.pos = self.pos + 1
    local last, step = self:number(), 1
    if self:peek() == "/" then
        self.pos = self.pos + 1
        step = tonumber(self:number())
    end
    self:add_range(values, column, first, last, step)
end

--- The values of [...] as text, and whether it is a single range.
function Parser:ranges()
    local values, count = {}, 0
    repeat
        self.pos = self.pos + 1
        count = count + 1
        self:range(values)
    until self:peek() ~= ","
    if self:peek() ~= "]" then self:fail(self.pos, "',', '-' or ']'") end
    self.pos = self.pos + 1
    return values, count == 1
end

-- ---- names ----

--- Each of the names so far with each of the values behind it.
local function multiply(names, values)
    if #names * #values > set.MAX then set.too_many() end
    local out, n = {}, 0
    for i = 1, #names do
        local name = names[i]
        for j = 1, #values do
            n = n + 1
            out[n] = name .. values[j]
        end
    end
    return out
end

--- Appends text to each.
local function append(names, text)
    for i = 1, #names do names[i] = names[i] .. text end
    return names
end

--- Text at the parser's place, or nil: plain, or an IPv6 address in brackets.
function Parser:literal()
    local after = self.text:match(TEXT, self.pos) or self.text:match("^%[[%x.]*:[%w:.%%_-]*%]()", self.pos)
    if not after then return nil end
    local text = self.text:sub(self.pos, after - 1)
    self.pos = after
    return text
end

--- What one name stands for; true if that is in order and each once, as with single ranges apart from other digits.
function Parser:names()
    local names, start, in_order = {""}, self.pos, true
    local before = "" -- what stands before here: text, or false for a range
    while true do
        local text = self:literal()
        if text then
            if before == false and text:find "^%d" or text:find "%[" then in_order = false end
            before = text
            append(names, text)
        elseif self:peek() == "[" then
            if not before or before:find "%d$" then in_order = false end
            before = false
            local values, single = self:ranges()
            in_order = in_order and single
            names = multiply(names, values)
        else
            break
        end
    end
    if self.pos == start then self:fail(start, "a name") end
    return names, in_order
end

-- ---- operands ----

--- The members of the universe that match; they are in no order.
local function chosen(ctx, matches, into)
    for name in next, groups.universe(ctx).map do
        if matches(name) then into[#into + 1] = name end
    end
end

local function globbed(ctx, names)
    local out = {}
    for _, name in ipairs(names) do
        if name:find "[*?]" then chosen(ctx, match.glob(name), out) else out[#out + 1] = name end
    end
    return out
end

local CLOSES = {["("] = ")", ["["] = "]", ["{"] = "}"}

--- Where a regex ends: at a comma, a blank, `!` or `&` outside brackets.
function Parser:end_of_regex()
    local open, pos = {}, self.pos
    while pos <= #self.text do
        local c = self.text:sub(pos, pos)
        if c == "\\" then
            pos = pos + 1
        elseif c == open[#open] then
            open[#open] = nil
        elseif open[#open] ~= "]" and CLOSES[c] then
            open[#open + 1] = CLOSES[c]
        elseif #open == 0 and c:find "[%s,!&]" then
            break
        end
        pos = pos + 1
    end
    return math.min(pos, #self.text + 1)
end

function Parser:regex()
    local start = self.pos + 1
    self.pos = start
    self.pos = self:end_of_regex()
    if self.pos == start then self:fail(start, "a regular expression") end
    local matches, expected, offset = match.regex(self.text:sub(start, self.pos - 1))
    if not matches then self:fail(start + offset - 1, expected) end
    local out = {}
    chosen(self.ctx, matches, out)
    return set.new(out)
end

function Parser:group()
    self.pos = self.pos + 1
    local column = self.pos
    local found = set.new()
    for _, name in ipairs(self:names()) do
        if name:find "^:" or name:find ":$" then self:refuse(column, "a group has a name, and its source too") end
        set.apply(found, ",", groups.members(self.ctx, name))
    end
    return found
end

function Parser:operand()
    local c = self:peek()
    if c == "@" then return self:group() end
    if c == "~" then return self:regex() end
    local start = self.pos
    local names, in_order = self:names()
    if self.text:sub(start, self.pos - 1):find "[*?]" then return set.new(globbed(self.ctx, names)) end
    local found = set.new(names)
    if in_order then found.list = names end
    return found
end

--- The operator before the next operand, or nil at the end.
function Parser:operator()
    local blank = self:skip_blanks()
    local op = self:peek()
    if op == "" then return nil end
    if not op:find "[,!&^]" then
        if not blank then self:fail(self.pos, "an operator or the end") end
        return ","
    end
    self.pos = self.pos + 1
    self:skip_blanks()
    if op == "," and self:peek():find "[!&^]" then
        op = self:peek()
        self.pos = self.pos + 1
        self:skip_blanks()
    end
    return op
end

function Parser:set()
    self:skip_blanks()
    if self.pos > #self.text then return set.new() end
    local found = self:operand()
    for op in self.operator, self do set.apply(found, op, self:operand()) end
    return found
end

--- The names of a text.
---@param text string
---@param ctx rshell.NodesetContext
---@return rshell.NameSet
function M.text(text, ctx)
    return setmetatable({text = text, pos = 1, ctx = ctx}, Parser):set()
end

local PLAIN = "^[^%c%s,!&^%[%]@~*?][^%c%s,!&^%[%]*?]*$"

--- All names of a list of node sets.
---@param list any[]
---@param ctx rshell.NodesetContext
---@return rshell.NameSet
function M.list(list, ctx)
    local found, plain = set.new(), {}
    for _, item in ipairs(list) do
        if type(item) == "string" and item:find(PLAIN) then
            plain[#plain + 1] = item
        else
            set.apply(found, ",", ctx.evaluate(item, ctx))
        end
    end
    set.add(found, plain)
    return found
end

return M
