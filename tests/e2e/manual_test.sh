#!/usr/bin/env bash
# The manual pages that the build has made: complete, and without a warning of what shows them.
set -u
. "$(dirname "$0")/../lib/tap.sh"
build=$(dirname "$RSHELL")
root=$(cd "$(dirname "$0")/../.." && pwd)

# nothing NAME TEXT: passes where there is none
nothing() {
    local truth=0
    [ -n "$2" ] || truth=1
    outcome "$1" $truth "$2"
}

if ! command -v scdoc >/dev/null || ! command -v groff >/dev/null; then
    skip_all "no scdoc, or no groff"
fi

sources=$(cd "$root/doc" && printf '%s\n' *.[0-9].scd* | sed 's/\.scd.*$//')
pages=$(find "$build/doc" -name '*.[0-9]' -printf '%f\n')
nothing "each source is a page" "$(comm -23 <(sort <<<"$sources") <(sort <<<"$pages"))"
for page in $pages; do
    file=$(find "$build/doc" -name "$page")
    nothing "$page: no warnings" "$(groff -man -ww -rCHECKSTYLE=3 -z -Tutf8 "$file" 2>&1)"
    text=$(groff -man -Tutf8 -P-cbou "$file" 2>&1)
    name=${page%.*} missing=
    for head in NAME "SEE ALSO" "$name - "; do
        grep -qF -- "$head" <<<"$text" || missing+=" $head"
    done
    nothing "$page: has its parts" "$missing"
    nothing "$page: nothing is left over of its source" "$(grep -n '@[a-z]*@\|```' <<<"$text")"
    # What SEE ALSO and others name of ours must be there.
    gone=
    while read -r other; do
        other=${other%)}
        grep -qx "${other/(/.}" <<<"$pages" || gone+=" $other"
    done < <(grep -o 'rshell\(-[a-z]*\)\?([0-9])' <<<"$text" | sort -u)
    nothing "$page: the pages that it names are there" "$gone"
done
finish
