-- What a program prints before it is known to run: all of it, up to the first line that ends with a word. What stands
-- behind that line is left in the stream.

local task = require "rshell.task"

local M = {}

local KEPT = 4096 -- of what nobody has asked for yet
local LAST_SECONDS = 1 -- that its errors may come after its output's end

---@class rshell.Hearing
local Hearing = {}
Hearing.__index = Hearing

local function hear(h, which, text)
    h[which] = (h[which] .. text):sub(-KEPT)
    h.event:notify()
end

local function read_out(h, stream)
    local line = ""
    for c in function() return stream:read(1) end do
        line = line .. c
        if c == "\n" and line:sub(-#h.word - 1, -2) == h.word then return true end
        hear(h, "out", c)
        if c == "\n" then line = "" end
    end
    return false
end

local function read_err(h, stream)
    for block in function() return stream:read(KEPT) end do hear(h, "err", block) end
end

local function listen(h, p)
    local listener = p.stderr and task.spawn(function() pcall(read_err, h, p.stderr) end)
    h.reader = task.spawn(function()
        local ok, found = pcall(read_out, h, p.stdout)
        if not (ok and found) and listener then pcall(listener.await, listener, LAST_SECONDS) end
        if listener then listener:close() end
        h.runs, h.ended = ok and found, not (ok and found)
        h.event:notify()
    end)
end

--- What is new, as soon as there is something or the time is over: {out=, err=, runs=, ended=}. Once it runs or has
--- ended nobody reads its streams here any more.
---@param seconds number
function Hearing:next(seconds)
    local function nothing() return self.out == "" and self.err == "" and not self.runs and not self.ended end
    if nothing() then self.event:wait(seconds) end
    if self.out:sub(-#self.word) == self.word then self.reader:await() end -- its line is about to end
    local news = {out = self.out, err = self.err, runs = self.runs, ended = self.ended}
    self.out, self.err = "", ""
    return news
end

--- Nobody listens any more.
function Hearing:close()
    self.reader:close()
    self.ended = not self.runs
    self.event:notify()
end

---@param p table a process with stdout and stderr, or with a terminal and stdout
---@param word string
---@return rshell.Hearing
function M.new(p, word)
    local h = setmetatable({word = word, out = "", err = "", event = task.event()}, Hearing)
    listen(h, p)
    return h
end

return M
