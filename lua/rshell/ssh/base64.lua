-- Base64, as keys and known_hosts have it.

local M = {}

local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local VALUE = {}
for i = 1, 64 do VALUE[LETTERS:byte(i)] = i - 1 end

-- Of 12 bits; each is made when it is first needed, since a key needs few of them.
local PAIRS = setmetatable({}, {
    __index = function(t, bits)
        local high, low = (bits >> 6) + 1, (bits & 63) + 1
        local pair = LETTERS:sub(high, high) .. LETTERS:sub(low, low)
        t[bits] = pair
        return pair
    end,
})

local unpack, char = string.unpack, string.char

---@param s string
---@return string
function M.encode(s)
    local out, missing = {}, -#s % 3
    s = s .. ("\0"):rep(missing)
    for i = 1, #s, 3 do
        local n = unpack(">I3", s, i)
        out[#out + 1] = PAIRS[n >> 12] .. PAIRS[n & 4095]
    end
    local text = table.concat(out)
    return missing == 0 and text or text:sub(1, -missing - 1) .. ("="):rep(missing)
end

--- Nil for what is no Base64.
---@param text string
---@return string?
function M.decode(text)
    local body, filling = text:match "^([%w+/]*)(=*)$"
    if not body or #text % 4 ~= 0 or #filling > 2 then return nil end
    if #filling > 0 then body = body .. ("A"):rep(#filling) end
    local out = {}
    for i = 1, #body, 4 do
        local a, b, c, d = body:byte(i, i + 3)
        local n = VALUE[a] << 18 | VALUE[b] << 12 | VALUE[c] << 6 | VALUE[d]
        out[#out + 1] = char(n >> 16, n >> 8 & 255, n & 255)
    end
    local s = table.concat(out)
    return #filling > 0 and s:sub(1, -#filling - 1) or s
end

return M
