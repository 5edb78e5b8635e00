-- Options of a command line, read as a table of them says:
--
--   {"-e", value = "CODE", key = "code", last = true}     what follows its value are operands
--   {"-v", key = "verbose", count = true}                 how often it was given
--   {"-o", value = "V", key = "options", list = true}     all values, in order
--   {"--limit", value = "N", key = "limit", number = true}
--   {"-h", "--help", key = "help"}
--
-- Reading ends at the first operand ("-" is one) and behind "--". A command whose operands are no command line itself
-- takes options among them (anywhere).

local fail = require "rshell.cli.fail"
local near = require "rshell.shared.near"

local M = {}

local function find(known, name)
    for _, option in ipairs(known) do
        for _, n in ipairs(option) do
            if n == name then return option end
        end
    end
end

--- known.others says what an option of other tools, by its name, is here.
local function unknown(known, name)
    local others, names = known.others or {}, {}
    local here = others[name] or others[name:match "^%-%w" or ""]
    if here then fail.usage("no option '%s'; here it is %s", name, here) end
    for _, option in ipairs(known) do table.move(option, 1, #option, #names + 1, names) end
    fail.usage("no option '%s'%s", name, #name > 2 and near.suffix(name, names) or "")
end

local function set(values, option, name, value)
    if option.number then
        value = tonumber(value) or fail.usage("option %s: a number expected, got '%s'", name, value)
    end
    if option.count then value = (values[option.key] or 0) + 1 end
    if option.list then
        local all = values[option.key] or {}
        all[#all + 1] = value
        value = all
    end
    if value == nil then value = true end
    values[option.key] = value
end

--- One word: how many words it took, and whether it was the last option.
local function read_long(known, values, args, i)
    local name, value = args[i]:match "^(%-%-[^=]+)=(.*)$"
    name = name or args[i]
    local option = find(known, name) or unknown(known, name)
    if not option.value then
        if value then fail.usage("option %s takes no value", name) end
        set(values, option, name)
        return 1, option.last
    end
    local taken = value and 1 or 2
    value = value or args[i + 1] or fail.usage("option %s needs a value: %s", name, option.value)
    set(values, option, name, value)
    return taken, option.last
end

--- -vv, -eCODE, -e CODE.
local function read_short(known, values, args, i)
    local word = args[i]
    for at = 2, #word do
        local name = "-" .. word:sub(at, at)
        local option = find(known, name) or unknown(known, at == 2 and word or name)
        if option.value then
            local value, taken = word:sub(at + 1), 1
            if value == "" then
                value, taken = args[i + 1] or fail.usage("option %s needs a value: %s", name, option.value), 2
            end
            set(values, option, name, value)
            return taken, option.last
        end
        set(values, option, name)
    end
    return 1
end

--- Reads options from args[i] on, and adds their values by key to values. Gives the indexes of the first operand and of
--- the word that the last option began with, and whether "--" ended them.
---@param known table[]
---@param values table
---@param args string[]
---@param i integer
---@return integer, integer, boolean
function M.parse(known, values, args, i)
    local word = i
    while args[i] and args[i]:match "^%-." do
        word = i
        if args[i] == "--" then return i + 1, word, true end
        local taken, last = (args[i]:sub(1, 2) == "--" and read_long or read_short)(known, values, args, i)
        i = i + taken
        if last then break end
    end
    return i, word, false
end

--- The same with options among the operands too: those that are left, in order.
---@param known table[]
---@param values table
---@param args string[]
---@param i integer
---@return string[]
function M.parse_all(known, values, args, i)
    local operands = {}
    repeat
        local first, _, ended = M.parse(known, values, args, i)
        local last = ended and #args or math.min(first, #args)
        table.move(args, first, last, #operands + 1, operands)
        i = last + 1
    until i > #args
    return operands
end

return M
