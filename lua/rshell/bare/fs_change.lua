-- Folders, links and names over there: make, remove, rename, move.

local call = require "rshell.bare.fs_call"
local data = require "rshell.bare.fs_data"

local M = {}

-- $2 the mode, $3 the umask, $4 parents, $5 exist_ok. Folders on the way get what we need to go on.
local MKDIR = data.MAKE .. [[
M=$2 U=$3
if there "$1"; then [ "$5" ] && [ -d "$1" ] && exit 0; die EEXIST; fi
missing "$1"
[ $w = ENOENT ] || die $w
folder "$1"
[ -d "$d" ] || { [ "$4" ] || die ENOENT; ( usual; mkdir -p "$d" ) || { denied "$d"; die $w; }; }
case ${1##*/} in .|..) [ "$5" ] && [ -d "$1" ] && exit 0;; esac
# The set-id bit that a folder has from the one above it isn't in what a given mode starts from.
( first; mkdir "$1" ) && { [ ! "$M" ] || chmod ug-s "$1"; } && setmode "$1" && exit
[ "$5" ] && [ -d "$1" ] && exit
there "$1" && die EEXIST
# In /proc nothing can be made, whoever we are; mkdir knows why.
denied "$1"; [ $w != EACCES ] || w=-; die $w]]

-- mkdir makes it or fails, so a name that nobody guesses is enough. The folder goes with its connection: where the
-- server's process for that can be told, somebody looks each second whether it is still there. (A redirected call of
-- guard would leave that one a copy of our stream.)
local MKTEMP = [[
guard() {
  p=$PPID
  for i in 1 2 3 4; do
    read -r c 2>/dev/null </proc/$p/comm || return
    case $c in sshd*|dropbear*) break;; esac
    read -r s 2>/dev/null </proc/$p/stat || return
    s=${s##*) }; s=${s#* }; p=${s%% *} c=
  done
  [ "$c" ] || return
  ( ( trap '' HUP INT QUIT PIPE TERM
      while sleep 1 && [ -d "$1" ]; do
        read -r x 2>/dev/null </proc/$p/comm && [ "$x" = "$c" ] || { rm -rf "$1"; exit; }
      done ) & ) </dev/null >/dev/null 2>&1
}
cd / ; umask 077
t=$1
[ "$t" ] || case ${TMPDIR-} in /*) [ -d "$TMPDIR" ] && [ -w "$TMPDIR" ] && [ -x "$TMPDIR" ] && t=$TMPDIR;; esac
t=${t:-/tmp}
[ -d "$t" ] || { missing "$t"; [ -e "$t" ] && w=ENOTDIR; die $w; }
mkdir "$t/$2" || { denied "$t/$2"; die $w; }
guard "$t/$2"
printf %s "$t/$2"]]

local LETTERS = "abcdefghijklmnopqrstuvwxyz234567"

local function random_name()
    local out = {}
    for i = 1, 16 do
        local n = math.random(#LETTERS)
        out[i] = LETTERS:sub(n, n)
    end
    return table.concat(out)
end

local UNLINK = [[
lneed "$1"
[ -d "$1" ] && [ ! -L "$1" ] && die EISDIR
rm -f "$1" && exit
denied "$1"; die $w]]

local EMPTY = [[
empty() { for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do there "$f" && return 1; done; :; }
]]

local RMDIR = EMPTY .. [[
lneed "$1"
[ -d "$1" ] && { [ ! -L "$1" ] || case $1 in */) ;; *) false;; esac; } || die ENOTDIR
rmdir "$1" && exit
case $1 in .|*/.) die EINVAL;; esac
empty "$1" || die ENOTEMPTY
denied "$1"; die $w]]

-- $2 recursive, $3 missing_ok. What is left tells what could not be removed: its innermost comes first.
local REMOVE = [[
there "$1" || { missing "$1"; [ "$3" ] && [ $w = ENOENT ] && exit 0; die $w; }
if [ -d "$1" ] && { [ ! -L "$1" ] || case $1 in */) ;; *) false;; esac; }; then
  [ "$2" ] || die EISDIR
  [ "$1" -ef / ] && die EUSAGE
  case $1 in */.|*/..) die EINVAL;; esac
  rm -rf "$1" && ! there "$1" && exit
  f=$(find "$1" -depth -exec printf '%s/' {} \; -quit 2>/dev/null)
  f=${f%/}; f=${f:-$1}
  if [ -d "$f" ] && [ ! -L "$f" ] && [ ! -r "$f" ]; then w=EACCES; else denied "$f"; fi
  [ "$f" = "$1" ] && die $w
  die $w "$f"
fi
rm -f "$1" && exit
denied "$1"; die $w]]

local SYMLINK = [[
there "$1" && die EEXIST
missing "$1"
case $w in ENOENT) ;; *) die $w;; esac
[ "$2" ] || die ENOENT
ln -s -- "$2" "$1" && exit
there "$1" && die EEXIST
denied "$1"; die $w]]

local LINK = [[
lneed "$1"
[ -d "$1" ] && [ ! -L "$1" ] && die EPERM
there "$2" && die EEXIST
missing "$2"
[ $w = ENOENT ] || die $w
ln "$1" "$2" && exit
there "$2" && die EEXIST
denied "$2"; die $w]]

-- What rename(2) says of the two, before mv does what it thinks is meant. A folder's own text may be that of a link.
local RENAME = EMPTY .. [[
isdir() { [ -d "$1" ] && [ ! -L "$1" ]; }
check() {
  there "$1" || {
    missing "$1"; s=$w
    # The folders of both are looked for before what is in them.
    folder "$1"
    if [ $s = ENOENT ] && [ -d "$d" ]; then folder "$2"; [ -d "$d" ] || { missing "$2"; s=$w; }; fi
    die $s
  }
  there "$2" || { missing "$2"; [ $w = ENOENT ] || die $w; folder "$2"; [ -d "$d" ] || die ENOENT; }
  if isdir "$1"; then
    case $1 in .|*/.|*/..) die EBUSY;; esac
    folder "$2"
    a=$(cd -P "$1" && pwd -P) b=$(cd -P "$d" && pwd -P)
    case $b/ in "$a"/*) die EINVAL;; esac
    if there "$2"; then
      isdir "$2" || die ENOTDIR
      [ "$1" -ef "$2" ] || empty "$2" || die ENOTEMPTY
    fi
  else
    isdir "$2" && die EISDIR
  fi
  # Two names of one file stay what they are.
  if [ ! -L "$1" ] && [ ! -L "$2" ] && [ "$1" -ef "$2" ]; then exit 0; fi
  [ ! "$1" = "$2" ] || exit 0
}
device() { stat -c %d "$1" 2>/dev/null || stat -f %d "$1"; }
# Without -T an mv puts things into folders, so what is there goes first.
put() {
  mv -fT "$1" "$2" && return
  # Some look where a link leads before they replace it.
  [ -L "$2" ] && there "$1" && rm -f "$2" && mv -f "$1" "$2" && return
  mv -T 2>&1 | grep -q 'option.*T' || return 1
  if isdir "$2"; then rmdir "$2"; elif [ -L "$2" ]; then rm -f "$2"; fi && mv -f "$1" "$2"
}
apart() { folder "$1"; a=$(device "$1"); folder "$2"; [ "$a" != "$(device "$d")" ]; }
failed() {
  denied "$1"; [ $w = - ] || die $w
  denied "$2"; die $w
}
]]
M.RENAME = RENAME

local ONLY_RENAME = RENAME .. [[
check "$1" "$2"
apart "$1" "$2" && die EXDEV
put "$1" "$2" || failed "$1" "$2"]]

-- $3: a name for the copy when it is another file system.
local MOVE = RENAME .. [[
check "$1" "$2"
if apart "$1" "$2"; then
  folder "$2"; x=${d%/}/$3
  trap 'rm -rf "$x"' EXIT
  cp -pRP "$1" "$x" && put "$x" "$2" || failed "$x" "$2"
  rm -rf "$1" || failed "$1" "$2"
else
  put "$1" "$2" || failed "$1" "$2"
fi]]

local function flag(x) return x and "1" or "" end

local function remove(shell, path, opts)
    opts = opts or {}
    local out, text, name, where = call.run(shell, REMOVE, {path}, {flag(opts.recursive), flag(opts.missing_ok)})
    if out then return true end
    if path == "" and opts.missing_ok then return true end
    if where then return nil, text, name, where end
    return nil, text, name
end

--- Adds the functions.
---@param fs table
---@param shell rshell.bare.Shell
function M.add(fs, shell)
    local function act(script, paths, ...) return call.act(shell, script, paths, {...}) end
    function fs.unlink(path) return act(UNLINK, {path}) end
    function fs.rmdir(path) return act(RMDIR, {path}) end
    function fs.remove(path, opts) return remove(shell, path, opts) end
    function fs.link(target, path) return act(LINK, {target, path}) end
    function fs.rename(from, to) return act(ONLY_RENAME, {from, to}) end

    function fs.move(from, to)
        return act(MOVE, {from, to}, ".rshell-" .. random_name())
    end

    function fs.symlink(target, path)
        if target:find("\0", 1, true) then return call.fail "EUSAGE" end
        return act(SYMLINK, {path}, target)
    end

    function fs.mkdir(path, opts)
        opts = opts or {}
        return act(MKDIR, {path}, data.mode(opts.mode), data.umask(opts.umask), flag(opts.parents), flag(opts.exist_ok))
    end

    function fs.mktemp_dir(prefix, opts)
        prefix = prefix or "rshell-"
        if prefix:find("\0", 1, true) then return call.fail "EUSAGE" end
        local dir = opts and opts.dir
        local out, text, name = call.run(shell, MKTEMP, {}, {dir and call.arg(dir) or "", prefix .. random_name()})
        if not out then return nil, text, name end
        return out
    end
end

M.random_name = random_name

return M
