-- Trees of a machine that has rshell.sys.tree: this one, and those with an agent. For copies (rshell.transfer.stream).

local planning = require "rshell.transfer.plan"
local tree = require "rshell.tree"

local M = {}

local DIGEST = "sha256"

--- Names as rshell.sys.tree takes them; numbers by name.
local function pack_names(names, numbers)
    local list = {}
    for i, rel in ipairs(names) do list[i] = tree.name(numbers and numbers[rel] or 0, rel) end
    return table.concat(list)
end

--- Sizes of files as the numbers of a list whose digests are wanted.
local function wanted(sizes)
    local numbers, names = {}, {}
    for rel, size in pairs(sizes or {}) do
        names[#names + 1], numbers[rel] = rel, size + 1
    end
    return numbers, names
end

--- names: these only, or nil for all there is. how: follow (the root may be a link to a folder), sizes (of files by
--- name, whose digests are wanted where they have that size), keep (as in a plan).
local function manifest(side, path, names, how)
    how = how or {}
    local numbers, some = wanted(how.sizes)
    local keep = how.keep or {}
    local bytes, text, name, where = side.list(path, {
        names = pack_names(names or some, numbers), only = names ~= nil, follow = how.follow or false,
        xattrs = keep.xattrs or false, acls = keep.acls or false, owners = keep.owner or keep.acls or false,
        digest = how.sizes and DIGEST or nil,
    })
    if not bytes then return nil, text, name, where end
    return tree.read(bytes)
end

--- Names with the folders that they are in before them, which make a tree of them.
local function with_folders(names)
    local list, seen = {}, {}
    for _, rel in ipairs(names) do
        for stop in rel:gmatch "()/" do
            local folder = rel:sub(1, stop - 1)
            if not seen[folder] then list[#list + 1], seen[folder] = folder, true end
        end
        list[#list + 1] = rel
    end
    return list
end

--- sizes: of the files, by name.
local function checksums(side, path, names, sizes)
    local some = {}
    for _, rel in ipairs(names) do some[rel] = sizes[rel] end
    local m, text, name, where = manifest(side, path, with_folders(names), {sizes = some})
    if not m then return nil, text, name, where end
    local sums = {}
    if m.root then planning.each(m.root, function(rel, node) sums[rel] = node.stat.digest end) end
    return sums
end

--- What of the entries of a plan is sent: files, in their order, from where they have come to.
local function pack(side, path, entries)
    local list, n = {}, 0
    for _, entry in ipairs(entries) do
        if entry.st.type == "file" then
            n = n + 1
            list[n] = tree.name(entry.offset or 0, entry.rel)
        end
    end
    return side.source(path, table.concat(list))
end

--- side: far, list(path, opts), source(path, names), sink(path, plan, how).
---@param side table
function M.new(side)
    return {
        far = side.far, native = true,
        manifest = function(path, names, how) return manifest(side, path, names, how) end,
        checksums = function(path, names, sizes) return checksums(side, path, names, sizes) end,
        pack = function(path, entries) return pack(side, path, entries) end,
        unpack = function(path, plan, how)
            return side.sink(path, require "rshell.transfer.steps".encode(plan), {
                follow = how.follow or false, umask = how.umask,
            })
        end,
    }
end

return M
