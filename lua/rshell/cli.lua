-- The command line: `rshell [OPTION ...] SUBCOMMAND ...`, or a script in the place of a subcommand.
-- Below cli/ there is one file a subcommand, and commands.lua names them: name, options, run(values, argv, index of the
-- first operand, index of the last option) -> exit status.

local color = require "rshell.output.color"
local commands = require "rshell.cli.commands"
local common = require "rshell.cli.common"
local fail = require "rshell.cli.fail"
local near = require "rshell.shared.near"
local options = require "rshell.cli.options"
local report = require "rshell.cli.report"
local task = require "rshell.task"
local text = require "rshell.text"

local function is_command(name)
    for _, c in ipairs(commands) do
        if c == name then return true end
    end
    return false
end

local function is_file(name)
    if name == "-" or name:find("/", 1, true) or name:find "%.lua$" then return true end
    local f <close> = io.open(name, "rb")
    return f ~= nil
end

local LEVELS = {"info", "debug", "trace"}

local function set_verbose(values)
    report.verbose = values.verbose or 0
    local level = report.verbose >= 2 and LEVELS[math.min(report.verbose - 1, #LEVELS)] or os.getenv "RSHELL_LOG"
    if not level or level == "" then return end
    local ok = pcall(require "rshell.log.base".set_level, level)
    if not ok then fail.usage("RSHELL_LOG: no level '%s'; expected error, warning, info, debug or trace", level) end
end

local function run_command(name, values, argv, i)
    local command = require("rshell.cli." .. name)
    local known = table.move(command.options, 1, #command.options, #common.COMMON + 1, {table.unpack(common.COMMON)})
    known.others = command.others
    local first, word
    if command.anywhere then
        argv, first = options.parse_all(known, values, argv, i), 1
    else
        first, word = options.parse(known, values, argv, i)
    end
    set_verbose(values)
    if values.help then return require "rshell.cli.help".show(name) end
    return command.run(values, argv, first, word)
end

--- ssh starts us by other names, see there.
local function helper(argv)
    local base = (argv[0] or ""):match "/(rshell%-ssh%-%l+)$"
    if base then return require "rshell.ssh.openssh.helper" end
end

--- A pipe or a file; nothing else than a terminal has lines for a prompt, and nobody types on /dev/null.
local function has_input()
    local stat = require "rshell.sys.fs".stat "/dev/fd/0"
    return stat ~= nil and (stat.type == "file" or stat.type == "fifo" or stat.type == "socket")
end

--- -i with a script, or with the code of -e.
local function prompt(values, argv, first, version)
    local file = not values.code and argv[first] or nil
    local zero = values.code and first - 1 or first
    local arg = {[0] = file or values.code and "-e" or nil}
    for i = zero + 1, #argv do arg[i - zero] = argv[i] end
    return require "rshell.repl".run {version = version, file = file, code = values.code, arg = arg}
end

--- Without a subcommand and a script: the prompt at a terminal, else what comes from standard input.
local function run_nothing(values, argv, first, version)
    if require "rshell.term".is_terminal(0) then return prompt(values, argv, first, version) end
    if has_input() then return require "rshell.cli.run".run(values, {[0] = argv[0], "-"}, 1, 1) end
    io.stderr:write(require "rshell.cli.help".usage())
    return 2
end

local AS_HOST = "; the host is for rshell exec -H %s -- COMMAND, or :host at the prompt"

--- Whether it is written down as a host's name.
local function is_host(name)
    local ok, names = pcall(require "rshell.hosts".names)
    for _, known in ipairs(ok and names or {}) do
        if known == name then return true end
    end
    return false
end

local function main(argv, version)
    local values = {}
    local own = helper(argv)
    if own then return own.run(argv) end
    local first, word = options.parse(common.TOP, values, argv, 1)
    set_verbose(values)
    local name = argv[first]
    if values.version then
        io.write("rshell ", version, "\n")
        return 0
    elseif values.help then
        return require "rshell.cli.help".show(is_command(name) and name or nil)
    elseif values.prompt then
        return prompt(values, argv, first, version)
    elseif values.code then
        return require "rshell.cli.run".run(values, argv, first, word)
    elseif not name then
        return run_nothing(values, argv, first, version)
    elseif is_command(name) then
        return run_command(name, values, argv, first + 1)
    elseif is_file(name) then
        return require "rshell.cli.run".run(values, argv, first, word)
    end
    local meant = near.suffix(name, commands)
    if meant == "" then meant = is_host(name) and AS_HOST:format(name) or "; see rshell --help" end
    fail.usage("no subcommand or file '%s'%s", name, meant)
end

-- What would stay behind: temporary folders.
local function sweep()
    local tempdir = package.loaded["rshell.tempdir"]
    if tempdir then task.shield(tempdir.clear) end
end

--- os.exit never returns, and raises nothing that a script could catch: the program ends inside it.
local function replace_exit()
    local exit = require "rshell.exit"
    os.exit = function(code) -- luacheck: ignore 122
        local status = code == nil and 0 or code == true and 0 or code == false and 1 or math.tointeger(code)
        if not status then error("bad argument #1 to 'exit' (integer expected, got " .. type(code) .. ")", 2) end
        pcall(sweep)
        exit(status)
    end
end

local function report_own(e, trace)
    if fail.is(e) then
        io.stderr:write(color.paint("error", "rshell:", 2), " ", text.escape(e.text), "\n")
        return e.status
    end
    report.failure("", e, trace)
    return 1
end

return function(argv, version)
    replace_exit()
    task.on_unobserved(function(e, trace)
        report.failure("a task failed and nobody awaited it: ", e, trace)
    end)
    local ok, status = xpcall(main, report.handler, argv, version)
    if not ok then status = report_own(report.unpack(status)) end
    local swept, e = pcall(sweep)
    if not swept then report.failure("", e) end
    return status
end
