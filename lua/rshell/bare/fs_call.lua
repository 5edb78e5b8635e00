-- How the functions of files over there are called: a script for sh, its arguments, and what it answers.
--
-- A script that fails says so at the end of stderr: the call's mark, a NAME, a newline, a path or nothing. The NAME
-- comes from tests in sh; where those find no reason it is "-", and the last tool's own words decide, which are those
-- of the C library, as LC_ALL is C. A mark is a number that nobody can guess, so that no file name can look like it.

local errno = require "rshell.bare.errno"

local M = {}

-- $m is the mark. All paths start with / or ./, so none looks like an option.
local PRELUDE = [[
export LC_ALL=C; unset CDPATH
# What comes after it, as of an rm in a trap, is not part of the path.
die() { printf '%s%s\n%s' "$m" "$1" "$2" >&2; exec 2>/dev/null; exit 1; }
# The text of the link $1 in $t, whatever its end is.
target() { t=$(readlink -n "$1" && echo x) && t=${t%x} || { t=$(ls -ld "$1"); t=${t#*"$1 -> "}; }; }
# Why $1 can't be found, in $w: goes up to what is there.
missing() {
  p=$1 c= k=0
  while [ ! -e "$p" ]; do
    case $p in ?*/) p=${p%/}; continue;; esac
    if [ -L "$p" ]; then
      k=$((k+1)); [ $k -gt 40 ] && w=ELOOP && return
      target "$p"
      case $t in /*) p=$t;; *) case $p in */*) p=${p%/*}/$t;; *) p=$t;; esac;; esac
      continue
    fi
    c=${p##*/}
    case $p in */*) p=${p%/*}; p=${p:-/};; *) p=.;; esac
    [ ${#c} -gt 255 ] && w=ENAMETOOLONG && return
  done
  if [ ! "$c" ]; then w=-
  elif [ ! -d "$p" ]; then w=ENOTDIR
  elif [ ! -x "$p" ]; then w=EACCES
  else w=ENOENT; fi
}
there() { [ -e "$1" ] || [ -L "$1" ]; }
folder() { d=$1; while :; do case $d in ?*/) d=${d%/};; *) break;; esac; done; d=${d%/*}; d=${d:-/}; }
# Why nothing can be made or removed at $1, in $w.
denied() {
  folder "$1"
  if [ ! -d "$d" ]; then
    if [ -e "$d" ]; then w=ENOTDIR; else missing "$d"; fi
  elif [ ! -x "$d" ] || [ ! -w "$d" ]; then
    w=EACCES
    [ -x "$d" ] && [ "$(id -u)" = 0 ] && w=EROFS
  else
    missing "$1"
    [ $w = ENOENT ] && [ ! -L "$1" ] && w=-
  fi
}
# Ends unless $1 is there, links followed; or the link itself.
need() { [ -e "$1" ] || { missing "$1"; die $w "$2"; }; }
lneed() { there "$1" || { missing "$1"; die $w "$2"; }; }
]]

-- How the C libraries say what no test in sh can tell.
local WORDS = {
    ["no space left on device"] = "ENOSPC", ["disk quota exceeded"] = "EDQUOT", ["quota exceeded"] = "EDQUOT",
    ["read-only file system"] = "EROFS", ["operation not permitted"] = "EPERM", ["permission denied"] = "EACCES",
    ["device or resource busy"] = "EBUSY", ["resource busy"] = "EBUSY", ["file too large"] = "EFBIG",
    ["invalid cross-device link"] = "EXDEV", ["cross-device link"] = "EXDEV", ["text file busy"] = "ETXTBSY",
    ["is a directory"] = "EISDIR", ["not a directory"] = "ENOTDIR", ["no such file or directory"] = "ENOENT",
    ["file exists"] = "EEXIST", ["directory not empty"] = "ENOTEMPTY", ["too many links"] = "EMLINK",
    ["file name too long"] = "ENAMETOOLONG", ["filename too long"] = "ENAMETOOLONG", ["invalid argument"] = "EINVAL",
    ["too many levels of symbolic links"] = "ELOOP", ["symbolic link loop"] = "ELOOP",
    ["input/output error"] = "EIO", ["i/o error"] = "EIO", ["no such device or address"] = "ENXIO",
    ["operation not supported"] = "EOPNOTSUPP", ["not supported"] = "EOPNOTSUPP", ["illegal seek"] = "ESPIPE",
    ["invalid seek"] = "ESPIPE", ["no such device"] = "ENODEV", ["broken pipe"] = "EPIPE",
}

local TEXTS = {
    ENOSPC = "no space left on device", EDQUOT = "disk quota exceeded", EROFS = "read-only file system",
    EBUSY = "device or resource busy", EFBIG = "file too large", EXDEV = "invalid cross-device link",
    ETXTBSY = "text file busy", EEXIST = "file exists", ENOTEMPTY = "directory not empty", EMLINK = "too many links",
    ENAMETOOLONG = "file name too long", ELOOP = "too many levels of symbolic links",
    ENXIO = "no such device or address", EOPNOTSUPP = "operation not supported", ESPIPE = "illegal seek",
    ENODEV = "no such device", EPIPE = "broken pipe", EUSAGE = "wrong usage", ELIMIT = "a limit was reached",
    EBADF = "bad file descriptor",
}

--- nil, text, NAME[, path]
function M.fail(name, where)
    local _, text = errno.fail(name)
    if TEXTS[name] then text = TEXTS[name] end
    if where then return nil, text, name, where end
    return nil, text, name
end

function M.mark()
    return ("rs%016x"):format(math.random(0))
end

--- The NAME behind what tools have said last, "EIO" where nothing is known.
local function guess(said)
    local last = said:match "([^\r\n]+)%s*$" or ""
    return WORDS[(last:match ": ([^:]*)$" or last):lower()] or "EIO", last
end

--- What a script has left on stderr, as a failure.
---@param said string
---@param mark string
function M.failure(said, mark)
    local start, stop = said:find(mark, 1, true)
    local name, where = "-", nil
    if start then
        name, where = said:match("^([^\n]*)\n(.*)$", stop + 1)
        said = said:sub(1, start - 1)
    end
    if where == "" then where = nil end
    if name and name ~= "-" then return M.fail(name, where) end
    local words
    name, words = guess(said)
    if name ~= "EIO" or words == "" then return M.fail(name, where) end
    if where then return nil, words, name, where end
    return nil, words, name
end

--- A path as an argument; nil for what names nothing.
---@param path string
function M.arg(path)
    if path:sub(1, 1) == "/" then return path end
    return "./" .. path
end

--- True when every path is one; else the answer to give.
local function check(paths)
    for _, path in ipairs(paths) do
        if type(path) ~= "string" then error("a path is a string, not " .. type(path), 0) end
        if path:find("\0", 1, true) then return nil, M.fail "EUSAGE" end
        if path == "" then return nil, M.fail "ENOENT" end
    end
    return true
end

--- The text of a script with its functions and mark.
function M.script(mark, script)
    return "m=" .. mark .. "\n" .. PRELUDE .. script
end

local function finish(mark, r, text, name)
    if not r then return nil, text, name end
    if r.code == 0 then return r.stdout, mark end
    if r.code then return M.failure(r.stderr, mark) end
    return nil, "ended by SIG" .. tostring(r.signal), "EIO"
end

--- Runs a script on paths: its stdout and the mark, or nil, text, NAME[, path]. One round trip.
---@param shell rshell.bare.Shell
---@param script string paths are $1 ..., further words come behind them
---@param paths string[]
---@param words (string|integer)[]?
---@param input string?
function M.run(shell, script, paths, words, input)
    local ok, _, text, name = check(paths)
    if not ok then return nil, text, name end
    local args = {}
    for i, path in ipairs(paths) do args[i] = M.arg(path) end
    for _, word in ipairs(words or {}) do args[#args + 1] = tostring(word) end
    local mark = M.mark()
    return finish(mark, shell:run(M.script(mark, script), {args = args, input = input}))
end

--- The same for scripts whose output is no matter: true, or nil, text, NAME[, path].
function M.act(...)
    local out, text, name, where = M.run(...)
    if out then return true end
    if where then return nil, text, name, where end
    return nil, text, name
end

return M
