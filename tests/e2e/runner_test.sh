#!/usr/bin/env bash
# scripts/run-suite: what it makes of suites that pass, fail, end early or leave something behind.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
confine=$(dirname "$RSHELL")/tests/confine

mkdir -p "$TMPDIR"/tree/{tests/e2e,build/tests,logs/e2e}
cd "$TMPDIR/tree"
trap 'cd / && rm -rf "$TMPDIR/tree"' EXIT
ln -s "$confine" build/tests/confine
export BUILD=$PWD/build LOGS=$PWD/logs LIMIT=1 VERBOSE=

number=0
# expect NAME SUMS TEXT: the suite on stdin gives these sums, and TEXT is among what is said of it.
expect() {
    number=$((number + 1))
    cat >tests/e2e/planted_test.sh
    "$root/scripts/run-suite" e2e/planted_test >/dev/null
    if [ "$(head -n 1 logs/e2e/planted_test.result)" = "$2" ] && grep -qF -- "$3" logs/e2e/planted_test.result; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        sed 's/^/# /' logs/e2e/planted_test.result
    fi
}

echo 1..12
expect "passes" "2 0 0" "" <<'END'
echo 1..2; echo ok 1 - a; echo ok 2 - b
END
expect "plan at the end" "1 0 0" "" <<'END'
echo ok; echo 1..1
END
expect "skips one" "1 0 1" "" <<'END'
echo 1..2; echo ok 1 - a; echo "not ok 2 # SKIP b"
END
expect "skips all" "0 0 1" "" <<'END'
echo 1..0 # skip
END
expect "fails, with its diagnostics" "1 1 0" "    # expected 1" <<'END'
echo 1..2; echo not ok 1 - a; echo "# expected 1"; echo ok 2 - b; exit 1
END
expect "a bad status without a failed test" "1 1 0" "exit status 3" <<'END'
echo 1..1; echo ok 1 - a; exit 3
END
expect "prints nothing" "0 1 0" "no plan" <<'END'
exit 0
END
expect "ends before its plan" "1 1 0" "it ended after 1 of 2 tests" <<'END'
echo 1..2; echo ok 1 - a
END
expect "ends by a signal after a failed test" "0 2 0" "exit status 139" <<'END'
echo 1..1; echo not ok 1 - a; kill -SEGV $$
END
expect "takes too long" "1 1 0" "its time was up" <<'END'
echo 1..1; echo ok 1 - a; setsid sleep 60 & sleep 60
END
expect "leaves a process" "1 1 0" "left:" <<'END'
echo 1..1; echo ok 1 - a; setsid sleep 61 >/dev/null 2>&1 &
END
expect "leaves a file" "1 1 0" "left: x" <<'END'
echo 1..1; echo ok 1 - a; touch "$TMPDIR/x"
END
