-- What is said before a program inside runs: sudo and its like ask for a password, in words that nobody can know, or
-- don't. The program's own first line ends it.
--
--   started --(a line with the nonce)--> runs
--      |  ^
--      |  +-- the password was written
--      +--(a prompt)--> asked        a second prompt, or no password: refused
--      +--(the end)--> refused
--
-- sudo's prompt is one of ours, so it is known as soon as it is there. Others are output without an end of line that
-- nothing follows for a moment.

local err = require "rshell.shared.error"
local task = require "rshell.task"

local M = {}

local PATIENCE = 60 -- seconds without a word: accounts may come from far, a wrong password takes its time
local QUIET, SILENT = 0.1, 2 -- after what looks like a prompt, and after anything else that may be one
local KEPT = 4096

---@class rshell.inside.Talk
---@field said string the last that was printed, whatever the stream
---@field open table<string, string> what each stream has printed of its last line
---@field runs boolean?
---@field ended boolean?
local Talk = {}
Talk.__index = Talk

local function hear(t, which, text)
    t.said = (t.said .. text):sub(-KEPT)
    t.open[which] = (t.open[which] .. text):match "[^\n]*$":sub(-KEPT)
    t.event:notify()
end

--- Up to the program's first line, and not a byte more: what follows is for others.
local function read_out(t, stream)
    local line = ""
    for c in function() return stream:read(1) end do
        line = line .. c
        if c == "\n" and line:find(t.nonce, 1, true) then
            t.runs = true
            return
        end
        if c == "\n" then line = "" end
        hear(t, "out", c)
    end
end

local function read_err(t, stream)
    for block in function() return stream:read(KEPT) end do hear(t, "err", block) end
end

local function listen(t, ch)
    t.reader = task.spawn(function()
        pcall(read_out, t, ch.stdout)
        t.ended = not t.runs
        t.event:notify()
    end)
    t.listener = ch.stderr and task.spawn(function() pcall(read_err, t, ch.stderr) end)
end

--- The lines that were printed since the last answer, without prompts of ours and without a secret, which a program
--- that echoes may have shown.
function Talk:lines()
    local said, lines = self.said, {}
    for _, hidden in ipairs {self.prompt or "", self.secret or ""} do
        if hidden ~= "" then said = said:gsub(hidden:gsub("%p", "%%%0"), "***") end
    end
    for line in said:gmatch "[^\r\n]+" do
        if line:find "%S" and line ~= "***" then lines[#lines + 1] = line:match "^(.-)%s*$" end
    end
    return lines
end

--- A question that nobody has answered yet, if there is one now; or how long to wait until it is known to be one.
local function question(t)
    for _, text in next, t.open do
        if t.prompt and text:find(t.prompt, 1, true) then return text end
    end
    for _, text in next, t.open do
        if text:find "%S" then
            local usual = text:find ":%s*$" or text:find "：%s*$"
            return nil, text, usual and QUIET or SILENT
        end
    end
end

local function secret_of(t, prompt)
    local secret = t.password
    if type(secret) == "function" then secret = secret(prompt) end
    if type(secret) ~= "string" or secret:find "[%z\n]" then
        err.usage("%s: the password must be a string of one line, got %s", t.what, type(secret))
    end
    return secret
end

--- Only the first answer is given: who asks again hasn't liked it.
local function reply(t, ch, prompt)
    if t.asked then t:refuse("auth", "%s does not take this password", t.what) end
    if t.password == nil then t:refuse("auth", "%s asks for a password, and none was given", t.what) end
    t.secret = secret_of(t, prompt)
    t.asked, t.said, t.open.out, t.open.err = true, "", "", ""
    ch.stdin:write(t.secret .. "\n")
end

--- What was printed goes on being printed: when it has stopped it is a prompt.
local function settle(t, text, seconds)
    local stop = task.now() + seconds
    while t.event:wait(math.max(0, stop - task.now())) do
        if t.runs or t.ended or t.open.out ~= text and t.open.err ~= text then return false end
    end
    return true
end

local function step(t, ch)
    local asks, perhaps, seconds = question(t)
    if asks then return reply(t, ch, asks) end
    if perhaps and not t.asked then
        if settle(t, perhaps, seconds) then reply(t, ch, perhaps) end
    elseif not t.event:wait(PATIENCE) then
        t:refuse("timeout", "%s has said nothing for %g s", t.what, PATIENCE)
    end
end

--- Raises why it can't be.
---@param kind string
---@param fmt string
function Talk:refuse(kind, fmt, ...)
    err.raise {kind = kind, host = self.host, message = fmt:format(...)}
end

--- Raises that it has ended, with its own words: the line that says most, which is its last one or its first.
---@param kind string
---@param last boolean?
---@param hint string?
function Talk:ended_with(kind, last, hint)
    local lines, exit = self:lines(), self.exit
    local said = lines[last and #lines or 1]
    if said and said:sub(1, #self.what + 2) == self.what .. ": " then said = said:sub(#self.what + 3) end
    local how = exit.signal and "killed by " .. exit.signal or exit.code and "status " .. exit.code or "no status"
    err.raise {
        kind = kind, host = self.host, hint = hint, code = exit.code, signal = exit.signal,
        message = ("%s: %s"):format(self.what, said or ("ended without a word (%s)"):format(how)),
        stderr = lines[2] and table.concat(lines, "\n"),
    }
end

--- Until the program runs: true; false where it has ended instead. Raises kind `auth` for what the account may not.
--- how: nonce, what and host (for errors), password (a string or function(prompt)), prompt (that of sudo).
---@param ch table
---@param how table
---@return boolean, rshell.inside.Talk
function M.hold(ch, how)
    local t = setmetatable({said = "", open = {out = "", err = ""}, event = task.event()}, Talk)
    for key, value in next, how do t[key] = value end
    listen(t, ch)
    local ok, e = pcall(function()
        while not t.runs and not t.ended do step(t, ch) end
    end)
    if t.ended and t.listener then pcall(t.listener.await, t.listener, 1) end -- for its last words
    t.reader:close()
    if t.listener then t.listener:close() end
    if not ok then error(e, 0) end
    return t.runs or false, t
end

return M
