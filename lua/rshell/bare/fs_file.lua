-- Open files over there: a program that reads or writes at a place, for as long as nobody seeks; then another one. So a
-- file is read and written as a stream, in the memory of a block.

local call = require "rshell.bare.fs_call"
local data = require "rshell.bare.fs_data"
local reading = require "rshell.bare.reading"

local M = {}

local BLOCK = 65536

-- $2 r, w, a or x, $3 the mode, $4 the umask, $5 whether to read and write, $6 the place. The mark on stdout says that
-- the file is open. Where a place is given the file was opened before.
local OPEN = data.MAKE .. [[
M=$3 U=$4 h=$2
hello() { printf '%s\n' "$m"; }
seek() { [ "$1" = 0 ] || dd bs=1 count=0 seek="$1" conv=notrunc </dev/null >&4 2>/dev/null; }
case $h in
r|R)
  need "$1"
  [ -d "$1" ] && die EISDIR
  [ -r "$1" ] || die EACCES
  [ ! "$5" ] || [ -w "$1" ] || die EACCES
  [ ! "$5" ] || { hello; exit 0; }
  { hello
    [ "$6" = 0 ] && exec cat
    dd bs=65536 iflag=skip_bytes skip="$6" 2>/dev/null || tail -c +$(($6+1)); } <"$1" || die -
  exit;;
esac
if [ -e "$1" ]; then
  [ "$h" = x ] && die EEXIST
  [ -d "$1" ] && die EISDIR
  [ -w "$1" ] || die EACCES
  [ ! "$5" ] || [ -r "$1" ] || die EACCES
  [ ! -f "$1" ] || setmode "$1" || die EPERM
else
  [ "$h" = x ] && [ -L "$1" ] && die EEXIST
  missing "$1"; [ $w = ENOENT ] || die $w
  case $1 in */) die EISDIR;; esac
  [ "$h" = W ] && die ENOENT
  ( first; set -C; : >"$1" ) || { there "$1" && [ $h = x ] && die EEXIST; [ -L "$1" ] && ( first; : >>"$1" ); } ||
    { denied "$1"; die $w; }
  # It stays open for us whatever its mode says.
  command exec 5>>"$1" || die -
  setmode "$1" || die -
  hello; [ "$5" ] || cat >&5 || die -
  exit 0
fi
case $h in
w) { hello; [ "$5" ] || cat >&4; } 4>"$1";;
a) { hello; [ "$5" ] || cat >&4; } 4>>"$1";;
*) { hello; seek "$6" && { [ "$5" ] || cat >&4; }; } 4<>"$1";;
esac || die -]]

---@class rshell.bare.File
local File = {}
File.__index = File

--- Starts a program on the file. letter: as OPEN has it. Gives the channel, when the file is open.
local function start(f, letter, at, both)
    local mark = call.mark()
    local ch, text, name = f.shell:open(call.script(mark, OPEN), {
        args = {call.arg(f.path), letter, f.mode, f.umask, both and "1" or "", ("%d"):format(at)},
    })
    if not ch then return nil, text, name end
    if ch.stdout:read "L" == mark .. "\n" then
        f.mark = mark
        return ch
    end
    local said = ch.stderr:read "a"
    ch:close()
    return call.failure(said, mark)
end

--- Waits for a program's end: true, or why it has failed.
local function finish(f, ch)
    local said = ch.stderr:read "a" or ""
    local exit = ch:wait()
    ch:close()
    if exit and exit.code == 0 then return true end
    if exit and not exit.code and not exit.signal then return nil, "ended without a status", "ECLOSED" end
    return call.failure(said, f.mark)
end

local function stop_reading(f)
    if f.reader then f.reader:close() end
    f.reader, f.buffer = nil, ""
end

--- What was written is in the file, or the reason why not.
local function flush(f)
    local ch = f.writer
    f.writer = nil
    if not ch then return true end
    ch.stdin:close()
    return finish(f, ch)
end

local function check(f)
    if f.closed then error(require "shared.error".new {kind = "closed", message = "closed"}, 0) end
end

-- ---- reading ----

local function fill(f)
    if not f.reader then
        local ch, text, name = start(f, "r", f.at, false)
        if not ch then return nil, text, name end
        ch.stdin:close()
        f.reader = ch
    end
    local block = f.reader.stdout:read(BLOCK)
    if block then
        f.buffer = f.buffer .. block
        return true
    end
    if f.over then return false end
    local ok, text, name = finish(f, f.reader)
    f.reader = nil
    if not ok then return nil, text, name end
    return false
end

function File:read(what)
    check(self)
    if not self.reads then return call.fail "EBADF" end
    local ok, text, name = flush(self)
    if not ok then return nil, text, name end
    return reading.read(self, what, fill)
end

function File:lines(what)
    check(self)
    return function() return self:read(what) end
end

-- ---- writing ----

function File:write(text)
    check(self)
    if not self.writes then return call.fail "EBADF" end
    stop_reading(self)
    if not self.writer then
        local ch, why, name = start(self, self.appends and "a" or "W", self.at, false)
        if not ch then return nil, why, name end
        self.writer = ch
    end
    if not pcall(self.writer.stdin.write, self.writer.stdin, text) then
        local ok, why, name = flush(self)
        if ok then return call.fail "EPIPE" end
        return nil, why, name
    end
    self.at = self.at + #text
    return true
end

local SIZE = [[
need "$1"
wc -c <"$1"]]

local function size_of(f)
    local out, text, name = call.run(f.shell, SIZE, {f.path})
    if not out then return nil, text, name end
    return math.tointeger(tonumber(out))
end

--- The place from the start, after moving it.
function File:seek(whence, offset)
    check(self)
    whence, offset = whence or "cur", offset or 0
    local base = whence == "cur" and self.at or 0
    if self.appends and self.writer or whence == "end" then
        local ok, text, name = flush(self)
        if not ok then return nil, text, name end
        local size
        size, text, name = size_of(self)
        if not size then return nil, text, name end
        if whence == "end" or whence == "cur" and self.appends then base = size end
    end
    local at = base + offset
    if at < 0 then return call.fail "EINVAL" end
    if at ~= self.at then
        stop_reading(self)
        local ok, text, name = flush(self)
        if not ok then return nil, text, name end
        self.at = at
    end
    return at
end

--- Cuts the file, or makes it longer with zeros.
function File:truncate(size)
    check(self)
    if not self.writes then return call.fail "EINVAL" end
    stop_reading(self)
    local ok, text, name = flush(self)
    if not ok then return nil, text, name end
    return self.fs.truncate(self.path, size or 0)
end

local SYNC = [[sync "$1" 2>/dev/null || sync]]

--- Returns when what was written is on the disk.
function File:sync()
    check(self)
    local ok, text, name = flush(self)
    if not ok then return nil, text, name end
    return call.act(self.shell, SYNC, {self.path})
end

--- What could not be written is told here at the latest. Twice is harmless.
function File:close()
    if self.closed then return true end
    self.closed = true
    stop_reading(self)
    return flush(self)
end

File.__close = File.close

--- Opens: what the first program is for depends on the mode.
local function open(fs, shell, path, how, opts)
    how, opts = how or "r", opts or {}
    if path:find("\0", 1, true) then return call.fail "EUSAGE" end
    if path == "" then return call.fail "ENOENT" end
    local letter, both = how:sub(1, 1), how:find("+", 1, true) ~= nil
    if how:find("x", 1, true) then letter = "x" end
    local f = setmetatable({
        fs = fs, shell = shell, path = path, mode = data.mode(opts.mode), umask = data.umask(opts.umask),
        at = 0, buffer = "",
        reads = letter == "r" or both, writes = letter ~= "r" or both, appends = letter == "a",
    }, File)
    if letter == "r" then f.mode = "" end
    local ch, text, name = start(f, letter, 0, both)
    if not ch then return nil, text, name end
    -- The mode was given when it was opened.
    f.mode = ""
    if both then
        ch:close()
    elseif letter == "r" then
        ch.stdin:close()
        f.reader = ch
    else
        f.writer = ch
    end
    return f
end

--- Adds the function.
---@param fs table
---@param shell rshell.bare.Shell
function M.add(fs, shell)
    function fs.open(path, mode, opts) return open(fs, shell, path, mode, opts) end
end

return M
