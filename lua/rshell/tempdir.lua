-- m:tempdir(): a folder with a name of its own that is deleted with all that is in it when it is closed. What was
-- dropped without closing goes with the next one, with its machine, or at the end of the program.

local arity = require "rshell.arity"
local fscall = require "rshell.fscall"
local path = require "rshell.path"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

---@class rshell.TempDir: rshell.Path
local members = {}
M.members = members

local mt, make, state = path.class("tempdir", members, function(s) return s end)

-- The connections that have some left.
local live = {}

--- What is known of a folder that is there: {view, text, dropped}. They are in conn.tempdirs by their text, and don't
--- keep the object alive.
local function forget(folder)
    local conn = folder.view.conn
    if conn.tempdirs then conn.tempdirs[folder.text] = nil end
    if conn.tempdirs and not next(conn.tempdirs) then conn.tempdirs, live[conn] = nil, nil end
end

local function remove(folder)
    local conn = folder.view.conn
    if not (conn.tempdirs and conn.tempdirs[folder.text] == folder) then return true end
    forget(folder)
    local fs = view.check(folder.view).fs
    local how = {recursive = true, missing_ok = true}
    local ok, text, name, where = fs.remove(folder.text, how)
    if ok or name ~= "EACCES" then return ok, text, name, where end
    -- Folders in it that were closed to ourselves.
    fs.chmod(folder.text, "u+rwx", {recursive = true})
    return fs.remove(folder.text, how)
end

--- Also in a task that was cancelled.
local function delete(folder)
    local ok, text, name, where = task.shield(remove, folder)
    if not ok then fscall.fail(folder, "delete", text, name, where) end
end

local function sweep(conn)
    for _, folder in pairs(conn.tempdirs or {}) do
        if folder.dropped then delete(folder) end
    end
end

local function new(v)
    local conn = v.conn
    local text, words, name = view.call(v, "fs", "mktemp_dir", "rshell-")
    if not text then view.fail(v, "can't make a temporary folder", words, name) end
    conn.tempdirs, live[conn] = conn.tempdirs or {}, true
    conn.tempdirs[text] = {view = v, text = text}
    return conn.tempdirs[text]
end

---@param v rshell.View
---@return rshell.TempDir
function M.new(v)
    sweep(v.conn)
    -- Who is cancelled while the folder is being made would not know of it.
    return make(task.shield(new, v))
end

--- Deletes it. Twice is harmless, and so is a folder that is gone.
function members:close()
    local folder = state(self)
    if folder.view.conn.closed then forget(folder) else delete(folder) end
end

mt.__close = members.close

--- Nothing can be waited for here.
function mt.__gc(self)
    state(self).dropped = true
end

local function clear(conn)
    for _, folder in pairs(conn.tempdirs or {}) do pcall(delete, folder) end
    conn.tempdirs, live[conn] = nil, nil
end

--- Deletes what is left on a connection, or on all of them. Raises nothing.
---@param conn rshell.Connection?
function M.clear(conn)
    if conn then return clear(conn) end
    while next(live) do clear((next(live))) end
end

arity.strict(members)

return M
