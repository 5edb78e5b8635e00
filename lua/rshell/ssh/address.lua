-- Addresses as the C library would print them: known_hosts has one spelling of each.

local M = {}

local function number(s)
    if s:find "^0[xX]%x+$" then return tonumber(s) end
    if s:find "^0[0-7]*$" then return tonumber(s, 8) end
    return s:find "^[1-9]%d*$" and #s <= 10 and tonumber(s) or nil
end

-- Up to four numbers, the last fills what is left: 127.1 is 127.0.0.1.
local function ipv4(s)
    local parts = {}
    for part in (s .. "."):gmatch "(.-)%." do parts[#parts + 1] = number(part) or -1 end
    if #parts > 4 then return nil end
    local value = 0
    for i, n in ipairs(parts) do
        local bytes = i == #parts and 5 - i or 1
        if n < 0 or n >= 1 << 8 * bytes then return nil end
        value = value << 8 * bytes | n
    end
    return ("%d.%d.%d.%d"):format(value >> 24, value >> 16 & 255, value >> 8 & 255, value & 255)
end

-- "a:b" as numbers; false when it is no such list.
local function groups(s)
    local list = {}
    if s == "" then return list end
    local rest, a, b, c, d = s:match "^(.-)(%d+)%.(%d+)%.(%d+)%.(%d+)$"
    if rest then
        local dotted = s:sub(#rest + 1)
        if ipv4(dotted) ~= dotted then return false end
        s = ("%s%02x%02x:%02x%02x"):format(rest, tonumber(a), tonumber(b), tonumber(c), tonumber(d))
    end
    for part in (s .. ":"):gmatch "(.-):" do
        if not part:find "^%x%x?%x?%x?$" then return false end
        list[#list + 1] = tonumber(part, 16)
    end
    return list
end

local function parse6(s)
    local head, tail = s:match "^(.-)::(.*)$"
    if not head then
        local all = groups(s)
        return all and #all == 8 and all or nil
    end
    local a, b = groups(head), groups(tail)
    if not a or not b or head:find("%.") or #a + #b > 7 then return nil end
    for _ = 1, 8 - #a - #b do a[#a + 1] = 0 end
    return table.move(b, 1, #b, #a + 1, a)
end

-- The longest run of zeros, the first of several: where and how long; runs of one don't count.
local function zeros(list)
    local best, length, i = nil, 1, 1
    while i <= 8 do
        local j = i
        while list[j] == 0 do j = j + 1 end
        if j - i > length then best, length = i, j - i end
        i = math.max(j, i + 1)
    end
    return best, length
end

local function hex(list, first, last)
    local out = {}
    for i = first, last do out[#out + 1] = ("%x"):format(list[i]) end
    return table.concat(out, ":")
end

local function ipv6(s)
    local list = parse6(s)
    if not list then return nil end
    local at, length = zeros(list)
    if not at then return hex(list, 1, 8) end
    if at == 1 and (length == 6 or length == 5 and list[6] == 0xffff) then
        local a, b = list[7], list[8]
        return ("::%s%d.%d.%d.%d"):format(length == 5 and "ffff:" or "", a >> 8, a & 255, b >> 8, b & 255)
    end
    return hex(list, 1, at - 1) .. "::" .. hex(list, at + length, 8)
end

--- The usual spelling of an address, unless only capitals differ; nil for what is none.
---@param s string
---@return string?
function M.normal(s)
    if not s:find(":", 1, true) then return ipv4(s) end
    local plain, zone = s:match "^([%x:.]+)(.*)$"
    local known = plain and (zone == "" or zone:find "^%%[%w_.-]+$") and ipv6(plain)
    if not known then return nil end
    known = known .. zone
    return known:lower() == s:lower() and s or known
end

return M
