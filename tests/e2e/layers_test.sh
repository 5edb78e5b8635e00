#!/usr/bin/env bash
# The tree keeps the dependency rule, and what checks that would notice if it didn't.
set -u
. "$(dirname "$0")/../lib/tap.sh"
scripts=$(dirname "$0")/../../scripts

check "planted wrong arrows are found" "$scripts/check-layers" --self-test
check "src keeps the rule" "$scripts/check-layers"
finish
