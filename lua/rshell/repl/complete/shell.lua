-- A line for sh that isn't complete yet: the word at its end, as it is written and as it is meant.

local M = {}

local BREAKS = "[%s=|;&<>()]"

---@class rshell.repl.ShellWord
---@field from integer where it begins
---@field raw string as it is written
---@field text string as it is meant
---@field quote string? the quote that is open
---@field is_first boolean a program's name stands here

--- The word at the end; nil where only sh can tell what it is.
---@param line string
---@return rshell.repl.ShellWord?
function M.last_word(line)
    local from, quote, quoted, meant, i = 1, nil, nil, {}, 1
    while i <= #line do
        local c = line:sub(i, i)
        if c == "\\" and quote ~= "'" then
            i = i + 1
            meant[#meant + 1] = line:sub(i, i)
        elseif quote then
            if c == quote then quote = nil else meant[#meant + 1] = c end
        elseif c == "'" or c == '"' then
            quote, quoted = c, i
        elseif c:find(BREAKS) then
            from, quoted, meant = i + 1, nil, {}
        else
            meant[#meant + 1] = c
        end
        i = i + 1
    end
    -- Quotes that begin within a word, or have ended in it, are left alone.
    if quoted and (not quote or quoted ~= from) then return nil end
    local before = line:sub(1, from - 1)
    return {
        from = from, raw = line:sub(from), text = table.concat(meant), quote = quote,
        is_first = before:find "^%s*$" ~= nil or before:find "[|;&(]%s*$" ~= nil,
    }
end

--- A name as sh reads it back: within the quote that is open, or with backslashes.
---@param name string
---@param quote string?
function M.quote(name, quote)
    if quote == "'" then return "'" .. name:gsub("'", "'\\''") end
    if quote then return quote .. name:gsub('[$`"\\]', "\\%0") end
    return (name:gsub("[%s'\"\\$`*?;&|<>(){}%[%]!#]", "\\%0"))
end

return M
