-- rshell tunnel HOST [LHOST:]LPORT:[DHOST:]DPORT: ports and unix sockets passed on, until Ctrl-C.

local err = require "rshell.shared.error"
local fail = require "rshell.cli.fail"
local json = require "rshell.output.json"
local remote = require "rshell.cli.remote"
local task = require "rshell.task"
local text = require "rshell.text"

local LOOK = 0.5 -- seconds between looks whether the connection is still there

local M = {
    name = "tunnel",
    operands = {"HOST", "PORTS..."},
    options = remote.with {{"--reverse", key = "reverse"}, {"--json", key = "json"}},
    others = {["-L"] = "HOST LPORT:DHOST:DPORT", ["-R"] = "HOST LPORT:DHOST:DPORT --reverse"}, -- of ssh
    anywhere = true,
}

-- ---- LHOST:LPORT:DHOST:DPORT ----

--- The parts between colons; brackets hold an address with colons.
local function parts_of(spec)
    local parts, at = {}, 1
    while at <= #spec + 1 do
        local inner, stop = spec:match("^%[([^%]]*)%]()", at)
        if inner and (stop > #spec or spec:sub(stop, stop) == ":") then
            parts[#parts + 1], at = inner, stop + 1
        else
            local part, past = spec:match("^([^:]*)()", at)
            parts[#parts + 1], at = part, past + 1
        end
    end
    return parts
end

--- A port's number, or the path of a socket.
local function place(part)
    if part:find("/", 1, true) then return part end
    local port = part:match "^%d+$" and math.tointeger(tonumber(part))
    return port and port <= 65535 and port or nil
end

--- {lhost=, lport=, dhost=, dport=}
local function parse(spec)
    local p = parts_of(spec)
    local t
    if #p == 2 then
        t = {lport = place(p[1]), dport = place(p[2])}
    elseif #p == 3 and place(p[1]) then
        t = {lport = place(p[1]), dhost = p[2], dport = place(p[3])}
    elseif #p == 3 then
        t = {lhost = p[1], lport = place(p[2]), dport = place(p[3])}
    elseif #p == 4 then
        t = {lhost = p[1], lport = place(p[2]), dhost = p[3], dport = place(p[4])}
    end
    if not t or not t.lport or not t.dport then
        fail.usage("tunnel: [LHOST:]LPORT:[DHOST:]DPORT expected, got '%s'", spec)
    end
    if t.lhost == "" then t.lhost = "*" end
    if t.dhost == "" then t.dhost = nil end
    return t
end

-- ---- running ----

local function at(host, where)
    if type(where) == "string" then return where end
    return (host and host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host or "localhost", where)
end

--- "localhost:6666 -> web1 localhost:8888"
local function shown(m, t, asked)
    local near, far = "here", m.name
    if asked.reverse then near, far = far, near end
    return ("%s %s -> %s %s"):format(near, at(asked.lhost, t.lport), far, at(asked.dhost, t.dport))
end

--- What was bound.
local function tell(values, m, t, asked)
    if values.json then
        return json.write {
            host = m.name, lhost = asked.lhost or "localhost", lport = t.lport, dhost = asked.dhost or "localhost",
            dport = t.dport, reverse = t.reverse or false,
        }
    end
    io.stdout:write(text.escape(shown(m, t, asked)), "\n")
    io.stdout:flush()
end

--- Until the connection is gone: Ctrl-C ends the program before that.
local function watch(m, t)
    while not tostring(t):find "%(defunct%)$" and not m.closed do task.sleep(LOOK) end
    err.raise {kind = "closed", host = m.name, message = "the connection was lost, and the tunnel with it"}
end

function M.run(values, argv, first)
    local host, spec = argv[first], argv[first + 1]
    if not host or not spec then fail.lacks("tunnel", "HOST and [LHOST:]LPORT:[DHOST:]DPORT expected") end
    local specs = {}
    for i = first + 1, #argv do specs[#specs + 1] = parse(argv[i]) end
    local m <close> = require "rshell".ssh(host, remote.options(values))
    local open = {}
    local _ <close> = setmetatable({}, {__close = function() for _, t in ipairs(open) do t:close() end end})
    for i, asked in ipairs(specs) do
        asked.reverse = values.reverse
        open[i] = m:tunnel(asked.lport, asked.dport, {
            host = asked.dhost, lhost = asked.lhost, reverse = values.reverse,
        })
        tell(values, m, open[i], asked)
    end
    watch(m, open[1])
end

return M
