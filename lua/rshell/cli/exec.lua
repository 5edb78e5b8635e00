-- rshell exec -H HOSTS ... -- CMD ARG...: one command on many machines.

local err = require "rshell.shared.error"
local fail = require "rshell.cli.fail"
local remote = require "rshell.cli.remote"
local task = require "rshell.task"
local text = require "rshell.text"

local M = {
    name = "exec",
    options = remote.with {
        {"-H", "--hosts", value = "HOSTS", key = "hosts"},
        {"--limit", value = "N", key = "limit", number = true},
        {"--timeout", value = "S", key = "timeout", number = true},
        {"-b", "--fold", key = "fold"},
        {"-s", "--shell", key = "shell"},
        {"--json", key = "json"},
    },
}

-- ---- what was asked for ----

local function connect_options(values)
    local options = remote.options(values)
    options.limit, options.batch = remote.limit(values), true
    return options
end

local function words_of(values, argv, first)
    local words = table.move(argv, first, #argv, 1, {})
    if #words == 0 then fail.usage "exec: a command expected after --" end
    if not values.shell then return words end
    if #words > 1 then fail.usage("exec -s takes one string, got %d words", #words) end
    return {"sh", "-c", words[1]}
end

-- ---- showing ----

local function line_printer(names)
    local width = 0
    for _, name in ipairs(names) do width = math.max(width, #name) end
    width = math.min(width, 30)
    return function(host, which, line)
        local out = which == "err" and io.stderr or io.stdout
        out:write(("%-" .. width .. "s | "):format(host), text.escape(line), "\n")
    end
end

--- Shows each line as it comes; a bad status raises at the end.
local function run_live(c, host, show)
    for which, line in c:iter() do
        show(host, which, line)
        io.stdout:flush()
    end
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
    return worst
end

local function as_json(results, names)
    local json = require "rshell.sys.json"
    for _, name in ipairs(names) do
        local r = results[name]
        local code, why = judge(r)
        io.write(json.encode({
            host = name, status = r.status, code = r.code or (r.status == "ok" and 0 or nil), stdout = r.stdout,
            stderr = r.stderr, error = code ~= 0 and why or nil,
        }, {invalid = "replace", sort = true}), "\n")
    end
end

-- ---- progress on a terminal ----

local function progress(names, state)
    local term = require "rshell.term"
    if not term.is_terminal(2) or #names < 2 then return nil end
    return task.spawn(function()
        while true do
            task.sleep(0.5)
            io.stderr:write(("\r%d of %d done\27[K\r"):format(state.done, #names))
            io.stderr:flush()
        end
    end)
end

-- ---- all of it ----

local function run_all(web, names, words, values)
    local options = {limit = remote.limit(values)}
    if values.json then return web:run(words, {timeout = values.timeout, limit = options.limit}) end
    local show, state = line_printer(names), {done = 0}
    local _ <close> = progress(names, state)
    local function run(m)
        local c = m.cmd[words[1]]:bind(table.unpack(words, 2)):with {timeout = values.timeout}
        if values.fold then return c() end
        run_live(c, m.name, show)
    end
    return web:each(function(m)
        local ok, r = pcall(run, m)
        state.done = state.done + 1
        if not ok then error(r, 0) end
        return r
    end, options)
end

function M.run(values, argv, first)
    if not values.hosts then fail.usage "exec: -H HOSTS says where" end
    local words = words_of(values, argv, first)
    local web <close> = require "rshell.cluster".new(values.hosts, connect_options(values))
    local names = web.hosts
    local results = run_all(web, names, words, values)
    if values.json then
        as_json(results, names)
    elseif values.fold then
        io.write(tostring(results:fold()), "\n")
    end
    return summary(results, names)
end

return M
