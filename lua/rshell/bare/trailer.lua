-- The statuses of a pipeline, told in a line on stderr after all else, and taken out of it again.

local raw = require "rshell.ssh.raw"
local task = require "rshell.task"

local M = {}

local BLOCK = 65536
local AHEAD = 1024 * 1024 -- bytes read before their reader wants them

--- The codes in "1=0 2=141".
local function parse(words)
    local codes = {}
    for k, code in words:gmatch "(%d+)=(%d+)" do codes[tonumber(k)] = tonumber(code) end
    return codes
end

--- A text without its trailer, and the codes; nil where it has none.
---@param text string
---@param nonce string
function M.cut(text, nonce)
    local first, last, words = text:find(nonce .. "([^\r\n]*)\r?\n")
    if not first then return text, nil end
    return text:sub(1, first - 1) .. text:sub(last + 1), parse(words)
end

--- Where in a text the trailer may have begun.
local function beginning(text, nonce)
    local at = text:find(nonce, 1, true)
    if at then return at end
    for n = math.min(#nonce - 1, #text), 1, -1 do
        if text:sub(-n) == nonce:sub(1, n) then return #text - n + 1 end
    end
    return #text + 1
end

---@class rshell.bare.Filter
---@field codes integer[]? once they were told
---@field ended boolean? nothing more will come
---@field stream rshell.Stream? what the program printed
local Filter = {}
Filter.__index = Filter

local function emit(f, block)
    if block == "" or not f.stream then return end
    f.queue[#f.queue + 1] = block
    f.size = f.size + #block
    f.event:notify()
end

local function read(f, from)
    local held = ""
    for block in function() return from:read(BLOCK) end do
        held = held .. block
        if not f.codes then
            held, f.codes = M.cut(held, f.nonce)
            if f.codes then f.event:notify() end
        end
        local keep = f.codes and #held + 1 or beginning(held, f.nonce)
        emit(f, held:sub(1, keep - 1))
        held = held:sub(keep)
        while f.size > AHEAD and not f.hurry and not f.deaf do f.event:wait() end
    end
    emit(f, held)
end

local function write(f, to)
    while true do
        while not f.queue[1] do
            if f.ended then return to:close() end
            f.event:wait()
        end
        local all = table.concat(f.queue)
        f.queue = {}
        if not f.deaf then f.deaf = not pcall(to.write, to, all) end
        f.size = f.size - #all
        f.event:notify()
    end
end

--- Takes the trailer out of a stream. `pass`: the rest is wanted.
---@param from rshell.Stream
---@param nonce string
---@param pass boolean
---@return rshell.bare.Filter
function M.filter(from, nonce, pass)
    local f = setmetatable({nonce = nonce, queue = {}, size = 0, event = task.event()}, Filter)
    local to
    if pass then f.stream, to = raw.pair() end
    f.reader = task.spawn(function()
        pcall(read, f, from)
        f.ended = true
        f.event:notify()
    end)
    if pass then f.writer = task.spawn(function() pcall(write, f, to) end) end
    return f
end

--- The codes, once the program has ended: by then the trailer is on its way.
---@param seconds number
function Filter:take(seconds)
    self.hurry = true
    self.event:notify()
    local stop = task.now() + seconds
    while not self.codes and not self.ended and task.now() < stop do self.event:wait(stop - task.now()) end
    return self.codes
end

return M
