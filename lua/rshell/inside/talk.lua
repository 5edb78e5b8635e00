-- What is said before a program inside runs: sudo and its like ask for a password, in words that nobody can know, or
-- don't. The program's own first line ends it.
--
--   started --(a line with the nonce)--> runs
--      |  ^
--      |  +-- the password was written
--      +--(a prompt)--> asked        a second prompt, or nobody who knows the password: refused
--      +--(the end)--> refused
--
-- sudo's prompt is one of ours, so it is known as soon as it is there. Others are output without an end of line that
-- nothing follows for a moment.

local ask = require "rshell.ask"
local err = require "rshell.shared.error"
local task = require "rshell.task"

local M = {}

local ASK_TRIES = 3 -- that somebody who mistypes has, as with sudo itself
local PATIENCE = 60 -- seconds without a word: accounts may come from far, a wrong password takes its time
-- Seconds of silence after what looks like a prompt, and after anything else that may be one: the first, and one more,
-- which nobody answers.
local QUIET, SILENT = {first = 0.1, more = 3}, {first = 2, more = 10}
local KEPT = 4096

---@class rshell.inside.Talk
---@field said string the last that was printed, whatever the stream
---@field open table<string, string> what each stream has printed of its last line
---@field runs boolean?
---@field ended boolean?
local Talk = {}
Talk.__index = Talk

--- Takes the news, if there are some within these seconds.
local function listen(t, seconds)
    local news = t.next(seconds)
    for _, which in ipairs {"out", "err"} do
        t.said = (t.said .. news[which]):sub(-KEPT)
        t.open[which] = (t.open[which] .. news[which]):match "[^\n]*$":sub(-KEPT)
    end
    t.runs, t.ended = news.runs, news.ended
    return news.out ~= "" or news.err ~= "" or t.runs or t.ended
end

local function replace(said, hidden, by)
    if not hidden or hidden == "" then return said end
    return (said:gsub(hidden:gsub("%p", "%%%0"), by))
end

--- The lines that were printed since the last answer, without prompts and programs of ours and without a secret, which
--- a program that echoes may have shown.
function Talk:lines()
    local said, lines = replace(replace(self.said, self.prompt, "***"), self.secret, "***"), {}
    said = replace(said, self.program, "...")
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
            return nil, text, (usual and QUIET or SILENT)[t.asked and "more" or "first"]
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

--- Only the first answer is given: who asks again hasn't liked it, or wants more, as a new password. What was printed
--- first says why.
local function refuse_again(t)
    local said = t:lines()[1]
    t:refuse("auth", "%s does not take this password%s", t.what, said and ": " .. said or "")
end

--- Who sits at the terminal types it; where there is none, nobody does.
local function typed(t)
    if not ask.possible() then
        err.raise {
            kind = "auth", host = t.host, message = ("%s asks for a password, and none was given"):format(t.what),
            hint = "the option password gives it: a string, or a function that is called when it is asked for",
        }
    end
    t.tries = (t.tries or 0) + 1
    local said = t.tries > 1 and t:lines()[1]
    local prompt = ("%s%s: password for %s: "):format(said and said .. "\n" or "", t.host, t.what)
    local asked <close> = task.spawn(ask.line, prompt, false)
    t.asking(asked)
    local secret = asked:await()
    return secret or t:refuse("auth", "%s asks for a password, and none was typed", t.what)
end

--- Who has mistyped may try again, where it is certain that the same is asked for.
local function may_try_again(t, prompt)
    return t.tries and t.tries < ASK_TRIES and t.prompt and prompt:find(t.prompt, 1, true)
end

--- The answer to the first question.
local function reply(t, prompt)
    if t.asked and not may_try_again(t, prompt) then refuse_again(t) end
    t.secret = t.password == nil and typed(t) or secret_of(t, prompt)
    t.asked, t.said, t.open.out, t.open.err = true, "", "", ""
    t.write(t.secret .. "\n")
end

--- What may be a prompt is one when nothing follows.
local function step(t)
    local asks, perhaps, seconds = question(t)
    if asks then return reply(t, asks) end
    if not perhaps then
        if not listen(t, PATIENCE) then t:refuse("timeout", "%s has said nothing for %g s", t.what, PATIENCE) end
    elseif not listen(t, seconds) then
        reply(t, perhaps)
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
--- how: next(seconds), as of rshell.shared.hearing; write(text); what and host (for errors); password (a string or
--- function(prompt)); asking(task), which gets a question to people, to be cancelled when nobody wants to know;
--- prompt (that of sudo); program (which some show when they refuse it).
---@param how table
---@return boolean, rshell.inside.Talk
function M.hold(how)
    local t = setmetatable({said = "", open = {out = "", err = ""}}, Talk)
    for key, value in next, how do t[key] = value end
    while not t.runs and not t.ended do step(t) end
    return t.runs, t
end

return M
