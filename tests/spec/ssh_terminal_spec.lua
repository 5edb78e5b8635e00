-- Programs over there on our own terminal, with an agent and without one.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local rshell = require "rshell"
local spec = require "spec"

local here = rshell.here
local bed <close> = require "bed".new()

--- Another rshell on a terminal of 30 rows and 100 columns; m in its code is a machine over SSH.
local function on_terminal(kind, code)
    local connect = [[
        local m <close> = ssh("127.0.0.1", {user = arg[1], port = math.tointeger(arg[2]), keyfile = arg[3],
            known_hosts = arg[4], config = false, agent = arg[5] == "agent"})
        local function run(script) return m:sh(script) & FG end]]
    local c = here[os.getenv "RSHELL"][{"-e", connect .. "\n" .. code}]
    return c[{bed.user, bed.port, bed.key, bed.known_hosts, kind}]:popen {pty = {rows = 30, cols = 100}}
end

local KINDS = {{name = "an agent", "agent"}, {name = "its shell", "bare"}}

spec.table("a terminal over there, as large as ours:", KINDS, function(t, c)
    local p <close> = on_terminal(c[1], [[
        print(run 'test -t 0 && test -t 1 && test -t 2 && stty size; read x; echo got $x; read y; stty size')
        print("back", io.read "l")]])
    t.eq(p.stdout:read "l", "30 100\r")
    p.stdin:write "one\n"
    t.eq(p.stdout:read "l", "one\r")
    t.eq(p.stdout:read "l", "got one\r")
    p:resize(20, 70)
    rshell.sleep(1)
    p.stdin:write "\n"
    t.eq(p.stdout:read "l", "\r")
    t.eq(p.stdout:read "l", "20 70\r")
    t.eq(p.stdout:read "l", "true\r")
    p.stdin:write "two\n"
    t.match(p.stdout:read "a", "back\ttwo\r\n$")
    t.eq(p:wait(), 0)
end)

spec.table("every key is for the program, Ctrl-C too:", KINDS, function(t, c)
    local p <close> = on_terminal(c[1], [[
        print(select(2, pcall(run, "stty raw -echo; echo ready; dd bs=1 count=3 2>/dev/null | od -An -c; stty sane")))
        local ok, e = pcall(run, "echo again; exec cat")
        print(ok, e.signal, io.read "l")]])
    t.match(p.stdout:read "L", "^ready")
    p.stdin:write "\3\26q"
    t.match(p.stdout:read "L", "003 032%s+q")
    t.match(p.stdout:read "L", "true")
    t.match(p.stdout:read "L", "again")
    p.stdin:write "x\n"
    t.match(p.stdout:read "L", "x")
    t.match(p.stdout:read "L", "x")
    p.stdin:write "\3"
    rshell.sleep(0.5)
    p.stdin:write "typed\n"
    t.match(p.stdout:read "a", "false\tINT\ttyped\r\n$")
    t.eq(p:wait(), 0)
end)

spec.finish()
