-- Globs and regular expressions on names. A regex becomes a program whose threads all go through the name at once
-- (Thompson's way), so that no expression takes more than linear time.
--
-- Instructions: {set=} reads one of these bytes, {jump=} goes there, {jump=, split=} goes to both, {at="start"|"end"}
-- goes on only there, {match=true} is the end.

local M = {}

local MAX_PROGRAM, MAX_DEPTH, MAX_REPEAT = 5000, 50, 255

-- ---- sets of bytes ----

local function set_of(pattern)
    local set = {}
    for byte = 0, 255 do set[byte] = string.char(byte):find(pattern) ~= nil end
    return set
end

local PATTERNS = {d = "%d", D = "%D", w = "[%w_]", W = "[^%w_]", s = "%s", S = "%S", any = "."}

-- Each is made when it is first needed: most expressions need none.
local CLASSES = setmetatable({}, {
    __index = function(t, name)
        local pattern = PATTERNS[name]
        if not pattern then return nil end
        t[name] = set_of(pattern)
        return t[name]
    end,
})
local QUANTIFIERS = {["*"] = {0}, ["+"] = {1}, ["?"] = {0, 1}}

-- ---- parsing: nodes are {set=}, {cat=list}, {alt=list}, {rep=node, min, max}, {at=} ----

local Parser = {}
Parser.__index = Parser

function Parser:fail(what)
    error({what = what, offset = self.pos}, 0)
end

function Parser:peek() return self.text:sub(self.pos, self.pos) end

function Parser:accept(s)
    if self.text:sub(self.pos, self.pos + #s - 1) ~= s then return false end
    self.pos = self.pos + #s
    return true
end

function Parser:escape()
    local c = self:peek()
    if c == "" then self:fail "a character after \\" end
    if c:find "%w" and not CLASSES[c] then self:fail "one of \\d \\w \\s, or an escaped punctuation character," end
    self.pos = self.pos + 1
    return CLASSES[c] or {[c:byte()] = true}, not CLASSES[c] and c:byte()
end

--- One member of [...]: a set of bytes, and the byte if it is one.
function Parser:member()
    local c = self:peek()
    if c == "" then self:fail "]" end
    self.pos = self.pos + 1
    if c == "\\" then return self:escape() end
    return {[c:byte()] = true}, c:byte()
end

function Parser:class()
    local negated, set, first = self:accept "^", {}, true
    while first or self:peek() ~= "]" do
        first = false
        local more, from = self:member()
        if from and self:peek() == "-" and self.text:sub(self.pos + 1, self.pos + 1) ~= "]" then
            self.pos = self.pos + 1
            local _, to = self:member()
            if not to or to < from then self:fail "the end of a range" end
            for byte = from, to do set[byte] = true end
        else
            for byte, is in next, more do set[byte] = set[byte] or is end
        end
    end
    self.pos = self.pos + 1
    if not negated then return {set = set} end
    local rest = {}
    for byte = 0, 255 do rest[byte] = not set[byte] end
    return {set = rest}
end

function Parser:group()
    self.depth = self.depth + 1
    if self.depth > MAX_DEPTH then self:fail "no more than 50 groups in each other" end
    if self:peek() == "?" and not self:accept "?:" then self:fail "(?: or (" end
    local node = self:alternatives()
    if not self:accept ")" then self:fail ")" end
    self.depth = self.depth - 1
    return node
end

function Parser:atom()
    local c = self:peek()
    if QUANTIFIERS[c] then self:fail("something before " .. c) end
    self.pos = self.pos + 1
    if c == "(" then return self:group() end
    if c == "[" then return self:class() end
    if c == "." then return {set = CLASSES.any} end
    if c == "^" then return {at = "start"} end
    if c == "$" then return {at = "end"} end
    if c == "\\" then return {set = (self:escape())} end
    return {set = {[c:byte()] = true}}
end

--- The bounds that follow, or nil; whether they are greedy makes no difference.
function Parser:quantifier()
    local c = self:peek()
    local q = QUANTIFIERS[c]
    if q then
        self.pos = self.pos + 1
    elseif c == "{" then
        local min, comma, max, after = self.text:match("^{(%d+)(,?)(%d*)}()", self.pos)
        if not min then return nil end
        q = {tonumber(min), comma == "" and tonumber(min) or tonumber(max)}
        if q[1] > MAX_REPEAT or (q[2] or 0) > MAX_REPEAT or (q[2] and q[2] < q[1]) then
            self:fail "bounds from 0 to 255"
        end
        self.pos = after
    else
        return nil
    end
    self:accept "?"
    return q
end

function Parser:sequence()
    local list = {}
    while true do
        local c = self:peek()
        if c == "" or c == "|" or c == ")" then return {cat = list} end
        local node = self:atom()
        local q = self:quantifier()
        list[#list + 1] = q and {rep = node, min = q[1], max = q[2]} or node
    end
end

function Parser:alternatives()
    local list = {self:sequence()}
    while self:accept "|" do list[#list + 1] = self:sequence() end
    return #list == 1 and list[1] or {alt = list}
end

-- ---- compiling ----

local emit

local function add(program, instruction)
    if #program >= MAX_PROGRAM then error({what = "a shorter expression", offset = 1}, 0) end
    program[#program + 1] = instruction
    return instruction
end

local function emit_alt(program, list)
    local ends = {}
    for i, node in ipairs(list) do
        local split = i < #list and add(program, {jump = #program + 2})
        emit(program, node)
        if split then
            ends[i] = add(program, {})
            split.split = #program + 1
        end
    end
    for _, jump in ipairs(ends) do jump.jump = #program + 1 end
end

local function emit_rep(program, node)
    for _ = 1, node.min do emit(program, node.rep) end
    if not node.max then
        local start = #program + 1
        local split = add(program, {jump = start + 1})
        emit(program, node.rep)
        add(program, {jump = start})
        split.split = #program + 1
        return
    end
    local splits = {}
    for i = node.min + 1, node.max do
        splits[i] = add(program, {jump = #program + 2})
        emit(program, node.rep)
    end
    for _, split in next, splits do split.split = #program + 1 end
end

function emit(program, node)
    if node.cat then
        for _, part in ipairs(node.cat) do emit(program, part) end
    elseif node.alt then
        emit_alt(program, node.alt)
    elseif node.rep then
        emit_rep(program, node)
    else
        add(program, {set = node.set, at = node.at})
    end
end

-- ---- matching ----

--- Adds a thread and all that it leads to without reading to an array; true when the end is among them.
local function follow(program, threads, seen, start, at)
    local stack, top, found = {start}, 1, false
    while top > 0 do
        local pc = stack[top]
        top = top - 1
        if not seen[pc] then
            seen[pc] = true
            local x = program[pc]
            if x.match then found = true end
            if x.set then threads[#threads + 1] = pc end
            stack[top + 1] = x.jump or (x.at and at[x.at] and pc + 1) or nil
            if stack[top + 1] then top = top + 1 end
            stack[top + 1] = x.split
            if x.split then top = top + 1 end
        end
    end
    return found
end

local function run(program, text, whole)
    local n = #text
    local threads = {}
    local found = follow(program, threads, {}, 1, {["start"] = true, ["end"] = n == 0})
    for i = 1, n do
        if found and not whole then return true end
        local old, seen, at = threads, {}, {["end"] = i == n}
        threads, found = {}, false
        for _, pc in ipairs(old) do
            if program[pc].set[text:byte(i)] then found = follow(program, threads, seen, pc + 1, at) or found end
        end
    end
    return found
end

local function compile(text, whole)
    local parser = setmetatable({text = text, pos = 1, depth = 0}, Parser)
    local node = parser:alternatives()
    if parser.pos <= #text then parser:fail "the end, not )," end
    local program = {}
    emit(program, node)
    add(program, {match = true})
    return function(name) return run(program, name, whole) end
end

--- A function that tells whether a name matches from its beginning; or nil, what was expected, and at which byte.
---@param text string
---@return fun(name: string): boolean
function M.regex(text)
    local ok, fn = pcall(compile, text, false)
    if ok then return fn end
    if type(fn) ~= "table" then error(fn, 0) end
    return nil, fn.what, fn.offset
end

--- The same for a glob (`*` and `?`) and whole names.
---@param text string
function M.glob(text)
    local regex = text:gsub("%*+", "*"):gsub("[^%w%*%?\128-\255]", "\\%0"):gsub("[%*%?]", {["*"] = ".*", ["?"] = "."})
    return compile(regex, true)
end

return M
