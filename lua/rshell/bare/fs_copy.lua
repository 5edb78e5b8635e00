-- Copies on one machine over there: what is new is made under another name and gets its own when it is complete.

local call = require "rshell.bare.fs_call"
local change = require "rshell.bare.fs_change"

local M = {}

-- put, isdir and failed are fs_change's. copy: cp as it is everywhere; a failure says what it is about.
local COPY = change.RENAME .. [[
flags=-pRP
unreadable() {
  f=$(find "$1" ! -type l -exec /bin/sh -c 'for f do [ -r "$f" ] || { printf "%s/" "$f"; exit; }; done
    ' sh {} + 2>/dev/null)
  f=${f%%//*}; f=${f%/}
  [ "$f" ]
}
# cp gives new folders the rights of the old ones, also where they are not to be kept.
writable() { [ ! -d "$1" ] || find "$1" -type d -exec chmod u+rwx {} +; }
# GNU keeps attributes too, and says nothing where there are none.
copy() {
  [ "$flags" = -pRP ] && cp -a "$1" "$2" && return
  [ "$flags" = -pRP ] && rm -rf "$2"
  cp $flags "$1" "$2" && { [ "$flags" = -pRP ] || writable "$2"; } && return
  unreadable "$1" && die EACCES "$f"
  denied "$2"; die $w "$3"
}
ids() { stat -c %u:%g "$1" 2>/dev/null || stat -f %u:%g "$1"; }
bits() { stat -c %a "$1" 2>/dev/null || stat -f %Lp "$1"; }
# Owner, mode and times of $1 for $2, a link itself.
give() {
  [ "$(id -u)" != 0 ] || chown -h "$(ids "$1")" "$2" || die - "$2"
  if [ -L "$2" ]; then touch -h -r "$1" "$2" 2>/dev/null; return 0; fi
  chmod "0$(bits "$1")" "$2" && touch -r "$1" "$2" || die EPERM "$2"
}
# $1 in place of $2, by way of $x.
place() {
  folder "$2"; x=${d%/}/$temp
  copy "$1" "$x" "$2"
  put "$x" "$2" || { denied "$2"; die $w "$2"; }
}
# What would run in circles. A link may be anywhere: it is copied itself.
circles() {
  folder "$2"
  [ -d "$d" ] || { if [ -e "$d" ]; then w=ENOTDIR; else missing "$d"; fi; die $w "$2"; }
  if isdir "$1"; then
    a=$(cd -P "$1" && pwd -P) b=$(cd -P "$d" && pwd -P)
    a=${a%/}
    case $b/ in "$a"/*) die EINVAL "$2";; esac
    [ "$1" -ef "$2" ] && die EINVAL "$2"
  fi
}
x=
trap '[ ! "$x" ] || rm -rf "$x"' EXIT
trap 'exit 1' HUP INT TERM PIPE
]]
M.COPY = COPY

-- What has no counterpart moves as a whole. $1 the complete copy, $2 there, $3 the source.
local MERGE = [[
merge() {
  for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    there "$f" || continue
    n=${f##*/}
    if isdir "$f" && there "$2/$n"; then
      isdir "$2/$n" || die ENOTDIR "$2/$n"
      merge "$f" "$2/$n" "$3/$n"
    else
      isdir "$2/$n" && die EISDIR "$2/$n"
      put "$f" "$2/$n" || { denied "$2/$n"; die $w "$2/$n"; }
    fi
  done
  give "$3" "$2"
}
]]

-- Mode and size of all that isn't a folder.
local COUNT = [[
find "$1" ! -type d -exec /bin/sh -c 'stat -c "%f %s" "$@" 2>/dev/null || stat -f "%Xp %z" "$@"' sh {} + 2>/dev/null
:]]

-- $3 a name for what isn't complete, $4 override.
local RUN = COPY .. MERGE .. [[
temp=$3
lneed "$1" "$1"
circles "$1" "$2"
[ ! -L "$1" ] && [ "$1" -ef "$2" ] && die EINVAL "$2"
if ! there "$2"; then
  place "$1" "$2"
else
  [ "$4" ] || die EEXIST "$2"
  if isdir "$1"; then
    [ -d "$2" ] || die ENOTDIR "$2"
    folder "$2"; x=${d%/}/$temp
    copy "$1" "$x" "$2"
    merge "$x" "$2" "$1"
  else
    isdir "$2" && die EISDIR "$2"
    place "$1" "$2"
  fi
fi
]] .. COUNT

local REGULAR = 8

--- Adds the function.
---@param fs table
---@param shell rshell.bare.Shell
function M.add(fs, shell)
    function fs.copy(from, to, opts)
        local override = opts and opts.override and "1" or ""
        local out, text, name, where = call.run(shell, RUN, {from, to}, {".rshell-" .. change.random_name(), override})
        if not out then return nil, text, name, M.own(where, {from, to}) end
        local n = {files = 0, bytes = 0, skipped = 0, deleted = 0}
        for mode, size in out:gmatch "(%x+) (%d+)" do
            n.files = n.files + 1
            if tonumber(mode, 16) >> 12 == REGULAR then n.bytes = n.bytes + tonumber(size) end
        end
        return n
    end
end

--- A path that a script has told, as it was given: relative ones had a ./ put before them.
function M.own(where, given)
    if not where then return nil end
    for _, path in ipairs(given) do
        if path:sub(1, 1) ~= "/" and where:sub(1, #path + 2) == "./" .. path then return where:sub(3) end
    end
    return where
end

return M
