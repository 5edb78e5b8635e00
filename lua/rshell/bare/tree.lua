-- Trees over there, for copies in one stream (rshell.transfer.stream): find and stat tell what is in them, tar packs
-- and unpacks. What is unpacked is complete before anything of it gets its name; until then it is in a folder of its
-- own beside its place, which goes whatever happens: with the script, or by a watcher when that is killed.

local call = require "rshell.bare.fs_call"
local change = require "rshell.bare.fs_change"
local data = require "rshell.bare.fs_data"
local planning = require "rshell.transfer.plan"
local tar = require "rshell.shared.tar"
local task = require "rshell.task"
local text_of = require "rshell.text"

local M = {}

local BLOCK = 256 * 1024
local OWNER_ALL = tonumber("0700", 8)
local EXECUTABLE = tonumber("0111", 8)
local LAST = 5 -- seconds that a script may take to clean up

-- ---- lists of names ----

local INLINE = 40 * 1024 -- up to this size a list is part of its program, which saves the round trip of an input

--- A function for sh that prints the names with a NUL behind each, and what has to be written to its stdin.
local function names_of(list)
    local size = 0
    for _, name in ipairs(list) do size = size + #name end
    if size > INLINE then return "names() { cat; }\n", table.concat(list, "\0") .. "\0" end
    return "names() { printf '%s\\0' " .. text_of.quote(table.unpack(list)) .. "; }\n"
end

--- The same for names below a path: single when it is the path itself.
local function names_below(path, names)
    local list, single = {}, names[1] == ""
    for i, rel in ipairs(names) do list[i] = "./" .. (single and path:match "[^/]*$" or rel) end
    local script, input = names_of(list)
    return script, input, single
end

-- ---- manifest ----

-- Less than fs_stat tells, since there are many.
local EACH = [[
if stat -c %s / >/dev/null 2>&1; then stat -c "$A" "$@" 2>/dev/null; else stat -f "$B" "$@" 2>/dev/null; fi
for f do [ -L "$f" ] && printf "L%s$m" "$f" && readlink -n "$f" && printf "%s\n" "$m"; done; :]]

-- Which tar this is, in $t; nothing where a tool is missing.
local TOOLS = [[
t=$(tar --version 2>&1)
case $t in *GNU*) t=gnu;; *[Bb]usy[Bb]ox*) t=busybox;; *bsdtar*) t=bsd;; *) t=;; esac
for p in find xargs; do command -v $p >/dev/null || t=; done
]]

-- $2: nothing but certain names is looked for; a link to a folder is one then, too.
local MANIFEST = change.RENAME .. TOOLS .. [[
export m A="S%s %f %d|%Y|%y|%n$m" B="S%z %Xp %d|%m|%Fm|%N$m"
printf '%s %s\n' "${t:-none}" "$(umask)"
[ "$t" ] || exit 0
each=']] .. EACH .. [['
there "$1" || { missing "$1"; [ $w = ENOENT ] && exit 0; die $w "$1"; }
if isdir "$1" || { [ "$2" ] && [ -d "$1" ]; }; then
  cd "$1" 2>/dev/null || die EACCES "$1"
  [ ! -L "$1" ] || echo through
  if [ "$2" ]; then names | xargs -0 /bin/sh -c "$each" sh 2>/dev/null; exit 0; fi
  f=$(find . -type d -exec /bin/sh -c 'for f do [ -r "$f" ] && [ -x "$f" ] || { printf "%s/" "$f"; exit; }; done
    ' sh {} + 2>/dev/null)
  f=${f%%//*}; f=${f%/}
  [ ! "$f" ] || die EACCES "$1${f#.}"
  find . -exec /bin/sh -c "$each" sh {} + 2>/dev/null
else
  folder "$1"; cd "$d" || die EACCES "$1"
  /bin/sh -c "$each" sh "./${1##*/}" 2>/dev/null
fi
:]]

local FIELDS = "^S(%d+) (%x+) (%d+)|(%-?%d+)|([^|]*)|(.*)$"
local TYPES = {[8] = "file", [4] = "dir", [10] = "link", [12] = "socket", [1] = "fifo", [6] = "block", [2] = "char"}

local function parse(record)
    local size, mode, dev, seconds, exact, name = record:match(FIELDS)
    if not size then return nil end
    local raw = tonumber(mode, 16)
    local digits = ((exact:match "%.(%d+)" or "0") .. "000000000"):sub(1, 9)
    return {
        size = tonumber(size), mode = raw & 4095, type = TYPES[raw >> 12] or "unknown", dev = tonumber(dev),
        mtime = tonumber(seconds) + tonumber(digits) / 1e9,
    }, name
end

local function rel_of(name, single)
    if name == "." or single then return "" end
    return (name:gsub("^%./", ""))
end

--- All records of a listing: names in their order and stats by name.
local function records(out, at, mark)
    local names, stats = {}, {}
    local function take()
        local start, stop = out:find(mark, at, true)
        if not start then return nil end
        local piece = out:sub(at, start - 1)
        at = stop + 1
        if out:byte(at) == 10 then at = at + 1 end
        return piece
    end
    for record in take do
        if record:byte() == 76 then -- L: a link's text
            local name, target = record:sub(2), take()
            if stats[name] then stats[name].target = target end
        else
            local st, name = parse(record)
            if st and not stats[name] then names[#names + 1], stats[name] = name, st end
        end
    end
    return names, stats
end

local function tree_of(out, at, mark)
    local names, stats = records(out, at, mark)
    if not names[1] then return nil end
    local single = not stats["."]
    local root = planning.node(stats["."] or stats[names[1]])
    for _, name in ipairs(single and {} or names) do
        if name ~= "." then planning.add(root, rel_of(name), stats[name]) end
    end
    planning.sort(root)
    return root
end

local function manifest(self, path, names)
    local script, input = "", nil
    if names then
        local list = {}
        for i, rel in ipairs(names) do list[i] = rel == "" and "." or "./" .. rel end
        script, input = names_of(list)
    end
    local out, mark, name, where = call.run(self.shell, script .. MANIFEST, {path}, {names and "1" or ""}, input)
    if not out then return nil, mark, name, M.own(path, where) end
    local kind, umask, at = out:match "^(%l+) (%d+)\n()"
    self.kind = kind
    if kind == "none" then return false end
    local through = out:match("^through\n()", at)
    return {
        root = tree_of(out, through or at, mark), through = through ~= nil, coarse = kind == "busybox",
        umask = tonumber(umask, 8),
    }
end

--- A path of the script's, which had ./ put before it.
function M.own(path, where)
    if where and path:sub(1, 1) ~= "/" then where = where:gsub("^%./", "", 1) end
    return where
end

-- Without $2 the path is a file.
local SUMS = [[
if [ "$2" ]; then cd "$1"; else folder "$1"; cd "$d"; fi || die EACCES "$1"
s=sha256sum; command -v $s >/dev/null || s='shasum -a 256'
names | xargs -0 $s 2>/dev/null
:]]

local function checksums(self, path, names)
    local script, input, single = names_below(path, names)
    local out, text, name = call.run(self.shell, script .. SUMS, {path}, {single and "" or "1"}, input)
    if not out then return nil, text, name end
    local list = {}
    for digest in out:gmatch "([^\n]*)\n" do list[#list + 1] = digest:match "^\\?(%x+)" end
    -- Whose sum is missing can't be told when one is.
    if #list ~= #names then return {} end
    local sums = {}
    for i, rel in ipairs(names) do sums[rel] = list[i] end
    return sums
end

-- ---- programs with a stream ----

--- Waits until a script has cleaned up after itself.
local function leave(ch)
    task.shield(function()
        pcall(ch.stdin.close, ch.stdin)
        pcall(ch.wait, ch, LAST)
        ch:close()
    end)
end

-- ---- packing ----

-- Hard links are packed as files where tar can do that; the others are left out, and copied by
-- themselves.
local PACK = {
    gnu = "names | tar -cf - -b 512 --format=gnu --no-recursion --hard-dereference --no-unquote --null -T -",
    bsd = "names | COPYFILE_DISABLE=1 tar -cf - -b 512 --format=gnutar -n --null -T -",
    busybox = "names | xargs -0 tar -cf - --no-recursion",
}

local PACKING = [[
if [ "$2" ]; then cd "$1"; else folder "$1"; cd "$d"; fi || die EACCES "$1"
]]

local Source = {}
Source.__index = Source

--- Calls the reader of the archive; what is wrong with that is told with what tar has said.
local function reading(self, method)
    local ok, got = pcall(self.reader[method], self.reader)
    if ok then return got end
    if type(got) ~= "table" or not got.malformed then error(got, 0) end
    local why = self.shell.connector.broken()
    if why then return nil, why, "ECLOSED" end
    return nil, got.malformed, "EPROTOCOL"
end

function Source:next()
    local got, text, name = reading(self, "next")
    if not got then return nil, text, name end
    got.rel = rel_of(got.name:gsub("/$", ""), self.single)
    return got
end

function Source:data() return reading(self, "data") end

--- A tar that can write no more ends by itself, and has nothing to clean up.
function Source:close()
    self.feeding:close()
    self.channel:close()
    self.saying:close()
end

local function pack(self, path, entries)
    local names = {}
    for i, entry in ipairs(entries) do names[i] = entry.rel end
    local script, input, single = names_below(path, names)
    local mark = call.mark()
    local ch, text, name = self.shell:open(call.script(mark, script .. PACKING .. PACK[self.kind]), {
        args = {call.arg(path), single and "" or "1"},
    })
    if not ch then return nil, text, name end
    local feeding = task.spawn(function()
        if input then pcall(ch.stdin.write, ch.stdin, input) end
        ch.stdin:close()
    end)
    -- What tar says about files that it can't read is found out when they are copied by themselves.
    local saying = task.spawn(function() pcall(function() while ch.stderr:read(BLOCK) do end end) end)
    return setmetatable({
        shell = self.shell, channel = ch, feeding = feeding, saying = saying, single = single,
        reader = tar.reader(function() return ch.stdout:read(BLOCK) end),
    }, Source)
end

-- ---- unpacking ----

-- $1 the place, $2 a name for what isn't complete, $3 whether the place is a folder that is there, $4 flags for tar.
-- In $x: t is what is unpacked, e says that all has come.
local FUNCTIONS = change.RENAME .. data.AT .. [[
r=${1%/}
gone() {
  rm -rf "$@"
  for f do ! there "$f" || { denied "$f"; die $w "$f"; }; done
}
# Moves what is in a folder of the new tree into the one that is there.
into() {
  s=$x/t${1:+/$1} d=$r${1:+/$1}
  [ -d "$s" ] || return 0
  find "$s" -mindepth 1 -maxdepth 1 -exec /bin/sh -c 'd=$1; shift; mv -f "$@" "$d/"' sh "$d" {} +
  rmdir "$s" 2>/dev/null || die - "$d"
}
# What is new as a whole.
place() { ! there "$x/t" || put "$x/t" "$1" || { denied "$1"; die $w "$1"; }; }
# The mode, the time for GNU, busybox and POSIX, the path.
give() {
  [ ! "$1" ] || chmod "$1" "$5" || die - "$5"
  [ ! "$2" ] || at -c "$2" "$5" "$3" "$4" || die - "$5"
}
]]

local STAGE = [[
if [ "$3" ]; then x=$r/$2; else folder "$1"; x=${d%/}/$2; fi
umask 077
trap 'rm -rf "$x"' EXIT
trap 'exit 1' HUP INT TERM PIPE
mkdir "$x" 2>/dev/null || { if [ "$3" ]; then denied "$x"; else denied "$1"; fi; [ $w != - ] || w=EACCES; die $w "$1"; }
# Where nobody reaps orphans, a dead one still has its number.
alive() { kill -0 $$ && case $(cat /proc/$$/stat) in *") Z "*) false;; esac; }
( trap '' HUP INT QUIT TERM
  while sleep 1 && [ -d "$x" ]; do alive || rm -rf "$x"; done
) </dev/null >/dev/null 2>&1 &
e=$(EXTRACT_UNSAFE_SYMLINKS=1 tar -xpo$4f - -C "$x" 2>&1)
if [ $? != 0 ] || [ ! -e "$x/e" ]; then
  f= l=$(printf '%s\n' "$e" | sed -n '/time stamp/d;p;q')
  case $l in "tar: t/"*": "*) f=${l#tar: t/}; f=/${f%%: *};; esac
  [ "$l" ] || die EIO "$1"
  printf '%s\n' "$l" >&2
  # Why a file got only some of its bytes, tar doesn't say; the next one to write does.
  case $l in *"Wrote only"*) head -c 1048576 /dev/zero >"$x/p";; esac
  die - "$1$f"
fi
]]

local GROUP = 200 -- names that one rm gets

local function below_root(rel)
    if rel == "" then return '"$1"' end
    return '"$r"/' .. text_of.quote(rel)
end

local function add_gone(lines, list)
    for i = 1, #list, GROUP do
        local words = {"gone"}
        for k = i, math.min(i + GROUP - 1, #list) do words[#words + 1] = below_root(list[k]) end
        lines[#lines + 1] = table.concat(words, " ")
    end
end

local function give_line(rel, mode, mtime)
    local exact, whole, posix = data.times(mtime)
    return ("give %s %s %s"):format(text_of.quote(data.mode(mode)), text_of.quote(exact, whole, posix), below_root(rel))
end

--- True when the root itself is made, or replaced.
function M.is_new(plan)
    local last = plan.make[#plan.make]
    return plan.by[""] ~= nil or last ~= nil and last.rel == ""
end

--- busybox makes links when all else is there, which changes the times of their folders.
local function folders_of_links(plan)
    local set = {}
    for _, entry in ipairs(plan.send) do
        if entry.st.type == "link" then set[entry.rel:match "^(.*)/" or ""] = true end
    end
    return set
end

--- What is done when all has come. Folders that we couldn't have written to get their own mode at the end.
local function commit(plan, kind)
    local lines, late = {}, kind == "busybox" and folders_of_links(plan) or {}
    add_gone(lines, plan.gone)
    add_gone(lines, plan.clear)
    for _, rel in ipairs(plan.into) do lines[#lines + 1] = "into " .. text_of.quote(rel) end
    if M.is_new(plan) then lines[#lines + 1] = 'place "$1"' end
    for _, entry in ipairs(plan.make) do
        local mode = entry.mode and entry.mode & OWNER_ALL ~= OWNER_ALL and entry.mode or nil
        local mtime = late[entry.rel] and entry.mtime or nil
        if mode or mtime then lines[#lines + 1] = give_line(entry.rel, mode, mtime) end
    end
    for _, a in ipairs(plan.attrs) do lines[#lines + 1] = give_line(a.rel, a.mode, a.mtime) end
    lines[#lines + 1] = ":"
    return table.concat(lines, "\n")
end

local Sink = {}
Sink.__index = Sink

--- What the script has said and how it ended; nothing of both when the connection is gone.
local function outcome(s, seconds)
    local ok, said = pcall(s.channel.stderr.read, s.channel.stderr, "a")
    local waited, exit = pcall(s.channel.wait, s.channel, seconds)
    s.over = true
    return ok and said or "", waited and exit or {}
end

--- Why the script has ended.
local function failure(s)
    local said, exit = outcome(s, LAST)
    local why = s.shell.connector.broken()
    if why then return nil, why, "ECLOSED" end
    if exit.code == 0 then return nil, "it ended before all had come", "EPROTOCOL" end
    local _, text, name, where = call.failure(said, s.mark)
    return nil, text, name, M.own(s.path, where)
end

local function write(s, bytes)
    s.sent = s.sent + #bytes
    local ok, e = pcall(s.channel.stdin.write, s.channel.stdin, bytes)
    if ok then return true end
    if type(e) == "table" and (e.kind == "cancelled" or e.kind == "timeout") then error(e, 0) end
    return failure(s)
end

local function flush(s)
    if s.pending == 0 then return true end
    local bytes = table.concat(s.parts)
    s.parts, s.pending = {}, 0
    return write(s, bytes)
end

--- Small pieces wait for others.
local function add(s, bytes)
    if #bytes >= BLOCK / 4 then
        local ok, text, name, where = flush(s)
        if not ok then return nil, text, name, where end
        return write(s, bytes)
    end
    s.parts[#s.parts + 1] = bytes
    s.pending = s.pending + #bytes
    if s.pending >= BLOCK then return flush(s) end
    return true
end

--- The mode of what is not to keep the source's.
local function usual(s, entry)
    if entry.old and entry.old.type == entry.st.type then return entry.old.mode end
    local all = (entry.st.type == "dir" or entry.st.mode & EXECUTABLE ~= 0) and 511 or 438
    return all & ~(s.umask or 18)
end

local function header(s, entry, size)
    local mode = entry.mode or usual(s, entry)
    if entry.st.type == "dir" then mode = mode | OWNER_ALL end
    return add(s, tar.header({
        name = entry.rel == "" and "t" or "t/" .. entry.rel, type = entry.st.type, size = size, mode = mode,
        mtime = entry.mtime or 0, target = entry.st.type == "link" and entry.target or nil,
    }, s.exact))
end

function Sink:begin(entry, size)
    self.left, self.padding = size, tar.padding(size)
    return header(self, entry, size)
end

function Sink:data(block)
    self.left = self.left - #block
    local ok, text, name, where = add(self, block)
    if not ok then return nil, text, name, where end
    if self.left > 0 then return true end
    return add(self, self.padding)
end

--- Folders come last, so that what is put into them doesn't change their times.
local function add_rest(s)
    if not s.staged then return true end
    for _, entry in ipairs(s.plan.make) do
        local ok, text, name, where = header(s, entry, 0)
        if not ok then return nil, text, name, where end
    end
    local ok, text, name, where = add(s, tar.header({name = "e", type = "file", size = 0, mode = 384, mtime = 0}))
    if ok then ok, text, name, where = flush(s) end
    if ok then ok, text, name, where = write(s, tar.ending(s.sent)) end
    return ok, text, name, where
end

function Sink:finish()
    local ok, text, name, where = add_rest(self)
    if not ok then return nil, text, name, where end
    self.channel.stdin:close()
    local said, exit = outcome(self)
    if exit.code == 0 then return true end
    if not exit.code and not exit.signal then
        return nil, self.shell.connector.broken() or "ended without a status", "ECLOSED"
    end
    ok, text, name, where = call.failure(said, self.mark)
    return ok, text, name, M.own(self.path, where)
end

function Sink:close()
    if self.over then self.channel:close() else leave(self.channel) end
    self.over = true
end

local function unpack_into(self, path, plan, how)
    local mark = call.mark()
    local staged = #plan.send + #plan.make > 0
    local script = FUNCTIONS .. (staged and STAGE or "") .. commit(plan, self.kind)
    local ch, text, name = self.shell:open(call.script(mark, script), {args = {
        call.arg(path), ".rshell-" .. change.random_name(), M.is_new(plan) and "" or "1", how.preserve and "" or "m",
    }})
    if not ch then return nil, text, name end
    return setmetatable({
        shell = self.shell, channel = ch, mark = mark, path = path, plan = plan, umask = how.umask,
        exact = self.kind ~= "busybox", staged = staged, parts = {}, pending = 0, sent = 0,
    }, Sink)
end

--- The module over a shell.
---@param shell rshell.bare.Shell
function M.new(shell)
    local self = {shell = shell}
    return {
        far = true,
        manifest = function(path, names) return manifest(self, path, names) end,
        checksums = function(path, names) return checksums(self, path, names) end,
        pack = function(path, entries) return pack(self, path, entries) end,
        unpack = function(path, plan, how) return unpack_into(self, path, plan, how) end,
    }
end

return M
