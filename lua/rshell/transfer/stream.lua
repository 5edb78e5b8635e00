-- Copies between two machines in one stream: a request tells what is at either side, a plan says what is to do
-- (rshell.transfer.plan), and all files go one behind the other.
--
-- A side that can has a tree among the modules of its backend. Its functions wait, and answer
-- `nil, text, NAME[, path]` for an expected failure:
--
--   far                        it is another machine: between two that aren't nothing is gained
--   native                     its files go as blocks of rshell.sys.tree; known once a manifest has been asked for
--   manifest(path, names, how) {root = node or nil, through=, coarse=, umask=} as the plan has it; false where no
--                              stream can be had after all. names: look for these only, else for all there is.
--                              how: follow, sizes and keep, for native ones (rshell.transfer.native)
--   checksums(path, names, sizes)   digests by name, of those that could be read
--   pack(path, entries)        a source of what the entries of a plan name:
--       next()                 {rel=, type=, size=, target=}, nil at the end. It may leave out what it can't read
--       data()                 the next bytes of that, nil at its end
--       close()                leaves nothing behind, also before the end
--   unpack(path, plan, how)    a sink, which does all that is in the plan. how: umask, follow, preserve
--       begin(entry, size)     the next one of the plan's files and links; so many bytes follow
--       data(block)
--       finish()               all have come: what isn't in place yet is put there
--       close()                leaves nothing behind, also before the end
--
-- Of a native one the source has next(), a block, and close(), the sink write(block), finish(), which gives the places
-- in the plan of what hasn't come, and close(). Between two of them blocks pass as they are, and are only counted.

local each = require "rshell.transfer.each"
local err = require "rshell.shared.error"
local fscall = require "rshell.fscall"
local file = require "rshell.transfer.file"
local planning = require "rshell.transfer.plan"
local records = require "rshell.transfer.records"
local steps = require "rshell.transfer.steps"
local tree = require "rshell.tree"
local view = require "rshell.view"

local M = {}

local function answer(side, what, path, first, text, name, where)
    if first ~= nil or not name then return first end
    view.check(side.view)
    fscall.fail({view = side.view, text = path}, what, text, name, where)
end

--- Calls a function of a tree; what it raises, as a connection that is lost, is told with its machine.
local function ask(side, what, path, fn, ...)
    local got = table.pack(pcall(fn, ...))
    if got[1] then return answer(side, what, path, table.unpack(got, 2, got.n)) end
    local e = got[2]
    if err.is(e) and not e.host and e.kind ~= "cancelled" then
        e.host, e.path = side.view.conn.name, e.path or path
        e.message = ("can't %s %s: %s"):format(what, e.path, e.message)
    end
    error(e, 0)
end

-- ---- what is there ----

--- The names in a tree; with resume also those of files that may have come in part.
local function names_of(run, root)
    local names = {}
    planning.each(root, function(rel, node)
        names[#names + 1] = rel
        local partial = file.partial_of(run, rel, node.stat)
        if partial then names[#names + 1] = partial end
    end)
    return names
end

--- Adds the digests that a side hasn't told yet.
local function add_digests(side, path, list, sums, sizes)
    local missing = {}
    for _, rel in ipairs(list) do
        if not sums[rel] then missing[#missing + 1] = rel end
    end
    if #missing == 0 then return end
    for rel, sum in pairs(ask(side, "read", path, side.tree.checksums, path, missing, sizes)) do sums[rel] = sum end
end

--- The digests that a manifest has told.
local function digests_of(root)
    local sums = {}
    planning.each(root, function(rel, node) sums[rel] = node.stat.digest end)
    return sums
end

local function compare(run, source, there)
    local list = planning.candidates(source, there)
    if #list == 0 then return {} end
    local sizes = planning.sizes(source)
    local a, b = digests_of(source), digests_of(there)
    add_digests(run.from, run.src, list, a, sizes)
    add_digests(run.to, run.dst, list, b, sizes)
    local same = {}
    for _, rel in ipairs(list) do same[rel] = a[rel] ~= nil and a[rel] == b[rel] end
    return same
end

local function look_at_source(run, sizes)
    local m = ask(run.from, "copy", run.src, run.from.tree.manifest, run.src, nil, {keep = run.o.keep, sizes = sizes})
    if m and not m.root then answer(run.from, "copy", run.src, nil, "no such file or directory", "ENOENT") end
    return m
end

local function look_at_place(run, names, sizes)
    return ask(run.to, "look at", run.dst, run.to.tree.manifest, run.dst, names, {
        keep = run.o.keep, sizes = sizes, follow = true,
    })
end

--- What is at both ends, nil where there can be no stream. The near end tells first what it has, so that the far one
--- can tell with its answer which contents are to be compared.
local function look_at_both(run)
    local sums, near = run.o.checksum, not run.to.tree.far
    local there = sums and near and look_at_place(run) or nil
    local source = look_at_source(run, there and there.root and planning.sizes(there.root))
    if not source then return nil end
    local names = not run.o.delete and names_of(run, source.root) or nil
    there = there or look_at_place(run, names, sums and planning.sizes(source.root) or nil)
    if not there then return nil end
    return source, there
end

--- What can't be done with both is said before anything is.
local function check_kept(run)
    local what = run.o.keep and next(run.o.keep)
    for _, side in ipairs(what and {run.from, run.to} or {}) do
        if not side.tree.native then
            local conn = side.view.conn
            err.raise {
                kind = "usage", host = conn.name, message = ("preserve: %s: only an agent can keep that"):format(what),
                hint = conn.reason and "there is none: " .. conn.reason or nil,
            }
        end
    end
end

--- The plan, and what is known of the destination; nil where there can be no stream.
local function look(run)
    local source, there = look_at_both(run)
    if not source then return nil end
    check_kept(run)
    if there.root and run.o.exclusive then answer(run.to, "copy to", run.dst, nil, "file exists", "EEXIST") end
    local same = run.o.checksum and compare(run, source.root, there.root or planning.node {}) or nil
    return planning.make(run, source, there, same), there
end

-- ---- sending ----

local function pass_on(run, source, sink, entry, got)
    local function to(what, fn, ...) return ask(run.to, what, entry.dst, fn, sink, ...) end
    to("write", sink.begin, entry, got.size)
    local left = got.size
    while left > 0 do
        local block = ask(run.from, "read", entry.src, source.data, source)
        if not block then answer(run.from, "read", entry.src, nil, "it became shorter meanwhile", "EIO") end
        to("write", sink.data, block)
        left = left - #block
        run.bytes = run.bytes + #block
        if left > 0 then run:report(entry.src) end
    end
    run.files = run.files + 1
    run:report(entry.src)
end

--- Sends entries one by one; what didn't come is left in by.
local function send_all(run, source, sink, by)
    while true do
        local got = ask(run.from, "read", run.src, source.next, source)
        if not got then return end
        local entry = by[got.rel]
        -- Names that nobody asked for go nowhere.
        if entry and entry.st.type == got.type then
            by[got.rel] = nil
            entry.target = got.target or entry.st.target
            pass_on(run, source, sink, entry, got)
        end
    end
end

--- Passes blocks on as they come.
local function pass_blocks(run, source, sink, files)
    local meter, before, done = tree.meter(), run.bytes, run.files
    while true do
        local block = ask(run.from, "read", run.src, source.next, source)
        if not block then return end
        local n, bytes, place = meter:add(block)
        local entry = files[place]
        ask(run.to, "write", entry and entry.dst or run.dst, sink.write, sink, block)
        run.files, run.bytes = done + n, before + bytes
        run:report(entry and entry.src or run.src)
    end
end

--- How many files a plan has that are no file of the stream: links of both kinds.
local function count_links(p)
    local n = #p.links
    for _, entry in ipairs(p.send) do n = n + (entry.st.type == "link" and 1 or 0) end
    return n
end

--- Sends what is in a plan; gives what hasn't come.
local function send(run, p, now, source, sink)
    local from, to = run.from.tree.native, run.to.tree.native
    local files, by = steps.files {send = now}, {}
    for _, entry in ipairs(now) do by[entry.rel] = entry end
    if from and to then
        run.files = run.files + count_links(p)
        pass_blocks(run, source, sink, files)
    else
        if from then source = records.reader(source, now) end
        if to then sink = records.writer(sink, files) end
        send_all(run, source, sink, by)
    end
    local missing = {}
    if to then
        local places = ask(run.to, "write", run.dst, sink.finish, sink)
        for i, place in ipairs(places) do missing[i] = files[place] or p.links[place - #files] end
    else
        if not by[""] then ask(run.to, "write", run.dst, sink.finish, sink) end
        for _, entry in ipairs(now) do missing[#missing + 1] = by[entry.rel] end
    end
    return missing
end

local function is_empty(p)
    return #p.send + #p.links + #p.make + #p.clear + #p.gone + #p.attrs == 0
end

--- Where there is something of a file already that is ours, it goes on from there; all else of that name goes.
local function continue(run, p, there)
    for _, entry in ipairs(p.send) do
        local partial = file.partial_of(run, entry.rel, entry.st)
        local node = partial and there.root and planning.find(there.root, partial)
        local st = node and node.stat
        entry.partial = partial and partial:match "[^/]*$"
        if st and st.type == "file" and st.nlink == 1 and st.uid == there.uid and st.size <= entry.st.size then
            entry.offset = st.size
        elseif st then
            p.clear[#p.clear + 1] = partial
        end
    end
end

--- Which entries go in the stream, and which one by one since they can't be continued in it.
local function divide(run, p)
    local now, later = {}, {}
    for _, entry in ipairs(p.send) do
        local alone = run.o.resume and file.is_resumed(entry.st) and not (run.to.tree.native and entry.partial)
        local list = alone and later or now
        list[#list + 1] = entry
    end
    return now, later
end

local function total(p)
    local n = 0
    for _, entry in ipairs(p.send) do n = n + (entry.st.type == "file" and entry.st.size - (entry.offset or 0) or 0) end
    return n
end

local function closing(...)
    local list = {...}
    return setmetatable({}, {__close = function()
        for i = #list, 1, -1 do list[i]:close() end
    end})
end

--- A source without a file: nobody is asked for it.
local function nothing()
    local block = tree.number(0)
    return {
        next = function()
            local last = block
            block = nil
            return last
        end,
        close = function() end,
    }
end

local function open_source(run, now)
    local blocks = run.from.tree.native or run.to.tree.native
    local list = blocks and steps.files {send = now} or now
    if #list > 0 then return ask(run.from, "read", run.src, run.from.tree.pack, run.src, now) end
    if run.from.tree.native then return nothing() end
    return {next = function() end, close = function() end}
end

local function open(run, p, there, now)
    local sink = ask(run.to, "write", run.dst, run.to.tree.unpack, run.dst, p, {
        umask = run.to.view.umask or there.umask, follow = there.through, preserve = run.o.preserve,
    })
    local ok, source = pcall(open_source, run, now)
    if ok then return sink, source end
    sink:close()
    error(source, 0)
end

--- Does what is in the plan; gives the entries that have to be copied one by one.
local function carry_out(run, p, there)
    if run.o.resume and run.to.tree.native then continue(run, p, there) end
    local now, later = divide(run, p)
    if run.to.tree.native then p.send = now end
    run.total = total(p)
    if #now + #p.links + #p.make + #p.clear + #p.gone + #p.attrs == 0 then return later end
    local sink, source = open(run, p, there, now)
    local _ <close> = closing(sink, source)
    local missing = send(run, p, now, source, sink)
    table.move(missing, 1, #missing, #later + 1, later)
    return later
end

--- Copies if it can be done in one stream, else gives false.
---@param run table as rshell.transfer makes it
function M.run(run)
    local from, to = run.from.tree, run.to.tree
    if not from or not to or not (from.far or to.far or run.o.keep) then return false end
    local p, there = look(run)
    -- What is staged beside its place couldn't be renamed into it.
    if not p or p.devices and not to.native then return false end
    run.skipped = p.skipped
    if is_empty(p) then return true end
    local later = carry_out(run, p, there)
    if #later > 0 then each.copy(run, later) end
    return true
end

return M
