# What the suites in shell share: their folder, and the lines that say what was found. They source it.
# shellcheck shell=bash
#
#   enter NAME                      into an empty folder, which goes with the suite
#   check NAME COMMAND...           passes where the command succeeds; what it prints tells why it doesn't
#   outcome NAME TRUTH [TEXT]       passes where the truth is 1; TEXT tells what was found
#   skip NAME REASON, skip_all REASON
#   finish                          says how many there were

number=0

enter() {
    dir=$TMPDIR/$1
    mkdir "$dir"
    cd "$dir" || exit 1
    trap 'cd / && rm -rf "$dir"' EXIT
}

outcome() {
    number=$((number + 1))
    if [ "$2" = 1 ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        # shellcheck disable=SC2001 # every line
        sed 's/^/# /' <<<"${3-}"
    fi
}

check() {
    local name=$1 truth=0 said
    shift
    said=$("$@" 2>&1) && truth=1
    outcome "$name" $truth "$said"
}

skip() {
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2"
}

skip_all() {
    echo "1..0 # SKIP $1"
    exit
}

finish() {
    echo "1..$number"
}
