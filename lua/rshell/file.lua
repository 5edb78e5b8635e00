-- Open files of any machine: what p:open gives. Every failure raises.

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local fscall = require "rshell.fscall"
local object = require "rshell.object"
local number = require "rshell.shared.number"
local options = require "rshell.shared.options"

local M = {}

local mt, make, state = object.class "file"

---@class rshell.OpenFile
local members = {}
M.members = members

-- What lines reads at once: a line each would be a round trip each.
local BLOCK = 256 * 1024

local function open_of(self)
    local f = state(self)
    if f.handle then return f end
    err.raise {kind = "closed", host = f.view.conn.name, path = f.text, message = ("%s was closed"):format(f.text)}
end

local function call(f, what, method, ...)
    return (fscall.ask_handle(f, what, f.handle, method, ...))
end

--- Opens a path's file.
---@param p rshell.PathState
---@param how string
---@param mode integer|string|nil of a new file
function M.open(p, how, mode)
    local ends = type(how) == "string" and (how:match "^[rwax]([+b]*)$" or how:match "^wx([+b]*)$")
    if not ends or ends == "++" or ends == "bb" or #ends > 2 then
        err.usage("open: \"r\", \"w\", \"a\" or \"x\" expected, and + after it; got %s",
            type(how) == "string" and ("%q"):format(how) or object.type(how))
    end
    local handle = fscall.ask(p, "open", "open", p.text, how, {mode = mode, umask = p.view.umask})
    return make {view = p.view, text = p.text, handle = handle}
end

local FORMATS = {l = true, L = true, a = true}

local function check_format(who, what)
    if what == nil then return "l" end
    if FORMATS[what] then return what end
    local n = number.integer(what)
    if not n or n < 0 then err.usage("%s: a number of bytes, \"l\", \"L\" or \"a\" expected", who) end
    return n
end

--- So many bytes, a line without ("l") or with its end ("L"), or the rest ("a"); nil at the end.
function members:read(what)
    what = check_format("read", what)
    return call(open_of(self), "read", "read", what)
end

local function text_of(data)
    if type(data) == "number" then return tostring(data) end
    if type(data) == "string" then return data end
    err.usage("write: a string expected, got %s", object.type(data))
end

function members:write(...)
    local f = open_of(self)
    for i = 1, select("#", ...) do call(f, "write", "write", text_of((select(i, ...)))) end
    return self
end

local WHENCE = {set = true, cur = true, ["end"] = true}

--- The place from the start, after moving it.
function members:seek(whence, offset)
    whence, offset = whence == nil and "cur" or whence, offset == nil and 0 or number.integer(offset)
    if not WHENCE[whence] or not offset then err.usage 'seek: "set", "cur" or "end" and a whole number expected' end
    return call(open_of(self), "seek in", "seek", whence, offset)
end

function members:truncate(size)
    size = size == nil and 0 or number.integer(size)
    if not size or size < 0 then err.usage "truncate: a number of bytes expected" end
    call(open_of(self), "truncate", "truncate", size)
    return self
end

--- Returns when what was written is on the disk.
function members:sync()
    call(open_of(self), "write", "sync")
    return self
end

--- Lines without or with ("L") their ends, blocks of n bytes; the file stays open.
function members:lines(what)
    what = check_format("lines", what)
    local f = open_of(self)
    return function() return call(f, "read", "read", what) end
end

--- Twice is harmless; what could not be written is raised here at the latest.
function members:close()
    local f = state(self)
    local handle = f.handle
    f.handle = nil
    if handle and not f.view.conn.closed then fscall.ask_handle(f, "write", handle, "close") end
end

--- The lines of a file that was opened for this; it is closed at the end, and when a loop is left. Read by blocks.
---@param keep boolean with their ends
function M.lines(self, keep)
    local f = state(self)
    local block, at = "", 1

    -- The next block; false at the end.
    local function fill()
        block, at = f.handle and call(f, "read", "read", BLOCK) or false, 1
        if not block then members.close(self) end
        return block
    end

    local function next_line()
        local pieces
        while block do
            local stop = block:find("\n", at, true)
            local piece = block:sub(at, stop and not keep and stop - 1 or stop)
            at = (stop or #block) + 1
            if stop and not pieces then return piece end
            pieces = pieces or {}
            pieces[#pieces + 1] = piece
            if stop then return table.concat(pieces) end
            fill()
        end
        local line = pieces and table.concat(pieces)
        return line ~= "" and line or nil
    end

    return next_line, nil, nil, self
end

function mt.__index(_, key)
    local member = members[key]
    if member then return member end
    options.no_member("file", key, members)
end

function mt.__tostring(self)
    local f = state(self)
    return ("file %s (%s)"):format(f.text, f.handle and "open" or "closed")
end

mt.__close = members.close

arity.strict(members)

return M
