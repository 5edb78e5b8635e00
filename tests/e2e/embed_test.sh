#!/usr/bin/env bash
# scripts/embed.c: module names, the depfile, what breaks the build.
# shellcheck disable=SC2016,SC2034 # check evaluates the conditions
set -eu
. "$(dirname "$0")/../lib/tap.sh"
embed=$(dirname "$RSHELL")/src/embed
if [ ! -e "$embed" ]; then
    skip_all "this build reads lua/ from disk"
fi
enter embed
mkdir -p a/sub b
echo 'return 1' | tee a/init.lua a/cli.lua a/sub/init.lua a/sub/x.lua a/notes.txt b/text.lua >/dev/null
"$embed" out.c out.d top=a top.shared=b
names=$(sed -n 's/^    {"\([^"]*\)", "@.*, module.*/\1/p' out.c | sort | tr '\n' ' ')
check "modules have the names that require takes" eval '[ "$names" = "top top.cli top.shared.text top.sub top.sub.x " ]'
check "files and folders are in the depfile" eval '[ "$(grep -c "^ " out.d)" = 8 ] && grep -q "^ a/sub \\\\$" out.d'
cp out.c first.c
"$embed" out.c out.d top=a top.shared=b
check "the output is the same each time" eval 'cmp -s first.c out.c'

printf 'local x = 1\nreturn (\n' >a/bad.lua
check "a syntax error names file and line" eval '! "$embed" out.c out.d top=a 2>err && grep -q "^a/bad.lua:" err'
rm a/bad.lua
echo 'return 2' >a/sub.lua
check "two files for one module are refused" eval '! "$embed" out.c out.d top=a 2>err && grep -q "module top.sub$" err'
rm a/sub.lua
"$embed" out.c out.d top=a other.name=b/text.lua
check "single files are modules of any name" eval 'grep -q "^    {\"other.name\", \"@other/name.lua\", module" out.c && grep -q "b/text.lua" out.d'
cat >a/odd.lua <<'END'
--[==[ a long
comment with ]] in it ]==] local a <close>, b = nil, 1 --short
   return a, b - -1, "-- \" no \z
      comment", '--[[', [[ long
   text -- ]], [=[ ]] ]=], --[[x]] b--[[y]]
      and b // 2 .. 3 .. ""     --
    --[==[ the end, without a line break ]==]
END
truncate -s -1 a/odd.lua
check "squeezed source means the same" eval '"$embed" --source out.c out.d top=a && grep -q "^    {\"top.odd\", \"@top/odd.lua\", " out.c'
# shellcheck disable=SC2034 # check evaluates it
text=$(grep '^[0-9,]*$' out.c | tr -d '\n' | tr , '\n' |
    awk '/^[0-9]+$/ { printf "%c", $1 }')
check "it has neither comments nor indentation" eval 'grep -q "^ *local a <close>,b = nil,1$" <<<"$text" && ! grep -q "short\|a long\|the end" <<<"$text"'
rm a/odd.lua
check "a folder that isn't there is refused" eval '! "$embed" out.c out.d top=c 2>err && grep -q "c: No such file" err'
finish
