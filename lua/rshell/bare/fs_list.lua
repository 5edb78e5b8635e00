-- Folders and trees over there. Names come with a NUL or the call's mark behind them; order and patterns are made
-- here, so that they are the same everywhere.

local call = require "rshell.bare.fs_call"
local stat = require "rshell.bare.fs_stat"
local match = require "rshell.sys.fs".match

local M = {}

local FOLDER = [[
need "$1"
[ -d "$1" ] || die ENOTDIR
[ -r "$1" ] || die EACCES
]]

-- find goes through what has an x only; where it may not, names are told all the same.
local LIST = FOLDER .. [[find "$1/." ! -name . -prune -print0]]

local LIST_STAT = stat.SH .. FOLDER .. "find \"$1/.\" ! -name . -prune -exec /bin/sh -c '" .. stat.EACH .. "' sh {} +"

--- The stats of some names, in their order; what has vanished meanwhile is left out.
local function sorted(names, stats)
    table.sort(names)
    local list = {}
    for i, name in ipairs(names) do list[i] = stats[name] end
    return names, list
end

local function names_of(out, from)
    local names = {}
    for name in out:gmatch "([^\0]+)\0" do names[#names + 1] = name:sub(from) end
    return names
end

local function list(shell, path, opts)
    local with_stat = opts and opts.stat
    local out, mark, name = call.run(shell, with_stat and LIST_STAT or LIST, {path})
    if not out then return nil, mark, name end
    local from = #call.arg(path) + #"/./" + 1
    if not with_stat then
        local names = names_of(out, from)
        table.sort(names)
        return names
    end
    local found, stats = stat.parse_all(out, mark)
    local by_name = {}
    for i, full in ipairs(found) do
        found[i] = full:sub(from)
        by_name[found[i]] = stats[full]
    end
    return sorted(found, by_name)
end

-- ---- walk ----

-- $2: how deep. The folders that can't be read come first, each with a NUL, then an empty one.
local WALK = stat.SH .. FOLDER .. [[
find "$1/." $2 -type d -exec /bin/sh -c 'for d do [ -r "$d" ] || printf "%s\0" "$d"; done' sh {} + 2>/dev/null
printf '\0'
find "$1/." ! -name . $3 -exec /bin/sh -c ']] .. stat.EACH .. [[' sh {} + 2>/dev/null
:]]

---@class rshell.bare.Walker
local Walker = {}
Walker.__index = Walker

local function below(root, name)
    return (root:gsub("/+$", "")) .. "/" .. name
end

-- Parents before children, and the entries of a folder by byte: a slash sorts before all other bytes.
local function tree_key(name) return (name:gsub("/", "\0")) end

local function by_tree(names)
    local keys = {}
    for _, name in ipairs(names) do keys[name] = tree_key(name) end
    table.sort(names, function(a, b) return keys[a] < keys[b] end)
    return names
end

--- Whether a walk comes to what lies in this folder.
local function enters(w, folder)
    if folder == "." or not w.enter then return true end
    local known = w.entered[folder]
    if known == nil then
        local parent, name = folder:match "^(.*)/([^/]*)$"
        known = enters(w, parent or ".") and match(w.enter, name or folder)
        w.entered[folder] = known
    end
    return known
end

local function wanted(w, name, st)
    if st.type == "dir" and w.no_folders then return false end
    if not enters(w, name:match "^(.*)/[^/]*$" or ".") then return false end
    return not w.filter or match(w.filter, name:match "[^/]*$")
end

local function entry_of(w, name)
    local st = w.stats[name]
    return {path = below(w.root, name), type = st.type, stat = w.with_stat and st or nil}
end

--- The next entries; nil at the end.
function Walker:next()
    local block = {}
    while self.names and #block < self.block do
        self.at = self.at + 1
        local name = self.names[self.at]
        if not name then break end
        if wanted(self, name, self.stats[name]) then block[#block + 1] = entry_of(self, name) end
    end
    if block[1] then return block end
    return nil
end

--- The folders that could not be read.
function Walker:errors()
    local errors = {}
    for _, name in ipairs(self.unread) do
        if enters(self, name) then
            local _, text, code = call.fail "EACCES"
            errors[#errors + 1] = {path = below(self.root, name), text = text, name = code}
        end
    end
    return errors
end

function Walker:close()
    self.names, self.stats = nil, {}
    return true
end

Walker.__close = Walker.close

local function depth_options(depth)
    if not depth then return "", "" end
    -- A folder at the last level isn't entered, so nobody asks whether it could be read.
    return ("-maxdepth %d"):format(depth - 1), ("-maxdepth %d"):format(depth)
end

--- The two lists of a walk: names relative to the root, and stats by name.
local function read_walk(out, mark, from)
    local unread, at = {}, 1
    while true do
        local stop = out:find("\0", at, true)
        if not stop or stop == at then
            at = (stop or #out) + 1
            break
        end
        unread[#unread + 1] = out:sub(at + from - 1, stop - 1)
        at = stop + 1
    end
    local found, by_path = stat.parse_all(out:sub(at), mark)
    local stats = {}
    for i, full in ipairs(found) do
        found[i] = full:sub(from)
        stats[found[i]] = by_path[full]
    end
    return unread, found, stats
end

local function walk(shell, path, opts)
    opts = opts or {}
    -- find is to see its options as words of their own, which $2 and $3 without quotes are.
    local folders, entries = depth_options(opts.depth)
    local out, mark, name = call.run(shell, WALK, {path}, {folders, entries})
    if not out then return nil, mark, name end
    local unread, names, stats = read_walk(out, mark, #call.arg(path) + #"/./" + 1)
    return setmetatable({
        root = path, unread = unread, names = by_tree(names), stats = stats, at = 0, entered = {},
        block = opts.block or 1000, filter = opts.filter, with_stat = opts.stat,
        no_folders = opts.dirs == false, enter = type(opts.dirs) == "string" and opts.dirs or nil,
    }, Walker)
end

-- ---- glob ----
--
-- A pattern becomes a program: a function of sh for each part, which calls the next one for what fits. sh is asked for
-- more than the pattern means (what comes before the first wildcard, then anything), because what a character is
-- differs between shells; the names are matched here again. `**` goes through folders, and through no links.

local function quoted(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

--- The text in front of the first wildcard, without backslashes, and whether there is one.
local function plain_start(part)
    local out, i = {}, 1
    while i <= #part do
        local c = part:sub(i, i)
        if c:find "[*?[]" then return table.concat(out), true end
        if c == "\\" and i < #part then
            i = i + 1
            c = part:sub(i, i)
        end
        out[#out + 1] = c
        i = i + 1
    end
    return table.concat(out), false
end

local function parts_of(pattern)
    local parts = {}
    for part in pattern:gmatch "[^/]+" do
        if part ~= "." and not (part == "**" and parts[#parts] == "**") then parts[#parts + 1] = part end
    end
    return parts
end

local function any_part(i, last)
    local deeper = ('[ -d "$f" ] && [ ! -L "$f" ] && g%d "$f"'):format(i)
    if last then return ('g%d() { for f in "$1"/*; do there "$f" && { o; %s; }; done; }'):format(i, deeper) end
    return ('g%d() { g%d "$1"; for f in "$1"/*; do %s; done; }'):format(i, i + 1, deeper)
end

local function one_part(i, part, last, folders)
    local start, wild = plain_start(part)
    local word = (start ~= "" and quoted(start) or "") .. (wild and "*" or "")
    local go = ('[ -d "$f" ] && g%d "$f"'):format(i + 1)
    if last then go = (folders and '[ -d "$f" ]' or 'there "$f"') .. " && o" end
    -- Some shells find the folder itself and the one above it too.
    if wild and start:sub(1, 1) == "." then go = "case ${f##*/} in .|..) continue;; esac; " .. go end
    return ('g%d() { for f in "$1"/%s; do %s; done; }'):format(i, word, go)
end

local function glob_program(parts, folders)
    local lines = {}
    for i, part in ipairs(parts) do
        local last = i == #parts
        lines[i] = part == "**" and any_part(i, last) or one_part(i, part, last, folders)
    end
    return table.concat(lines, "\n")
end

local OUT = [[
o() { printf '%s\0' "$f"; }
]]

-- A trailing `**/` finds folders only, which the part in front of the slash doesn't know.
local OUT_FOLDERS = [[
o() { [ -d "$f" ] && printf '%s\0' "$f"; }
]]

local GLOB = "\ng1 \"$1\"\n:"
local GLOB_STAT = "\ng1 \"$1\" | xargs -0 /bin/sh -c '" .. stat.EACH .. "' sh\n:"

--- Whether these parts of a path are what the parts of a pattern mean.
local function fits(parts, i, names, j)
    local part = parts[i]
    if not part then return not names[j] end
    if part ~= "**" then
        local start, wild = plain_start(part)
        local ok = names[j] and (wild and match(part, names[j]) or not wild and start == names[j])
        return ok and fits(parts, i + 1, names, j + 1) or false
    end
    -- It stands for no folder at all, unless it is the last; then for something.
    if i < #parts and fits(parts, i + 1, names, j) then return true end
    if not names[j] or names[j]:sub(1, 1) == "." then return false end
    return i == #parts and not names[j + 1] or fits(parts, i, names, j + 1)
end

local function split(name)
    local names = {}
    for part in name:gmatch "[^/]+" do names[#names + 1] = part end
    return names
end

--- Relative names that match, sorted, each once; and their stats.
local function choose(parts, found, from, by_path)
    local names, stats, seen = {}, {}, {}
    for _, full in ipairs(found) do
        local name = full:sub(from)
        if not seen[name] and fits(parts, 1, split(name), 1) then
            seen[name] = true
            names[#names + 1] = name
            stats[name] = by_path and by_path[full]
        end
    end
    return sorted(names, stats)
end

local PARTS_MAX = 62

local function glob(shell, root, pattern, opts)
    if pattern:find("\0", 1, true) then return call.fail "EUSAGE" end
    local parts, absolute = parts_of(pattern), pattern:sub(1, 1) == "/"
    if #parts > PARTS_MAX then return call.fail "ELIMIT" end
    if #parts == 0 then return {}, {} end
    local folders, with_stat = pattern:sub(-1) == "/", opts and opts.stat
    root = absolute and "" or root:gsub("/+$", "")
    -- The root is put in front of a slash: "" is the root of all.
    local program = glob_program(parts, folders)
    local script = (with_stat and stat.SH or "") .. (folders and OUT_FOLDERS or OUT)
        .. (root == "" and 'set -- ""\n' or "") .. program .. (with_stat and GLOB_STAT or GLOB)
    local out, mark, name = call.run(shell, script, {root == "" and "/" or root})
    if not out then return nil, mark, name end
    local from = root == "" and 2 or #call.arg(root) + 2
    local names, stats
    if with_stat then
        local found, by_path = stat.parse_all(out, mark)
        names, stats = choose(parts, found, from, by_path)
    else
        names, stats = choose(parts, names_of(out, 1), from), nil
    end
    for i, rest in ipairs(names) do names[i] = root .. "/" .. rest end
    return names, with_stat and stats or nil
end

--- Adds the functions.
---@param fs table
---@param shell rshell.bare.Shell
function M.add(fs, shell)
    function fs.list(path, opts) return list(shell, path, opts) end
    function fs.walk(path, opts) return walk(shell, path, opts) end
    function fs.glob(root, pattern, opts) return glob(shell, root, pattern, opts) end
end

return M
