-- Completion for bash, without the package bash-completion.

local HEAD = [=[
# Completion of rshell for bash; made by `rshell completion bash`.

# _rshell_takes SUBCOMMAND OPTION: what kind of value the option takes; nothing where it takes none.
_rshell_takes() {
    case "$1 $2" in
%s    esac
}

# _rshell_options SUBCOMMAND
_rshell_options() {
    case $1 in
%s    esac
}

# _rshell_operand SUBCOMMAND NUMBER: what kind the operand is; the last one stands for all that follow.
_rshell_operand() {
    case "$1 $2" in
%s    esac
}
]=]

local BODY = [=[

# _rshell_from PREFIX WORD LINES: those that begin with WORD, with PREFIX before each.
_rshell_from() {
    local line
    while IFS= read -r line; do
        [[ $line != "$2"* || -z $line ]] || COMPREPLY+=("$1$line")
    done <<<"$3"
}

# _rshell_kind KIND WORD
_rshell_kind() {
    local last=${2##*[,!&^]}
    local self=${COMP_WORDS[0]/#\~/$HOME}
    case $1 in
    hosts) _rshell_from "${2%"$last"}" "$last" "$("$self" completion --hosts "$last" 2>/dev/null)" ;;
    remote)
        compopt -o nospace
        # Behind a host there is nothing to see from here.
        [[ $2 != *:* || $2 == */*:* ]] || return
        [[ $2 == */* ]] || _rshell_from "" "$2" "$("$self" completion --hosts "$2" 2>/dev/null | sed '/^@/d; s/$/:/')"
        _rshell_from "" "$2" "$(compgen -d -S / -- "$2")"
        _rshell_from "" "$2" "$(compgen -f -- "$2" | while IFS= read -r f; do [ -d "$f" ] || printf '%q\n' "$f"; done)"
        ;;
    files)
        compopt -o filenames
        _rshell_from "" "$2" "$(compgen -f -- "$2")"
        ;;
    users) _rshell_from "" "$2" "$(compgen -u -- "$2")" ;;
    programs) _rshell_from "" "$2" "$(compgen -c -- "$2" | sort -u)" ;;
    shells) _rshell_from "" "$2" "$_rshell_shells" ;;
    commands) _rshell_from "" "$2" "$_rshell_commands" ;;
    esac
}

# The words up to the cursor, as they were typed: bash splits them at = and : too.
_rshell_words() {
    local line=${COMP_LINE:0:COMP_POINT}
    read -a words <<<"$line" # a backslash keeps a blank in its word
    [[ $line != *[[:blank:]] || $line == *\\[[:blank:]] ]] || words+=('')
}

_rshell() {
    local words=() sub='' option='' number=0 i word cur
    _rshell_words
    cur=${words[${#words[@]} - 1]}
    COMPREPLY=()
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        if [[ $option == -- ]]; then
            number=$((number + 1))
        elif [[ -n $option ]]; then
            option=
        elif [[ $word == -- ]]; then
            option=--
        elif [[ $word == --*=* ]]; then
            :
        elif [[ $word == -?* ]]; then
            [[ -z $(_rshell_takes "$sub" "$word") ]] || option=$word
        elif [[ -z $sub ]]; then
            sub=run
            [[ $'\n'$_rshell_commands$'\n' != *$'\n'"$word"$'\n'* ]] || sub=$word
            [[ $sub == "$word" ]] || number=1
        else
            number=$((number + 1))
        fi
    done
    if [[ -n $option && $option != -- ]]; then
        _rshell_kind "$(_rshell_takes "$sub" "$option")" "$cur"
    elif [[ $option != -- && $cur == --*=* ]]; then
        _rshell_kind "$(_rshell_takes "$sub" "${cur%%=*}")" "${cur#*=}"
    elif [[ $option != -- && $cur == -* ]]; then
        _rshell_from "" "$cur" "$(_rshell_options "$sub")"
    elif [[ -z $sub ]]; then
        _rshell_from "" "$cur" "$_rshell_commands"
        compopt -o filenames
        _rshell_from "" "$cur" "$(compgen -f -X '!*.lua' -- "$cur")"$'\n'"$(compgen -d -- "$cur")"
    else
        _rshell_kind "$(_rshell_operand "$sub" $((number + 1)))" "$cur"
    fi
    # What stands before the last = or : is no part of what bash puts in.
    COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*[=:]}"}"}")
}

complete -F _rshell rshell
]=]

local function case(pattern, text)
    return ("    %s) %s ;;\n"):format(pattern, text)
end

local function words_of(list)
    return "printf '%s\\n' " .. table.concat(list, " ")
end

local function quoted(...)
    return '"' .. table.concat({...}, " ") .. '"'
end

local function takes(lines, sub, options)
    for _, option in ipairs(options) do
        if option.kind then
            local patterns = {}
            for i, name in ipairs(option.names) do patterns[i] = quoted(sub, name) end
            lines[#lines + 1] = case(table.concat(patterns, " | "), "echo " .. option.kind)
        end
    end
end

local function names_of(options)
    local names = {}
    for _, option in ipairs(options) do table.move(option.names, 1, #option.names, #names + 1, names) end
    return names
end

local function operands(lines, command)
    local count = #command.operands
    for i, kind in ipairs(command.operands) do
        local pattern = i < count and quoted(command.name, i) or quoted(command.name) .. "' '*"
        if kind ~= "none" then lines[#lines + 1] = case(pattern, "echo " .. kind) end
    end
end

---@return string
return function(spec)
    local values, options, places, names = {}, {case("''", words_of(names_of(spec.options)))}, {}, {}
    takes(values, "", spec.options)
    for i, command in ipairs(spec.commands) do
        takes(values, command.name, command.options)
        options[#options + 1] = case(command.name, words_of(names_of(command.options)))
        operands(places, command)
        names[i] = command.name
    end
    return HEAD:format(table.concat(values), table.concat(options), table.concat(places))
        .. ("\n_rshell_commands=$'%s'\n_rshell_shells=$'%s'\n"):format(
            table.concat(names, "\\n"), table.concat(spec.shells, "\\n"))
        .. BODY
end
