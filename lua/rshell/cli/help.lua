-- rshell help [SUBCOMMAND], --help

local fail = require "rshell.cli.fail"
local manual = require "rshell.cli.manual"
local near = require "rshell.shared.near"

local M = {name = "help", options = {}}

--- A synopsis.
local function usage_of(paragraph)
    return "usage: " .. manual.fill(paragraph, "       "):sub(8)
end

--- What is shown for wrong usage.
---@return string
function M.usage()
    return usage_of(manual.paragraphs(manual.sections().SYNOPSIS)[1]) .. "\n"
end

--- The first words of each subcommand, in columns.
local function subcommands(sections, names)
    local lines, width = {}, 0
    for _, name in ipairs(names) do width = math.max(width, #name) end
    for i, name in ipairs(names) do
        local about = manual.fill(manual.paragraphs(sections["SUBCOMMANDS/" .. name])[2], (" "):rep(width + 4))
        lines[i] = ("  %-" .. width .. "s  %s"):format(name, about:sub(width + 5))
    end
    return table.concat(lines, "\n")
end

local function all_filled(section, margin)
    local all = manual.paragraphs(section)
    for i, p in ipairs(all) do all[i] = manual.fill(p, margin) end
    return all
end

local function everything()
    local sections, names = manual.sections()
    local about = manual.paragraphs(sections.NAME)[1]:gsub("^.- %- ", ""):gsub("^%l", string.upper)
    return table.concat({
        M.usage(), about .. ".\n", "Subcommands:", subcommands(sections, names), "", "Options:",
        table.concat(all_filled(sections.OPTIONS, "  "), "\n"), "", "The manual page rshell(1) says more.\n",
    }, "\n")
end

local function about_one(name)
    local sections, names = manual.sections()
    local section = sections["SUBCOMMANDS/" .. name]
    if not section then fail.usage("no subcommand '%s'%s", name, near.suffix(name, names)) end
    local all = all_filled(section, "")
    all[1] = usage_of(manual.paragraphs(section)[1])
    return table.concat(all, "\n\n") .. "\n"
end

--- Shows the help of a subcommand, or of the program.
---@param name string?
function M.show(name)
    io.write(name and about_one(name) or everything())
    return 0
end

function M.run(_, argv, first)
    return M.show(argv[first])
end

return M
