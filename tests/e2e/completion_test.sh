#!/usr/bin/env bash
# What Tab does in bash, zsh and fish, each run as people run it.
# shellcheck disable=SC2016 # what is quoted is for other shells
set -u
. "$(dirname "$0")/../lib/tap.sh"
enter completion
mkdir -p "$dir/home/.ssh" "$dir/home/.config/rshell" "$dir/bin" "$dir/place/folder"
cd "$dir/place" || exit 1
trap 'tmux -L c kill-server 2>/dev/null; cd / && rm -rf "$dir"' EXIT
export TMUX_TMPDIR=$dir HOME=$dir/home XDG_CONFIG_HOME=$dir/home/.config XDG_DATA_HOME=$dir/home/.data
export PATH=$dir/bin:$PATH
unset TMUX ZDOTDIR
ln -s "$RSHELL" "$dir/bin/rshell"
touch script.lua notes.txt "folder/inner file"

cat >"$HOME/.ssh/config" <<'CONFIG'
Include more
Host alpha alpine *.example !not
  HostName 192.0.2.1
Host "beta"
CONFIG
echo 'Host gamma' >"$HOME/.ssh/more"
cat >"$HOME/.ssh/known_hosts" <<'KNOWN'
delta.example,192.0.2.9 ssh-ed25519 AAAA
[epsilon]:2222 ssh-ed25519 AAAA
|1|c2FsdA==|aGFzaA== ssh-ed25519 AAAA
@revoked zeta ssh-ed25519 AAAA
KNOWN
echo 'alps: alpha,alpine' >"$HOME/.config/rshell/groups"

is() {
    local truth=0
    [ "$2" = "$3" ] && truth=1
    outcome "$1" $truth "expected: $3"$'\n'"got: $2"
}

# ---- host names ----

# Other groups may be the machine's own.
is "host names" "$(rshell completion --hosts | sed '/^@/{/^@alps$/!d}' | tr '\n' ' ')" \
    "192.0.2.9 @alps alpha alpine beta delta.example epsilon:2222 gamma "
is "host names with a beginning" "$(rshell completion --hosts al | tr '\n' ' ')" "alpha alpine "
is "no host names" "$(rshell completion --hosts zz)" ""
is "no such shell" "$(rshell completion zhs 2>&1)" \
    "rshell: completion: no shell 'zhs', did you mean 'zsh'?; there are bash, zsh and fish"

# ---- a terminal ----

pane() {
    tmux -L c capture-pane -p -t s
}

# await COMMAND...: until it succeeds
await() {
    for _ in $(seq 500); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.02
    done
    return 1
}

line_is() {
    [ "$(pane | sed '/^$/d' | tail -n 1)" = "$1" ]
}

has() {
    pane | grep -qF -- "$1"
}

start() {
    tmux -L c -f /dev/null new-session -d -s s -x 100 -y 40 "$@"
}

stop() {
    tmux -L c kill-session -t s
}

# types NAME TEXT LINE: after TEXT and a Tab the command line reads LINE
types() {
    local truth=0
    tmux -L c send-keys -t s -l "$2"
    tmux -L c send-keys -t s Tab
    await line_is "\$ $3" && truth=1
    outcome "$1" $truth "$(pane)"
    tmux -L c send-keys -t s C-u C-l
    await line_is '$'
}

# lists NAME TEXT WORD...: Tab twice shows these words
lists() {
    local name=$1 truth=1
    tmux -L c send-keys -t s -l "$2"
    tmux -L c send-keys -t s Tab
    sleep 0.2
    tmux -L c send-keys -t s Tab
    shift 2
    for word; do
        await has "$word" || truth=0
    done
    outcome "$name" $truth "$(pane)"
    tmux -L c send-keys -t s C-u C-l
    await line_is '$'
}

# What bash and zsh have in common; the shell's name comes first.
common() {
    types "$1: a subcommand" 'rshell doc' 'rshell doctor'
    lists "$1: all subcommands" 'rshell ' agent doctor exec tunnel
    types "$1: a long option" 'rshell exec --ho' 'rshell exec --hosts'
    types "$1: a host" 'rshell doctor bet' 'rshell doctor beta'
    types "$1: a host for -H" 'rshell exec -H gam' 'rshell exec -H gamma'
    types "$1: the last of several" 'rshell exec -H web1,gam' 'rshell exec -H web1,gamma'
    lists "$1: several hosts" 'rshell exec -H al' alpha alpine
    types "$1: after other options" 'rshell exec --limit 3 -H gam' 'rshell exec --limit 3 -H gamma'
    types "$1: a host that is copied from" 'rshell cp bet' 'rshell cp beta:'
    types "$1: a file that is copied" 'rshell cp not' 'rshell cp notes.txt'
    types "$1: a file behind a host" 'rshell cp beta: not' 'rshell cp beta: notes.txt'
    types "$1: a file with a blank" 'rshell cp folder/inn' 'rshell cp folder/inner\ file'
    types "$1: a shell" 'rshell completion fi' 'rshell completion fish'
    types "$1: a script" 'rshell run scr' 'rshell run script.lua'
    types "$1: a script in a subcommand's place" 'rshell scr' 'rshell script.lua'
    types "$1: a key" 'rshell doctor -i not' 'rshell doctor -i notes.txt'
}

if ! command -v tmux >/dev/null; then
    skip "bash and zsh" "no tmux"
else
    tmux -L c -f /dev/null new-session -d -s keep cat
    cat >"$HOME/bashrc" <<'RC'
PS1='$ '
source <(rshell completion bash)
bind 'set bell-style none'
bind 'set show-all-if-ambiguous on'
RC
    start env -i TERM=tmux HOME="$HOME" PATH="$PATH" LC_ALL=C.UTF-8 bash --noprofile --rcfile "$HOME/bashrc" -i
    await line_is '$'
    common bash
    types "bash: a host behind =" 'rshell exec --hosts=gam' 'rshell exec --hosts=gamma'
    types "bash: a port of a host" 'rshell doctor epsilon:2' 'rshell doctor epsilon:2222'
    types "bash: a program" 'rshell exec -H alpha -- uniq' 'rshell exec -H alpha -- uniq'
    stop

    if command -v zsh >/dev/null; then
        cat >"$HOME/.zshrc" <<'RC'
PS1='$ '
autoload -U compinit && compinit -u -D
unsetopt beep list_beep
source <(rshell completion zsh)
RC
        start env -i TERM=tmux HOME="$HOME" PATH="$PATH" LC_ALL=C.UTF-8 zsh -d -i
        await line_is '$'
        common zsh
        lists "zsh: what options are for" 'rshell exec --' 'Shows identical outputs together'
        stop
    else
        skip "zsh" "no zsh"
    fi
fi

# ---- fish, which tells by itself what it would offer ----

if command -v fish >/dev/null; then
    rshell completion fish >"$dir/rshell.fish"
    # fish NAME LINE WORDS: what is offered for the line, without descriptions
    offers() {
        is "fish: $1" "$(fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$dir/rshell.fish" "$2" 2>&1 |
            cut -f 1 | tr '\n' ' ')" "$3"
    }
    offers "a subcommand" 'rshell doc' 'doctor '
    offers "long options" 'rshell exec --h' '--help --hosts '
    offers "hosts" 'rshell doctor al' 'alpha alpine '
    offers "the last of several" 'rshell exec -H web1,al' 'web1,alpha web1,alpine '
    offers "a host behind =" 'rshell exec --hosts=gam' '--hosts=gamma '
    offers "a host that is copied from" 'rshell cp bet' 'beta: '
    offers "a file that is copied" 'rshell cp not' 'notes.txt '
    offers "shells" 'rshell completion ' 'bash fish zsh '
    offers "a script" 'rshell run scr' 'script.lua '
    offers "a script in a subcommand's place" 'rshell scr' 'script.lua '
    is "fish: what options are for" "$(fish --no-config -c 'source $argv[1]; complete -C "rshell exec --fo"' \
        "$dir/rshell.fish")" "--fold"$'\t'"Shows identical outputs together, when all are done"
else
    skip "fish" "no fish"
fi
finish
