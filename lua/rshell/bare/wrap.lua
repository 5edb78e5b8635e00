-- The program that runs a spec over there: it tries everything first, tells the head, and becomes the program, so that
-- its signal is known; for a pipeline it waits, and tells every status in a trailer on stderr.

local shell = require "rshell.bare.shell"
local stage = require "rshell.bare.stage"
local text = require "rshell.text"

local M = {}

-- The head of a failure: "! stage step".
local FAIL = 'F() { %s exit 1;}\n'

-- Without any of the channel's streams, and nobody's child, so that no program waits for it. It ends the group when the
-- server has lost us, and goes when the program has ended by itself.
local LOOP = [[trap "" HUP INT QUIT PIPE TERM;while sleep 1;kill -0 %s;do [ -d /proc/%s ]||kill -0 %s||]]
    .. [[{ kill -TERM -%s;sleep 1;kill -KILL -%s;exit;};done]]
local WATCH = "((" .. LOOP:format("$$", "$PPID", "$PPID", "$$", "$$") .. ")&) </dev/null >/dev/null 2>&1\n"

-- Some shells keep a descriptor of their terminal, or open it anew: this one has none.
local WATCH_PTY = "((s=$(command -v setsid);exec $s /bin/sh -c '" .. LOOP:format("$1", "$2", "$2", "$1", "$1")
    .. "' sh $$ $PPID)&) </dev/null >/dev/null 2>&1\n"

local function failing(nonce, pty)
    return FAIL:format(shell.head(nonce, '"! $1 $2"', pty))
end

-- ---- one program ----

local function single(s, nonce, pty)
    local t = stage.of(s, 1)
    return table.concat {
        failing(nonce, pty), t.setup, t.files, t.check, pty and WATCH_PTY or WATCH, shell.head(nonce, "$$", pty),
        t.late, "exec ", t.run, " ", stage.redirections(s, pty),
    }
end

-- ---- pipelines ----

-- Signals that end the whole group: each shell in it lives on to tell the statuses.
local TRAP = "T() { trap : HUP INT QUIT PIPE USR1 USR2 ALRM TERM;}\n"

--- Tries a file without changing it; a pipe with a name isn't opened twice.
local function try_file(s, k, which)
    local target = s[which]
    if type(target) ~= "table" then return "" end
    local path = text.quote(stage.path(target.path))
    return ("[ -p %s ]||true %s%s||F %d %s\n"):format(path, which == "stdin" and "<" or ">>", path, k, which)
end

-- What failed in the subshell was told by it; its status ends the rest.
local function try(s, k, t)
    local files = try_file(s, k, "stdin") .. try_file(s, k, "stdout") .. try_file(s, k, "stderr")
    return "(" .. t.setup .. files .. t.check .. ")||exit\n"
end

-- 4 and 5 are the channel's stdout and stderr, 6 its stdin.
local function streams(s, k, n, pty)
    local words = "exec 3>&- 2>&5" -- inside: some shells tell how a child ended on what they redirect for it
    if k == n or s.stdout == "pipe" or s.stdout == "inherit" then words = words .. " >&4" end
    if k > 1 and (s.stdin == "pipe" or s.stdin == "inherit") then words = words .. " <&6" end
    local own = stage.redirections(k > 1 and not s.stdin and setmetatable({stdin = "pipe"}, {__index = s}) or s, pty)
    return words .. " 4>&- 5>&- 6<&-", own
end

local function element(s, k, n, t, pty)
    local outer, own = streams(s, k, n, pty)
    return ("{ T;(%s\nF() { exit 126;}\n%s%s%s\nexec %s %s);echo %d=$? >&3;}"):format(
        outer, t.setup, t.open, t.enter, t.run, own, k)
end

local function pipeline(stages, nonce, pty)
    local tries, elements = {}, {}
    for k, s in ipairs(stages) do
        local t = stage.of(s, k)
        tries[k] = try(s, k, t)
        -- What BECOME finds out is lost with the subshell of the trial.
        if s.user then t.setup = t.setup .. t.check end
        elements[k] = element(s, k, #stages, t, pty)
    end
    return table.concat {
        failing(nonce, pty), TRAP, table.concat(tries), pty and WATCH_PTY or WATCH, shell.head(nonce, "$$", pty),
        "exec 4>&1 5>&2 6<&0 2>/dev/null;T\n",
        "x=$({ ", table.concat(elements, "|"), ";} 3>&1)\n",
        "echo ", nonce, " $x >&5",
    }
end

-- ---- programs that outlive us ----

-- In the background sh lets INT and QUIT be ignored; a session of its own keeps a terminal's end away.
local KEEP = [[
s=$(command -v setsid)||trap "" HUP
(trap - INT QUIT;exec $s %s %s)&
]]

local function kept(stages, nonce)
    local s = stages[1]
    if #stages == 1 then
        local t = stage.of(s, 1)
        local run = KEEP:format(t.run, stage.redirections(s))
        return table.concat {failing(nonce), t.setup, t.open, t.check, "IFS=' '\n", run, shell.head(nonce, "$!")}
    end
    local tries = {}
    for k, each in ipairs(stages) do tries[k] = try(each, k, stage.of(each, k)) end
    local inner = "F() { exit 126;}\n" .. TRAP .. "exec 4>&1 5>&2 6<&0;"
    local elements = {}
    for k, each in ipairs(stages) do
        local t = stage.of(each, k)
        if each.user then t.setup = t.setup .. t.check end
        elements[k] = element(each, k, #stages, t)
    end
    inner = inner .. table.concat(elements, "|") .. " 3>/dev/null"
    local run = KEEP:format("/bin/sh -c " .. text.quote(inner), "</dev/null >/dev/null 2>&1")
    return table.concat {failing(nonce), table.concat(tries), run, shell.head(nonce, "$!")}
end

--- The text for a list of stages.
---@param stages table[]
---@param how {pty: any, keep: boolean?}
---@param nonce string
function M.text(stages, how, nonce)
    if how.keep then return kept(stages, nonce) end
    if #stages == 1 then return single(stages[1], nonce, how.pty) end
    return pipeline(stages, nonce, how.pty)
end

return M
