-- Writes the lines that have worked as a script that does the same.

local err = require "rshell.shared.error"
local tokens = require "rshell.repl.tokens"
local variables = require "rshell.repl.variables"

local M = {
    name = "save", args = "FILE.lua", complete = "file",
    about = "writes the lines that have worked to a script that runs",
    more = [[
What was shown is printed by the script, ! lines become commands, :host and :cd what they stand for. An existing file is
not overwritten; with ! behind its name it is.]],
}

--- Whether a text names this variable.
local function names(text, name)
    for _, token in ipairs(tokens.of(text)) do
        if token.kind == "name" and token.text == name then return true end
    end
    return false
end

local function without_equals(text)
    return (text:gsub("^%s*=", ""))
end

--- How each kind of line is written. s: m, how the machine is called; last: whether somebody asks for _.
local WRITE = {
    statement = function(line) return line.text end,
    call = function(line) return without_equals(line.text) end,
    lua = function(line, s) return (line.text:gsub("^m%f[^%w_]", s.m)) end,
    host = function(line, s) return ("%s = %s"):format(s.m, line.text) end,
    hosts = function(line) return ("all = %s"):format(line.text) end,
}

--- kept: where somebody asks for _ later; other: where nobody does.
local function value_writer(kept, other)
    return function(line, s)
        local value = without_equals(line.text):gsub("[%s;]+$", "")
        if value:find("--", 1, true) then value = value .. "\n" end -- a comment may be its end
        return (s.last and kept or other):format(value)
    end
end

WRITE.value = value_writer("_ = %s\nprint(_)", "print(%s)")
WRITE.shown = value_writer("_ = %s\nrshell.output.show(_)", "rshell.output.show(%s)")
WRITE.several = value_writer(
    "_ = table.pack(%s)\nrshell.output.show(table.unpack(_, 1, _.n))\n_ = _[1]", "rshell.output.show(%s)")

function WRITE.shell(line, s)
    if line.cluster then return ("print(all:sh(%q):fold())"):format(line.text) end
    return ("FG(%s:sh(%q))"):format(s.m, line.text)
end

local OF_LUA = {statement = true, value = true, shown = true, several = true, call = true}

--- The script, as text.
---@param kept {how: string, text: string}[]
---@return string
function M.script(kept)
    local s = {m = variables.get "m" ~= nil and "current" or "m"}
    local lines, needs_machine = {}, false
    for _, line in ipairs(kept) do
        if OF_LUA[line.how] then
            s.last = s.last or names(line.text, "_")
            needs_machine = needs_machine or s.m == "m" and names(line.text, "m")
        else
            needs_machine = needs_machine or line.how ~= "hosts"
        end
    end
    for _, line in ipairs(kept) do lines[#lines + 1] = WRITE[line.how](line, s) end
    if needs_machine then table.insert(lines, 1, s.m .. " = here") end
    return "#!/usr/bin/env rshell\n" .. table.concat(lines, "\n") .. "\n"
end

function M.run(session, name)
    local path, force = name:match "^(.-)%s*(!?)$"
    if path == "" then err.usage ":save: the name of a file expected, session.lua" end
    if #session.kept == 0 then err.usage ":save: no line has worked yet" end
    local here = require "rshell".here
    path = path:gsub("^~/", function() return here.home .. "/" end)
    local file = here:path(path)
    if force == "" and file:exists() then
        err.raise {
            kind = "exists", path = tostring(file), message = tostring(file) .. " is there already",
            hint = (":save %s! overwrites it"):format(path),
        }
    end
    file:write(M.script(session.kept))
    io.write(("%d line%s saved; rshell run %s does the same\n"):format(#session.kept, #session.kept == 1 and "" or "s",
        require "rshell.text".quote(path)))
end

return M
