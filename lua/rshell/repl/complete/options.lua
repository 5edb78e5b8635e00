-- Options, in the table that a function takes: `m:tunnel(1, 2, {rev`. The stubs have their names, and those of their
-- values.

local calls = require "rshell.repl.complete.calls"
local docs = require "rshell.repl.docs"
local types = require "rshell.repl.types"

local M = {}

--- Of a type what a table of options is: its fields {name=, type=, about=}, or nil.
local function fields_of(kind)
    local class = (kind or ""):match "rshell%.[%w.]*Options"
    if class and docs.class(class) then return docs.members(class) end
    local body = (kind or ""):match "^%{(.*)%}%??$"
    local fields = {}
    for name, type in (body or ""):gmatch "([%a_][%w_]*)%??:%s*([^,}]+)" do
        fields[#fields + 1] = {name = name, type = type, about = type}
    end
    return fields[1] and fields
end

--- What the nth argument of a function may have; where that is no table, what any of its arguments may.
local function fields_for(typed, nth)
    if typed.class and not typed.member then return fields_of(docs.called_with(typed.class)) end
    local params = typed.member and typed.member.params or {}
    local own = params[nth + 1] and fields_of(params[nth + 1].type)
    if own then return own end
    for _, p in ipairs(params) do
        own = fields_of(p.type)
        if own then return own end
    end
end

--- The fields of the table that is open at token i, if it is one of options.
local function fields_at(list, i)
    local brace = calls.bracket(list, i)
    local before = brace and list[brace].text == "{" and list[brace - 1]
    if not before then return nil end
    local at, nth = brace - 1, 0
    if before.text == "(" or before.text == "," then at, nth = calls.callee(list, brace - 1) end
    local typed = at and at > 0 and types.at(list, at)
    return typed and fields_for(typed, nth)
end

--- Where the name of an option may stand, behind token i: what completes it, or nil.
---@param list table[]
---@param i integer
---@param word string
function M.names_at(list, i, word)
    local sign = list[i] and list[i].kind == "op" and list[i].text
    if sign ~= "{" and sign ~= "," and sign ~= ";" then return nil end
    local fields = fields_at(list, i)
    local found = {}
    for _, field in ipairs(fields or {}) do
        if field.name:sub(1, #word) == word then
            found[#found + 1] = {text = field.name, about = field.about, ending = " = "}
        end
    end
    return found[1] and {source = function() return found end, word = word}
end

--- The values of the option whose string begins at token i, behind `name =`, if they have names.
---@param list table[]
---@param i integer
---@param word string
---@param quote string
function M.values_at(list, i, word, quote)
    local found = {}
    for _, field in ipairs(fields_at(list, i - 3) or {}) do
        if field.name == list[i - 2].text then
            for value in field.type:gmatch '"([^"]*)"' do found[#found + 1] = {text = value, ending = quote} end
        end
    end
    return found[1] and {source = function() return found end, word = word}
end

return M
