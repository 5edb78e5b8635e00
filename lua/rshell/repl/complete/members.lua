-- What can stand behind a dot or a colon: members by the stubs, fields of tables and of objects on other machines,
-- programs and environment variables of a machine.

local docs = require "rshell.repl.docs"
local pending = require "rshell.repl.complete.pending"
local programs = require "rshell.repl.complete.programs"
local remote = require "rshell.repl.complete.remote"
local variables = require "rshell.repl.complete.variables"

local M = {}

local HAS_PROGRAMS = {["rshell.Machine"] = true, ["rshell.Cluster"] = true}

local AGE = 60 -- seconds that fields of an object over there are remembered

local function of_class(class, colon, found)
    for _, member in ipairs(docs.members(class)) do
        if not colon or member.kind == "method" then
            found[#found + 1] = {text = member.name, about = member.about}
        end
    end
end

--- Fields of a table, and of those that its __index names.
local function of_table(t, colon, found, depth)
    for name, value in next, t do
        if type(name) == "string" and name:find "^[%a_][%w_]*$" and (not colon or type(value) == "function") then
            found[#found + 1] = {text = name, about = remote.about(value)}
        end
    end
    local mt = debug.getmetatable(t)
    local more = type(mt) == "table" and rawget(mt, "__index")
    if type(more) == "table" and depth < 10 then of_table(more, colon, found, depth + 1) end
end

--- What came by value.
local function keys_of(t)
    local names = {}
    for key in next, t do
        if type(key) == "string" then names[#names + 1] = key end
    end
    return names
end

--- What the object that resolve() gives says its names are. `owner` and `question` tell it from others.
local function of_object(owner, question, resolve, found)
    local function ask()
        local value = resolve()
        local tell = value ~= nil and remote.teller(value) or type(value) == "table" and keys_of
        return tell and tell(value) or {}
    end
    for _, name in ipairs(pending.ask(owner, question, AGE, ask) or {}) do
        if name:find "^[%a_][%w_]*$" then found[#found + 1] = {text = name, about = "over there"} end
    end
end

function M.candidates(session, what)
    local typed, found = what.typed, {}
    if typed.class == "string" then
        of_table(string, true, found, 0)
    elseif typed.class and not typed.all_commands then
        of_class(typed.class, what.colon, found)
    end
    if type(typed.value) == "table" and typed.class ~= "rshell" then of_table(typed.value, what.colon, found, 0) end
    if type(typed.value) == "userdata" and remote.teller(typed.value) then
        of_object(typed.value, "names", function() return typed.value end, found)
    elseif typed.resolve then
        of_object(typed.owner, "names:" .. typed.place, typed.resolve, found)
    end
    if typed.class == "rshell.Environment" and typed.value and not what.colon then
        local there = variables.names(typed.value)
        table.move(there, 1, #there, #found + 1, found)
    end
    if typed.class == "rshell.Results" and typed.value and not what.colon then
        for _, host in ipairs(typed.value.hosts) do
            if host:find "^[%a_][%w_]*$" then found[#found + 1] = {text = host, about = typed.value[host].status} end
        end
    end
    if HAS_PROGRAMS[typed.class] and typed.machine and not what.colon then
        local there = programs.candidates(session, {machine = typed.machine, word = what.word})
        table.move(there, 1, #there, #found + 1, found)
    end
    return found
end

return M
