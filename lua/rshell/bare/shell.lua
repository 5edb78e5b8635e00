-- Programs for /bin/sh over there, whatever the login shell is that gets them first, and however talkative its start-up
-- files are: a program says a number nobody could guess when it starts, and what came before that is thrown away.

local collect = require "rshell.bare.collect"
local err = require "rshell.shared.error"
local kill = require "rshell.bare.kill"
local task = require "rshell.task"
local text = require "rshell.text"

local M = {}

local SMALL = 2500 -- coded bytes that csh takes, with room for the words around
local LARGE = 100000 -- below the 128 KiB that an argument may have
local ROUND = 100 -- more than the words around
local HEAD = 200 -- more than what a head takes
local NOISE = 1024 * 1024

---@class rshell.bare.Shell
---@field connector table
---@field login string? the name of the login shell, once it was told
---@field login_path string? the same with its folder
---@field short boolean? true when long lines are not taken
---@field answered boolean? a shell has answered
---@field refused boolean? something else than a shell has answered, and never a shell
---@field coded boolean? true when every line must be coded, whatever the login shell is called
---@field leader boolean? whether programs start as leaders of their own group, once it was told
local Shell = {}
Shell.__index = Shell

-- ---- lines ----

local SAFE = [=[ _./:=,+@%"$();|&<>[]{}*?#-]=] -- besides letters and digits

-- Of what isn't safe, made when it first comes; false for what is.
local CODES = setmetatable({}, {
    __index = function(t, c)
        t[c] = not SAFE:find(c, 1, true) and ("\\0%03o"):format(c:byte())
        return t[c]
    end,
})

--- A program in bytes that no shell changes within single quotes; printf makes it what it was. csh looks for `!` there,
--- fish for backslashes.
local function coded(program)
    return (program:gsub("%W", CODES))
end

M.code = coded

local WRAPPED_START = [[exec /bin/sh -c 'eval "$(printf %b "$1")"' sh ']]
local WRAPPED = WRAPPED_START:gsub("%%", "%%%%") .. "%s'"

-- The braces make sure that a program of which only a part has come is an error of syntax, not a shorter program.
local FED = [[eval "$(dd bs=%d count=1 iflag=fullblock 2>/dev/null||dd bs=1 count=%d 2>/dev/null)"]]

-- A terminal changes bytes and takes lines of 4,096 at most, unless it is told not to.
local FED_PTY = [[s=$(stty -g);stty raw -echo;echo %s;p=$(dd bs=%d count=1 iflag=fullblock 2>/dev/null||]]
    .. [[dd bs=1 count=%d 2>/dev/null);stty "$s";eval "$p"]]

local function check(program)
    if program:find("\0", 1, true) then err.usage "a NUL byte can't be passed to a program" end
end

--- The exec line for a program that fits into one; nil where it is too long.
---@param program string
---@param limit integer? of coded bytes
function M.line(program, limit)
    check(program)
    local body = #program <= (limit or LARGE) and coded(program)
    if not body or limit and #body > limit then return nil end
    return WRAPPED:format(body)
end

--- Long lines are tried with any shell but csh: where they can't be taken after all nothing has run.
function Shell:limit()
    if self.short or self.login and self.login:find "csh" then return SMALL end
    return self.connector.longest and self.connector.longest - ROUND or LARGE
end

-- Shells that take a word in single quotes for what it is, as long as it has no backslash: then no other shell does
-- more than to fail either, should $SHELL be a lie.
local PLAIN = {sh = true, ash = true, dash = true, bash = true, ksh = true, mksh = true, zsh = true}

-- How programs begin that any other shell refuses before it has run a part of them.
local FUNCTION = "^F%(%) {"

--- The line for a program without the cost of coding: a process, and where the login shell is what we would start, one
--- more. nil where that can't be.
function Shell:plain(program)
    if self.coded or not PLAIN[self.login] then return nil end
    if program:find "[^\t\n -~]" or program:find("\\", 1, true) then return nil end
    local same = self.login_path == "/bin/sh" and program:find(FUNCTION)
    local line = same and program or "exec /bin/sh -c " .. text.quote(program)
    return #line <= self:limit() and line or nil
end

--- An exec line, and what has to be written to its stdin.
function Shell:line(program, nonce, pty)
    local line = self:plain(program) or M.line(program, self:limit())
    if line then return line end
    local body = "{ " .. program .. "\n}"
    local fed = pty and FED_PTY:format(M.spoken(nonce), #body, #body) or FED:format(#body, #body)
    return M.line(fed), body
end

local CODED = 'eval "$(printf %b "$1")" sh '

--- True for the command line of a shell of ours that serves a program: the program's words are in it, too.
---@param args string
function M.is_ours(args)
    local program = args:match "^%S*sh %-c (.*)$"
    if not program then return false end
    if program:sub(1, #CODED) == CODED then program = program:sub(#CODED + 1) end
    return program:find(FUNCTION) ~= nil and program:sub(1, 100):find(M.spoken "rs" .. ("%x"):rep(16)) ~= nil
end

--- sh code that sets $1 ... to these words.
function M.set_args(args)
    if not args or #args == 0 then return "" end
    return "set -- " .. text.quote(table.unpack(args)) .. "\n"
end

-- ---- starting ----

local function new_nonce()
    return ("rs%016x"):format(math.random(0))
end

--- How a program says a nonce. A shell that shows what it runs (set -x) doesn't show the nonce by that.
---@param nonce string
function M.spoken(nonce)
    return (nonce:gsub("^..", '%0""'))
end

--- sh code that ends the noise, and tells the words. To be run once, before anything of the program's is printed.
---@param nonce string
---@param words string sh words
---@param pty any
function M.head(nonce, words, pty)
    local head = ('echo %s "$SHELL" %s;'):format(M.spoken(nonce), words)
    return pty and head or head .. ("echo %s>&2;"):format(M.spoken(nonce))
end

--- Reads up to the line with the nonce: what follows it in that line; nil and all that came when there is none.
local function skip(stream, nonce)
    local noise, size = {}, 0
    for line in function() return stream:read "L" end do
        local _, stop = line:find(nonce, 1, true)
        if stop then return line:sub(stop + 1) end
        size = size + #line
        if size < NOISE then noise[#noise + 1] = line end
    end
    return nil, table.concat(noise)
end

local function last_line(noise)
    return noise:match "([^\r\n]+)%s*$"
end

--- Why no program of ours has started: what was printed instead, and the status.
function Shell:no_answer(ch, noise)
    local _, errors = nil, ""
    if ch.stderr then errors = ch.stderr:read "a" or "" end
    local exit = ch:wait(5) or {}
    ch:close()
    local why = self.connector.broken()
    if why then return nil, why, "ECLOSED" end
    local said = last_line(errors) or last_line(noise)
    if said and (said:find "[Cc]an'?n?o?t fork" or said:find "fork: ") then
        return nil, "no more processes can be started there: " .. said, "EAGAIN"
    end
    self.refused = exit.code ~= nil and not self.answered
    local how = exit.code and ("status %d"):format(exit.code) or exit.signal or "no status"
    return nil, ("no POSIX shell answered (%s%s)"):format(how, said and ": " .. said or ""), "EPROTOCOL", exit
end

--- Takes the head: its words.
function Shell:read_head(ch, nonce, feed, pty)
    if feed and pty then
        local found, noise = skip(ch.stdout, nonce) -- the terminal is ready for the program now
        if not found then return self:no_answer(ch, noise) end
    end
    if feed then pcall(ch.stdin.write, ch.stdin, feed) end
    local head, noise = skip(ch.stdout, nonce)
    if not head then return self:no_answer(ch, noise) end
    self.answered = true
    if not pty then skip(ch.stderr, nonce) end
    local words = {}
    local login, rest = head:match "^ (%S*)(.*)$"
    for word in (rest or ""):gmatch "%S+" do words[#words + 1] = word end
    if login and login ~= "" and not self.login then
        self.login, self.login_path = login:match "[^/]*$", login
    end
    return words
end

local function terminal(pty)
    if not pty then return nil end
    local t = type(pty) == "table" and pty or {}
    return {pty = {term = t.term or os.getenv "TERM" or "xterm", rows = t.rows or 24, cols = t.cols or 80}}
end

--- After a line of which nothing has run: true when another one may be taken. csh refuses long words, some servers
--- long lines.
function Shell:change_line(line)
    local wrapped, short = line:find(WRAPPED_START, 1, true) ~= nil, #line <= SMALL or self:limit() == SMALL
    if wrapped and short then return false end
    self.coded, self.short = true, not short or self.short
    return true
end

--- Starts a program: its channel, and the words of its head. build(nonce) gives the text, which calls M.head once.
---@param build fun(nonce: string): string
---@param pty any
function Shell:start(build, pty)
    local nonce = new_nonce()
    local line, feed = self:line(build(nonce), nonce, pty)
    local ch, why, name = self.connector.exec(line, terminal(pty))
    if not ch then
        if name == "EPROTOCOL" and self:change_line(line) then return self:start(build, pty) end
        return nil, why, name
    end
    local ok, words, failure, code, exit = pcall(self.read_head, self, ch, nonce, feed, pty)
    if not ok then
        ch:close()
        error(words, 0)
    end
    if words then return ch, words end
    if exit and exit.code and self:change_line(line) then return self:start(build, pty) end
    return nil, failure, code
end

--- Starts a script with $1 ... set, and gives the connector's channel: its streams are the script's.
---@param script string
---@param opts {args: string[]?, pty: any}?
function Shell:open(script, opts)
    opts = opts or {}
    return self:start(function(nonce)
        return M.head(nonce, "$$", opts.pty) .. M.set_args(opts.args) .. script
    end, opts.pty)
end

--- A script that gets its input from a part of its own: over a new channel, input comes a round trip later than the
--- program. nil where that makes it too long.
function Shell:inline(script, opts)
    local whole = ("printf %%b '%s'|{\n%s\n}"):format(coded(opts.input), script)
    local room = self:limit() - HEAD
    return #whole <= room and M.line(M.set_args(opts.args) .. whole, room) and whole
end

--- Runs a script with $1 ... set: {code=, signal=, stdout=, stderr=}, or nil, text, NAME. One round trip.
---@param script string
---@param opts {args: string[]?, input: string?, timeout: number?, max_output: integer?}?
function Shell:run(script, opts)
    opts = opts or {}
    local deadline = opts.timeout and task.now() + opts.timeout
    local inline = opts.input and #opts.input <= LARGE and self:inline(script, opts)
    local ch, words, name = self:open(inline or script, opts)
    if not ch then return nil, words, name end
    local pid = tonumber(words[1])
    local r = collect.run(ch, {
        input = not inline and opts.input or nil, deadline = deadline, max_output = opts.max_output,
        stop = function() return kill.stop(self, ch, pid) end,
    })
    ch:close()
    if r.reason == "timeout" then return nil, "timed out", "ETIMEOUT" end
    if r.reason then return nil, "too much output", "ELIMIT" end
    if not r.exit.code and not r.exit.signal then
        return nil, self.connector.broken() or "ended without a status", "ECLOSED"
    end
    return {code = r.exit.code, signal = r.exit.signal, stdout = r.stdout, stderr = r.stderr}
end

--- The shell over a connector.
---@param connector table
---@return rshell.bare.Shell
function M.new(connector)
    return setmetatable({connector = connector}, Shell)
end

return M
