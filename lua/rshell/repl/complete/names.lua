-- Names that can stand at the beginning of an expression: variables, rshell's globals, keywords of Lua.

local docs = require "rshell.repl.docs"
local remote = require "rshell.repl.complete.remote"
local tokens = require "rshell.repl.tokens"
local variables = require "rshell.repl.variables"

local M = {}

local OURS = {package = true, coroutine = true, debug = true, utf8 = true, string = true, table = true, math = true,
    io = true, os = true}

local function about(name, value)
    local known = docs.member("rshell", name)
    if known then return known.about end
    return OURS[name] and "library of Lua" or remote.about(value)
end

function M.candidates(_, what)
    local found, seen = {}, {}
    local function add(name, description, rank)
        if seen[name] then return end
        seen[name] = true
        found[#found + 1] = {text = name, about = description, rank = rank}
    end
    variables.each(function(name, value)
        if type(name) == "string" and name:find "^[%a_][%w_]*$" and (name ~= "_" or what.word == "_") then
            add(name, about(name, value))
        end
    end)
    local rshell = require "rshell"
    add("rshell", "everything rshell has")
    add("m", "the machine that :host has set")
    for _, name in ipairs(rshell.globals()) do add(name, about(name)) end
    if what.word ~= "" then
        for word in next, tokens.KEYWORDS do add(word, "keyword", 2) end
    end
    return found
end

return M
