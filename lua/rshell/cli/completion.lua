-- rshell completion SHELL | --hosts [PREFIX]: what completes command lines, made of the options that subcommands have
-- and of what the manual pages say about them.

local commands = require "rshell.cli.commands"
local fail = require "rshell.cli.fail"
local manual = require "rshell.cli.manual"
local near = require "rshell.shared.near"

local M = {name = "completion", operands = {"SHELL"}, options = {{"--hosts", key = "hosts"}}}

local SHELLS = {"bash", "fish", "zsh"}

-- What a value or an operand is, by its name in the manual.
local KINDS = {
    HOST = "hosts", HOSTS = "hosts", SRC = "remote", DST = "remote", FILE = "files", KEY = "files", CONFIG = "files",
    USER = "users", SHELL = "shells", SUBCOMMAND = "commands", CMD = "programs",
}

local function kind_of(value)
    return value and (KINDS[value:match "^%u+"] or "none")
end

--- The first sentence of what the page says about each option.
local function sentences(page)
    local said = {}
    for _, entry in ipairs(manual.entries(manual.sections(page).OPTIONS)) do
        local sentence = (entry.text .. " "):match "^(.-)%.%s" or entry.text
        for word in entry.head:gmatch "%-%-?[%w-]+" do said[word] = sentence end
    end
    return said
end

---@class rshell.cli.CompletedOption
---@field names string[]
---@field kind string? of its value
---@field value string?
---@field about string

local function described(options, page)
    local said, list = sentences(page), {}
    for i, option in ipairs(options) do
        list[i] = {
            names = table.move(option, 1, #option, 1, {}), kind = kind_of(option.value), value = option.value,
            about = said[option[1]] or "",
        }
    end
    return list
end

--- All there is to know: the program's options and its subcommands with theirs.
local function specification()
    local cli = require "rshell.cli.common"
    local spec = {options = described(cli.TOP, "rshell"), commands = {}, shells = SHELLS}
    for i, name in ipairs(commands) do
        local command, page = require("rshell.cli." .. name), "rshell-" .. name
        local options = described(command.options, page)
        for _, option in ipairs(described(cli.COMMON, "rshell")) do options[#options + 1] = option end
        local operands = {}
        for k, word in ipairs(command.operands) do operands[k] = kind_of(word) end
        spec.commands[i] = {name = name, about = manual.about(page), options = options, operands = operands}
    end
    return spec
end

local function print_hosts(prefix)
    for _, name in ipairs(require "rshell.hosts".names(prefix)) do io.write(name, "\n") end
    return 0
end

function M.run(values, argv, first)
    if argv[first + 1] then fail.usage("completion: one word expected, got '%s' too", argv[first + 1]) end
    if values.hosts then return print_hosts(argv[first]) end
    local shell = argv[first]
    if not shell then fail.usage "completion: a SHELL expected: bash, zsh or fish" end
    for _, name in ipairs(SHELLS) do
        if name == shell then
            io.write(require("rshell.cli.completion." .. shell)(specification()))
            return 0
        end
    end
    fail.usage("completion: no shell '%s'%s; there are bash, zsh and fish", shell, near.suffix(shell, SHELLS))
end

return M
