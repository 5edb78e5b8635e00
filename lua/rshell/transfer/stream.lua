-- Copies between two machines in one stream: a request tells what is at either side, a plan says what is to do
-- (rshell.transfer.plan), and all files go one behind the other.
--
-- A side that can has a tree among the modules of its backend. Its functions wait, and answer
-- `nil, text, NAME[, path]` for an expected failure:
--
--   far                        it is another machine: between two that aren't nothing is gained
--   manifest(path, names)      {root = node or nil, through=, coarse=, umask=} as the plan has it; false where no
--                              stream can be had after all. names: look for these only, else for all there is
--   checksums(path, names)     digests by name, of those that could be read
--   pack(path, entries)        a source of what the entries of a plan name:
--       next()                 {rel=, type=, size=, target=}, nil at the end. It may leave out what it can't read
--       data()                 the next bytes of that, nil at its end
--       close()                leaves nothing behind, also before the end
--   unpack(path, plan, how)    a sink, which does all that is in the plan. how: umask, preserve
--       begin(entry, size)     the next one of the plan's files and links; so many bytes follow
--       data(block)
--       finish()               all have come: what isn't in place yet is put there
--       close()                leaves nothing behind, also before the end

local each = require "rshell.transfer.each"
local err = require "rshell.shared.error"
local fscall = require "rshell.fscall"
local planning = require "rshell.transfer.plan"
local view = require "rshell.view"

local M = {}

local RESUMED = 256 * 1024 -- files above are sent one by one with resume, so that they can be continued

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

local function names_of(node)
    local names = {}
    planning.each(node, function(rel) names[#names + 1] = rel end)
    return names
end

local function compare(run, source, there)
    local list = planning.candidates(source, there)
    if #list == 0 then return {} end
    local a = ask(run.from, "read", run.src, run.from.tree.checksums, run.src, list)
    local b = ask(run.to, "read", run.dst, run.to.tree.checksums, run.dst, list)
    local same = {}
    for _, rel in ipairs(list) do same[rel] = a[rel] ~= nil and a[rel] == b[rel] end
    return same
end

--- The plan, and what is known of the destination; nil where there can be no stream.
local function look(run)
    local source = ask(run.from, "copy", run.src, run.from.tree.manifest, run.src)
    if not source then return nil end
    if not source.root then answer(run.from, "copy", run.src, nil, "no such file or directory", "ENOENT") end
    local names = not run.o.delete and names_of(source.root) or nil
    local there = ask(run.to, "look at", run.dst, run.to.tree.manifest, run.dst, names)
    if not there then return nil end
    if there.root and run.o.exclusive then answer(run.to, "copy to", run.dst, nil, "file exists", "EEXIST") end
    local same = run.o.checksum and compare(run, source.root, there.root or planning.node {}) or nil
    return planning.make(run, source.root, there.root, there, same), there
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

--- Sends entries; what didn't come is left in by.
local function send_all(run, sink, entries, by)
    local source = ask(run.from, "read", run.src, run.from.tree.pack, run.src, entries)
    local _ <close> = setmetatable({}, {__close = function() source:close() end})
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

local function is_empty(p)
    return #p.send + #p.make + #p.clear + #p.gone + #p.attrs == 0
end

--- Does what is in the plan; gives the entries that have to be copied one by one.
local function carry_out(run, p, there)
    local now, later, by = {}, {}, {}
    run.total = 0
    for _, entry in ipairs(p.send) do run.total = run.total + (entry.st.type == "file" and entry.st.size or 0) end
    for _, entry in ipairs(p.send) do
        local list = run.o.resume and entry.st.type == "file" and entry.st.size > RESUMED and later or now
        list[#list + 1] = entry
        by[entry.rel] = list == now and entry or nil
    end
    if #now + #p.make + #p.clear + #p.gone + #p.attrs == 0 then return later end
    local umask = run.to.view.umask or there.umask
    local sink = ask(run.to, "write", run.dst, run.to.tree.unpack, run.dst, p, {
        umask = umask, preserve = run.o.preserve,
    })
    local _ <close> = setmetatable({}, {__close = function() sink:close() end})
    if #now > 0 then send_all(run, sink, now, by) end
    for _, entry in ipairs(now) do
        if by[entry.rel] then later[#later + 1] = entry end
    end
    if by[""] then return later end
    ask(run.to, "write", run.dst, sink.finish, sink)
    return later
end

--- Copies if it can be done in one stream, else gives false.
---@param run table as rshell.transfer makes it
function M.run(run)
    local from, to = run.from.tree, run.to.tree
    if not from or not to or not (from.far or to.far) then return false end
    local p, there = look(run)
    -- What is staged beside its place couldn't be renamed into it.
    if not p or p.devices then return false end
    run.skipped = p.skipped
    if is_empty(p) then return true end
    local later = carry_out(run, p, there)
    if #later > 0 then each.copy(run, later) end
    return true
end

return M
