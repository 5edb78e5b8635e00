#!/usr/bin/env bash
# A short run of the fuzz targets, from the inputs that are kept: everything that was reached before, and a little more.
# shellcheck disable=SC2001 # every line
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
targets=(frame decode encode)
unset XDG_RUNTIME_DIR # ccache would leave a folder there

# Once is enough: the targets have the sanitizers in every build.
reason=
[[ $RSHELL != */build-asan/* ]] || reason="done without --asan"
if [ -z "$reason" ]; then
    out=$("$root/scripts/fuzz" -s 0 2>&1)
    case $? in
    0) ;;
    77) reason="no clang with libFuzzer (apt-get install clang libclang-rt-dev)" ;;
    *)
        echo "not ok 1 - the targets are built, and nothing fails that is kept"
        sed 's/^/# /' <<<"$out"
        echo 1..1
        exit 1
        ;;
    esac
fi

echo "1..${#targets[@]}"
number=0
for target in "${targets[@]}"; do
    number=$((number + 1))
    if [ -n "$reason" ]; then
        echo "ok $number - $target # SKIP $reason"
    elif out=$("$root/scripts/fuzz" -s 3 "$target" 2>&1); then
        echo "ok $number - $target"
    else
        echo "not ok $number - $target"
        sed 's/^/# /' <<<"$out"
    fi
done
