-- What is being typed at the cursor: {source=, word=, ...}: who knows how it goes on, and the part of the line that
-- will be replaced.

local calls = require "rshell.repl.complete.calls"
local commands = require "rshell.repl.commands"
local files = require "rshell.repl.complete.files"
local hosts = require "rshell.repl.complete.hosts"
local members = require "rshell.repl.complete.members"
local modules = require "rshell.repl.complete.modules"
local names = require "rshell.repl.complete.names"
local options = require "rshell.repl.complete.options"
local programs = require "rshell.repl.complete.programs"
local shell = require "rshell.repl.complete.shell"
local tokens = require "rshell.repl.tokens"
local types = require "rshell.repl.types"
local variables = require "rshell.repl.complete.variables"

local M = {}

-- ---- commands and programs ----

local function command_names()
    local found = {}
    for i, command in ipairs(commands.all()) do
        found[i] = {text = command.name, about = command.about, ending = command.args ~= "" and " " or nil}
    end
    return found
end

local function of_words(list, ending)
    return function()
        local found = {}
        for i, word in ipairs(list) do found[i] = {text = word, ending = ending} end
        return found
    end
end

local ARGUMENT = {}

function ARGUMENT.host(_, text) return {source = hosts.candidates, word = text:match "[^%s,]*$", ending = ""} end
function ARGUMENT.command(_, text) return {source = command_names, word = text:gsub("^:", "") .. ""} end
function ARGUMENT.name(session, text) return M.lua(session, text, "") end
function ARGUMENT.line(session, text) return M.of(session, text, "") end

function ARGUMENT.file(_, text)
    return {source = files.candidates, word = text, machine = require "rshell".here, plain = true, shown = files.base}
end

function ARGUMENT.directory(session, text)
    return {
        source = files.candidates, word = text, machine = session.where.machine, plain = true, folders = true,
        shown = files.base,
    }
end

local function of_command(session, text)
    local name, argument = text:match "^(%S+)%s+(.*)$"
    if not name then return {source = command_names, word = text} end
    local command = commands.find(name)
    local kind = command and command.complete
    if not kind then return nil end
    if name == "hosts" and argument:find "%s" then
        return M.of_program(session, argument:match "^%S+%s+(.*)$")
    end
    if type(kind) == "table" then return {source = of_words(kind), word = argument} end
    return ARGUMENT[kind](session, argument)
end

--- The machine where `!` runs; of many one that is connected.
local function first_machine(session)
    local cluster = session.where.cluster
    if cluster then return require "rshell.cluster".connected(cluster) end
    return session.where.machine
end

--- A text for sh: a program first, then files.
local function for_sh(machine, text)
    local word = machine and shell.last_word(text)
    if not word then return nil end
    if word.is_first and not word.quote and not word.raw:find "/" then
        return {source = programs.candidates, word = word.raw, machine = machine, plain = true}
    end
    return {source = files.candidates, word = word.raw, machine = machine, shell = word, shown = files.base}
end

function M.of_program(session, text)
    return for_sh(first_machine(session), text)
end

-- ---- Lua ----

local HOSTS = {ssh = true, SshMachine = true, cluster = true, jump = true}
local OWN_FILES = {
    dofile = true, loadfile = true, keyfile = true, config = true, known_hosts = true, open = true, provide = true,
}
local KEEPS_TILDE = {keyfile = true, config = true, known_hosts = true}

local function file_source(machine, word, quote, more)
    local what = {source = files.candidates, word = word, machine = machine, quote = quote, shown = files.base}
    for k, v in next, more or {} do what[k] = v end
    return what
end

--- The text of `m:path "/a"` and `m:path("/a") / "b"`, and whose path it is.
local function written_path(list, i)
    local at = list[i] and list[i].text == ")" and i - 1 or i
    local text, before = list[at], list[at - 1]
    if not text or text.kind ~= "string" or text.open or not before then return nil end
    local part = text.text:match "^[\"'](.*)[\"']$"
    if at == i and before.text == "/" then
        local outer, machine = written_path(list, at - 2)
        return outer and part and outer .. "/" .. part, machine
    end
    local name = at == i and at - 1 or at - 2
    if not part or not list[name] or list[name].text ~= "path" then return nil end
    local typed = types.at(list, name)
    if typed and typed.machine then return part, typed.machine end
end

--- A string that follows a division belongs to the path before it.
local function in_path(list, i, word, quote)
    local text, machine = written_path(list, i)
    if text then return file_source(machine, word, quote, {base_text = text}) end
    local typed = types.at(list, i)
    if not typed or not typed.machine or typed.value == nil then return nil end
    return file_source(typed.machine, word, quote, {base = typed.value})
end

local COMMANDS = {["rshell.Command"] = true, ["rshell.ClusterCommand"] = true}

local SELF_FILES = {
    path = true, at = true, chdir = true, join = true, copy = true, move = true, rename = true, upload = true,
    download = true, symlink = true, link = true, from = true, to = true, append = true, err_to = true, cwd = true,
    write = true, connect_sock = true,
}

--- A string that names a variable of the environment at token i.
local function of_variable(list, i, word, quote)
    local typed = i > 0 and types.at(list, i)
    if not typed or typed.class ~= "rshell.Environment" or not typed.value then return nil end
    return {source = variables.candidates, word = word, environment = typed.value, quote = quote}
end

--- What a string is for that is an argument of the function at token i.
local function in_call(list, i, nth, word, quote)
    local fn = list[i]
    if not fn then return nil end
    local name = fn.kind == "name" and fn.text
    if name and HOSTS[name] and nth == 0 then
        return {source = hosts.candidates, word = name == "cluster" and word:match "[^,!&^]*$" or word, quote = quote}
    end
    if name == "require" then return {source = modules.candidates, word = word, quote = quote} end
    if (name == "get" or name == "set") and nth == 0 then
        local variable = of_variable(list, i - 2, word, quote)
        if variable then return variable end
    end
    local typed = types.at(list, i)
    local here = require "rshell".here
    if name == "download" and nth == 1 or name == "upload" and nth == 0 then return file_source(here, word, quote) end
    if name == "sh" and nth == 0 and typed and typed.member then
        local script = for_sh(typed.machine, word)
        if script then return script end
    end
    if typed and typed.machine and (COMMANDS[typed.class] or name and SELF_FILES[name]) then
        return file_source(typed.machine, word, quote)
    end
    if name and (OWN_FILES[name] or name == "copy") then return file_source(here, word, quote) end
end

--- The string token i is being typed.
local function in_string(list, i, inner)
    local word, quote = inner, list[i].text:sub(1, 1)
    local before = list[i - 1]
    if not before then return nil end
    local sign = before.kind == "op" and before.text
    if sign == "/" or sign == "//" then
        local path = in_path(list, i - 2, word, quote)
        if path then return path end
    elseif sign == "=" and list[i - 2] and list[i - 2].kind == "name" then
        local name = list[i - 2].text
        if HOSTS[name] then return {source = hosts.candidates, word = word:match "[^,]*$", quote = quote} end
        if OWN_FILES[name] then
            return file_source(require "rshell".here, word, quote, {keeps_tilde = KEEPS_TILDE[name]})
        end
        local value = options.values_at(list, i, word, quote)
        if value then return value end
    elseif sign == "[" then
        local typed = types.at(list, i - 2)
        local variable = of_variable(list, i - 2, word, quote)
        if variable then return variable end
        if typed and typed.value and typed.class == "rshell.Results" then
            return {source = of_words(typed.value.hosts, quote .. "]"), word = word}
        elseif typed and typed.class == "rshell.Machine" and typed.machine and not word:find "/" then
            return {source = programs.candidates, word = word, machine = typed.machine, plain = true, quote = quote}
        elseif typed and typed.machine then
            return file_source(typed.machine, word, quote)
        end
    elseif sign == "(" or sign == "," or sign == "{" then
        local at, nth = calls.callee(list, i - 1)
        local found = at and in_call(list, at, nth, word, quote)
        if found then return found end
    elseif before.kind == "name" then
        local found = in_call(list, i - 1, 0, word, quote)
        if found then return found end
    end
    if word:find "^[~/.]" then return file_source(require "rshell".here, word, quote) end
end

--- The end of a Lua text.
function M.lua(_, before)
    local list = tokens.of(before)
    local last = list[#list]
    if last and last.kind == "comment" and last.open then return nil end
    if last and last.kind == "string" and last.open then return in_string(list, #list, before:sub(last.inner)) end
    local word = before:match "[%a_][%w_]*$" or ""
    if word == "" and before:find "%w$" then return nil end
    local at = #list - (word ~= "" and 1 or 0)
    local sign = list[at] and list[at].kind == "op" and list[at].text
    if (sign == "." or sign == ":") and list[at - 1] then
        local typed = types.at(list, at - 1)
        if not typed then return nil end
        return {source = members.candidates, word = word, typed = typed, colon = sign == ":"}
    end
    if word == "" and #list > 0 and before:find "%S$" and not (sign or last.kind == "keyword") then return nil end
    local option = options.names_at(list, at, word)
    if option then return option end
    return {source = names.candidates, word = word, first = at == 0}
end

--- What stands before the cursor.
---@param session rshell.repl.Session
---@param before string
function M.of(session, before)
    local first, rest = before:match "^%s*([:!])%s*(.*)$"
    if first == ":" then return of_command(session, rest) end
    if first == "!" then return M.of_program(session, rest) end
    return M.lua(session, before)
end

return M
