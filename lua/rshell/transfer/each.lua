-- Copies between two machines file by file: over the primitives of both, some at a time, in bounded memory.
--
-- A run is a stack of entries that wait and some workers that take them; a folder pushes what is in it. Last in, first
-- out: the stack holds the rest of each folder on the way down, and no more.
--
-- An entry: src, dst (texts), st, old (what lstat told of both; old is nil where nothing is), parent (an entry).
-- A folder's entry has also: pending (children not done), dirty (something in it changed), made.

local fscall = require "rshell.fscall"
local stream = require "rshell.transfer.file"
local task = require "rshell.task"

local M = {}

local WORKERS = 16
local LAST_SECONDS = 1 -- that what is under way when a copy ends early may take to come to its end
local OWNER_ALL = tonumber("0700", 8)
local NO_SET_ID = tonumber("1777", 8)

-- ---- calls ----

--- Calls a primitive of a side, {view=, fs=}; raises what fails.
local function ask(side, what, name, text, ...)
    return (fscall.ask({view = side.view, text = text}, what, name, text, ...))
end

local function fail(side, what, text, words, name, hint)
    fscall.fail({view = side.view, text = text}, what, words, name, nil, hint)
end

--- What lstat tells, or nil where nothing is.
local function look(side, text)
    local p = {view = side.view, text = text}
    local st, words, name = fscall.try(p, "look at", "lstat", text)
    if not st and name ~= "ENOENT" then fscall.fail(p, "look at", words, name) end
    return st
end

local function below(folder, name)
    return folder == "/" and "/" .. name or folder .. "/" .. name
end
M.below = below

local WORDS = {char = "character device", block = "block device"}

--- Devices and FIFOs stay where they are.
function M.refuse(side, text, type)
    fail(side, "copy", text, ("a %s can't be copied to another machine"):format(WORDS[type] or type), "EUSAGE")
end

-- ---- counting ----

local function changed(entry)
    if entry.parent then entry.parent.dirty = true end
end

local function copied(run, entry)
    run.files = run.files + 1
    changed(entry)
    run:report(entry.src)
end

-- ---- making way ----

--- What isn't a folder takes the place of what is there.
local function make_way(run, entry)
    if not entry.old or entry.old.type ~= "dir" then return end
    if not run.o.delete then
        fail(run.to, "replace", entry.dst, "is a directory", "EISDIR",
            not entry.parent and ('"%s/" copies into the folder, delete=true replaces it'):format(entry.dst) or nil)
    end
    ask(run.to, "delete", "remove", entry.dst, {recursive = true, missing_ok = true})
    entry.old = nil
    changed(entry)
end

--- What isn't in the source goes; partial files that will be continued stay.
local function delete_others(run, folder, names, there)
    local keep = {}
    for _, name in ipairs(names.list) do
        keep[name] = true
        if run.o.resume then keep[stream.partial_name(run, below(folder.src, name), names.stat[name])] = true end
    end
    for _, name in ipairs(there.list) do
        if not keep[name] then
            ask(run.to, "delete", "remove", below(folder.dst, name), {recursive = true, missing_ok = true})
            folder.dirty = true
        end
    end
end

-- ---- files ----

local function both(first, second)
    local other <close> = task.spawn(second)
    return first(), (other:await())
end

local function same_content(run, entry)
    local a, b = both(
        function() return ask(run.from, "read", "checksum", entry.src, "sha256") end,
        function() return ask(run.to, "read", "checksum", entry.dst, "sha256") end)
    return a == b
end

local function unchanged(run, entry)
    local st, old = entry.st, entry.old
    if run.o.always or not old or old.type ~= "file" or old.size ~= st.size then return false end
    if run.o.checksum then return same_content(run, entry) end
    return run:same_time(st, old)
end

--- The mode of the copy. Bits that give rights of an owner don't go to a machine where the owner is another.
local function mode_of(st)
    return st.type == "dir" and st.mode or st.mode & NO_SET_ID
end
M.mode_of = mode_of

--- old: what the copy has now, as far as that is known.
local function give_attributes(run, entry, old, touched)
    local st = entry.st
    if not run.o.preserve then return end
    if old.mode ~= mode_of(st) then ask(run.to, "change the mode of", "chmod", entry.dst, mode_of(st)) end
    if touched or not old.mtime or not run:same_time(st, old) then
        ask(run.to, "touch", "touch", entry.dst, {mtime = st.mtime})
    end
end

local function copy_file(run, entry)
    if unchanged(run, entry) then
        run.skipped = run.skipped + 1
        give_attributes(run, entry, entry.old)
        return run:report(entry.src)
    end
    make_way(run, entry)
    entry.mode = run.o.preserve and mode_of(entry.st) or nil
    stream.copy(run, entry)
    copied(run, entry)
end

-- ---- links ----

local function make_link(run, entry)
    local place = {view = run.to.view, text = entry.dst}
    local name = entry.old and stream.temp_name(entry.dst) or entry.dst
    fscall.ask(place, "make the link", "symlink", entry.st.target, name)
    if entry.old then stream.rename(run, name, entry.dst) end
end

local function copy_link(run, entry)
    local st, old = entry.st, entry.old
    if old and old.type == "link" and old.target == st.target and not run.o.always then
        run.skipped = run.skipped + 1
        return
    end
    make_way(run, entry)
    task.shield(make_link, run, entry)
    copied(run, entry)
end

-- ---- folders ----

--- True when the folder is there; the root's place may have a link to one.
local function is_there(run, entry)
    local old = entry.old
    if not old or old.type == "dir" then return old ~= nil end
    if entry.parent or old.type ~= "link" then return false end
    local place = {view = run.to.view, text = entry.dst}
    entry.through = fscall.try(place, "look at", "type", entry.dst, {follow = true}) == "dir"
    return entry.through
end

local function make_folder(run, entry)
    if entry.old then
        local o = run.o
        if o.always or not entry.parent and not o.delete then
            fail(run.to, "replace", entry.dst, "not a directory", "ENOTDIR",
                not o.always and "delete=true replaces it by the folder" or nil)
        end
        ask(run.to, "delete", "unlink", entry.dst)
    end
    entry.made = run.o.preserve and mode_of(entry.st) | OWNER_ALL or nil
    ask(run.to, "make the folder", "mkdir", entry.dst, {mode = entry.made, umask = run.to.view.umask})
    changed(entry)
end

local function list(side, text)
    local p = {view = side.view, text = text}
    local names, stats = fscall.ask(p, "list", "list", text, {stat = true})
    local stat = {}
    for i, name in ipairs(names) do stat[name] = stats[i] end
    return {list = names, stat = stat}
end

local NOTHING = {list = {}, stat = {}}

--- A folder's time and mode come last: what is put in would change the time, and may need the rights.
local function finish_folder(run, entry)
    if entry.through then return end
    local old = entry.made and {mode = entry.made} or entry.old
    give_attributes(run, entry, old or {}, entry.dirty)
end

--- One entry of its folder is done; the last one finishes the folder, and so on upwards.
local function done(run, folder)
    while folder do
        folder.pending = folder.pending - 1
        if folder.pending > 0 then return end
        finish_folder(run, folder)
        folder = folder.parent
    end
end

local function copy_folder(run, entry)
    local there = NOTHING
    local existed = is_there(run, entry)
    local names = list(run.from, entry.src)
    if existed then there = list(run.to, entry.dst) else make_folder(run, entry) end
    if run.o.delete then delete_others(run, entry, names, there) end
    entry.pending = #names.list + 1
    for i = #names.list, 1, -1 do
        local name = names.list[i]
        run.stack[#run.stack + 1] = {
            src = below(entry.src, name), dst = below(entry.dst, name), parent = entry,
            st = names.stat[name], old = there.stat[name],
        }
    end
    run.event:notify()
end

-- ---- the run ----

local KINDS = {file = copy_file, link = copy_link, dir = copy_folder}

local function handle(run, entry)
    local copy = KINDS[entry.st.type]
    if copy then
        copy(run, entry)
    elseif entry.st.type ~= "socket" or not entry.parent then
        M.refuse(run.from, entry.src, entry.st.type)
    end
    done(run, entry.st.type == "dir" and entry or entry.parent)
end

local function is_over(run)
    return run.failure or (#run.stack == 0 and run.active == 0)
end

local function work(run)
    while not is_over(run) do
        local entry = table.remove(run.stack)
        if entry then
            run.active = run.active + 1
            local ok, e = pcall(handle, run, entry)
            run.active = run.active - 1
            if not ok then run.failure = run.failure or {e} end
            if not ok or is_over(run) then run.event:notify() end
        else
            run.event:wait()
        end
    end
end

--- A request that is given up may still be served over there: who is told that the copy has failed finds nothing of it
--- coming into being. Big files needn't come to their end: they are written below other names.
local function end_requests(run)
    local stop = task.now() + LAST_SECONDS
    run.failure = run.failure or {}
    while run.active > run.streaming and task.now() < stop do run.event:wait(stop - task.now()) end
end

--- Closing a task waits until it has unwound, so that no temporary file is left.
local function crew(run)
    local tasks = {}
    for i = 1, WORKERS do tasks[i] = task.spawn(work, run) end
    return setmetatable(tasks, {__close = function()
        if not is_over(run) or run.failure then task.shield(end_requests, run) end
        for _, t in ipairs(tasks) do t:cancel() end
        for _, t in ipairs(tasks) do t:close() end
    end})
end

local function work_off(run)
    local _ <close> = crew(run)
    while not is_over(run) do run.event:wait() end
    if run.failure then error(run.failure[1], 0) end
end

local function first_entry(run)
    local entry = {src = run.src, dst = run.dst, st = look(run.from, run.src), old = look(run.to, run.dst)}
    if not entry.st then fail(run.from, "copy", run.src, "no such file or directory", "ENOENT") end
    if entry.old and run.o.exclusive then fail(run.to, "copy to", run.dst, "file exists", "EEXIST") end
    return entry
end

--- Works off a copy.
---@param run table as rshell.transfer makes it
function M.run(run)
    run.stack, run.active, run.streaming, run.event = {}, 0, 0, task.event()
    handle(run, first_entry(run))
    if #run.stack > 0 then work_off(run) end
end

--- Copies some files only: entries without a parent.
---@param run table
---@param entries table[]
function M.copy(run, entries)
    run.stack, run.active, run.streaming, run.event = {}, 0, 0, task.event()
    for i = #entries, 1, -1 do run.stack[#run.stack + 1] = entries[i] end
    work_off(run)
end

return M
