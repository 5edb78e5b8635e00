-- Trees made like others on one machine over there: one round trip tells what is in both, a second one does what is to
-- do.

local call = require "rshell.bare.fs_call"
local change = require "rshell.bare.fs_change"
local copy = require "rshell.bare.fs_copy"
local stat = require "rshell.bare.fs_stat"
local text_of = require "rshell.text"

local M = {}

-- $3 delete. The two trees with a NUL between; a folder's own name is that with /. where a link leads to it.
local LOOK = stat.SH .. copy.COPY .. [[
tell() { find "$1" -exec /bin/sh -c ']] .. stat.EACH .. [[' sh {} + 2>/dev/null; }
lneed "$1" "$1"
circles "$1" "$2"
if [ "$3" ] && [ -d "$2" ]; then
  folder "$1"
  a=$(cd -P "$d" && pwd -P) b=$(cd -P "$2" && pwd -P)
  case $a/ in "${b%/}"/*) die EINVAL "$2";; esac
fi
if isdir "$1"; then
  f=$(find "$1" -type d -exec /bin/sh -c 'for f do [ -r "$f" ] || { printf "%s/" "$f"; exit; }; done
    ' sh {} + 2>/dev/null)
  [ ! "$f" ] || die EACCES "${f%/}"
fi
tell "$1"
printf '\0'
if isdir "$1" && [ -d "$2" ]; then tell "$2/."; elif there "$2"; then tell "$2"; fi
[ "$1" -ef "$2" ] && [ ! -L "$1" ] && [ ! -L "$2" ] && printf '\0'
:]]

-- The verbs of a plan. $temp is the name of what isn't complete.
local VERBS = copy.COPY .. [[
gone() { rm -rf "$1" && ! there "$1" || { denied "$1"; die $w "$1"; }; }
# The same bytes need no copy; the answer tells.
same() { if cmp -s "$1" "$2"; then echo s; [ ! "$keep" ] || give "$1" "$2"; else echo c; place "$1" "$2"; fi; }
]]

---@class rshell.bare.Copier
local Copier = {}
Copier.__index = Copier

local function add(c, verb, ...)
    local words = {...}
    for i, path in ipairs(words) do words[i] = call.arg(path) end
    c.plan[#c.plan + 1] = verb .. " " .. text_of.quote(table.unpack(words))
end

local function below(folder, name)
    return folder == "/" and "/" .. name or folder .. "/" .. name
end

--- All that a tree told has, as tables in tables: {stat=, names=, at=} where names are sorted and at is by name.
local function tree_of(out, mark, root)
    local names, stats = stat.parse_all(out, mark)
    local top = stats[root] or stats[root .. "/."]
    if not top then return nil end
    local from = #(stats[root .. "/."] and root .. "/." or root) + 2
    local tree = {stat = top, names = {}, at = {}}
    for _, full in ipairs(names) do
        local node = tree
        for part in full:sub(from):gmatch "[^/]+" do
            local next_node = node.at[part]
            if not next_node then
                next_node = {stat = stats[full], names = {}, at = {}}
                node.at[part] = next_node
                node.names[#node.names + 1] = part
            end
            node = next_node
        end
        node.stat = stats[full]
    end
    return tree
end

local function count(c, node)
    if node.stat.type ~= "dir" then
        c.n.files = c.n.files + 1
        if node.stat.type == "file" then c.n.bytes = c.n.bytes + node.stat.size end
    end
    for _, name in ipairs(node.names) do count(c, node.at[name]) end
end

local function place(c, node, src, dst)
    count(c, node)
    add(c, "place", src, dst)
end

--- Whether what is there needs no change of owner, mode or time.
local function alike(a, b)
    return a.mode == b.mode and a.mtime == b.mtime and a.uid == b.uid and a.gid == b.gid
end

local function skip(c, node, old, src, dst)
    c.n.skipped = c.n.skipped + 1
    if c.preserve and not alike(node.stat, old.stat) then add(c, "give", src, dst) end
end

local function unchanged(c, st, old)
    if st.type ~= old.type then return false end
    if st.type == "link" then return st.target == old.target end
    if st.type ~= "file" then return true end
    if st.dev == old.dev and st.ino == old.ino then return true end
    return not c.checksum and st.size == old.size and st.mtime == old.mtime
end

local function plan_other(c, node, old, src, dst)
    if old.stat.type == "dir" then
        if not c.delete then
            c.failure = {call.fail("EISDIR", dst)}
            return
        end
        c.n.deleted = c.n.deleted + 1
        add(c, "gone", dst)
        return place(c, node, src, dst)
    end
    if unchanged(c, node.stat, old.stat) then return skip(c, node, old, src, dst) end
    if c.checksum and node.stat.type == "file" and old.stat.type == "file" and node.stat.size == old.stat.size then
        c.compared[#c.compared + 1] = node.stat.size
        return add(c, "same", src, dst)
    end
    place(c, node, src, dst)
end

local plan

local function plan_folder(c, node, old, src, dst, root)
    if old.stat.type ~= "dir" then
        if root and not c.delete then
            c.failure = {call.fail("ENOTDIR", dst)}
            return
        end
        add(c, "gone", dst)
        return place(c, node, src, dst)
    end
    local before = #c.plan
    if c.delete then
        for _, name in ipairs(old.names) do
            if not node.at[name] then
                c.n.deleted = c.n.deleted + 1
                add(c, "gone", below(dst, name))
            end
        end
    end
    for _, name in ipairs(node.names) do
        plan(c, node.at[name], old.at[name], below(src, name), below(dst, name))
        if c.failure then return end
    end
    -- The root may be a link to a folder: its own times are no matter of ours.
    if c.preserve and not (root and c.through) and (#c.plan > before or not alike(node.stat, old.stat)) then
        add(c, "give", src, dst)
    end
end

function plan(c, node, old, src, dst, root)
    if not old then return place(c, node, src, dst) end
    if node.stat.type == "dir" then return plan_folder(c, node, old, src, dst, root) end
    return plan_other(c, node, old, src, dst)
end

--- Does what is to do: {files=, bytes=, skipped=, deleted=, done=true}.
function Copier:next()
    if self.done then return self.done end
    if #self.plan > 0 then
        local head = ("temp=%s keep=%s\n"):format(".rshell-" .. change.random_name(), self.preserve and "1" or "")
        local flags = self.preserve and "" or "flags=-RP\n"
        local script = VERBS .. head .. flags .. table.concat(self.plan, "\n") .. "\n:"
        local out, text, name, where = call.run(self.shell, script, {})
        if not out then return nil, text, name, copy.own(where, {self.from, self.to}) end
        local i = 0
        for answer in out:gmatch "[sc]" do
            i = i + 1
            local field = answer == "s" and "skipped" or "files"
            self.n[field] = self.n[field] + 1
            if answer == "c" then self.n.bytes = self.n.bytes + self.compared[i] end
        end
    end
    if self.failure then return table.unpack(self.failure, 1, 4) end
    self.n.done = true
    self.done = self.n
    return self.n
end

function Copier:close()
    self.done = self.done or self.n
    return true
end

Copier.__close = Copier.close

local function sort_all(node)
    table.sort(node.names)
    for _, name in ipairs(node.names) do sort_all(node.at[name]) end
end

--- Adds the function.
---@param fs table
---@param shell rshell.bare.Shell
function M.add(fs, shell)
    function fs.tree_copier(from, to, opts)
        opts = opts or {}
        local out, mark, name, where = call.run(shell, LOOK, {from, to}, {opts.delete and "1" or ""})
        if not out then return nil, mark, name, copy.own(where, {from, to}) end
        local stop = out:find("\0", 1, true)
        local c = setmetatable({
            shell = shell, from = from, to = to, plan = {}, compared = {},
            checksum = opts.checksum, delete = opts.delete, preserve = opts.preserve ~= false,
            n = {files = 0, bytes = 0, skipped = 0, deleted = 0},
        }, Copier)
        local source = tree_of(out:sub(1, stop - 1), mark, call.arg(from))
        local rest = out:sub(stop + 1)
        local old = tree_of(rest:gsub("%z$", ""), mark, call.arg(to))
        if not source then return call.fail("EIO", from) end
        sort_all(source)
        if old then sort_all(old) end
        plan(c, source, old, from, to, true)
        return c
    end
end

return M
