-- A stream in which several answers follow each other. Each ends with a mark that cannot be guessed, and whatever comes
-- before the mark is the answer, byte by byte.

local err = require "rshell.shared.error"

local M = {}

---@class rshell.Answer one answer; `info` is what stood in its mark, nil when the stream ended without it
---@field size integer bytes that have come and were not read
---@field ended boolean
---@field info string?
---@field rest string? what came behind the mark
local Answer = {}
Answer.__index = Answer

--- A new mark. It begins with a byte that is rare in output, and ends at the next newline.
---@return string
function M.mark()
    local f <close> = assert(io.open("/dev/urandom", "rb"))
    return "\1" .. f:read(16):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
end

--- What has come is in buffer from `at` on, then in the array more, of which `searched` hold no newline. held may be
--- the beginning of the mark.
---@param next_block fun(): string? gives the stream's next block, nil at its end
---@param mark string
---@return rshell.Answer
function M.answer(next_block, mark)
    return setmetatable({
        next = next_block, mark = mark, buffer = "", at = 1, more = {}, searched = 0, size = 0, held = "",
        ended = false,
    }, Answer)
end

-- ---- what comes ----

local function add(self, text)
    if text == "" then return end
    self.size = self.size + #text
    self.more[#self.more + 1] = text
end

--- What of a text can be handed out: all but an end that may become the mark.
local function split(text, mark)
    for at = math.max(1, #text - #mark + 2), #text do
        if text:byte(at) == 1 and mark:sub(1, #text - at + 1) == text:sub(at) then
            return text:sub(1, at - 1), text:sub(at)
        end
    end
    return text, ""
end

local function take(self, text)
    local first, last = text:find(self.mark, 1, true)
    if not first then
        text, self.held = split(text, self.mark)
        return add(self, text)
    end
    add(self, text:sub(1, first - 1))
    local newline = text:find("\n", last, true)
    if not newline then
        self.held = text:sub(first)
        return
    end
    self.ended, self.held = true, ""
    self.info, self.rest = text:sub(last + 1, newline - 1), text:sub(newline + 1)
end

--- Waits for more; false at the end.
---@return boolean
function Answer:fill()
    if self.ended then return false end
    local block = self.next()
    if block then
        take(self, self.held .. block)
    else
        self.ended = true
        add(self, self.held)
    end
    return true
end

-- ---- what is read ----

local function merge(self)
    if not self.more[1] then return end
    self.buffer = self.buffer:sub(self.at) .. table.concat(self.more)
    self.at, self.more, self.searched = 1, {}, 0
end

--- Takes n bytes, and drops some behind them.
local function cut(self, n, drop)
    if #self.buffer - self.at + 1 < n + (drop or 0) then merge(self) end
    local text = self.buffer:sub(self.at, self.at + n - 1)
    self.at = self.at + n + (drop or 0)
    self.size = self.size - n - (drop or 0)
    return text
end

--- How long the next line is, with its end; nil if that has not come.
local function line_length(self)
    local at = self.buffer:find("\n", self.at, true)
    while not at and self.searched < #self.more do
        self.searched = self.searched + 1
        if self.more[self.searched]:find("\n", 1, true) then
            merge(self)
            at = self.buffer:find("\n", self.at, true)
        end
    end
    return at and at - self.at + 1
end

local function read_line(self, keep)
    local n
    repeat n = line_length(self) until n or not self:fill()
    if n then return keep and cut(self, n) or cut(self, n - 1, 1) end
    return self.size > 0 and cut(self, self.size) or nil
end

local function read_some(self, n)
    while self.size == 0 and self:fill() do end
    if self.size == 0 then return nil end
    if self.at > #self.buffer then merge(self) end
    return cut(self, math.min(n, #self.buffer - self.at + 1))
end

local function read_exact(self, n)
    while self.size < n and self:fill() do end
    if self.size == 0 then return n == 0 and not self.ended and "" or nil end
    return cut(self, math.min(n, self.size))
end

--- Waits for the end, with all that comes kept; false if that is more than max bytes.
---@param max integer?
---@return boolean
function Answer:wait(max)
    while self:fill() do
        if max and self.size > max then return false end
    end
    return true
end

--- What has come.
function Answer:take_all()
    return cut(self, self.size)
end

--- Reads as streams do: n, {exact=n}, "l", "L" or "a". Interrupted, it loses nothing.
---@param what rshell.ReadFormat?
function Answer:read(what)
    what = what or "l"
    if math.type(what) == "integer" and what > 0 then return read_some(self, what) end
    if what == 0 then return read_exact(self, 0) end
    if type(what) == "table" and math.type(what.exact) == "integer" then return read_exact(self, what.exact) end
    if what == "l" or what == "L" then return read_line(self, what == "L") end
    if what ~= "a" then err.usage "read: a size, {exact=n}, 'l', 'L' or 'a' expected" end
    self:wait()
    return self:take_all()
end

return M
