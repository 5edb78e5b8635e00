#!/usr/bin/env bash
# The line of progress in a window that changes its size, as a terminal shows it in the end.
set -u
. "$(dirname "$0")/../lib/tap.sh"
enter progress
export TMUX_TMPDIR=$dir
unset NO_COLOR CLICOLOR_FORCE TMUX
trap 'tmux -L p kill-server 2>/dev/null; cd / && rm -rf "$dir"' EXIT

if ! command -v tmux >/dev/null; then
    skip_all "no tmux"
fi

cat >script.lua <<'LUA'
-- As in a shell: the line is the last one of the window. (tmux moves the rows that a line becomes part of to its history
-- where there is room below them.)
for i = 1, 30 do print("line " .. i) end
do
    local p <close> = rshell.output.progress {label = ("word "):rep(20), total = 10}
    while not here:path("go"):exists() do sleep(0.05) end
    print "日本語 meanwhile"
    p:add(5)
    while not here:path("end"):exists() do sleep(0.05) end
end
print "after"
here:path("over"):touch()
sleep(60)
LUA

screen() {
    tmux -L p capture-pane -p -S - -t s
}

# await WHAT COMMAND...: until it succeeds
await() {
    local what=$1
    shift
    for _ in $(seq 500); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.02
    done
    echo "# never: $what"
    return 1
}

shows() {
    screen | grep -q "$1"
}

wanted=$(seq -f 'line %g' 30; echo '日本語 meanwhile'; echo after)
tmux -L p -f /dev/null new-session -d -s keep sleep inf # else the server goes with its last window

# resized COLUMNS...: the screen at the end, after the window had these widths one after the other
resized() {
    rm -f go end over
    tmux -L p new-session -d -s s -x 100 -y 20 "exec '$RSHELL' script.lua"
    await "it starts" shows word
    for columns in "$@"; do
        tmux -L p resize-window -t s -x "$columns" -y 20
        sleep 0.5
    done
    touch go
    await "it goes on" shows meanwhile
    await "the line comes again" shows word
    touch end
    await "it ends" test -e over
    await "the last line" shows after
    local got truth=0
    got=$(screen | sed '/^$/d')
    [ "$got" = "$wanted" ] && truth=1
    outcome "a window of $*" $truth "$(screen)"
    tmux -L p kill-session -t s
}

resized 100
resized 40
resized 30 90
resized 120 25 60 20
finish
