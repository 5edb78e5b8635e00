-- What an agent and its controller say to each other: recorded, garbled, and said again to either of them.
--
--   local log = wiretap.record(connector)          -- before its agent starts; a list of {"up" or "down", frame}
--   wiretap.replay(connector, log, random)         -- its agent says what the recorded one said, garbled
--   local bytes = wiretap.garbled(log, "up", random)
--
-- A generator of a seed's own (generator.lua) says what is garbled, so that a seed shows the same again.

local boot = require "rshell.agent.boot"
local proc = require "rshell.sys.proc"
local rshell = require "rshell"

local M = {}

local HEADER = 12
local CALL = 2
local PATIENCE = 0.2 -- seconds that the recorded agent waits for what it was told next

-- ---- recording ----

--- A frame as it is; nil at the end.
local function read_frame(stream)
    local header = stream:read {exact = HEADER}
    if not header or #header < HEADER then return nil end
    local length = (">I4"):unpack(header)
    local payload = length > 0 and stream:read {exact = length} or ""
    return #payload == length and header .. payload or nil
end

--- A pipe in the place of a stream: what passes is written down.
local function tap(log, way, from, to)
    rshell.spawn(function()
        pcall(function()
            for frame in read_frame, from do
                log[#log + 1] = {way, frame}
                to:write(frame)
            end
        end)
        from:close()
        to:close()
    end)
end

---@param connector table
---@return table
function M.record(connector)
    local log = {}
    function connector.try(c, how)
        local channel
        local begun, words, name = boot.try(c, setmetatable({begin = function(ch, said)
            local r, w = proc.pipe()
            tap(log, "up", r, ch.stdin)
            ch.stdin, channel = w, ch
            return how.begin(ch, said)
        end}, {__index = how}))
        if begun then
            local r, w = proc.pipe()
            tap(log, "down", channel.stdout, w)
            channel.stdout = r
        end
        return begun, words, name
    end
    return log
end

-- ---- garbling ----

local function any_byte(random) return string.char(random(256) - 1) end

local function put(frame, at, bytes) return frame:sub(1, at - 1) .. bytes .. frame:sub(at + #bytes) end

--- With a head that tells its length.
local function fit(head, payload) return (">I4"):pack(#payload) .. head:sub(5, HEADER) .. payload end

local ways = {
    function(list, i, random) -- a bit, in what it says
        local f = list[i]
        local at = random(#f)
        list[i] = put(f, at, string.char(f:byte(at) ~ 1 << random(8) - 1))
    end,
    function(list, i, random) -- a byte of its payload
        local f = list[i]
        if #f > HEADER then list[i] = put(f, HEADER + random(#f - HEADER), any_byte(random)) end
    end,
    function(list, i, random) -- a shorter payload
        local f = list[i]
        list[i] = fit(f, f:sub(HEADER + 1, random(#f)))
    end,
    function(list, i, random) list[i] = list[i]:sub(1, random(#list[i])) end, -- cut off
    function(list, i) table.insert(list, i, list[i]) end,
    function(list, i, random) -- in another order
        local j = math.min(#list, i + random(3))
        list[i], list[j] = list[j], list[i]
    end,
    function(list, i) list[i] = "" end,
    function(list, i, random) -- of another call, stream or reference
        list[i] = put(list[i], 9, (">I4"):pack(random(40)))
    end,
    function(list, i, random) list[i] = put(list[i], 7, (">I2"):pack(random(4) - 1)) end, -- of another context
    function(list, i, random) list[i] = put(list[i], 5, string.char(random(16))) end, -- of another kind
    function(list, i) list[i] = put(list[i], 6, "\1") end, -- to be continued
    function(list, i, random) -- says what another one said
        list[i] = fit(list[i], list[random(#list)]:sub(HEADER + 1))
    end,
    function(list, i, random) -- says some values more
        local words = {
            "\192", "\145\1", "\130\1\2\3\4", "\163abc", "\221\255\255\255\255", "\199\255\1", "\212\1\5", "\203",
        }
        list[i] = fit(list[i], list[i]:sub(HEADER + 1) .. words[random(#words)])
    end,
    function(list, i, random) -- says something else
        local bytes = {}
        for n = 1, random(30) do bytes[n] = any_byte(random) end
        list[i] = fit(list[i], table.concat(bytes))
    end,
    function(list, i, random) -- is very long, as it says
        list[i] = put(list[i], 1, (">I4"):pack(random(1 << 21)))
    end,
}

--- The frames of one way, changed in one to three places.
local function garble(frames, random)
    local list = {}
    for i, frame in ipairs(frames) do list[i] = frame end
    for _ = 1, random(3) do
        local i = random(#list)
        if #list[i] >= HEADER then ways[random(#ways)](list, i, random) end
    end
    return list
end

local function of_way(log, way)
    local frames = {}
    for _, entry in ipairs(log) do
        if entry[1] == way then frames[#frames + 1] = entry[2] end
    end
    return frames
end

---@param log table
---@param way string
---@param random fun(n: integer): integer
---@return string[]
function M.garbled(log, way, random)
    return garble(of_way(log, way), random)
end

-- ---- saying it again ----

--- Counts the messages that it gets; what comes after one that can't be read doesn't count.
local function count(stream, heard)
    rshell.spawn(function()
        pcall(function()
            for frame in read_frame, stream do
                if frame:byte(5) == CALL then heard.calls = heard.calls + 1 end
                heard.event:notify()
            end
        end)
        heard.over = true
        heard.event:notify()
        stream:close()
    end)
end

--- Says what it said, each when as many calls have come as had then. Where one doesn't come the rest is said at once.
local function say_all(log, list, to, heard)
    local calls, n, patient = 0, 0, true
    for _, entry in ipairs(log) do
        if entry[1] == "up" then
            if entry[2]:byte(5) == CALL then calls = calls + 1 end
        else
            local stop = rshell.now() + PATIENCE
            while patient and heard.calls < calls and not heard.over do
                heard.event:wait(math.max(0, stop - rshell.now()))
                patient = rshell.now() < stop
            end
            n = n + 1
            to:write(list[n] or "")
        end
    end
    for i = n + 1, #list do to:write(list[i]) end
end

--- random: garbles it; nil for what was said.
---@param connector table
---@param log table
---@param random (fun(n: integer): integer)?
function M.replay(connector, log, random)
    local down = of_way(log, "down")
    local list = random and garble(down, random) or down
    function connector.try(_, how)
        local from_us, stdin = proc.pipe()
        local stdout, to_us = proc.pipe()
        local heard = {calls = 0, event = require "rshell.task".event()}
        count(from_us, heard)
        rshell.spawn(function()
            pcall(say_all, log, list, to_us, heard)
            to_us:close()
        end)
        return how.begin({
            stdin = stdin, stdout = stdout, wait = function() return {code = 0} end,
            close = function() stdout:close() end,
        }, {text = ""})
    end
end

return M
