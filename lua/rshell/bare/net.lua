-- Sockets of a bare machine: what the connection itself can open.

local err = require "rshell.shared.error"
local errno = require "rshell.bare.errno"
local task = require "rshell.task"

local M = {}

-- ---- why not: servers don't tell ----

-- $1 is the port, $2 in the kernel's spelling. 3: somebody listens there; 4: it is for root.
local WHY_NO_PORT = [[
grep -qi ":$2 [0-9A-F]*:0000 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null&&exit 3
netstat -an 2>/dev/null|grep "[.:]$1 .*LISTEN" >/dev/null&&exit 3
[ "$1" -ge 1024 ]||[ "$(id -u)" = 0 ]||exit 4]]

-- $1 is the path. The codes are those of NO_SOCKET.
local WHY_NO_SOCKET = [[
d=${1%/*};d=${d:-/}
[ -d "$d" ]||exit 3
[ -x "$d" ]||exit 4
[ -e "$1" ]||[ -h "$1" ]||exit 3
[ -w "$1" ]||exit 4
exit 5]]

local NO_PORT = {[3] = "EADDRINUSE", [4] = "EACCES"}
local NO_SOCKET = {[3] = "ENOENT", [4] = "EACCES", [5] = "ECONNREFUSED"}

--- A refusal with its reason, where one is found over there.
local function explain(shell, script, args, names, text, name, hint)
    local r = shell:run(script, {args = args})
    local found = r and names[r.code]
    if found then return errno.fail(found) end
    return nil, text, name, hint
end

local function refused(name) return name == "EPROTOCOL" or name == "ECONNREFUSED" end

-- ---- connecting ----

--- Within so many seconds.
local function within(seconds, fn, ...)
    if not seconds then return fn(...) end
    local r = table.pack(pcall(task.timeout, seconds, fn, ...))
    if r[1] then return table.unpack(r, 2, r.n) end
    if err.is(r[2]) and r[2].kind == "timeout" then return errno.fail "ETIMEOUT" end
    error(r[2], 0)
end

local function connect_unix(shell, path)
    if path:sub(1, 1) == "@" then return nil, "an abstract socket can't be reached through SSH", "EUSAGE" end
    local stream, text, name = shell.connector.connect_unix(path)
    if stream or not refused(name) then return stream, text, name end
    return explain(shell, WHY_NO_SOCKET, {path}, NO_SOCKET, text, name)
end

local function connect(shell, host, port)
    if port == nil then return connect_unix(shell, host) end
    return shell.connector.connect_tcp(host, port)
end

-- ---- listening ----

-- Servers leave the file of a socket behind. It goes only while it is the one that we have made: who asks learns its
-- number when it is there, and gives it back.
local SOCKET_ID, REMOVE_SOCKET = 'ls -di -- "$1"', '[ "$(ls -di -- "$1" 2>/dev/null)" = "$2" ]&&rm -f -- "$1"'

--- Closing l removes the file too.
local function with_file(shell, l, path)
    local r = shell:run(SOCKET_ID, {args = {path}})
    local id = r and r.code == 0 and r.stdout:gsub("\n$", "")
    local close = l.close
    function l.close(self)
        local was_closed = self.closed
        close(self)
        if was_closed or not id or shell.connector.broken() then return end
        task.shield(pcall, shell.run, shell, REMOVE_SOCKET, {args = {path, id}})
    end
    return l
end

-- $1 is the path.
local WHY_NO_LISTENER = [[
d=${1%/*};d=${d:-/}
[ -d "$d" ]||exit 3
[ -w "$d" ]&&[ -x "$d" ]||exit 4
[ -e "$1" ]||[ -h "$1" ]||exit 1
exit 5]]

local NO_LISTENER = {[3] = "ENOENT", [4] = "EACCES", [5] = "EADDRINUSE"}
local NOT_ALLOWED_PATH = "the server refuses (AllowStreamLocalForwarding)"
local NOT_ALLOWED = "the server refuses (AllowTcpForwarding, PermitListen)"

local function listen(shell, where, host)
    if not shell.connector.listen then return errno.fail "EUNSUPPORTED" end
    if type(where) == "string" and where:sub(1, 1) == "@" then
        return nil, "an abstract socket can't be reached through SSH", "EUSAGE"
    end
    local l, text, name, hint = shell.connector.listen(where, host)
    if l and type(where) == "string" then return with_file(shell, l, where) end
    if l or name ~= "EPROTOCOL" or shell.connector.broken() then return l, text, name, hint end
    if type(where) == "string" then
        return explain(shell, WHY_NO_LISTENER, {where}, NO_LISTENER, NOT_ALLOWED_PATH, "EPERM")
    end
    return explain(shell, WHY_NO_PORT, {tostring(where), ("%04X"):format(where)}, NO_PORT, NOT_ALLOWED, "EPERM")
end

--- The module for a shell.
---@param shell rshell.bare.Shell
function M.new(shell)
    return {
        resolve = function() return errno.fail "EUNSUPPORTED" end,
        --- A stream to a port over there; a path alone is a unix socket.
        connect = function(host, port, opts) return within(opts and opts.timeout, connect, shell, host, port) end,
        connect_unix = function(path) return connect_unix(shell, path) end,
        listen = function(where, host) return listen(shell, where, host) end,
    }
end

return M
