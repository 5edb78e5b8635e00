-- What is in files over there: read, write, append, touch, truncate.

local call = require "rshell.bare.fs_call"
local ask = require "rshell.bare.fs_ask"

local M = {}

-- ---- reading ----

-- $2: from where, $3: how much, or nothing. Opened once, so that a fifo isn't asked twice; a dd that doesn't know these
-- words has read nothing.
local READ = ask.READABLE .. [[
part() {
  [ "$1" = 0 ] && [ ! "$2" ] && exec cat
  dd bs=65536 skip="$1" iflag=skip_bytes,count_bytes,fullblock ${2:+count=$2} 2>/dev/null && return
  if [ "$2" ]; then tail -c +$(($1+1)) | head -c "$2"; else tail -c +$(($1+1)); fi
}
{ part "$2" "$3"; } <"$1" || die -]]

local function read(shell, path, opts)
    opts = opts or {}
    local out, text, name = call.run(shell, READ, {path}, {opts.offset or 0, opts.n or ""})
    if not out then return nil, text, name end
    return out
end

-- ---- modes ----

--- A mode as chmod takes it. Five digits take a folder's set-id bits away too, which fewer leave in GNU's chmod.
---@param mode integer|string|nil
function M.mode(mode)
    if mode == nil then return "" end
    if type(mode) == "string" and mode:find "^[0-7]+$" then mode = tonumber(mode, 8) end
    return type(mode) == "string" and mode or ("%05o"):format(mode)
end

--- A umask as sh takes it.
function M.umask(umask)
    return umask and ("%04o"):format(umask) or ""
end

-- $M, $U: the mode and the umask, or nothing. In what is made, a clause without a class means everybody: so umask 0.
M.MAKE = [[
usual() { [ "$U" ] && umask "$U"; :; }
setmode() { [ ! "$M" ] || ( umask 0; chmod -- "$M" "$1" ); }
first() { case $M in [0-9]*) umask 077;; *) usual;; esac; }
]]

-- ---- writing ----

-- Where links lead to, in $t.
local FOLLOW = [[
follow() {
  f=$1 j=0
  while [ -L "$f" ]; do
    j=$((j+1)); [ $j -gt 40 ] && die ELOOP
    target "$f"
    case $t in /*) f=$t;; *) folder "$f"; f=${d%/}/$t;; esac
  done
  t=$f
}
]]

-- Takes what was reserved again.
local CUT = [[
cut_to() { truncate -c -s "$2" "$1" 2>/dev/null || dd if=/dev/null of="$1" bs=1 seek="$2" count=0 2>/dev/null; }
size() { wc -c <"$1" | tr -d ' '; }
]]
M.CUT = CUT

-- Over the old bytes: for what can't be replaced. What a file grows by is added first, so that a full disk leaves it
-- whole.
local OVER = [[
grow() {
  o=$(size "$1")
  [ "$L" -le "$o" ] && return
  head -c $((L-o)) /dev/zero >>"$1" || { cut_to "$1" "$o"; die -; }
}
over() {
  if [ -f "$1" ]; then
    [ -w "$1" ] || die EACCES
    grow "$1"
    cat 1<>"$1" || die -
    [ "$o" -le "$L" ] || cut_to "$1" "$L"
    setmode "$1"
  elif [ -e "$1" ]; then
    [ -w "$1" ] || die EACCES
    cat >"$1" || die -
  else
    ( first; : >"$1" ) || { denied "$1"; die $w; }
    cat >"$1" || die -
    setmode "$1"
  fi
}
]]

-- The owner, mode and attributes of $1 for $2; false where the owner can't be given. The bytes come later: what
-- vouches for the old ones (capabilities) is lost when they do.
local KEEP = [[
ids() { stat -c %u:%g "$1" 2>/dev/null || stat -f %u:%g "$1"; }
bits() { stat -c %a "$1" 2>/dev/null || stat -f %Lp "$1"; }
keep() {
  cp -p --attributes-only --preserve=all "$1" "$2" 2>/dev/null
  i=$(ids "$1")
  [ "$i" = "$(ids "$2")" ] || chown "$i" "$2" || return 1
  touch "$2" && chmod 600 "$2"
}
]]

-- $1 the path, $2 how many bytes come, $3 the mode, $4 the umask, $5 a name for the new file, $6 over, $7 sync.
-- The new file gets its name when all bytes are in it: a connection that breaks off leaves nothing.
local WRITE = M.MAKE .. FOLLOW .. CUT .. OVER .. KEEP .. [[
L=$2 M=$3 U=$4 y=$7
fill() {
  [ ! "$old" ] || keep "$t" "$x" || return 1
  cat >&4 || die -
  [ "$(size "$x")" = "$L" ] || die EIO
  # The mode comes last: it may be one that forbids us to look.
  { [ ! "$old" ] || chmod "$(bits "$t")" "$x"; } && setmode "$x" || die -
  [ ! "$y" ] || sync "$x" 2>/dev/null || sync
}
# True when $x has all; false when it can't be made there, or not for this owner.
stage() {
  if [ "$old" ]; then umask 077; else first; fi
  set -C
  { set +C; fill; } 4>"$x"
  s=$?
  set +C
  return $s
}
[ -e "$1" ] || { missing "$1"; [ $w = ENOENT ] || die $w; }
case $1 in */) [ -e "$1" ] || die EISDIR;; esac
[ -d "$1" ] && die EISDIR
if [ "$6" ] || { [ -e "$1" ] && [ ! -f "$1" ]; }; then over "$1"; exit; fi
follow "$1"
# A link of /proc leads elsewhere than its text says.
[ ! -e "$1" ] || [ "$t" -ef "$1" ] || { over "$1"; exit; }
folder "$t"
[ -d "$d" ] || { missing "$d"; die $w; }
old= x=${d%/}/$5
[ ! -e "$t" ] || old=1
trap 'rm -f "$x"' EXIT
trap 'exit 1' HUP INT TERM PIPE
if stage; then
  mv -f "$x" "$t" && exit
  [ "$old" ] || { denied "$t"; die $w; }
  over "$t" <"$x"
elif [ "$old" ]; then
  over "$t"
else
  denied "$t"; die $w
fi]]

local function write(shell, path, data, opts)
    opts = opts or {}
    return call.act(shell, WRITE, {path}, {
        #data, M.mode(opts.mode), M.umask(opts.umask), (".rshell-%016x"):format(math.random(0)),
        opts.atomic == false and "1" or "", opts.sync and "1" or "",
    }, data)
end

-- $2 the mode, $3 the umask, $4 sync.
local APPEND = M.MAKE .. [[
M=$2 U=$3
[ -d "$1" ] && die EISDIR
if [ ! -e "$1" ]; then
  missing "$1"; [ $w = ENOENT ] || die $w
  case $1 in */) die EISDIR;; esac
  ( first; : >>"$1" ) || { denied "$1"; die $w; }
  setmode "$1"
else
  [ -w "$1" ] || die EACCES
  [ ! -f "$1" ] || setmode "$1"
fi
cat >>"$1" || die -
[ ! "$4" ] || sync "$1" 2>/dev/null || sync]]

-- Options, the time for GNU, the path, the time for busybox and for POSIX.
M.AT = [[
at() {
  [ "$2" ] || { touch $1 "$3"; return; }
  touch $1 -d "$2" "$3" 2>/dev/null || touch $1 -d "$4" "$3" 2>/dev/null || TZ=UTC0 touch $1 -t "$5" "$3"
}
]]

-- $2 the time for GNU, $3 for busybox, $4 for POSIX, $5 the mode, $6 the umask.
local TOUCH = M.MAKE .. M.AT .. [[
M=$5 U=$6
if [ ! -e "$1" ]; then
  missing "$1"; [ $w = ENOENT ] || die $w
  case $1 in */) die EISDIR;; esac
  ( first; : >>"$1" ) || { denied "$1"; die $w; }
  setmode "$1"
  [ "$2" ] || exit 0
fi
at -c "$2" "$1" "$3" "$4" && exit
[ "$2" ] || [ -w "$1" ] || die EACCES
[ "$2" ] && [ ! -O "$1" ] && die EPERM
die -]]

--- A time as the kinds of touch take it.
function M.times(mtime)
    if not mtime then return "", "", "" end
    local s = math.floor(mtime)
    local ns = math.floor((mtime - s) * 1e9 + 0.5)
    if ns >= 1000000000 then s, ns = s + 1, 0 end
    s = math.tointeger(s)
    local exact = ("@%d.%09d"):format(s, ns)
    if s < 0 and ns > 0 then exact = ("@-%d.%09d"):format(-s - 1, 1000000000 - ns) end
    return exact, ("@%d"):format(s), os.date("!%Y%m%d%H%M.%S", s)
end

local function touch(shell, path, opts)
    opts = opts or {}
    local exact, whole, posix = M.times(opts.mtime)
    return call.act(shell, TOUCH, {path}, {exact, whole, posix, M.mode(opts.mode), M.umask(opts.umask)})
end

local TRUNCATE = CUT .. [[
need "$1"
[ -d "$1" ] && die EISDIR
[ -w "$1" ] || die EACCES
[ -f "$1" ] || die EINVAL
cut_to "$1" "$2" || die -]]

--- Adds the functions.
---@param fs table
---@param shell rshell.bare.Shell
function M.add(fs, shell)
    function fs.read(path, opts) return read(shell, path, opts) end
    function fs.write(path, data, opts) return write(shell, path, data, opts) end
    function fs.touch(path, opts) return touch(shell, path, opts) end

    function fs.append(path, data, opts)
        opts = opts or {}
        local words = {M.mode(opts.mode), M.umask(opts.umask), opts.sync and "1" or ""}
        return call.act(shell, APPEND, {path}, words, data)
    end

    function fs.truncate(path, size)
        return call.act(shell, TRUNCATE, {path}, {("%d"):format(size or 0)})
    end
end

return M
