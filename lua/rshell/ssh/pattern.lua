-- Patterns as ssh writes them: * and ?, lists with commas, ! for all but.

local M = {}

local STAR, ANY = 42, 63

--- Whether all of s is what the pattern means. Never takes longer than #s * #pattern.
---@param s string
---@param pattern string
---@return boolean
function M.match(s, pattern)
    local i, p = 1, 1
    local star, resume
    while i <= #s do
        local c = pattern:byte(p)
        if c == STAR then
            star, resume = p, i
            p = p + 1
        elseif c and (c == ANY or c == s:byte(i)) then
            i, p = i + 1, p + 1
        elseif star then
            resume = resume + 1
            i, p = resume, star + 1
        else
            return false
        end
    end
    return pattern:find("^%**$", p) ~= nil
end

--- True when an element of the list matches and none with ! does; false when one with ! does; else nil.
---@param s string
---@param list string
---@return boolean?
function M.list(s, list)
    local found
    for element in list:gmatch "[^,]+" do
        local negated = element:sub(1, 1) == "!"
        if M.match(s, negated and element:sub(2) or element) then
            if negated then return false end
            found = true
        end
    end
    return found
end

--- The same for names of hosts, where capitals don't count.
---@param host string
---@param list string
---@return boolean?
function M.hosts(host, list)
    return M.list(host:lower(), list:lower())
end

return M
