#!/usr/bin/env bash
# The manual pages that the build has made: complete, and without a warning of what shows them.
set -u
build=$(dirname "$RSHELL")
root=$(cd "$(dirname "$0")/../.." && pwd)

number=0
outcome() {
    number=$((number + 1))
    if [ -z "$2" ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        # shellcheck disable=SC2001 # every line
        sed 's/^/# /' <<<"$2"
    fi
}

if ! command -v scdoc >/dev/null || ! command -v groff >/dev/null; then
    echo "1..0 # SKIP no scdoc, or no groff"
    exit
fi

sources=$(cd "$root/doc" && printf '%s\n' *.[0-9].scd* | sed 's/\.scd.*$//')
pages=$(find "$build/doc" -name '*.[0-9]' -printf '%f\n')
outcome "each source is a page" "$(comm -23 <(sort <<<"$sources") <(sort <<<"$pages"))"
for page in $pages; do
    file=$(find "$build/doc" -name "$page")
    outcome "$page: no warnings" "$(groff -man -ww -rCHECKSTYLE=3 -z -Tutf8 "$file" 2>&1)"
    text=$(groff -man -Tutf8 -P-cbou "$file" 2>&1)
    name=${page%.*} missing=
    for head in NAME "SEE ALSO" "$name - "; do
        grep -qF -- "$head" <<<"$text" || missing+=" $head"
    done
    outcome "$page: has its parts" "$missing"
    outcome "$page: nothing is left over of its source" "$(grep -n '@[a-z]*@\|```' <<<"$text")"
    # What SEE ALSO and others name of ours must be there.
    gone=
    while read -r other; do
        other=${other%)}
        grep -qx "${other/(/.}" <<<"$pages" || gone+=" $other"
    done < <(grep -o 'rshell\(-[a-z]*\)\?([0-9])' <<<"$text" | sort -u)
    outcome "$page: the pages that it names are there" "$gone"
done
echo "1..$number"
