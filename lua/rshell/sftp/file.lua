-- An open file over SFTP. Requests for pieces of it are sent ahead, so that a file takes its bytes and not a round trip
-- a piece.

local call = require "rshell.bare.fs_call"
local client = require "rshell.sftp.client"
local err = require "rshell.shared.error"
local reading = require "rshell.bare.reading"

local M = {}

local PIECE = 32 * 1024 -- what every server takes
local AHEAD = 64 -- pieces under way

---@class rshell.sftp.File
local File = {}
File.__index = File

local function check(f)
    if f.closed then err.raise {kind = "closed", message = "closed"} end
end

-- ---- reading ----

local function request(f)
    local at = f.asked
    f.asked = at + PIECE
    f.ahead[#f.ahead + 1] = f.client:send("read", client.string(f.handle) .. (">I8I4"):pack(at, PIECE))
end

--- Drops what was asked for ahead.
local function forget(f)
    f.ahead, f.first, f.buffer, f.asked, f.over = {}, 1, "", f.at, false
end

--- More bytes in the buffer; false at the end. A piece that came short is the end, or asked for again.
local function fill(f, wanted)
    local pieces = math.min(AHEAD, wanted // PIECE + 1, #f.ahead + 8)
    while #f.ahead - f.first + 1 < pieces do request(f) end
    local p = f.ahead[f.first]
    f.ahead[f.first] = false
    f.first = f.first + 1
    local got, text, name = f.client:data(p)
    if name then return nil, text, name end
    if not got then return false end
    f.buffer = f.buffer .. got
    if #got < PIECE then
        local at = f.at + #f.buffer
        f.ahead, f.first, f.asked = {}, 1, at
    end
    if f.first > AHEAD then
        f.ahead, f.first = table.move(f.ahead, f.first, #f.ahead, 1, {}), 1
    end
    return true
end

function File:read(what)
    check(self)
    return reading.read(self, what, fill)
end

function File:lines(what)
    check(self)
    return function() return self:read(what) end
end

-- ---- writing ----

--- Waits for the oldest pieces, until so many are left under way.
local function settle(f, left)
    while #f.writing - f.written > left do
        f.written = f.written + 1
        local p = f.writing[f.written]
        f.writing[f.written] = false
        local kind, text, name = f.client:answer(p)
        if not kind then return nil, text, name end
    end
    if left == 0 then f.writing, f.written = {}, 0 end
    return true
end

function File:write(bytes)
    check(self)
    if self.buffer ~= "" or #self.ahead > 0 then forget(self) end
    for at = 1, #bytes, PIECE do
        local piece = bytes:sub(at, at + PIECE - 1)
        local place = (">I8"):pack(self.appends and 0 or self.at)
        self.writing[#self.writing + 1] =
            self.client:send("write", client.string(self.handle) .. place .. client.string(piece))
        self.at = self.at + #piece
        local ok, text, name = settle(self, AHEAD)
        if not ok then return nil, text, name end
    end
    return true
end

-- ---- places ----

local function size_of(f)
    local st, text, name = f.client:attributes("fstat", client.string(f.handle))
    if not st then return nil, text, name end
    return st.size
end

function File:seek(whence, offset)
    check(self)
    local base = whence == "set" and 0 or self.at
    if whence == "end" then
        local ok, text, name = settle(self, 0)
        if ok then base, text, name = size_of(self) end
        if not ok or not base then return nil, text, name end
    end
    local at = base + (offset or 0)
    if at < 0 then return call.fail "EINVAL" end
    if at ~= self.at then
        self.at = at
        forget(self)
    end
    return at
end

function File:truncate(size)
    check(self)
    local ok, text, name = settle(self, 0)
    if not ok then return nil, text, name end
    forget(self)
    return self.client:done("fsetstat", client.string(self.handle) .. client.attributes {size = size or 0})
end

function File:sync()
    check(self)
    local ok, text, name = settle(self, 0)
    if not ok then return nil, text, name end
    if not self.client.extensions["fsync@openssh.com"] then return true end
    return self.client:done("extended", client.string "fsync@openssh.com" .. client.string(self.handle))
end

function File:close()
    if self.closed then return true end
    self.closed = true
    local ok, text, name = settle(self, 0)
    local shut, why, code = self.client:close_handle(self.handle)
    if not ok then return nil, text, name end
    return shut, why, code
end

File.__close = File.close

--- Opens a file with flags of the protocol.
---@param c rshell.sftp.Client
---@param flags integer
---@param mode integer? of a new one
function M.open(c, path, flags, mode, appends)
    local handle, text, name = c:open(path, flags, mode and {mode = mode} or nil)
    if not handle then return nil, text, name end
    return setmetatable({
        client = c, handle = handle, at = 0, asked = 0, buffer = "", ahead = {}, first = 1, writing = {}, written = 0,
        appends = appends,
    }, File)
end

return M
