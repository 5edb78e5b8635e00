-- Trees of this machine, for copies in one stream: over the primitives of files.

local file = require "rshell.transfer.file"
local fs = require "rshell.sys.fs"
local new_queue = require "rshell.shared.queue"
local planning = require "rshell.transfer.plan"
local task = require "rshell.task"

local M = {}

local SMALL = 256 * 1024 -- up to this size a file is read and written by a call each
local BLOCK = 512 * 1024
local AHEAD = 8 -- files or blocks that are read ahead
local WRITERS = 4 -- small files that are written at once
local OWNER_ALL = tonumber("0700", 8)
local EXECUTABLE = tonumber("0111", 8)
local PRIVATE = tonumber("0600", 8)

-- ---- manifest ----

local function walk_into(root, path)
    local walker, text, name = fs.walk(path, {stat = true})
    if not walker then return nil, text, name end
    local from = #path + (path:sub(-1) == "/" and 1 or 2)
    while true do
        local block
        block, text, name = walker:next()
        if not block then break end
        for _, e in ipairs(block) do planning.add(root, e.path:sub(from), e.stat) end
    end
    local first = walker:errors()[1]
    walker:close()
    if name then return nil, text, name end
    if first then return nil, first.text, first.name, first.path end
    return true
end

--- Names by the folders that they are in, and these in order.
local function by_folder(names)
    local folders, wanted = {}, {}
    for _, rel in ipairs(names) do
        local folder, name = rel:match "^(.*)/([^/]*)$"
        if rel ~= "" then
            folder, name = folder or "", name or rel
            if not wanted[folder] then folders[#folders + 1], wanted[folder] = folder, {} end
            wanted[folder][name] = true
        end
    end
    return folders, wanted
end

--- The stats of names below a root, and of nothing else: no folder is entered that isn't in them.
local function look_for(root, path, names)
    local folders, wanted = by_folder(names)
    for _, folder in ipairs(folders) do
        local found, stats, name = fs.list(path .. "/" .. folder, {stat = true})
        if not found and name ~= "ENOENT" and name ~= "ENOTDIR" then return nil, stats, name end
        for i, each in ipairs(found or {}) do
            local rel = folder == "" and each or folder .. "/" .. each
            if wanted[folder][each] then planning.add(root, rel, stats[i]) end
        end
    end
    return true
end

--- names must have folders before what is in them.
function M.manifest(path, names)
    local st, text, name = fs.lstat(path)
    if not st and name == "ENOENT" then return {} end
    if not st then return nil, text, name end
    local m = {root = planning.node(st)}
    m.through = names ~= nil and st.type == "link" and fs.type(path, {follow = true}) == "dir"
    if m.through then st.dev = fs.stat(path).dev end
    if st.type ~= "dir" and not m.through then return m end
    local ok, where
    if names then
        ok, text, name = look_for(m.root, path, names)
    else
        ok, text, name, where = walk_into(m.root, path)
    end
    if not ok then return nil, text, name, where end
    planning.sort(m.root)
    return m
end

local function full(path, rel)
    if rel == "" then return path end
    return path == "/" and "/" .. rel or path .. "/" .. rel
end

function M.checksums(path, names)
    local sums = {}
    for _, rel in ipairs(names) do sums[rel] = fs.checksum(full(path, rel), "sha256") end
    return sums
end

-- ---- reading ----

local Source = {}
Source.__index = Source

--- What the queue holds: {entry=, size=} and then blocks; {text=, name=} for what fails amid a file.
local function read_big(queue, entry)
    local f = fs.open(entry.src, "r")
    if not f then return true end -- left out
    local _ <close> = setmetatable({}, {__close = function() f:close() end})
    local left = entry.st.size
    queue:put {entry = entry, size = left}
    while left > 0 do
        local block, text, name = f:read(math.min(BLOCK, left))
        if not block then return queue:put {text = text or "it became shorter meanwhile", name = name or "EIO"} end
        left = left - #block
        if not queue:put(block) then return false end
    end
    return true
end

local function read_entry(queue, entry)
    if entry.st.type == "link" then return queue:put {entry = entry, size = 0} end
    if entry.st.size > SMALL then return read_big(queue, entry) end
    local data = fs.read(entry.src, {n = SMALL + 1})
    if not data or #data > SMALL then return true end
    return queue:put {entry = entry, size = #data} and (data == "" or queue:put(data))
end

function Source:next()
    while true do
        local item = self.queue:take()
        if not item then
            self.reading:await()
            return nil
        end
        if type(item) == "table" and item.entry then
            return {rel = item.entry.rel, type = item.entry.st.type, size = item.size}
        end
    end
end

function Source:data()
    local item = self.queue:take()
    if type(item) == "table" then return nil, item.text, item.name end
    return item
end

function Source:close()
    self.queue:close()
    self.reading:close()
end

function M.pack(_, entries)
    local queue = new_queue(AHEAD)
    local reading = task.spawn(function()
        local ok, e = pcall(function()
            for _, entry in ipairs(entries) do
                if not read_entry(queue, entry) then return end
            end
        end)
        queue:close()
        if not ok then error(e, 0) end
    end)
    return setmetatable({queue = queue, reading = reading}, Source)
end

-- ---- writing ----

local Sink = {}
Sink.__index = Sink

local function failed(path, _, text, name, where)
    return nil, text, name, where or path
end

--- The mode that a file is to have exactly; nil where it is for the umask to say.
local function mode_of(entry)
    return entry.mode or entry.old and entry.old.type == "file" and entry.old.mode or nil
end

local function remove_all(s, list)
    for _, rel in ipairs(list) do
        local path = full(s.path, rel)
        local ok, text, name, where = fs.remove(path, {recursive = true, missing_ok = true})
        if not ok then return failed(path, ok, text, name, where) end
    end
    return true
end

local function make_folders(s)
    for i = #s.plan.make, 1, -1 do
        local entry = s.plan.make[i]
        local mode = entry.mode and entry.mode | OWNER_ALL
        local ok, text, name = fs.mkdir(entry.dst, {mode = mode, umask = s.umask})
        if not ok then return failed(entry.dst, ok, text, name) end
    end
    return true
end

--- A link, in place of what is there.
local function make_link(entry)
    local place = entry.old and file.temp_name(entry.dst) or entry.dst
    local ok, text, name = fs.symlink(entry.target, place)
    if ok and entry.old then
        ok, text, name = fs.rename(place, entry.dst)
        if not ok then fs.unlink(place) end
    end
    if not ok then return failed(entry.dst, ok, text, name) end
    return true
end

local function write_small(s, entry, data)
    local mode = mode_of(entry)
    local ok, text, name = fs.write(entry.dst, data, {mode = mode, umask = s.umask})
    if ok and not mode and entry.st.mode & EXECUTABLE ~= 0 then
        ok, text, name = fs.chmod(entry.dst, "+x", {umask = s.umask})
    end
    if ok and entry.mtime then ok, text, name = fs.touch(entry.dst, {mtime = entry.mtime}) end
    if not ok then return failed(entry.dst, ok, text, name) end
    return true
end

local function drop_big(s)
    local big = s.big
    s.big = nil
    if not big then return end
    pcall(big.file.close, big.file)
    fs.remove(big.temp, {missing_ok = true})
end

--- Blocks of zeros become holes.
local function write_block(big, block)
    big.size = big.size + #block
    if not block:find "[^%z]" then
        big.hole = big.hole + #block
        return true
    end
    if big.hole > 0 then
        big.file:seek("cur", big.hole)
        big.hole = 0
    end
    return big.file:write(block)
end

local function finish_big(s)
    local big, entry = s.big, s.entry
    local function all()
        local ok, text, name = true, nil, nil
        if big.hole > 0 then ok, text, name = big.file:truncate(big.size) end
        if ok then ok, text, name = big.file:close() end
        local mode = mode_of(entry) or (entry.st.mode & EXECUTABLE ~= 0 and "+rwx" or "+rw")
        if ok then ok, text, name = fs.chmod(big.temp, mode, {umask = s.umask}) end
        if ok and entry.mtime then ok, text, name = fs.touch(big.temp, {mtime = entry.mtime}) end
        if ok then ok, text, name = fs.rename(big.temp, entry.dst) end
        return ok, text, name
    end
    local ok, text, name = all()
    if not ok then
        drop_big(s)
        return failed(entry.dst, ok, text, name)
    end
    s.big = nil
    return true
end

local function open_big(s, entry)
    local temp = file.temp_name(entry.dst)
    local f, text, name = fs.open(temp, "x", {mode = PRIVATE})
    if not f then return failed(entry.dst, f, text, name) end
    s.big = {temp = temp, file = f, size = 0, hole = 0}
    return true
end

--- Small files are written by some tasks at once; the first failure is told by whatever is called next.
local function write_all(s)
    for item in function() return s.queue:take() end do
        local ok, text, name, where = write_small(s, item.entry, item.data)
        if not ok then
            s.failure = s.failure or table.pack(nil, text, name, where)
            return s.queue:close()
        end
    end
end

local function write_later(s, entry, data)
    if not s.queue then
        s.queue = new_queue(2 * WRITERS)
        for i = 1, WRITERS do s.writers[i] = task.spawn(write_all, s) end
    end
    if s.queue:put {entry = entry, data = data} then return true end
    return table.unpack(s.failure, 1, s.failure.n)
end

--- Waits for what is being written.
local function settle(s)
    if s.queue then s.queue:close() end
    for _, t in ipairs(s.writers) do t:await() end
    if s.failure then return table.unpack(s.failure, 1, s.failure.n) end
    return true
end

function Sink:begin(entry, size)
    self.entry, self.left, self.parts = entry, size, {}
    if entry.st.type == "link" then return task.shield(make_link, entry) end
    if size <= SMALL and not (entry.old and entry.old.type == "link") then
        if size > 0 then return true end
        return write_later(self, entry, "")
    end
    -- A link there is replaced, not written through.
    local ok, text, name, where = task.shield(open_big, self, entry)
    if not ok then return nil, text, name, where end
    if size > 0 then return true end
    return task.shield(finish_big, self)
end

function Sink:data(block)
    self.left = self.left - #block
    if not self.big then
        self.parts[#self.parts + 1] = block
        if self.left > 0 then return true end
        return write_later(self, self.entry, table.concat(self.parts))
    end
    local ok, text, name = write_block(self.big, block)
    if not ok then return failed(self.entry.dst, ok, text, name) end
    if self.left > 0 then return true end
    return task.shield(finish_big, self)
end

local function give(path, mode, mtime)
    local ok, text, name = true, nil, nil
    if mode then ok, text, name = fs.chmod(path, mode) end
    if ok and mtime then ok, text, name = fs.touch(path, {mtime = mtime}) end
    if not ok then return failed(path, ok, text, name) end
    return true
end

function Sink:finish()
    local ok, text, name, where = settle(self)
    if ok then ok, text, name, where = remove_all(self, self.plan.gone) end
    if not ok then return nil, text, name, where end
    for _, entry in ipairs(self.plan.make) do
        ok, text, name, where = give(entry.dst, entry.mode, entry.mtime)
        if not ok then return nil, text, name, where end
    end
    for _, a in ipairs(self.plan.attrs) do
        ok, text, name, where = give(full(self.path, a.rel), a.mode, a.mtime)
        if not ok then return nil, text, name, where end
    end
    return true
end

function Sink:close()
    if self.queue then self.queue:close() end
    for _, t in ipairs(self.writers) do t:close() end
    task.shield(drop_big, self)
end

function M.unpack(path, plan, how)
    local s = setmetatable({path = path, plan = plan, umask = how.umask, writers = {}}, Sink)
    local ok, text, name, where = remove_all(s, plan.clear)
    if ok then ok, text, name, where = make_folders(s) end
    if not ok then return nil, text, name, where end
    return s
end

return M
