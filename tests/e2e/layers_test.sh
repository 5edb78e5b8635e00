#!/usr/bin/env bash
# The tree keeps the dependency rule, and what checks that would notice if it didn't.
set -u
scripts=$(dirname "$0")/../../scripts

check() {
    if out=$("${@:3}" 2>&1); then
        echo "ok $1 - $2"
    else
        echo "not ok $1 - $2"
        # shellcheck disable=SC2001 # every line
        sed 's/^/# /' <<<"$out"
    fi
}

echo 1..2
check 1 "planted wrong arrows are found" "$scripts/check-layers" --self-test
check 2 "src keeps the rule" "$scripts/check-layers"
