-- rshell exec -H HOSTS ... -- CMD ARG...: one command on many machines.

local color = require "rshell.output.color"
local err = require "rshell.shared.error"
local fail = require "rshell.cli.fail"
local fold = require "rshell.output.fold"
local json = require "rshell.output.json"
local layout = require "rshell.output.layout"
local progress = require "rshell.output.progress"
local remote = require "rshell.cli.remote"
local task = require "rshell.task"
local text = require "rshell.text"

local M = {
    name = "exec",
    operands = {"CMD..."},
    options = remote.with {
        {"-H", "--hosts", value = "HOSTS", key = "hosts", list = true},
        {"--limit", value = "N", key = "limit", number = true},
        {"--timeout", value = "S", key = "timeout", number = true},
        {"-b", "--fold", key = "fold"},
        {"-s", "--shell", key = "shell"},
        {"--json", key = "json"},
        {"--ndjson", key = "ndjson"},
    },
    others = { -- of pdsh, clush, pssh and ansible
        ["-w"] = "-H HOSTS", ["-g"] = "-H @GROUP", ["-x"] = "-H 'HOSTS!OTHERS'", ["-f"] = "--limit N",
        ["-a"] = "-H @all, and the command is behind --", ["-m"] = "the command behind --",
        ["-t"] = "-o ConnectTimeout=S", ["-u"] = "-l USER, or --timeout S", ["--fanout"] = "--limit N",
        ["--forks"] = "--limit N", ["--user"] = "-l USER",
    },
}

-- ---- what was asked for ----

local PATIENCE = 10 -- seconds that a host has to answer, unless something else is said

local function connect_options(values)
    local options = remote.options(values)
    options.limit, options.batch = remote.limit(values), true
    options.agent = false -- for one command the shell over there is cheaper
    local is_set = options.options and options.options.connecttimeout
    if values.timeout and values.timeout < PATIENCE and not is_set then options.connect_timeout = values.timeout end
    return options
end

local function words_of(values, argv, first)
    local words = table.move(argv, first, #argv, 1, {})
    if #words == 0 then fail.lacks("exec", "a command expected after --") end
    if not values.shell then return words end
    if #words > 1 then fail.usage("exec -s takes one string, got %d words", #words) end
    return {"sh", "-c", words[1]}
end

-- ---- showing ----

local FEW = 5 -- hosts that are named where no more are running

--- What is under way: hosts by name that are connected and not done, and how many are done and have failed.
local function new_state(names)
    return {names = names, running = {}, ended = {}, done = 0, failed = 0}
end

local function folded(names)
    return require "rshell.nodeset".fold_names(names)
end

--- "18 of 20 done, 1 failed, 2 running: web[3,7]"
local function progress_line(state)
    local running = {}
    for name in pairs(state.running) do running[#running + 1] = name end
    local parts = {("%d of %d done"):format(state.done, #state.names)}
    if state.failed > 0 then parts[2] = ("%d failed"):format(state.failed) end
    parts[#parts + 1] = ("%d running"):format(#running)
    local line = table.concat(parts, ", ")
    return #running > 0 and #running <= FEW and ("%s: %s"):format(line, folded(running)) or line
end

--- Writes whole lines, with the host before each.
local function line_printer(names)
    local width = 0
    for _, name in ipairs(names) do width = math.max(width, layout.width(name)) end
    width = math.min(width, 30)
    return function(host, which, line)
        local is_error = which == "err"
        local out, fd = is_error and io.stderr or io.stdout, is_error and 2 or 1
        local head = color.paint(is_error and "warning" or "name", layout.pad(host, width), fd)
        out:write(head, " | ", text.escape(line), "\n")
        out:flush()
    end
end

--- Each line as an object.
local function event_printer()
    return function(host, which, line) json.write {host = host, stream = which, line = line} end
end

--- Shows each line as it comes; a bad status raises at the end.
local function run_live(c, host, show)
    for which, line in c:iter() do show(host, which, line) end
end

--- Gives what it has printed, and shows what is no output; that of a failure is in its error.
local function run_quietly(c, host, show)
    local f <close> = c & require "rshell.modifiers".BG
    f:wait()
    for line in (f.stderr:gsub("[^\n]$", "%0\n")):gmatch "(.-)\n" do show(host, "err", line) end
    return f.stdout
end

local function say(fmt, ...)
    io.stderr:write("rshell: ", text.escape(fmt:format(...)), "\n")
end

--- The status that this host adds to ours, and what is to be said about it.
local function judge(entry)
    local e = entry.error
    if entry.status == "ok" then return 0 end
    if err.is(e) and e.kind == "process" then
        if e.code then return e.code, ("exited with status %d"):format(e.code) end
        return 255, ("was ended by signal %s"):format(e.signal)
    end
    return 255, err.is(e) and e.message or tostring(e or entry.status)
end

--- Where to read on about hosts that no command could be run on.
local function tell_more(results, names)
    for _, name in ipairs(names) do
        local e = results[name].error
        if results[name].status == "unreachable" and err.is(e) then
            if e.hint then say("hint: %s", e.hint) end
            return say("more: rshell doctor %s, rshell help %s", name, e.kind)
        end
    end
end

local function summary(results, names)
    local worst, bad = 0, 0
    for _, name in ipairs(names) do
        local code, why = judge(results[name])
        worst = math.max(worst, code)
        if code ~= 0 then
            bad = bad + 1
            say("%s: %s", name, why)
        end
    end
    if bad > 0 and #names > 1 then say("%d of %d failed", bad, #names) end
    tell_more(results, names)
    return worst
end

--- An object a host: how it ended, and what it printed where that wasn't shown already.
local function as_json(results, names)
    for _, name in ipairs(names) do
        local r = results[name]
        local code, why = judge(r)
        json.write {
            host = name, status = r.status, code = r.code or (r.status == "ok" and 0 or nil), stdout = r.stdout,
            stderr = r.stderr, error = code ~= 0 and why or nil,
        }
    end
end

-- ---- Ctrl-C ----

--- Who is still running, and who isn't even connected.
local function tell_running(state)
    local running, waiting = {}, {}
    for _, name in ipairs(state and state.names or {}) do
        local list = state.running[name] and running or not state.ended[name] and waiting or nil
        if list then list[#list + 1] = name end
    end
    local parts = {}
    if #running > 0 then parts[1] = ("still running: %s"):format(folded(running)) end
    if #waiting > 0 then parts[#parts + 1] = ("not connected: %s"):format(folded(waiting)) end
    parts[#parts + 1] = "Ctrl-C again ends them"
    say("%s", table.concat(parts, "; "))
end

--- At a terminal the first Ctrl-C shows how things are; the second is not ours: it ends the program, which ends what
--- runs over there. Where nobody would see it, the first does that.
local function watch_interrupt(state)
    if not require "rshell.term".is_terminal(2) then return nil end
    return task.spawn(function()
        require "rshell.term".await_interrupt()
        tell_running(state)
    end)
end

-- ---- all of it ----

--- Runs fn(machine) and notes that it has begun.
local function noted(state, fn)
    return function(m, name)
        state.running[name] = true
        return fn(m)
    end
end

--- Notes that a host is done.
local function note_end(state)
    return function(result)
        local name = result.host
        state.running[name], state.ended[name], state.done = nil, true, state.done + 1
        if result.status ~= "ok" then state.failed = state.failed + 1 end
    end
end

local function run_all(web, names, words, values)
    local limit, state = remote.limit(values), new_state(names)
    local _ <close> = progress.line(function() return progress_line(state) end)
    local _ <close> = watch_interrupt(not values.json and state)
    local done = note_end(state)
    if values.json then return web:run(words, {timeout = values.timeout, limit = limit, done = done}) end
    local show = values.ndjson and event_printer() or line_printer(names)
    local function run(m)
        local c = m.cmd[words[1]]:bind(table.unpack(words, 2)):with {timeout = values.timeout}
        if values.fold then return run_quietly(c, m.name, show) end
        run_live(c, m.name, show)
    end
    return web:each(noted(state, run), {limit = limit, done = done})
end

--- How the results are shown, of these at most one.
local function check_format(values)
    local given = {}
    for _, name in ipairs {"fold", "json", "ndjson"} do
        if values[name] then given[#given + 1] = "--" .. name end
    end
    if #given > 1 then fail.usage("exec: %s and %s exclude each other", given[1], given[2]) end
end

function M.run(values, argv, first)
    if not values.hosts then fail.lacks("exec", "-H HOSTS says where") end
    local words = words_of(values, argv, first)
    check_format(values)
    remote.check_seconds("--timeout", values.timeout)
    local _, hosts = remote.hosts("exec", values.hosts)
    local web <close> = require "rshell.cluster".new(hosts, connect_options(values))
    local names = web.hosts
    local results = run_all(web, names, words, values)
    if values.json or values.ndjson then
        as_json(results, names)
    elseif values.fold then
        io.write(fold.format(results:fold(), 1), "\n")
    end
    return summary(results, names)
end

return M
