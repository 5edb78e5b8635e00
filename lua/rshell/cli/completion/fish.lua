-- Completion for fish.

local HEAD = [=[
# Completion of rshell for fish; made by `rshell completion fish`.

set -g __rshell_commands COMMANDS

# The subcommand that the line has so far: "" before one, "run" for a file in its place.
function __rshell_subcommand
    set -l taking 0
    for word in (commandline -opc)[2..-1]
        if test $taking = 1
            set taking 0
        else if contains -- $word -e
            set taking 1
        else if not string match -q -- '-*' $word
            contains -- $word $__rshell_commands; and echo $word; or echo run
            return
        end
    end
end

function __rshell_in
    test "$(__rshell_subcommand)" = "$argv[1]"
end

# The last name of a node set, with what stands before it.
function __rshell_hosts
    set -l self (commandline -opc)[1]
    set -l word (commandline -ct | string replace -r '^--[a-z]+=' '')
    set -l last (string replace -r '^.*[,!&^]' '' -- $word)
    set -l before (string sub -l (math (string length -- "$word") - (string length -- "$last")) -- "$word")
    for name in ($self completion --hosts "$last" 2>/dev/null)
        echo $before$name
    end
end

function __rshell_remote
    set -l self (commandline -opc)[1]
    set -l word (commandline -ct)
    string match -q -- '*:*' $word; and return
    for name in ($self completion --hosts "$word" 2>/dev/null)
        string match -q -- '@*' $name; or echo $name:
    end
    __fish_complete_path $word
end

complete -c rshell -f
]=]

local ACTIONS = {
    hosts = "-a '(__rshell_hosts)'", remote = "-a '(__rshell_remote)'", files = "-F",
    users = "-a '(__fish_complete_users)'", programs = "-a '(__fish_complete_subcommand)'",
    commands = "-a '$__rshell_commands'", none = "",
}

local function quote(s)
    return "'" .. s:gsub("[\\']", "\\%0") .. "'"
end

local function action_of(kind, spec)
    if kind == "shells" then return "-a " .. quote(table.concat(spec.shells, " ")) end
    return ACTIONS[kind]
end

local function option_line(sub, option, spec)
    local words = {("complete -c rshell -n '__rshell_in %s'"):format(quote(sub):gsub("'", '"'))}
    for _, name in ipairs(option.names) do
        local long = name:match "^%-%-(.*)$"
        words[#words + 1] = long and "-l " .. long or "-s " .. name:sub(2)
    end
    if option.kind then words[#words + 1] = "-x " .. action_of(option.kind, spec) end
    words[#words + 1] = "-d " .. quote(option.about)
    return table.concat(words, " "):gsub("%-x %-F", "-r -F") .. "\n"
end

local function operand_line(command, spec)
    local kind = command.operands[1]
    if not kind or kind == "none" then return "" end
    return ("complete -c rshell -n '__rshell_in %s' %s\n"):format('"' .. command.name .. '"', action_of(kind, spec))
end

---@return string
return function(spec)
    local names, lines = {}, {}
    for i, command in ipairs(spec.commands) do
        names[i] = command.name
        lines[#lines + 1] = ("complete -c rshell -n '__rshell_in \"\"' -a %s -d %s\n"):format(command.name,
            quote(command.about))
    end
    lines[#lines + 1] = [[complete -c rshell -n '__rshell_in ""' -a '(__fish_complete_suffix .lua)']] .. "\n"
    for _, option in ipairs(spec.options) do lines[#lines + 1] = option_line("", option, spec) end
    for _, command in ipairs(spec.commands) do
        for _, option in ipairs(command.options) do lines[#lines + 1] = option_line(command.name, option, spec) end
        lines[#lines + 1] = operand_line(command, spec)
    end
    local head = HEAD:gsub("COMMANDS", table.concat(names, " "))
    return head .. table.concat(lines)
end
