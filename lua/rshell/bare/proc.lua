-- Processes of a bare machine, with the functions and answers of rshell.sys.proc.

local collect = require "rshell.bare.collect"
local diagnose = require "rshell.bare.diagnose"
local err = require "rshell.shared.error"
local errno = require "rshell.bare.errno"
local foreground = require "rshell.bare.foreground"
local handle = require "rshell.bare.handle"
local kill = require "rshell.bare.kill"
local proc = require "rshell.sys.proc"
local stage = require "rshell.bare.stage"
local task = require "rshell.task"
local trailer = require "rshell.bare.trailer"
local wrap = require "rshell.bare.wrap"

local M = {}

local MAX_WORD = 128 * 1024 - 1 -- what Linux takes as one argument
local MAX_OUTPUT = 64 * 1024 * 1024

local function with(s, fields)
    return setmetatable(fields, {__index = s})
end

--- Fails for what no exec would take.
local function too_long(stages)
    for k, s in ipairs(stages) do
        for _, word in ipairs(s.argv) do
            if #word > MAX_WORD then return k end
        end
        for name, value in pairs(s.env or {}) do
            if value and #name + #value + 1 > MAX_WORD then return k end
        end
    end
end

--- Starts a spec: the channel, the number of its leader, the nonce; or nil, text, NAME, where.
local function start(shell, stages, how)
    local big = too_long(stages)
    if big then return errno.fail("E2BIG", {stage = big, step = "exec"}) end
    local nonce
    local ch, words, name = shell:start(function(n)
        nonce = n
        return wrap.text(stages, how, n)
    end, how.pty)
    if not ch then return nil, words, name, {stage = 1, step = "fork"} end
    if words[1] == "!" then
        ch:close()
        return diagnose(shell, stages, tonumber(words[2]), words[3])
    end
    return ch, tonumber(words[1]), nonce
end

-- ---- run ----

--- Past its time before anything has started.
local function start_within(seconds, ...)
    if not seconds then return start(...) end
    local ok, ch, pid, nonce, where = pcall(task.timeout, seconds, start, ...)
    if ok then return ch, pid, nonce, where end
    if err.is(ch) and ch.kind == "timeout" then return false end
    error(ch, 0)
end

local function lost(shell)
    err.raise {
        kind = "closed", host = shell.connector.host,
        message = "the connection was lost: " .. (shell.connector.broken() or "no status came"),
    }
end

--- What a run left, as rshell.sys.proc has it.
local function result(shell, r, stages, how)
    local codes
    if how.trailer then
        r[how.trailer], codes = trailer.cut(r[how.trailer], how.nonce)
        if #r[how.trailer] > how.max then
            r.reason = r.reason or "limit"
            r[how.trailer] = r[how.trailer]:sub(1, how.max)
        end
    end
    if r.exit and not r.exit.code and not r.exit.signal and not r.reason then lost(shell) end
    return {
        exits = handle.exits(#stages, r.exit, codes, r.reason and handle.ENDED_BY_US), stdout = r.stdout,
        stderr = r.stderr, reason = r.reason, running = not r.exit and {how.pid} or nil,
    }
end

local function no_time(stages)
    return {exits = handle.exits(#stages), stdout = "", stderr = "", reason = "timeout"}
end

local TRAILER = 64 -- bytes that the statuses may take, and those of each stage
local STATUS = 10

--- The stages with what the input changes, and the input; a terminal gets its end typed.
local function prepare(spec)
    local stages, input = stage.list(spec), spec.input
    if input and stages[1].stdin == nil then
        stages = {table.unpack(stages)}
        stages[1] = with(stages[1], {stdin = "pipe"})
    end
    if spec.pty then input = (input or "") .. handle.END_OF_INPUT end
    return stages, input
end

local function run(shell, spec)
    local stages, input = prepare(spec)
    local deadline = spec.timeout and task.now() + spec.timeout
    local ch, pid, nonce, where = start_within(spec.timeout, shell, stages, {pty = spec.pty})
    if ch == false then return no_time(stages) end
    if not ch then return nil, pid, nonce, where end
    local how = {max = spec.max_output or MAX_OUTPUT, nonce = nonce, pid = pid}
    if stages[2] then how.trailer = spec.pty and "stdout" or "stderr" end
    local r = collect.run(ch, {
        input = input, deadline = deadline, line_timeout = spec.line_timeout, max_output = how.max,
        [how.trailer or "none"] = how.max + TRAILER + STATUS * #stages,
        stop = function() return kill.stop(shell, ch, pid) end,
    })
    ch:close()
    return result(shell, r, stages, how)
end

-- ---- spawn ----

local function spawn(shell, spec)
    local stages = stage.list(spec)
    local ours
    spec, ours = foreground.prepare(spec, stages)
    local ch, pid, nonce, where = start(shell, stages, spec)
    if not ch then return nil, pid, nonce, where end
    if spec.keep then
        ch:close()
        return handle.kept(shell, pid, #stages)
    end
    local own = spec.foreground or foreground.inherits(stages)
    local h = handle.new(shell, ch, pid, stages, {pty = spec.pty, nonce = nonce, foreground = own})
    if own then foreground.attach(h, ch, stages, ours) end
    return h
end

-- ---- which ----

local WHICH = 'i=0;for p do i=$((i+1));[ -f "$p" ]&&[ -x "$p" ]&&{ echo $i;exit;};done;exit 1'

local function candidates(names, path, cwd)
    local list = {}
    local function add(dir, name)
        if dir:sub(1, 1) ~= "/" then dir = dir == "" and cwd or cwd .. "/" .. dir end
        list[#list + 1] = dir .. "/" .. name
    end
    for _, name in ipairs(names) do
        local dir, base = name:match "^(.*)/([^/]*)$"
        if dir then
            if name:sub(1, 1) == "/" then list[#list + 1] = name else add(dir, base) end
        else
            for part in (path .. ":"):gmatch "(.-):" do add(part, name) end
        end
    end
    return list
end

local function which(shell, names, path, cwd)
    local list = candidates(names, path, cwd)
    if #list == 0 then return errno.fail "ENOENT" end
    local r, text, name = shell:run(WHICH, {args = list})
    if not r then return nil, text, name end
    local found = list[tonumber(r.stdout:match "^%d+")]
    if r.code ~= 0 or not found then return errno.fail "ENOENT" end
    return found
end

-- ---- the rest ----

local function cwd(shell)
    local r, text, name = shell:run "pwd -P"
    if not r then return nil, text, name end
    if r.code ~= 0 then return errno.fail "ENOENT" end
    return (r.stdout:gsub("\n$", "", 1))
end

local function kill_one(shell, pid, sig)
    if math.type(pid) ~= "integer" or pid == 0 or pid == -1 then
        error(("bad argument #1 to 'kill' (not the number of a process: %s)"):format(tostring(pid)), 0)
    end
    return kill.one(shell, pid, sig or "TERM")
end

--- The module for a shell.
---@param shell rshell.bare.Shell
function M.new(shell)
    return {
        run = function(spec) return run(shell, spec) end,
        spawn = function(spec) return spawn(shell, spec) end,
        which = function(names, path, dir) return which(shell, names, path, dir) end,
        cwd = function() return cwd(shell) end,
        kill = function(pid, sig) return kill_one(shell, pid, sig) end,
        signal = proc.signal,
        signal_name = proc.signal_name,
    }
end

return M
