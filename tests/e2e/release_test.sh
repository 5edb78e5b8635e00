#!/usr/bin/env bash
# What scripts/release makes of the build at hand: it runs, it is installed below another root, and goes without a trace.
# shellcheck disable=SC2016 # what is quoted is for another shell
set -u
build=$(cd "$(dirname "$RSHELL")" && pwd)
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/lib/tap.sh"
enter release
# The compression that Debian wants takes its time.
export DPKG_DEB_COMPRESSOR_TYPE=gzip
unset DESTDIR NO_COLOR CLICOLOR_FORCE
export PATH=$PATH:/usr/sbin:/sbin

if ! command -v dpkg-deb >/dev/null || ! command -v strip >/dev/null; then
    skip_all "no dpkg-deb, or no strip"
fi

if grep -qa __asan_init "$RSHELL"; then
    skip_all "nobody packages a build with sanitizers"
fi

same() {
    diff <(printf '%s\n' "$1") <(printf '%s\n' "$2")
}

# links FOLDER: each link of a page in it is that of a file
links() {
    local page link
    for page in "$1"/*.md; do
        while read -r link; do
            [ -e "$1/$link" ] || { echo "$page: $link" && return 1; }
        done < <(grep -o '](\([^)#:]*\)' "$page" | sed 's/^](//')
    done
}

# works FOLDER: the program below a folder that has bin/ and share/
works() {
    check "$2: runs" same "$(env -i TERM=dumb "$1/bin/rshell" -e 'print(1 + 1, #require "rshell.agents".list() > 0)')" $'2\ttrue'
    check "$2: has its help in it" bash -c '"$0" help exec | grep -q "^usage: rshell exec"' "$1/bin/rshell"
    check "$2: completion for bash" bash -n "$1/share/bash-completion/completions/rshell"
    check "$2: the links of the guides lead somewhere" links "$1/share/doc/rshell/guide"
    check "$2: stubs, guides, examples" \
        ls "$1/share/rshell/types/machine.lua" "$1/share/doc/rshell/guide/start.md" "$1/share/doc/rshell/examples/demo.lua"
}

# ---- source ----

if git -C "$source" rev-parse --git-dir >/dev/null 2>&1; then
    commit=$(git -C "$source" rev-parse HEAD)
    check "the source" "$source/scripts/release" --out . source
    cp rshell-*.tar.gz first
    check "the source again" "$source/scripts/release" --out . source
    check "is the same" cmp first rshell-*.tar.gz
    check "it has all that git has" same "$(tar -tzf rshell-*.tar.gz | grep -v '/$' | sed 's|^[^/]*/||' | sort)" \
        "$(git -C "$source" ls-tree -r --name-only "$commit" | sort)"
    rm -f first rshell-*.tar.gz
else
    skip "the source" "not in a git repository"
fi

# ---- the program ----

check "a program and a package" "$source/scripts/release" --build "$build" --out . binary deb
tar -xzf rshell-*-linux-*.tar.gz
works "$(echo "$dir"/rshell-*-linux-*/)" "program"
check "it tells whose licenses hold" grep -q "Lua (MIT)" rshell-*-linux-*/share/doc/rshell/NOTICE
check "that of readline where it is in" \
    bash -c '! nm "$0" | grep -q " T readline$" || grep -q GPL "$1"' "$RSHELL" rshell-*-linux-*/share/doc/rshell/NOTICE
check "that of libssh where it is in" \
    bash -c '! nm "$0" | grep -qi " t ssh_new$" || grep -q LGPL-2.1 "$1"' "$RSHELL" rshell-*-linux-*/share/doc/rshell/NOTICE
check "modules in C find Lua in it, and nothing else" bash -c 'nm -D --defined-only "$0" | grep -q " lua_pushstring$" &&
    ! nm -D --defined-only "$0" | grep -E " (ssh_new|EVP_DigestInit_ex|inflate|uv_run)$"' "$RSHELL"
check "an example" "$(echo "$dir"/rshell-*-linux-*/)bin/rshell" rshell-*-linux-*/share/doc/rshell/examples/demo.lua
check "nothing of it says where it was built" bash -c '! grep -rlF "$1" "$0"/rshell-*-linux-*/share' "$dir" "$build"

# ---- the package ----

if [ "$(id -u)" != 0 ]; then
    skip "the package" "only root can install one"
else
    root=$dir/root
    mkdir -p "$root"/var/lib/dpkg/{updates,info,triggers}
    touch "$root/var/lib/dpkg/status"
    # What it depends on is not below that root.
    dpkg_there() {
        dpkg --root="$root" --log=/dev/null --force-depends "$@" >dpkg.log 2>&1 || { cat dpkg.log && return 1; }
    }
    check "installs" dpkg_there --install rshell_*.deb
    works "$root/usr" "package"
    check "what it installed is what it says" bash -c 'cd "$0" && md5sum -c --quiet var/lib/dpkg/info/rshell.md5sums' "$root"
    check "manual pages" bash -c 'gzip -t "$0"/usr/share/man/man[17]/rshell*.gz' "$root"
    check "it names the libraries that it needs" bash -c 'dpkg-deb -f "$0" Depends | grep -q "libc6 (>="' rshell_*.deb
    check "goes" dpkg_there --purge rshell
    check "and leaves nothing" same "$(find "$root" -path "$root/var/lib/dpkg" -prune -o ! -type d -print)" ""
    check "nor a folder of its own" same "$(find "$root" -name '*rshell*')" ""
fi

# ---- a build without pkg-config ----

if command -v meson >/dev/null; then
    check "can be configured without pkg-config" \
        env CC=cc PKG_CONFIG=/nonexistent CMAKE_PREFIX_PATH=/nonexistent meson setup "$dir/b" "$source"
else
    skip "without pkg-config" "no meson"
fi
finish
