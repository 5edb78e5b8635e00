-- One file of a copy between two machines: a small one in a piece, a big one by blocks into a temporary file that gets
-- its name when it is complete.

local fscall = require "rshell.fscall"
local hash = require "rshell.sys.hash"
local new_queue = require "rshell.shared.queue"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

-- Up to this size a file is read and written by a call each.
local SMALL = 256 * 1024
local BLOCK = 512 * 1024
-- Blocks that are read ahead while one is written.
local AHEAD = 3

local PRIVATE = tonumber("0600", 8)
local EXECUTABLE = tonumber("0111", 8)

local function place(side, text)
    return {view = side.view, text = text}
end

local function folder_of(text)
    return text:match "^(.*)/[^/]*$"
end

--- A name that nobody guesses, in the same folder.
function M.temp_name(text)
    return ("%s/.rshell-%016x"):format(folder_of(text), math.random(0))
end

--- The name of what was copied of a file before the copy broke off. It changes with the file.
---@param st table its stat
function M.partial_name(run, text, st)
    local key = ("%s\0%s\0%d\0%.9f"):format(run.from.view.conn.name, text, st.size, st.mtime)
    return (".rshell-%s.part"):format(hash.xxh64(key))
end

--- Files of this size are continued; smaller ones begin anew.
function M.is_resumed(st)
    return st.type == "file" and st.size > SMALL
end

--- The same for a name below the source's root, where copies are to be continued in their stream; else nil.
---@param rel string
function M.partial_of(run, rel, st)
    if not run.o.resume or rel == "" or not M.is_resumed(st) then return nil end
    return (rel:match "^.*/" or "") .. M.partial_name(run, run.src == "/" and "/" .. rel or run.src .. "/" .. rel, st)
end

local function remove(run, text)
    view.check(run.to.view).fs.remove(text, {missing_ok = true})
end

--- Gives it its name, or removes it. To be called in a shield.
function M.rename(run, temp, text)
    local p = place(run.to, text)
    local ok, words, name = fscall.try(p, "write", "rename", temp, text)
    if ok then return end
    remove(run, temp)
    fscall.fail(p, "write", words, name)
end

-- ---- small files ----

--- False when it has grown too big.
local function copy_small(run, entry)
    local data = fscall.ask(place(run.from, entry.src), "read", "read", entry.src, {n = SMALL + 1})
    if #data > SMALL then return false end
    local p = place(run.to, entry.dst)
    fscall.ask(p, "write", "write", entry.dst, data, {mode = entry.mode, umask = run.to.view.umask})
    run.bytes = run.bytes + #data
    return true
end

-- ---- big files ----

--- Reads ahead, in a task of its own. Gives the queue, the task, and what closes both.
local function reader(run, entry, offset)
    local p = place(run.from, entry.src)
    local file = fscall.ask(p, "read", "open", entry.src, "r")
    local queue = new_queue(AHEAD)
    local function read_all()
        if offset > 0 then fscall.ask_handle(p, "read", file, "seek", "set", offset) end
        repeat
            local block = fscall.ask_handle(p, "read", file, "read", BLOCK)
        until not block or not queue:put(block)
    end
    local reading = task.spawn(function()
        local ok, e = pcall(read_all)
        queue:close()
        if not ok then error(e, 0) end
    end)
    return queue, reading, setmetatable({}, {__close = function()
        reading:close()
        file:close()
    end})
end

local function pump(run, entry, file, offset)
    local p = place(run.to, entry.dst)
    local queue, reading, _ <close> = reader(run, entry, offset)
    while true do
        local block = queue:take()
        if not block then break end
        fscall.ask_handle(p, "write", file, "write", block)
        run.bytes = run.bytes + #block
        run:report(entry.src)
    end
    reading:await()
end

--- The temporary file of a copy that may be resumed: one of ours, and what is in it already.
local function open_partial(run, entry)
    local temp = ("%s/%s"):format(folder_of(entry.dst), M.partial_name(run, entry.src, entry.st))
    local p = place(run.to, temp)
    local old = fscall.try(p, "look at", "lstat", temp)
    local conn = run.to.view.conn
    conn.account = conn.account or view.ask(run.to.view, "host", "user")
    local ours = old and old.type == "file" and old.nlink == 1 and old.uid == conn.account.uid
    if ours and old.size <= entry.st.size then
        return temp, fscall.ask(p, "write", "open", temp, "a"), old.size
    end
    if old then fscall.ask(p, "delete", "remove", temp, {recursive = true}) end
    return temp, fscall.ask(p, "write", "open", temp, "x", {mode = PRIVATE}), 0
end

local function open_temp(run, entry)
    if run.o.resume then return open_partial(run, entry) end
    local temp = M.temp_name(entry.dst)
    -- The error is about the file that can't be written; nobody knows the other name.
    return temp, fscall.ask(place(run.to, entry.dst), "write", "open", temp, "x", {mode = PRIVATE}), 0
end

--- Closes the file; unless it was finished, what was written is removed, or kept to be continued.
local function guard(run, temp, file)
    local g = {}
    run.streaming = run.streaming + 1
    return setmetatable(g, {__close = function()
        run.streaming = run.streaming - 1
        if g.finished then return end
        task.shield(function()
            pcall(file.close, file)
            if not run.o.resume then pcall(remove, run, temp) end
        end)
    end})
end

--- The mode of a file that is not to keep the source's: what is there has one, what is new is what its makers can use.
local function give_usual_mode(run, entry, temp)
    local p = place(run.to, entry.dst)
    local umask = run.to.view.umask
    if entry.old and entry.old.type == "file" then
        fscall.ask(p, "write", "chmod", temp, entry.old.mode)
    else
        local executable = entry.st.mode & EXECUTABLE ~= 0
        fscall.ask(p, "write", "chmod", temp, executable and "+rwx" or "+rw", {umask = umask})
    end
end

local function copy_big(run, entry)
    local p = place(run.to, entry.dst)
    -- Who is cancelled while the file is being made would not know of it.
    local temp, file, offset = task.shield(open_temp, run, entry)
    local g <close> = guard(run, temp, file)
    pump(run, entry, file, offset)
    fscall.ask_handle(p, "write", file, "close")
    if entry.mode then
        fscall.ask(p, "write", "chmod", temp, entry.mode)
        fscall.ask(p, "write", "touch", temp, {mtime = entry.st.mtime})
    else
        give_usual_mode(run, entry, temp)
    end
    fscall.ask(p, "write", "rename", temp, entry.dst)
    g.finished = true
end

--- Copies a file's data, mode and time. entry.mode: nil for the usual one.
function M.copy(run, entry)
    -- A link there is replaced, not written through.
    local plain = not entry.old or entry.old.type == "file"
    if not (plain and entry.st.size <= SMALL and copy_small(run, entry)) then return copy_big(run, entry) end
    local p = place(run.to, entry.dst)
    if entry.mode then
        fscall.ask(p, "touch", "touch", entry.dst, {mtime = entry.st.mtime})
    elseif not entry.old and entry.st.mode & EXECUTABLE ~= 0 then
        fscall.ask(p, "change the mode of", "chmod", entry.dst, "+x", {umask = run.to.view.umask})
    end
end

return M
