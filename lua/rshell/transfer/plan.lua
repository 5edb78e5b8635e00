-- What a copy has to do: two trees are compared, before anything is changed.
--
-- A tree is a node: stat (of lstat), names (sorted) and at (node by name) where it is a folder. A plan's names are
-- relative to its root, whose own is "". Lists that have folders after what is in them are called deep.
--
--   send     files and links: {rel=, st=, old=, KEPT}; by: the same by rel
--   links    further names of a file: {rel=, of=, st=, old=}; of: the first of them
--   make     new folders, deep: {rel=, st=, KEPT}
--   clear    what is in the way of something of another kind
--   gone     what isn't in the source, with delete
--   into     folders that are there and get something, deep
--   attrs    what is there and gets something else, deep: {rel=, KEPT}
--   skipped  how many files and links are unchanged
--   users, groups   who the numbers of owners are, as a list of the source has it
--
-- KEPT is what is to be as in the source, nil where it isn't kept: mode, mtime (and the same as seconds and ns), owner
-- ({uid=, gid=}), attributes. What is kept says run.o.keep: owner, links (hard ones), xattrs, acls; preserve stands for
-- the rest.

local each = require "rshell.transfer.each"
local fscall = require "rshell.fscall"
local stream = require "rshell.transfer.file"

local M = {}

local below = each.below

local function join(rel, name)
    return rel == "" and name or rel .. "/" .. name
end

local function source_text(run, rel) return rel == "" and run.src or below(run.src, rel) end
local function place_text(run, rel) return rel == "" and run.dst or below(run.dst, rel) end

local function fail(side, what, text, words, name, hint)
    fscall.fail({view = side.view, text = text}, what, words, name, nil, hint)
end

-- ---- trees ----

--- The node of a stat.
function M.node(stat)
    return {stat = stat, names = {}, at = {}}
end

--- Adds what has this name below a root; its folder must be in the tree.
function M.add(root, rel, stat)
    local node, name = root, rel
    local folder, last = rel:match "^(.*)/([^/]*)$"
    if folder then
        name = last
        for part in folder:gmatch "[^/]+" do node = node and node.at[part] end
    end
    if not node then return end
    node.names[#node.names + 1] = name
    node.at[name] = M.node(stat)
end

--- Puts all names into their order.
function M.sort(node)
    table.sort(node.names)
    for _, name in ipairs(node.names) do M.sort(node.at[name]) end
end

--- Calls fn(rel, node) for all nodes, folders first.
function M.each(node, fn, rel)
    rel = rel or ""
    fn(rel, node)
    for _, name in ipairs(node.names) do M.each(node.at[name], fn, join(rel, name)) end
end

--- Files of one size on both sides, which only their content tells apart.
function M.candidates(source, there, list, rel)
    list, rel = list or {}, rel or ""
    local a, b = source.stat, there.stat
    if a.type == "file" and b.type == "file" and a.size == b.size then list[#list + 1] = rel end
    for _, name in ipairs(source.names) do
        if there.at[name] then M.candidates(source.at[name], there.at[name], list, join(rel, name)) end
    end
    return list
end

-- ---- comparing ----

--- Times are the same, or as near as the far end can keep them.
local function same_time(p, st, old)
    if st.ns and old.ns then return st.seconds == old.seconds and st.ns == old.ns end
    return st.mtime == old.mtime or p.coarse and old.mtime == math.floor(st.mtime)
end

local function unchanged(p, rel, st, old)
    if p.run.o.always or old.type ~= st.type then return false end
    if st.type == "link" then return old.target == st.target end
    if old.size ~= st.size then return false end
    if p.same then return p.same[rel] or false end
    return same_time(p, st, old)
end

--- Who it is, by name where there is one: numbers are each machine's own.
local function owner_name(facts, st)
    return (facts.users[st.uid] or st.uid) .. ":" .. (facts.groups[st.gid] or st.gid)
end

--- Bits that give rights of an owner go only where the owner is the same.
local function mode_of(p, st)
    return p.keep.owner and st.mode or each.mode_of(st)
end

local function set_time(entry, st)
    entry.mtime, entry.seconds, entry.ns = st.mtime, st.seconds, st.ns
    if st.ns then return end
    entry.seconds = math.floor(st.mtime)
    entry.ns = math.min(math.floor((st.mtime - entry.seconds) * 1e9 + 0.5), 999999999)
end

--- Adds what an entry keeps of its source.
local function keep_all(p, entry)
    local st = entry.st
    if not p.run.o.preserve then return entry end
    entry.mode = mode_of(p, st)
    set_time(entry, st)
    if p.keep.owner then entry.owner = {uid = st.uid, gid = st.gid} end
    -- What is new has none (a byte says which kinds there could be), but its folder may give it access control lists.
    if p.keep.acls or p.keep.xattrs and #st.attributes > 1 then entry.attributes = st.attributes end
    return entry
end

--- Notes what something that is there is to get. Its owner changes set-id bits, so the mode is given anew.
local function give(p, rel, st, old, touched)
    if not p.run.o.preserve then return end
    local a = {rel = rel}
    if p.keep.owner and owner_name(p.source, st) ~= owner_name(p.there, old) then
        a.owner = {uid = st.uid, gid = st.gid}
    end
    if st.attributes ~= old.attributes then a.attributes = st.attributes end
    if st.type ~= "link" and (a.owner or old.mode ~= mode_of(p, st)) then a.mode = mode_of(p, st) end
    if st.type ~= "link" and (touched or not same_time(p, st, old)) then set_time(a, st) end
    if a.owner or a.attributes or a.mode or a.ns then p.attrs[#p.attrs + 1] = a end
end

local function entry_of(p, rel, st, old)
    return keep_all(p, {
        rel = rel, st = st, old = old, src = source_text(p.run, rel), dst = place_text(p.run, rel),
    })
end

--- The first name of a file that has been met under another one: nil for a file that is its own first.
local function first_name(p, rel, st, old)
    if not p.keep.links or st.type ~= "file" or st.nlink < 2 then return nil end
    local key = st.dev .. ":" .. st.ino
    local first = p.first[key]
    if not first then p.first[key] = {rel = rel, old = old} end
    return first
end

--- Whether two names there are of one file already, which stays as it is.
local function are_one(p, first, old)
    local known = first.old
    return known and old and not p.by[first.rel] and known.dev == old.dev and known.ino == old.ino
end

--- A file or a link: true when the folder that it is in changes.
local function plan_leaf(p, rel, st, old)
    local first = first_name(p, rel, st, old)
    if first and are_one(p, first, old) or not first and old and unchanged(p, rel, st, old) then
        p.skipped = p.skipped + 1
        if not first then give(p, rel, st, old) end
        return false
    end
    if old and old.type == "dir" then
        if not p.run.o.delete then
            local text = place_text(p.run, rel)
            fail(p.run.to, "replace", text, "is a directory", "EISDIR",
                rel == "" and ('"%s/" copies into the folder, delete=true replaces it'):format(text) or nil)
        end
        p.clear[#p.clear + 1] = rel
    end
    local entry = entry_of(p, rel, st, old)
    if first then
        entry.of = first.rel
        p.links[#p.links + 1] = entry
        return true
    end
    p.send[#p.send + 1], p.by[rel] = entry, entry
    return true
end

--- Names of partial files that will be continued.
local function partials(p, rel, node)
    local keep = {}
    if not p.run.o.resume then return keep end
    for name, child in pairs(node.at) do
        keep[stream.partial_name(p.run, source_text(p.run, join(rel, name)), child.stat)] = true
    end
    return keep
end

local function plan_others(p, rel, node, there)
    local keep, changed = partials(p, rel, node), false
    for _, name in ipairs(there.names) do
        if not node.at[name] and not keep[name] then
            p.gone[#p.gone + 1] = join(rel, name)
            changed = true
        end
    end
    return changed
end

local plan

--- A folder: true when it wasn't there.
local function plan_folder(p, rel, node, there)
    local through = rel == "" and p.through
    if there and there.stat.type ~= "dir" and not through then
        local o = p.run.o
        if o.always or rel == "" and not o.delete then
            fail(p.run.to, "replace", place_text(p.run, rel), "not a directory", "ENOTDIR",
                not o.always and "delete=true replaces it by the folder" or nil)
        end
        p.clear[#p.clear + 1] = rel
        there = nil
    end
    local changed = there and p.run.o.delete and plan_others(p, rel, node, there) or false
    local before = #p.send + #p.make + #p.links
    for _, name in ipairs(node.names) do
        local child_changed = plan(p, join(rel, name), node.at[name], there and there.at[name])
        changed = changed or child_changed
    end
    if not there then
        p.make[#p.make + 1] = entry_of(p, rel, node.stat)
        return true
    end
    if there.stat.dev ~= p.device then p.devices = true end
    if #p.send + #p.make + #p.links > before then p.into[#p.into + 1] = rel end
    if not through then give(p, rel, node.stat, there.stat, changed) end
    return false
end

function plan(p, rel, node, there)
    local st = node.stat
    if st.type == "dir" then return plan_folder(p, rel, node, there) end
    if st.type == "file" or st.type == "link" then return plan_leaf(p, rel, st, there and there.stat) end
    if st.type ~= "socket" or rel == "" then
        each.refuse(p.run.from, source_text(p.run, rel), st.type)
    end
    return false
end

--- What has the same size on both sides, by name: its size.
function M.sizes(root)
    local sizes = {}
    M.each(root, function(rel, node)
        if node.stat.type == "file" then sizes[rel] = node.stat.size end
    end)
    return sizes
end

--- The node of a name, or nil.
function M.find(root, rel)
    local node = root
    for part in rel:gmatch "[^/]+" do node = node and node.at[part] end
    return node
end

--- The plan for a run. source, there: what the manifests say, root and facts; same: by rel what has the same content,
--- or nil where sizes and times decide.
---@param run table from, to, src, dst, o
function M.make(run, source, there, same)
    local root = there.root
    local p = {
        run = run, source = source, there = there, keep = run.o.keep or {}, same = same,
        through = there.through, coarse = there.coarse, device = root and root.stat.dev,
        users = source.users_bytes, groups = source.groups_bytes,
        send = {}, by = {}, links = {}, first = {}, make = {}, clear = {}, gone = {}, into = {}, attrs = {},
        skipped = 0,
    }
    plan(p, "", source.root, root)
    return p
end

return M
