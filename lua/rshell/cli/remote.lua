-- What the subcommands that connect have in common: the options of ssh(1).

local fail = require "rshell.cli.fail"

local M = {}

--- Options that say how to connect; to be added to a subcommand's own.
M.OPTIONS = {
    {"-l", "--login", value = "USER", key = "user"},
    {"-p", "--port", value = "PORT", key = "port", number = true},
    {"-i", "--identity", value = "KEY", key = "keyfile"},
    {"-F", "--config", value = "CONFIG", key = "config"},
    {"-o", value = "SSHOPT=V", key = "options", list = true},
}

--- A subcommand's options with those.
---@param own table[]
---@return table[]
function M.with(own)
    return table.move(M.OPTIONS, 1, #M.OPTIONS, #own + 1, own)
end

--- As ssh takes them: of an option that is given twice, the first counts, or both where it is a list.
local function ssh_options(list)
    local out = {}
    for _, word in ipairs(list or {}) do
        local name, value = word:match "^%s*(%w+)%s*[=%s]%s*(.*)$"
        if not name then fail.usage("option -o: OPTION=VALUE expected, got '%s'", word) end
        name = name:lower()
        out[name] = out[name] or {}
        table.insert(out[name], value)
    end
    return next(out) and out or nil
end

--- What is wrong for every host is said once, before any is connected.
local function check_ssh(option, opts)
    local ok, e = pcall(require "rshell.ssh.config".check, opts)
    if ok then return end
    local err = require "rshell.shared.error"
    if not err.is(e) or e.kind ~= "config" then error(e, 0) end
    fail.usage("option %s: %s", option, (e.message:gsub("^ssh options: ", "")))
end

--- The options of ssh() that the command line says.
---@param values table
function M.options(values)
    local port = values.port and math.tointeger(values.port)
    if values.port and (not port or port < 1 or port > 65535) then fail.usage("option -p: no port: %s", values.port) end
    local options = ssh_options(values.options)
    if options then check_ssh("-o", {options = options, config = false}) end
    if values.config then check_ssh("-F", {config = values.config}) end
    return {
        user = values.user, port = port, keyfile = values.keyfile, config = values.config, options = options,
        agent = false, -- for one piece of work it isn't worth its way
    }
end

--- The names that a node set of the command line stands for.
---@param set string
---@return string[]
function M.names(set)
    local ok, names = pcall(require "rshell.nodeset".expand, set)
    if ok then return names end
    fail.usage("%s", require "rshell.shared.error".headline(names))
end

--- -H, which may be given several times: at least one name; and the node set that they are of.
---@param who string
---@param sets string[]
---@return string[], string
function M.hosts(who, sets)
    local set = table.concat(sets, ",")
    local names = M.names(set)
    if #names == 0 then fail.usage("%s: -H %s names no host", who, require "rshell.text".quote(set)) end
    return names, set
end

--- A number of seconds, or nil.
---@param option string
---@param value number?
function M.check_seconds(option, value)
    if value and value < 0 then fail.usage("option %s: a number of seconds expected, got %s", option, value) end
end

--- --limit: how much is done at once.
---@param values table
---@param without integer?
function M.limit(values, without)
    if not values.limit then return without end
    local limit = math.tointeger(values.limit)
    if not limit or limit < 1 then
        fail.usage("option --limit: a number of at least 1 expected, got %s", values.limit)
    end
    return limit
end

return M
