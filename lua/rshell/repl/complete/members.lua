-- What can stand behind a dot or a colon: members by the stubs, fields of tables, programs of a machine. An object
-- whose metatable has __names(v) is asked for its fields, once: that may wait.

local docs = require "rshell.repl.docs"
local object = require "rshell.object"
local pending = require "rshell.repl.complete.pending"
local programs = require "rshell.repl.complete.programs"

local M = {}

local AGE = 60 -- seconds that fields of an object over there are remembered

local function of_class(class, colon, found)
    for _, member in ipairs(docs.members(class)) do
        if not colon or member.kind == "method" then
            found[#found + 1] = {text = member.name, about = member.about}
        end
    end
end

local function describe(value)
    if type(value) == "function" then return "function" end
    if type(value) == "table" then return object.type(value) end
    local ok, text = pcall(tostring, value)
    return ok and text:sub(1, 200) or nil
end

--- Fields of a table, and of those that its __index names.
local function of_table(t, colon, found, depth)
    for name, value in next, t do
        if type(name) == "string" and name:find "^[%a_][%w_]*$" and (not colon or type(value) == "function") then
            found[#found + 1] = {text = name, about = describe(value)}
        end
    end
    local mt = debug.getmetatable(t)
    local more = type(mt) == "table" and rawget(mt, "__index")
    if type(more) == "table" and depth < 10 then of_table(more, colon, found, depth + 1) end
end

local function of_object(value, found)
    local mt = debug.getmetatable(value)
    local ask = type(mt) == "table" and rawget(mt, "__names")
    if not ask then return end
    for _, name in ipairs(pending.ask(mt, tostring(value), AGE, function() return ask(value) end) or {}) do
        found[#found + 1] = {text = name, about = "over there"}
    end
end

function M.candidates(session, what)
    local typed, found = what.typed, {}
    if typed.class == "string" then
        of_table(string, true, found, 0)
    elseif typed.class then
        of_class(typed.class, what.colon, found)
    end
    if type(typed.value) == "table" and typed.class ~= "rshell" then of_table(typed.value, what.colon, found, 0) end
    if type(typed.value) == "userdata" then of_object(typed.value, found) end
    if typed.class == "rshell.Machine" and typed.machine and not what.colon then
        local there = programs.candidates(session, {machine = typed.machine, word = what.word})
        table.move(there, 1, #there, #found + 1, found)
    end
    return found
end

return M
