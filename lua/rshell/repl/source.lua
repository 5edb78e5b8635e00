-- What was typed, as Lua that runs: an expression whose values are shown, or statements. Top-level locals last as
-- long as the session: `local x = 1` declares x for all lines that come (variables.lua), since each is a chunk of its
-- own. What was declared <close> is closed when the session ends.

local tokens = require "rshell.repl.tokens"

local M = {}

local OPENS = {["do"] = 1, ["if"] = 1, ["function"] = 1, ["repeat"] = 1, ["end"] = -1, ["until"] = -1}

--- Bytes from..to become this many blanks, so that places in messages stay true.
local function blank(edits, from, to)
    edits[#edits + 1] = {from = from, to = to, text = (" "):rep(to - from + 1)}
end

--- The names of `local a <const>, b = ...` from the token i on; i of the token behind them.
local function read_names(list, i, edits, closing, declared)
    while list[i] and list[i].kind == "name" do
        local name = list[i].text
        declared[#declared + 1] = name
        i = i + 1
        if list[i] and list[i].text == "<" and list[i + 2] and list[i + 2].text == ">" then
            if list[i + 1].text == "close" then closing[#closing + 1] = name end
            blank(edits, list[i].from, list[i + 2].to)
            i = i + 3
        end
        if not (list[i] and list[i].text == ",") then break end
        i = i + 1
    end
    return i
end

--- `local` at token i becomes `;`.
local function lift(list, i, edits, closing, declared)
    local word = list[i]
    edits[#edits + 1] = {from = word.from, to = word.to, text = ";" .. (" "):rep(#word.text - 1)}
    local after = list[i + 1]
    if not after or after.text == "function" then
        declared[#declared + 1] = list[i + 2] and list[i + 2].text
        return
    end
    local stop = read_names(list, i + 1, edits, closing, declared)
    if not (list[stop] and list[stop].text == "=") then
        local last = list[stop - 1].to
        edits[#edits + 1] = {from = last + 1, to = last, text = " = nil"}
    end
end

local function apply(text, edits)
    local parts, at = {}, 1
    for _, edit in ipairs(edits) do
        parts[#parts + 1] = text:sub(at, edit.from - 1) .. edit.text
        at = edit.to + 1
    end
    return table.concat(parts) .. text:sub(at)
end

--- The text with its top-level locals as globals, the names of those that are to be closed, and of all.
---@param text string
---@return string, string[] closing, string[] declared
function M.lift_locals(text)
    if not text:find("%f[%w_]local%f[^%w_]") then return text, {}, {} end
    local list, edits, closing, declared, depth = {}, {}, {}, {}, 0
    for _, token in ipairs(tokens.of(text)) do
        if token.kind ~= "comment" then list[#list + 1] = token end
    end
    for i, token in ipairs(list) do
        local opens = token.kind == "keyword" and OPENS[token.text]
        if opens then
            depth = depth + opens
        elseif depth == 0 and token.kind == "keyword" and token.text == "local" then
            lift(list, i, edits, closing, declared)
        end
    end
    return apply(text, edits), closing, declared
end

--- Strings in quotes end with their line, and nobody breaks it between a method and its call.
local function is_unfinished(message)
    return message:find "near <eof>$" ~= nil and not message:find "unfinished string"
        and not message:find "function arguments expected"
end

--- Of what is wrong with the text as statements and as an expression, what tells more: a text that doesn't even begin
--- as a statement was meant as an expression.
local function better(text, message, as_value)
    local first = tokens.of(text)[1]
    local place = message:match "unexpected symbol near '(.*)'$"
    local meant = first and place == first.text or message:find "syntax error near '[^%w_]" ~= nil
    return meant and as_value and not as_value:find "<eof>" and as_value or message
end

local function is_empty(text)
    for _, token in ipairs(tokens.of(text)) do
        if token.kind ~= "comment" and token.text ~= ";" then return false end
    end
    return true
end

local BRACKETS = {["("] = 1, ["{"] = 1, ["["] = 1, [")"] = -1, ["}"] = -1, ["]"] = -1}

--- Where the last statement may begin: behind the last `;`, or on a line of its own, outside of blocks and brackets.
local function last_statement(text)
    local depth, start, line_end = 0, nil, 1
    for _, token in ipairs(tokens.of(text)) do
        local on_new_line = text:find("\n", line_end, true)
        if depth == 0 and on_new_line and on_new_line < token.from then start = token.from end
        depth = depth + (token.kind == "keyword" and OPENS[token.text] or BRACKETS[token.text] or 0)
        if depth == 0 and token.text == ";" then start = token.to + 1 end
        line_end = token.to + 1
    end
    return start
end

--- Statements with an expression behind them, `x = 1; x`.
local function split(text, chunk)
    local start = last_statement(text)
    if not start then return nil end
    local before, value = text:sub(1, start - 1), text:sub(start)
    local lifted, closing, declared = M.lift_locals(before)
    local whole = lifted .. " return " .. value
    if not load(whole, chunk, "t") then return nil end
    return {
        text = whole, is_expression = true, closing = closing, declared = declared, before = before, value = value,
    }
end

--- What the text is: {text=, is_expression=, closing=, declared=} where text is the chunk that runs, {unfinished=true}
--- or {message=}. What gives values may have statements before it: before=, value=. A leading `=` is no mistake.
---@param text string
---@param chunk string
function M.compile(text, chunk)
    local plain = text:gsub("^%s*=", "")
    local fn, as_value = load("return " .. plain, chunk, "t")
    if fn and not is_empty(plain) then
        return {text = "return " .. plain, is_expression = true, closing = {}, declared = {}}
    end
    local lifted, closing, declared = M.lift_locals(text)
    local message
    fn, message = load(lifted, chunk, "t")
    if fn then return {text = lifted, closing = closing, declared = declared} end
    local both = split(text, chunk)
    if both then return both end
    local unfinished = is_unfinished(message) or as_value and is_unfinished(as_value)
    return {unfinished = unfinished or nil, message = better(plain, message, as_value)}
end

--- How deep the blocks are that are still open at its end, for indenting.
---@param text string
function M.depth(text)
    local depth = 0
    for _, token in ipairs(tokens.of(text)) do
        if token.kind == "keyword" then
            depth = depth + (OPENS[token.text] or 0)
        elseif token.kind == "op" and token.text:find "[%({%[]" then
            depth = depth + 1
        elseif token.kind == "op" and token.text:find "[%)}%]]" then
            depth = depth - 1
        elseif token.open then
            return 0 -- in a long string every blank counts
        end
    end
    return math.max(depth, 0)
end

return M
