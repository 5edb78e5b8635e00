-- Blocks of rshell.sys.tree as files one behind the other, and the reverse: where only one of two machines has it.

local tree = require "rshell.tree"

local M = {}

-- ---- reading ----

local Reader = {}
Reader.__index = Reader

local ZEROS = ("\0"):rep(256 * 1024)

--- More bytes, or nil, text, NAME.
local function more(r)
    local block, text, name = r.source:next()
    if not block then return nil, text or "it ended too early", name or "EPROTOCOL" end
    r.buffer, r.at = r.buffer:sub(r.at) .. (type(block) == "string" and block or block:text()), 1
    return true
end

local function number(r)
    while true do
        local bytes = r.buffer:match("^[\128-\255]*[\0-\127]", r.at)
        if bytes and #bytes <= 10 then
            r.at = r.at + #bytes
            local n = 0
            for i = #bytes, 1, -1 do n = n << 7 | bytes:byte(i) & 127 end
            return n
        end
        local ok, text, name = more(r)
        if not ok then return nil, text, name end
    end
end

--- The next file: {rel=, type=, size=}; nil at the end. Links, which a plan has anyway, come first.
function Reader:next()
    self.link = self.link + 1
    local link = self.links[self.link]
    if link then return {rel = link.rel, type = "link", size = 0, target = link.st.target} end
    local index, text, name = number(self)
    if not index then return nil, text, name end
    if index == 0 then return nil end
    local entry = self.files[index]
    number(self)
    local size
    size, text, name = number(self)
    if not entry or not size then return nil, text or "a file that nobody asked for", name or "EPROTOCOL" end
    self.hole, self.data_left = 0, 0
    return {rel = entry.rel, type = "file", size = size}
end

local function zeros(r)
    local n = math.min(r.hole, #ZEROS)
    r.hole = r.hole - n
    return ZEROS:sub(1, n)
end

--- The next bytes of it.
function Reader:data()
    if self.hole > 0 then return zeros(self) end
    if self.data_left == 0 then
        local segment, text, name = number(self)
        if not segment then return nil, text, name end
        if segment == 0 then return nil, "it became shorter meanwhile", "EIO" end
        if segment & 1 == 1 then
            self.hole = segment >> 1
            return zeros(self)
        end
        self.data_left = segment >> 1
    end
    if self.at > #self.buffer then
        local ok, text, name = more(self)
        if not ok then return nil, text, name end
    end
    local piece = self.buffer:sub(self.at, self.at + self.data_left - 1)
    self.at, self.data_left = self.at + #piece, self.data_left - #piece
    return piece
end

function Reader:close() self.source:close() end

--- entries: what the source was asked for.
---@param source table
---@param entries table[]
function M.reader(source, entries)
    local r = {source = source, buffer = "", at = 1, files = {}, links = {}, link = 0, hole = 0, data_left = 0}
    for _, entry in ipairs(entries) do
        local list = entry.st.type == "link" and r.links or r.files
        list[#list + 1] = entry
    end
    return setmetatable(r, Reader)
end

-- ---- writing ----

local Writer = {}
Writer.__index = Writer

--- Links are in the plan.
function Writer:begin(entry, size)
    if entry.st.type == "link" then return true end
    return self.sink:write(tree.number(self.places[entry]) .. tree.number(0) .. tree.number(size))
end

--- Blocks of zeros become holes.
function Writer:data(block)
    local hole = not block:find "[^%z]"
    return self.sink:write(tree.number(#block << 1 | (hole and 1 or 0)) .. (hole and "" or block))
end

function Writer:finish()
    local ok, text, name, where = self.sink:write(tree.number(0))
    if not ok then return nil, text, name, where end
    return self.sink:finish()
end

function Writer:close() self.sink:close() end

--- files: those of its plan, in their order.
---@param sink table
---@param files table[]
function M.writer(sink, files)
    local places = {}
    for i, entry in ipairs(files) do places[entry] = i end
    return setmetatable({sink = sink, places = places}, Writer)
end

return M
