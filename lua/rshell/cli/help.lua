-- rshell help [SUBCOMMAND], --help

local commands = require "rshell.cli.commands"
local err = require "rshell.shared.error"
local fail = require "rshell.cli.fail"
local kinds = require "rshell.cli.kinds"
local manual = require "rshell.cli.manual"
local near = require "rshell.shared.near"

local M = {name = "help", options = {}, operands = {"SUBCOMMAND"}}

--- A synopsis.
local function usage_of(sections)
    return "usage: " .. manual.fill(manual.paragraphs(sections.SYNOPSIS)[1].text, "       "):sub(8) .. "\n"
end

--- What is shown for wrong usage.
---@return string
function M.usage()
    return usage_of(manual.sections())
end

local function contains(list, name)
    for _, known in ipairs(list) do
        if known == name then return true end
    end
    return false
end

local function topics()
    local all = kinds.names()
    return table.move(commands, 1, #commands, #all + 1, all)
end

local function sentence(about)
    return about:gsub("^%l", string.upper) .. "."
end

--- What each subcommand is for, in columns.
local function subcommands()
    local lines, width = {}, 0
    for _, name in ipairs(commands) do width = math.max(width, #name) end
    for i, name in ipairs(commands) do
        local about = manual.fill(sentence(manual.about("rshell-" .. name)), (" "):rep(width + 4))
        lines[i] = ("  %-" .. width .. "s  %s"):format(name, about:sub(width + 5))
    end
    return table.concat(lines, "\n")
end

local function everything()
    local sections = manual.sections()
    return table.concat({
        usage_of(sections), sentence(manual.about()) .. "\n", manual.heading "Subcommands:", subcommands(), "",
        manual.heading "Options:", manual.text(sections.OPTIONS, "  "), "",
        "`rshell help SUBCOMMAND` says more. The manual pages rshell(1) and\nrshell-lua(7) say the rest.\n",
    }, "\n")
end

local function about_one(name)
    local page = "rshell-" .. name
    local sections = manual.sections(page)
    local parts = {usage_of(sections), sentence(manual.about(page)) .. "\n", manual.text(sections.DESCRIPTION, "")}
    for _, part in ipairs {{"OPTIONS", "Options:"}, {"EXAMPLES", "Examples:"}, {"EXIT STATUS", "Exit status:"}} do
        local section = sections[part[1]]
        if section then
            parts[#parts + 1] = ("\n%s\n%s"):format(manual.heading(part[2]), manual.text(section, "  "))
        end
    end
    return table.concat(parts, "\n") .. "\n"
end

--- What the prompt's :doc tells about a name of the Lua API. In the manuals m is a machine.
local function show_name(name)
    local ok, e = pcall(require("rshell.repl.commands.doc").run, nil, (name:gsub("^m%f[.:]", "here")))
    if not ok and err.is(e) then fail.usage("%s", e.message) end
    if not ok then error(e, 0) end
    return 0
end

--- Shows the help of a subcommand, a kind of error or a name of the Lua API, or of the program.
---@param name string?
function M.show(name)
    local text
    if name and name:find "[.:]" then return show_name(name) end
    if not name then
        text = everything()
    elseif contains(commands, name) then
        text = about_one(name)
    else
        text = kinds.text(name)
        if not text and require "rshell.repl.types".find(name) then return show_name(name) end
        if not text then fail.usage("no subcommand '%s'%s", name, near.suffix(name, topics())) end
    end
    io.write(text)
    return 0
end

function M.run(_, argv, first)
    return M.show(argv[first])
end

return M
