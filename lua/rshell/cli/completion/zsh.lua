-- Completion for zsh.

local HEAD = [=[
#compdef rshell
# Completion of rshell for zsh; made by `rshell completion zsh`.

_rshell_hosts() {
    local last=${PREFIX##*[,!&^]}
    local -a names
    names=(${(f)"$(_call_program hosts ${(q)words_self:-rshell} completion --hosts ${(q)last} 2>/dev/null)"})
    compset -P '*[,!&^]'
    compadd "$@" -a names
}

_rshell_remote() {
    local -a names
    if [[ $PREFIX != *[:/]* ]]; then
        names=(${(f)"$(_call_program hosts ${(q)words_self:-rshell} completion --hosts ${(q)PREFIX} 2>/dev/null)"})
        names=(${names:#@*})
        compadd -S : -a names
    fi
    [[ $PREFIX == *:* && $PREFIX != */*:* ]] || _files
}

]=]

-- What completes a kind.
local ACTIONS = {
    hosts = "_rshell_hosts", remote = "_rshell_remote", files = "_files", users = "_users", programs = "_normal",
    none = " ",
}

local function quote(s)
    return "'" .. s:gsub("'", "'\\''") .. "'"
end

--- For the text within brackets.
local function escape(s)
    return (s:gsub("[%[%]:\\]", "\\%0"))
end

local function action_of(kind, spec)
    if kind == "shells" then return "(" .. table.concat(spec.shells, " ") .. ")" end
    if kind == "commands" then return "_rshell_commands" end
    return ACTIONS[kind]
end

--- One argument of _arguments for an option.
local function option_spec(option, spec)
    local tail = ("[%s]"):format(escape(option.about))
    if option.kind then
        tail = ("%s:%s:%s"):format(tail, escape(option.value), action_of(option.kind, spec))
    end
    if #option.names == 1 then return quote(option.names[1] .. tail) end
    local list = table.concat(option.names, " ")
    return ("'(%s)'{%s}%s"):format(list, table.concat(option.names, ","), quote(tail))
end

local function operand_specs(lines, command, spec)
    for i, kind in ipairs(command.operands) do
        local action = action_of(kind, spec)
        local place = i == #command.operands and command.operands[i] ~= "shells" and "*" or tostring(i)
        if kind == "programs" then
            lines[#lines + 1] = quote(("*::%s:%s"):format(kind, action))
        else
            lines[#lines + 1] = quote(("%s:%s:%s"):format(place, kind, action))
        end
    end
end

local function function_of(command, spec)
    local lines = {}
    for i, option in ipairs(command.options) do lines[i] = option_spec(option, spec) end
    operand_specs(lines, command, spec)
    return ("_rshell_%s() {\n    _arguments -s -S \\\n        %s\n}\n\n"):format(command.name,
        table.concat(lines, " \\\n        "))
end

local function commands_function(spec)
    local lines = {}
    for i, command in ipairs(spec.commands) do
        lines[i] = "        " .. quote(command.name .. ":" .. escape(command.about))
    end
    return ("_rshell_commands() {\n    local -a list=(\n%s\n    )\n    _describe subcommand list\n}\n\n"):format(
        table.concat(lines, "\n"))
end

local MAIN = [=[
_rshell_first() {
    _rshell_commands
    _files -g '*.lua'
}

_rshell() {
    local words_self=$words[1] state
    local -a line
    _arguments -s -S -C \
        %s \
        '(-)1:subcommand:_rshell_first' \
        '(-)*::arguments:->rest'
    [[ $state == rest ]] || return
    if (( $+functions[_rshell_$line[1]] )); then
        _rshell_$line[1]
    else
        _files
    fi
}

if [[ $funcstack[1] == _rshell ]]; then
    _rshell "$@"
else
    compdef _rshell rshell
fi
]=]

---@return string
return function(spec)
    local parts, top = {HEAD, commands_function(spec)}, {}
    for _, command in ipairs(spec.commands) do parts[#parts + 1] = function_of(command, spec) end
    for i, option in ipairs(spec.options) do top[i] = option_spec(option, spec) end
    parts[#parts + 1] = MAIN:gsub("%%s", function() return table.concat(top, " \\\n        ") end)
    return table.concat(parts)
end
