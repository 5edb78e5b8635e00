-- The format of tar, as GNU's and busybox's programs both understand it: long names are records of their own ("L",
-- "K"), and fractions of seconds are in pax records, for those who read them.

local M = {}

local BLOCK = 512
local ZEROS = ("\0"):rep(BLOCK)
local RECORD = 20 * BLOCK -- what a tar program reads at once
local OCTAL_MAX = 8 ^ 11 -- of a size or a time in eleven digits
local MAX_RECORD = 1024 * 1024 -- of names and pax records: nothing sane comes near

-- ---- writing ----

--- A number in twelve bytes: octal digits, or in base 256 where those don't suffice.
local function number(n)
    if n >= 0 and n < OCTAL_MAX then return ("%011o\0"):format(n) end
    return (n < 0 and "\255\255\255\255" or "\128\0\0\0") .. (">i8"):pack(n)
end

--- One header block, with the sum over it.
local function block(name, mode, size, mtime, kind, target)
    local head = ("%s%07o\0000000000\0000000000\0%s%s"):format(name .. ZEROS:sub(#name + 1, 100), mode, number(size),
        number(mtime))
    local tail = kind .. target .. ZEROS:sub(#target + 1, 100) .. "ustar  \0"
    local sum = 8 * 32 -- its own field counts as blanks
    for part in (name .. head:sub(101) .. kind .. target .. "ustar  "):gmatch "[^%z]+" do
        for i = 1, #part do sum = sum + part:byte(i) end
    end
    return head .. ("%06o\0 "):format(sum) .. tail .. ZEROS:sub(#head + 8 + #tail + 1)
end

--- The zeros that fill up the last block.
---@param size integer
function M.padding(size)
    return ZEROS:sub(1, -size % BLOCK)
end

local function record(name, kind, body)
    return block(name, 420, #body, 0, kind, "") .. body .. M.padding(#body)
end

--- A pax record tells its own length.
local function pax(key, value)
    local rest = #key + #value + 3
    local size = rest + #tostring(rest)
    if rest + #tostring(size) ~= size then size = rest + #tostring(size) end
    return record("pax", "x", ("%d %s=%s\n"):format(size, key, value))
end

local KINDS = {file = "0", link = "2", dir = "5"}

--- A time in pax records: its sign belongs to the fraction, too.
local function decimal(seconds, ns)
    if seconds >= 0 then return ("%d.%09d"):format(seconds, ns) end
    return ("-%d.%09d"):format(-seconds - 1, 1000000000 - ns)
end

--- What stands before the bytes of an entry. mtime may have a fraction; without exact it is dropped.
---@param e {name: string, type: string, size: integer, mode: integer, mtime: number, target: string?}
---@param exact boolean? the reader knows pax records
function M.header(e, exact)
    local out = ""
    local seconds = math.floor(e.mtime)
    local ns = math.floor((e.mtime - seconds) * 1e9 + 0.5)
    if exact and ns > 0 and ns < 1000000000 then out = pax("mtime", decimal(seconds, ns)) end
    local name, target = e.type == "dir" and e.name .. "/" or e.name, e.target or ""
    if #target > 99 then
        out, target = out .. record("././@LongLink", "K", target .. "\0"), target:sub(1, 99)
    end
    if #name > 99 then
        out, name = out .. record("././@LongLink", "L", name .. "\0"), name:sub(1, 99)
    end
    return out .. block(name, e.mode, e.size, math.tointeger(seconds), KINDS[e.type], target)
end

--- What stands at the end of an archive of so many bytes.
---@param size integer
function M.ending(size)
    local n = 2 * BLOCK
    return ("\0"):rep(n + -(size + n) % RECORD)
end

-- ---- reading ----

---@class rshell.tar.Reader
local Reader = {}
Reader.__index = Reader

local function bad(what)
    error({malformed = "this is no tar archive: " .. what}, 0)
end

--- n bytes, or nil at the end.
local function take(r, n)
    while #r.buffer - r.at + 1 < n do
        local more = r.read()
        if not more then
            if #r.buffer >= r.at then bad "it ends amid an entry" end
            return nil
        end
        r.buffer, r.at = r.buffer:sub(r.at) .. more, 1
    end
    local piece = r.buffer:sub(r.at, r.at + n - 1)
    r.at = r.at + n
    return piece
end

local function parse_number(field)
    local first = field:byte()
    if first < 128 then
        local digits = field:match "^[ %z]*([0-7]*)[ %z]*$" or bad "a number isn't one"
        return tonumber(digits, 8) or 0
    end
    return ((">i8"):unpack(field, #field - 7))
end

local function parse_pax(body, into)
    local at = 1
    while at <= #body do
        local size, start = body:match("^(%d+) ()", at)
        size = tonumber(size)
        if not size or size < start - at + 2 or at + size - 1 > #body then bad "a pax record is broken" end
        local key, value = body:sub(start, at + size - 2):match "^([^=]*)=(.*)$"
        if key then into[key] = value end
        at = at + size
    end
end

local function cut(field)
    return field:match "^[^%z]*"
end

local function name_of(h)
    local name, prefix = cut(h:sub(1, 100)), cut(h:sub(346, 500))
    -- GNU's own format has other things where the prefix would be.
    if h:sub(258, 263) == "ustar\0" and prefix ~= "" then return prefix .. "/" .. name end
    return name
end

local function body_of(r, size)
    if size > MAX_RECORD then bad "a name is too long" end
    local body = take(r, size + -size % BLOCK) or bad "it ends amid an entry"
    return body:sub(1, size)
end

local TYPES = {["0"] = "file", ["\0"] = "file", ["7"] = "file", ["2"] = "link", ["5"] = "dir", ["1"] = "hard"}

--- Skips what was not read of the entry.
local function finish_entry(r)
    while r.left > 0 do
        if not r:data() then bad "it ends amid an entry" end
    end
    if r.padding > 0 and not take(r, r.padding) then bad "it ends amid an entry" end
    r.padding = 0
end

--- The next entry: {name=, type=, size=, target=}; nil at the end of the bytes. Archives one behind another are one.
--- Raises {malformed=} for what is none.
function Reader:next()
    finish_entry(self)
    local more = {}
    while true do
        local h = take(self, BLOCK)
        if not h then return nil end
        if h:byte() ~= 0 then
            if h:sub(258, 262) ~= "ustar" then bad(("it says %q"):format(h:sub(1, 40))) end
            local kind, size = h:sub(157, 157), parse_number(h:sub(125, 136))
            if kind == "L" then
                more.path = cut(body_of(self, size))
            elseif kind == "K" then
                more.linkpath = cut(body_of(self, size))
            elseif kind == "x" then
                parse_pax(body_of(self, size), more)
            elseif kind == "g" then
                body_of(self, size)
            else
                local type = TYPES[kind] or "other"
                size = type ~= "file" and type ~= "other" and 0 or tonumber(more.size) or size
                self.left, self.padding = size, -size % BLOCK
                return {
                    name = more.path or name_of(h), type = type, size = size,
                    target = type == "link" and (more.linkpath or cut(h:sub(158, 257))) or nil,
                }
            end
        end
    end
end

--- The next bytes of the entry; nil at its end.
function Reader:data()
    if self.left == 0 then return nil end
    if self.at > #self.buffer then
        self.buffer, self.at = self.read() or bad "it ends amid an entry", 1
    end
    local block_size = math.min(self.left, #self.buffer - self.at + 1)
    self.left = self.left - block_size
    if self.at == 1 and block_size == #self.buffer then
        self.at = block_size + 1
        return self.buffer
    end
    local piece = self.buffer:sub(self.at, self.at + block_size - 1)
    self.at = self.at + block_size
    return piece
end

--- A reader over a function that gives bytes, or nil at the end.
---@param read fun(): string?
---@return rshell.tar.Reader
function M.reader(read)
    return setmetatable({read = read, buffer = "", at = 1, left = 0, padding = 0}, Reader)
end

return M
