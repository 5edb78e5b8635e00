-- rshell doctor HOST: each step of a connection with what was decided and why, and for what fails the next thing to do.

local color = require "rshell.output.color"
local err = require "rshell.shared.error"
local fail = require "rshell.cli.fail"
local json = require "rshell.output.json"
local layout = require "rshell.output.layout"
local known = require "rshell.ssh.known_hosts"
local machine = require "rshell.machine"
local remote = require "rshell.cli.remote"
local task = require "rshell.task"
local text = require "rshell.text"

local M = {name = "doctor", operands = {"HOST"}, options = remote.with {{"--json", key = "json"}}, anywhere = true}

local PINGS = 5

-- ---- telling ----

local WIDTH = 12
local INDENT = (" "):rep(WIDTH + 7)
local STYLES = {ok = "good", note = "warning", FAIL = "error"}

-- Set while --json was given: each step is an object.
local as_json = false

--- A line about a step, broken where the window ends.
local function rows_of(line)
    local window = layout.window(1)
    line = text.escape(line)
    return window and layout.wrap(line, math.max(window - #INDENT, 20)) or {line}
end

--- One step: "ok", "note" or "FAIL", its name, and lines about it.
local function tell(mark, step, ...)
    local lines = {...}
    if as_json then return json.write {status = mark:lower(), step = step, lines = lines} end
    local head = color.paint(STYLES[mark], ("%-5s"):format(mark)) .. (" %-" .. WIDTH .. "s "):format(step)
    for _, line in ipairs(lines) do
        for _, row in ipairs(rows_of(line)) do
            io.stdout:write(head, row, "\n")
            head = INDENT
        end
    end
    io.stdout:flush()
end

-- What to do next, where the error doesn't say it, by step.
local NEXT = {
    name = "is the name spelled right? HostName in ssh_config gives another one, and getent hosts NAME asks as we do",
    config = "correct that line, or go without the files: -F /dev/null",
    ssh = "something else than an SSH server may listen on this port: try `nc HOST PORT`, it greets with SSH-2.0",
    ["host key"] = "ask who runs the machine for its fingerprint",
    login = "rshell -vvv doctor HOST shows each attempt; the server's log tells why it refused",
    shell = "what does `ssh HOST 'echo ok'` print? Anything else than ok comes from the account's shell",
}

local function next_of(step, e)
    if err.is(e) and rawget(e, "hint") then return e.hint end
    return NEXT[step]
end

local function tell_failure(step, e)
    local words = err.is(e) and e.message or tostring(e)
    local what = next_of(step, e)
    local rows = {words}
    if what then rows[2] = "next: " .. what end
    if err.is(e) then rows[#rows + 1] = "more: rshell help " .. e.kind end
    tell("FAIL", step, table.unpack(rows))
end

local function milliseconds(seconds)
    return ("%.1f ms"):format(seconds * 1000)
end

-- ---- configuration ----

local function home_short(path)
    local home = os.getenv "HOME"
    return home and path:sub(1, #home + 1) == home .. "/" and "~" .. path:sub(#home + 1) or path
end

local function shown_value(value)
    if type(value) ~= "table" then return tostring(value) end
    local parts = {}
    for k, v in pairs(value) do
        if type(v) == "table" then v = v.host or v.name or "..." end
        parts[#parts + 1] = type(k) == "number" and tostring(v) or ("%s=%s"):format(k, v)
    end
    return table.concat(parts, " ")
end

--- What ssh_config has set, and where.
local function config_lines(cfg)
    local lines = {}
    for option, at in pairs(cfg.origin) do
        local value = cfg[option]
        if type(at) == "table" and at.file and value ~= nil then
            lines[#lines + 1] = ("%s %s (%s:%d)"):format(option, shown_value(value), home_short(at.file), at.line or 0)
        end
    end
    table.sort(lines)
    table.insert(lines, 1, ("%s@%s port %d"):format(cfg.user, cfg.hostname, cfg.port))
    if #lines == 1 then lines[2] = "nothing in ssh_config about this host" end
    return lines
end

--- How the way leads there: nil when it is direct.
local function way_of(cfg, opts)
    if type(opts.jump) == "string" then return opts.jump ~= "none" and "through " .. opts.jump or nil end
    if cfg.proxyjump and #cfg.proxyjump > 0 then
        local hops = {}
        for i, hop in ipairs(cfg.proxyjump) do hops[i] = hop.host end
        return "through " .. table.concat(hops, ", then ")
    end
    if cfg.proxycommand and cfg.proxycommand ~= "none" then return "through the command: " .. cfg.proxycommand end
end

-- ---- the steps that a connection notes ----

local steps = {}

--- Raises where the name means nothing: nobody can connect then.
local function resolve(d, cfg)
    d.step = "name"
    local addresses, words, name = require "rshell.sys.net".resolve(cfg.hostname)
    if not addresses then
        err.raise {kind = err.kind_of(name), message = ("can't resolve %s: %s"):format(cfg.hostname, words)}
    end
    local list = {}
    for i, a in ipairs(addresses) do list[i] = type(a) == "table" and (a.address or a.host) or tostring(a) end
    tell("ok", "name", ("%s is %s"):format(cfg.hostname, table.concat(list, ", ")))
end

function steps.config(d, cfg, opts)
    d.config = cfg
    tell("ok", "config", table.unpack(config_lines(cfg)))
    d.way = way_of(cfg, opts)
    if not d.way then resolve(d, cfg) end
    d.step, d.began = "connect", task.now()
end

function steps.connect(d)
    tell("ok", "connect", ("%s port %d, in %s"):format(d.way or "straight to " .. d.config.hostname, d.config.port,
        milliseconds(task.now() - d.began)))
    d.step, d.began = "ssh", task.now()
end

function steps.handshake(d, session)
    local a = session:algorithms()
    tell("ok", "ssh", ("%s, in %s"):format(a.server or "?", milliseconds(task.now() - d.began)),
        ("key exchange %s, cipher %s, integrity %s"):format(a.kex or "?", a.cipher or "?", a.mac or "?"))
    d.step = "host key"
end

steps["hostkey"] = function(d, id)
    local verdict, entry = known.check(id.files, id.names, id.port, id.type, id.key)
    local line = ("%s %s"):format(id.type, known.fingerprint(id.key))
    if verdict == "ok" then
        tell("ok", "host key", line, ("known: %s:%d"):format(home_short(entry.file), entry.line))
    else
        tell("note", "host key", line, "not checked: host keys are off")
    end
    d.step, d.began = "login", task.now()
end

function steps.login(d, l)
    local tried = {}
    for _, what in ipairs(l.tried) do
        if what then tried[#tried + 1] = home_short(what) end
    end
    local last = table.remove(tried)
    local took = milliseconds(task.now() - d.began)
    tell("ok", "login", ("as %s by %s, in %s"):format(d.config.user, last or "nothing", took),
        #tried > 0 and "refused before: " .. table.concat(tried, ", ") or nil)
    d.step = "round trip"
end

-- ---- what is over there ----

local function round_trip(m)
    local times = {}
    for i = 1, PINGS do times[i] = m:ping() end
    table.sort(times)
    tell("ok", "round trip", ("%s (the median of %d; the fastest %s, the slowest %s)"):format(
        milliseconds(times[(PINGS + 1) // 2]), PINGS, milliseconds(times[1]), milliseconds(times[PINGS])))
end

--- What start-up files print before a command.
local function noise(conn)
    local ch = conn.connector.exec "true"
    if not ch then return "" end
    ch.stdin:close()
    local out = ch.stdout:read "a" or ""
    ch:wait(10)
    ch:close()
    return out
end

local ASK = [[
printf '%s\n' "$SHELL" "$(readlink -f /bin/sh 2>/dev/null)" "$(uname -srm)" "$(date +%s)" "$HOME"
for t in tar find xargs stat gzip sha256sum setsid sudo python3 rsync; do
  if command -v $t >/dev/null; then printf '+%s\n' $t; else printf -- '-%s\n' $t; fi
done
tar --version 2>&1 | head -n 1]]

-- What is lost without a tool.
local LOSS = {
    tar = "trees are copied file by file", find = "trees can't be walked", xargs = "trees are copied file by file",
    stat = "files can't be looked at", sha256sum = "checksum=true sends files that are the same",
}

local function tell_tools(lines)
    local here, missing = {}, {}
    for _, line in ipairs(lines) do
        local sign, tool = line:match "^([+-])(%w+)$"
        if sign == "+" then here[#here + 1] = tool elseif sign == "-" then missing[#missing + 1] = tool end
    end
    local rows, grave = {"there: " .. table.concat(here, " ")}, false
    if #missing > 0 then rows[2] = "not there: " .. table.concat(missing, " ") end
    for _, tool in ipairs(missing) do
        if LOSS[tool] then
            grave = true
            rows[#rows + 1] = ("without %s %s"):format(tool, LOSS[tool])
        end
    end
    local version = lines[#lines]
    if version and not version:find "^[+-]" then table.insert(rows, 2, "tar is " .. version) end
    tell(grave and "note" or "ok", "tools", table.unpack(rows))
end

local function tell_clock(seconds)
    local off = math.floor(tonumber(seconds) or 0) - os.time()
    if math.abs(off) <= 2 then return end
    local way = off > 0 and "ahead" or "behind"
    tell("note", "clock", ("%d s %s: times of files mislead there"):format(math.abs(off), way))
end

local function only_sftp(m)
    local _, reason = machine.fields.backend(machine.test(m))
    return reason
end

local function look_around(d, m)
    local conn = machine.test(m).conn
    d.step = "shell"
    local began = task.now()
    local code, out, errors = m:sh(ASK):run({}, {timeout = 30})
    local took = task.now() - began
    if code ~= 0 then
        err.raise {kind = "process", message = ("sh ended with status %s: %s"):format(code, errors)}
    end
    local lines = {}
    for line in out:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
    tell("ok", "shell", ("%s; /bin/sh is %s; a command took %s"):format(lines[1] ~= "" and lines[1] or "unknown",
        lines[2] ~= "" and lines[2] or "there", milliseconds(took)))
    local printed = noise(conn)
    if printed ~= "" then
        tell("note", "start-up",
            ("the account's start-up files print %d bytes to every command: %q"):format(#printed, printed:sub(1, 40)),
            "next: let them be silent unless the shell is interactive; scp and rsync fail on that")
    end
    tell("ok", "machine", ("%s, home %s"):format(lines[3], lines[5]))
    tell_clock(lines[4])
    tell_tools(table.move(lines, 6, #lines, 1, {}))
end

local function sftp(m)
    local channel = machine.test(m).conn.connector.subsystem
    local ch = channel and channel "sftp"
    local c = ch and require "rshell.sftp.client".new(ch)
    if c then c:close() end
    tell("ok", "sftp", c and "the server offers it" or "not offered; nothing here needs it")
end

-- ---- all of it ----

local function examine(d, m)
    round_trip(m)
    local ok, e = pcall(look_around, d, m)
    if not ok then
        local reason = only_sftp(m)
        if not reason then error(e, 0) end
        tell("note", "shell", reason .. ": files can be read and written, no command can be run",
            "next: nothing, if that is meant; else look for ForceCommand in sshd_config, or the account's shell")
    end
    sftp(m)
end

function M.run(values, argv, first)
    local host = argv[first]
    if not host or argv[first + 1] then fail.lacks("doctor", "one HOST expected") end
    as_json = values.json or false
    local d = {step = "config"}
    local options = remote.options(values)
    options.retries = 0
    options.note = function(step, ...)
        if steps[step] then steps[step](d, ...) end
    end
    local ok, e = pcall(function()
        local m <close> = require "rshell".ssh(host, options)
        examine(d, m)
    end)
    if ok then return 0 end
    if not err.is(e) or e.kind == "cancelled" or e.kind == "usage" then error(e, 0) end
    tell_failure(d.step, e)
    return 1
end

return M
