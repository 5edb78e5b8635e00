-- Questions about one file over there.

local hash = require "rshell.sys.hash"
local call = require "rshell.bare.fs_call"
local stat = require "rshell.bare.fs_stat"

local M = {}

-- $2: -L or nothing.
local STAT = stat.SH .. [[
if [ "$2" ]; then need "$1"; else lneed "$1"; fi
stat $2 -c "$A" "$1" 2>/dev/null || stat $2 -f "$B" "$1" || die -
[ "$2" ] || { [ -L "$1" ] && printf 'L%s%s' "$1" "$m" && readlink -n "$1" && printf %s "$m"; }
:]]

local function ask_stat(shell, path, follow)
    local out, mark, name = call.run(shell, STAT, {path}, {follow and "-L" or ""})
    if not out then return nil, mark, name end
    local names, stats = stat.parse_all(out, mark)
    if not names[1] then return call.fail "EUNSUPPORTED" end
    return stats[names[1]]
end

local TYPE = [[
if [ ! "$2" ] && [ -L "$1" ]; then echo link
elif [ -f "$1" ]; then echo file
elif [ -d "$1" ]; then echo dir
elif [ -S "$1" ]; then echo socket
elif [ -p "$1" ]; then echo fifo
elif [ -b "$1" ]; then echo block
elif [ -c "$1" ]; then echo char
elif [ -e "$1" ]; then echo unknown
else missing "$1"; die $w; fi]]

-- A link that leads nowhere, or in circles, leads to nothing.
local EXISTS = [[
[ -e "$1" ] && exit
missing "$1"
case $w in ENOENT|ENOTDIR|ELOOP|ENAMETOOLONG) echo no;; *) die $w;; esac]]

local ACCESS = [[
[ -e "$1" ] || { missing "$1"; case $w in ENOENT|ENOTDIR|ELOOP|ENAMETOOLONG|EACCES) echo no; exit;; *) die $w;; esac; }
case $2 in *r*) [ -r "$1" ] || echo no;; esac
case $2 in *w*) [ -w "$1" ] || echo no;; esac
case $2 in *x*) [ -x "$1" ] || echo no;; esac]]

local READLINK = [[
lneed "$1"
[ -L "$1" ] || die EINVAL
readlink -n "$1"]]

-- realpath of some machines lets the last part be missing. What follows the path's own bytes is one newline.
local RESOLVE = [[
need "$1"
[ -d "$1" ] && cd -P "$1" 2>/dev/null && pwd -P && exit
case $1 in */) die ENOTDIR;; esac
realpath "$1" 2>/dev/null || readlink -f "$1" || die -]]

-- stat is exact; df counts by 1024 bytes.
local DISK = [[
need "$1"
stat -f -c '%S %b %f %a' "$1" 2>/dev/null || df -Pk "$1" || die -]]

local SUMS = {
    md5 = "md5sum || md5 -q || openssl dgst -r -md5",
    sha1 = "sha1sum || shasum -a 1 || sha1 -q || openssl dgst -r -sha1",
    sha256 = "sha256sum || shasum -a 256 || sha256 -q || openssl dgst -r -sha256",
    sha512 = "sha512sum || shasum -a 512 || sha512 -q || openssl dgst -r -sha512",
}

local READABLE = [[
need "$1"
[ -d "$1" ] && die EISDIR
[ -r "$1" ] || die EACCES
]]
M.READABLE = READABLE

--- Adds the functions.
---@param fs table
---@param shell rshell.bare.Shell
function M.add(fs, shell)
    function fs.stat(path) return ask_stat(shell, path, true) end
    function fs.lstat(path) return ask_stat(shell, path, false) end

    function fs.type(path, opts)
        local out, text, name = call.run(shell, TYPE, {path}, {opts and opts.follow and "1" or ""})
        if not out then return nil, text, name end
        return out:match "%a+"
    end

    function fs.exists(path)
        if path == "" then return false end
        local out, text, name = call.run(shell, EXISTS, {path})
        if not out then return nil, text, name end
        return out == ""
    end

    function fs.access(path, how)
        if path == "" then return false end
        local out, text, name = call.run(shell, ACCESS, {path}, {how or "f"})
        if not out then return nil, text, name end
        return out == ""
    end

    function fs.readlink(path)
        local out, text, name = call.run(shell, READLINK, {path})
        if not out then return nil, text, name end
        return out
    end

    function fs.resolve(path)
        local out, text, name = call.run(shell, RESOLVE, {path})
        if not out then return nil, text, name end
        return (out:gsub("\n$", ""):gsub("^//", "/"))
    end

    function fs.disk(path)
        local out, text, name = call.run(shell, DISK, {path})
        if not out then return nil, text, name end
        local unit, total, free, available = out:match "^(%d+) (%d+) (%d+) (%d+)%s*$"
        if not unit then
            local used
            total, used, available = out:match "%s(%d+)%s+(%d+)%s+(%-?%d+)%s+%d+%%"
            if not total then return call.fail "EUNSUPPORTED" end
            unit, free = 1024, total - used
        end
        local function bytes(n) return math.tointeger(n * unit) end
        return {total = bytes(total), free = bytes(free), available = bytes(available)}
    end

    function fs.checksum(path, algo)
        -- No tool for it is common: its bytes come here.
        if algo == "xxh64" then
            local bytes, words, code = fs.read(path)
            if not bytes then return nil, words, code end
            return hash.xxh64(bytes)
        end
        local tools = SUMS[algo or "sha256"]
        if not tools then return call.fail "EUNSUPPORTED" end
        -- A tool that isn't there hasn't read anything yet.
        local out, text, name = call.run(shell, READABLE .. "{ " .. tools .. "; } <\"$1\" || die -", {path})
        if not out then return nil, text, name end
        local digest = out:match "%x+"
        if not digest then return call.fail "EUNSUPPORTED" end
        return digest:lower()
    end
end

return M
