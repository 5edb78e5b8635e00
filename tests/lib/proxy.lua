-- A slow, breakable link in front of a server: tests/tools/proxy.c, which says what it counts and how.
--
--   local link <close> = proxy.new(bed.port, {delay = 0.1})          -- each way; 0 by default
--   local m <close> = ssh("127.0.0.1", bed:options {port = link.port, host_keys = "off"})
--   t.eq(link:trips(function() m.date() end, 1), 1)                  -- wanted: tried again while there are more
--   link:freeze(); link:thaw(); link:cut()                           -- nothing passes; reset on both sides
--   link:after("down", 2000, "freeze")                               -- each connection of its own; or "cut"
--   link:stat()                                                      -- {trips=, connections=, open=, up=, down=}
--
-- known_hosts names the bed's port: bed:options {port=..., host_keys = "off"}, or a line for the link's port by
-- proxy.trust(bed, link).

local rshell = require "rshell"

local M = {}

local PROGRAM = os.getenv "RSHELL":gsub("[^/]*$", "") .. "tests/proxy"
local DELAY = 0.05 -- seconds each way while round trips are counted: far more than what either end takes to go on
local TRIES = 5

local Link = {}
Link.__index = Link

local function tell(link, command)
    link.process.stdin:write(command .. "\n")
    local answer = assert(link.process.stdout:read "l", "the proxy has ended")
    assert(not answer:find "^error", answer)
    return answer
end

--- seconds: each way, from now on.
function Link:delay(seconds)
    self.seconds = seconds
    tell(self, ("delay %d"):format(math.floor(seconds * 1000 + 0.5)))
end

function Link:freeze() tell(self, "freeze") end
function Link:thaw() tell(self, "thaw") end
function Link:cut() tell(self, "cut") end
function Link:reset() tell(self, "reset") end

--- What happens to each connection after so many bytes "up" (to the server) or "down"; nil: nothing any more.
---@param direction string?
---@param bytes integer?
---@param what string? "freeze" | "cut"
function Link:after(direction, bytes, what)
    tell(self, direction and ("after %s %d %s"):format(direction, bytes, what) or "after none")
end

---@return {trips: integer, connections: integer, open: integer, up: integer, down: integer}
function Link:stat()
    local counts = {}
    for name, n in tell(self, "stat"):gmatch "(%w+)=(%d+)" do counts[name] = math.tointeger(tonumber(n)) end
    return counts
end

--- Waits until nothing is under way any more.
function Link:settle()
    local before, quiet_since
    repeat
        local now = self:stat()
        local moved = now.up + now.down
        if moved ~= before then before, quiet_since = moved, rshell.now() end
        rshell.sleep(0.01)
    until rshell.now() - quiet_since > 2.2 * self.seconds
end

local function count(link, fn)
    link:settle()
    link:reset()
    fn()
    return link:stat().trips
end

--- How many round trips fn takes. A machine too busy to keep pace with the link makes more of them, never less: when
--- there are more than wanted, fn runs again over a link twice as slow, and the least is the answer.
---@param fn fun()
---@param wanted integer?
---@return integer
function Link:trips(fn, wanted)
    local usual = self.seconds
    if usual == 0 then self:delay(DELAY) end
    local least = count(self, fn)
    for _ = 2, TRIES do
        if least <= (wanted or least) then break end
        self:delay(self.seconds * 2)
        least = math.min(least, count(self, fn))
    end
    self:delay(usual)
    return least
end

function Link:close() self.process:close() end

Link.__close = Link.close

--- A link to this port, or to {host, port}.
---@param target integer|table
---@param opts {delay: number?}?
function M.new(target, opts)
    local host, port = "127.0.0.1", target
    if type(target) == "table" then host, port = target[1], target[2] end
    local seconds = opts and opts.delay or 0
    local ms = tostring(math.floor(seconds * 1000 + 0.5))
    local process = rshell.here[PROGRAM][host][tostring(port)][ms]:popen()
    local link = setmetatable({process = process, seconds = seconds}, Link)
    link.port = math.tointeger(tonumber(process.stdout:read "l":match "^port (%d+)$"))
    return link
end

--- Lets known_hosts say that the bed's key is the link's too.
function M.trust(bed, link)
    local lines = rshell.here:path(bed.known_hosts):read()
    local key = lines:match("%[127%.0%.0%.1%]:" .. bed.port .. " ([^\n]+)")
    rshell.here:path(bed.known_hosts):append(("[127.0.0.1]:%d %s\n"):format(link.port, key))
end

return M
