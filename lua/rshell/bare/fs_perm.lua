-- Modes and owners over there.

local call = require "rshell.bare.fs_call"
local data = require "rshell.bare.fs_data"

local M = {}

-- $2 the mode, $3 the umask, $4 recursive. Folders are done after what is in them, since a mode may shut them; where
-- that fails, before it, since a mode may open them.
local CHMOD = [[
need "$1"
[ ! "$3" ] || umask "$3"
mode() { chmod -- "$2" "$1" || { w=-; [ -O "$1" ] || w=EPERM; die $w; }; }
if [ ! "$4" ] || [ -L "$1" ]; then mode "$1" "$2"; exit; fi
[ -d "$1" ] || { mode "$1" "$2"; exit; }
find "$1" -depth ! -type l -exec chmod -- "$2" {} + 2>/dev/null && exit
find "$1" -type d -exec chmod -- "$2" {} \; -o ! -type l -exec chmod -- "$2" {} + 2>/dev/null
export M="$2"
f=$(find "$1" ! -type l -exec /bin/sh -c 'for f do [ -O "$f" ] || chmod -- "$M" "$f" 2>/dev/null ||
  { printf "%s/" "$f"; exit; }; done' sh {} + 2>/dev/null)
[ "$f" ] && { f=${f%/}; [ "$f" = "$1" ] && f=; die EPERM "$f"; }
exit 0]]

-- $2 the owner, $3 recursive, $4 follow, $5 and $6 the names that must exist.
local CHOWN = [[
lneed "$1"
if [ "$3" ] && [ ! -L "$1" ]; then
  find "$1" -exec chown -h "$2" {} + && exit
elif [ "$4" ] || [ ! -L "$1" ]; then
  need "$1"; chown "$2" "$1" && exit
else
  chown -h "$2" "$1" && exit
fi
for i in "$5" "$6"; do
  case $i in u*[!0-9]*|g*[!0-9]*) ;; *) continue;; esac
  case $i in
  u*) id -u "${i#u}" >/dev/null 2>&1 || die ENOTFOUND;;
  g*) getent group "${i#g}" >/dev/null 2>&1 || grep -q "^${i#g}:" /etc/group || die ENOTFOUND;;
  esac
done
f=
[ "$3" ] && [ -d "$1" ] && f=$(find "$1" ! -exec chown -h "$2" {} \; -print 2>/dev/null | head -n 1)
[ "$f" = "$1" ] && f=
[ "$(id -u)" = 0 ] && die - "$f"
die EPERM "$f"]]

local function id(x) return x == nil and "" or tostring(x) end

--- Adds the functions.
---@param fs table
---@param shell rshell.bare.Shell
function M.add(fs, shell)
    function fs.chmod(path, mode, opts)
        opts = opts or {}
        local words = {data.mode(mode), data.umask(opts.umask), opts.recursive and "1" or ""}
        return call.act(shell, CHMOD, {path}, words)
    end

    function fs.chown(path, user, group, opts)
        opts = opts or {}
        local who = id(user) .. (group ~= nil and ":" .. id(group) or "")
        local follow = opts.follow ~= false
        return call.act(shell, CHOWN, {path}, {
            who, opts.recursive and "1" or "", follow and "1" or "",
            type(user) == "string" and "u" .. user or "", type(group) == "string" and "g" .. group or "",
        })
    end
end

return M
