-- The words of a line of ssh_config. Two grammars live side by side: keywords and Match criteria know double quotes and
-- one `=`; the arguments of all else know both quotes and the backslash.

local M = {}

local BLANK = "^[ \t\r\n]*"

local function after_blanks(s)
    return (s:gsub(BLANK, "", 1))
end

-- `at` is where the quote opens; what stands before it belongs to the word, what follows the closing one doesn't.
local function quoted(s, at)
    local close = s:find('"', at + 1, true)
    if not close then return nil, nil end
    return s:sub(1, at - 1) .. s:sub(at + 1, close - 1), after_blanks(s:sub(close + 1))
end

--- The first word of s and what follows; nil for a quote that isn't closed. The rest is nil when nothing ends the word.
---@param s string
---@return string? word
---@return string? rest
function M.first(s)
    local at = s:find '[ \t\r\n"=]'
    if not at then return s, nil end
    local c = s:sub(at, at)
    if c == '"' then return quoted(s, at) end
    local rest = after_blanks(s:sub(at + 1))
    if c ~= "=" and rest:sub(1, 1) == "=" then rest = after_blanks(rest:sub(2)) end
    return s:sub(1, at - 1), rest
end

local ESCAPED = {["'"] = true, ['"'] = true, ["\\"] = true}

-- The word that starts at i, and where it ends; nil for a quote that isn't closed.
local function word_at(s, i)
    local plain, ending, after = s:match("^([^\\\"' \t]+)([\\\"']?)()", i)
    if ending == "" then return plain, after end
    local out, quote = {}, nil
    while i <= #s do
        local c, following = s:sub(i, i), s:sub(i + 1, i + 1)
        if c == "\\" and (ESCAPED[following] or not quote and following == " ") then
            out[#out + 1] = following
            i = i + 1
        elseif not quote and (c == " " or c == "\t") then
            break
        elseif not quote and (c == '"' or c == "'") then
            quote = c
        elseif c == quote then
            quote = nil
        else
            out[#out + 1] = c
        end
        i = i + 1
    end
    if quote then return nil end
    return table.concat(out), i
end

--- All words up to a comment; nil for a quote that isn't closed.
---@param s string
---@return string[]?
function M.split(s)
    local words, i = {}, 1
    while true do
        i = s:find("[^ \t]", i)
        if not i or s:sub(i, i) == "#" then return words end
        words[#words + 1], i = word_at(s, i)
        if not i then return nil end
    end
end

--- The text before the first NUL, without the blanks at its end.
---@param line string
function M.trim(line)
    return (line:match "^%Z*":gsub("[ \t\r\n\f]+$", ""))
end

return M
