-- Lua text as a list of tokens, for what looks at a line that may be unfinished. Never fails: what is no Lua is `bad`.
--
--   {kind=, text=, from=, to=}      kind: name keyword number string comment op bad
--   open = true                     a string or comment that has no end; inner: where its text begins

local M = {}

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true until
    while]]):gmatch "%a+" do
    KEYWORDS[word] = true
end
M.KEYWORDS = KEYWORDS

local OPERATORS = {
    "^%.%.%.", "^%.%.", "^::", "^//", "^==", "^~=", "^<=", "^>=", "^<<", "^>>", "^[%+%-%*/%%%^#&~|<>=%(%){}%[%];:,%.]",
}

--- The end of a long bracket that begins at i, or nil and where its text begins.
local function long_bracket(text, i)
    local level = text:match("^%[(=*)%[", i)
    if not level then return nil end
    local inner = i + #level + 2
    local _, stop = text:find("]" .. level .. "]", inner, true)
    return stop, inner
end

local function short_string(text, i)
    local quote, at = text:sub(i, i), i + 1
    while at <= #text do
        local c = text:sub(at, at)
        if c == quote then return at end
        if c == "\n" then return nil, at - 1 end
        at = at + (c == "\\" and 2 or 1)
    end
end

local function number_at(text, i)
    local stop = select(2, text:find("^0[xX][%x%.]*", i)) or select(2, text:find("^%d*%.?%d*", i))
    local exponent = select(2, text:find("^[eEpP][%+%-]?%d+", stop + 1))
    return exponent or stop
end

--- {kind=, to=, open=, inner=} of what begins at i.
local function string_at(text, i)
    local stop, inner = long_bracket(text, i)
    if inner then return {kind = "string", to = stop or #text, open = not stop, inner = inner} end
    local at
    stop, at = short_string(text, i)
    return {kind = "string", to = stop or at or #text, open = not stop, inner = i + 1}
end

local function comment_at(text, i)
    local stop, inner = long_bracket(text, i + 2)
    if inner then return {kind = "comment", to = stop or #text, open = not stop, inner = inner} end
    local line_end = text:find("\n", i, true)
    return {kind = "comment", to = line_end and line_end - 1 or #text, open = not line_end, inner = i + 2}
end

local function token_at(text, i)
    local c = text:sub(i, i)
    local _, stop = text:find("^[%a_][%w_]*", i)
    if stop then return {kind = KEYWORDS[text:sub(i, stop)] and "keyword" or "name", to = stop} end
    if c:find "%d" or text:find("^%.%d", i) then return {kind = "number", to = number_at(text, i)} end
    if text:find("^%-%-", i) then return comment_at(text, i) end
    if c == '"' or c == "'" or text:find("^%[=*%[", i) then return string_at(text, i) end
    for _, pattern in ipairs(OPERATORS) do
        _, stop = text:find(pattern, i)
        if stop then return {kind = "op", to = stop} end
    end
    return {kind = "bad", to = i}
end

---@param text string
---@return table[]
function M.of(text)
    local list, i = {}, 1
    while true do
        i = text:find("%S", i)
        if not i then return list end
        local token = token_at(text, i)
        token.from, token.text = i, text:sub(i, token.to)
        list[#list + 1] = token
        i = token.to + 1
    end
end

return M
