#!/usr/bin/env bash
# The agents that are embedded: what rshell tells of them is true, and each runs with nothing around it.
# shellcheck disable=SC2016,SC2034 # what is quoted is Lua, or for eval, which uses the variables
set -u
WIRE_LIMIT=337000 # for agents with musl
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/lib/tap.sh"
enter agent

# How an agent of this CPU runs here: the words before it.
runner() {
    local cpu=$1
    [ "$cpu" != "$(uname -m)" ] || return 0
    case $cpu in armv7l) cpu=arm ;; i686) cpu=i386 ;; esac
    command -v "qemu-$cpu-static"
}

# The agent that is being tested, started as the functions below do it; qemu needs no environment either.
agent() {
    if [ -n "$run" ]; then "$run" "$@"; else "$@"; fi
}

from_an_fd() {
    cp -p image gone
    exec 9<gone
    rm gone
    agent /proc/self/fd/9 --self-test
}

# Nothing is open but an fd for the answer, since 1 can't be read back.
without_standard_fds() {
    agent ./image --self-test 0<&- 1>&- 2>&-
}

has_symbols() {
    readelf -SW image | grep -q ' \.symtab\|\.debug'
}

# about CPU LIBC SIZE WIRE SHA256
about() {
    local libc=$2 size=$3 wire=$4 sum=$5 word=agent-$1
    "$RSHELL" -e "io.write(require 'rshell.agents'.image '$1')" >image.gz
    "$RSHELL" -e "io.write(require 'rshell.agents'.program '$1')" >image
    chmod 755 image
    check "$word: the image is the program, compressed" eval 'gzip -dc <image.gz | cmp - image'
    check "$word: sizes and sum" eval '[ "$(wc -c <image) $(wc -c <image.gz) $(sha256sum <image)" = "$size $wire $sum  -" ]'

    if [ "$libc" = musl ]; then
        check "$word: fits into $WIRE_LIMIT bytes on the wire" eval '[ "$wire" -le $WIRE_LIMIT ]'
        check "$word: needs no interpreter and no library" eval '! readelf -lW image | grep -q "INTERP\|DYNAMIC"'
        check "$word: has nothing that only a debugger reads" eval '! has_symbols'
    fi
    if ! run=$(runner "$1"); then
        skip "$word: runs" "NO qemu-user-static: this agent was NOT run"
        return
    fi
    check "$word: self-test" eval '[ "$(agent ./image --self-test)" = ok ]'
    check "$word: in an empty environment" eval '[ "$(run=${run:+$run }; env -i ${run}./image --self-test)" = ok ]'
    check "$word: from an fd of a file that is gone" eval '[ "$(from_an_fd)" = ok ]'
    check "$word: with 0, 1 and 2 closed" eval 'without_standard_fds'
    check "$word: whose reader is gone" eval '{ agent ./image --self-test; echo $? >status; } | true; [ "$(<status)" -lt 126 ]'
    check "$word: wrong usage" eval 'agent ./image --nonsense >out 2>err; [ $? = 2 ] && [ ! -s out ] && [ "$(wc -l <err)" = 1 ]'
}

"$RSHELL" agent >list
check "there is one for this CPU" eval 'grep -q "^$(uname -m) " list'
check "each line has five fields" eval '! grep -vEq "^[a-z0-9_]+ +(musl|glibc) +[0-9]+ +[0-9]+ [0-9a-f]{64}$" list'
"$RSHELL" agent --json >json
lines='for _, a in ipairs(json.decode(io.read "a")) do
    print(("%-8s %-5s %8d %8d %s"):format(a.arch, a.libc, a.size, a.wire, a.sha256))
end'
check "--json tells the same" eval '[ "$("$RSHELL" -e "local json = require \"json\" $lines" <json)" = "$(<list)" ]'
check "no agent for other CPUs" eval '[ "$("$RSHELL" -e "print(require [[rshell.agents]].image [[vax]])")" = nil ]'
check "no arguments" eval '"$RSHELL" agent x 2>err; [ $? = 2 ] && [ "$(<err)" = "rshell: agent takes no arguments, got '"'x'"'" ]'

while read -r cpu libc size wire sum; do
    about "$cpu" "$libc" "$size" "$wire" "$sum"
done <list
grep -q '^aarch64 ' list || skip "agent-aarch64" "NOT embedded in this build"

build=$(dirname "$RSHELL")
if grep -q ' musl ' list; then
    check "nothing is left to build" eval 'ninja -C "$build" -n "src/agent/agent-$(uname -m)" | grep -q "no work to do"'
else
    skip "nothing is left to build" "no musl here"
fi
check "build-agents names the CPUs it knows" eval '"$root/scripts/build-agents" vax 2>err; [ $? = 2 ] && grep -q "vax.*aarch64" err'

# What is embedded where there is no musl-gcc is made in every build.
run=
fallback=$build/src/agent/agent
if [ -e "$fallback" ]; then
    check "the agent with glibc: self-test" eval '[ "$(env -i "$fallback" --self-test)" = ok ]'
else
    skip "the agent with glibc" "not made in this build"
fi
finish
