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
local ALL = {KINDS[1], KINDS[2], {name = "here", "here"}}

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

-- ---- p:attach() ----

local unseen = setmetatable({}, {__mode = "k"}) -- what was read behind the last match

--- Reads until it matches: what was read so far.
local function see(t, p, pattern)
    local text = unseen[p] or ""
    local first, last = text:find(pattern)
    while not first do
        local ok, block = pcall(p.stdout.read, p.stdout, 1000, 60)
        if not ok or not block then t.fail(("never seen: %s in %q"):format(pattern, text)) end
        text = text .. block
        first, last = text:find(pattern)
    end
    unseen[p] = text:sub(last + 1)
    return text:sub(1, last)
end

local MACHINE = "local m = arg[5] == 'here' and here or m\n"

spec.table("attach: our terminal, left with Ctrl-] d, and attached again:", ALL, function(t, c)
    local p <close> = on_terminal(c[1], MACHINE .. [[
        local before = here.stty["-g"]:from("/dev/tty")()
        local p = m:sh("stty size; while read x; do echo got $x; stty size; done; exit 5"):popen{pty = true}
        print("first", p:attach())
        print("same", before == here.stty["-g"]:from("/dev/tty")())
        p.stdin:write "meanwhile\n"
        print("typed", io.read "l")
        print("second", p:attach())
        print("same", before == here.stty["-g"]:from("/dev/tty")())]])
    see(t, p, "attached to `[^\n]+`; Ctrl%-%] d detaches\r\n")
    p.stdin:write "one\n"
    see(t, p, "got one\r\n30 100\r\n")
    p:resize(20, 70)
    rshell.sleep(1)
    p.stdin:write "two\n"
    see(t, p, "got two\r\n20 70\r\n")
    p.stdin:write "ab\29\29c\n" -- twice: the key itself
    see(t, p, "got ab\29c\r\n20 70\r\n")
    p.stdin:write "\29"
    p.stdin:write "x\n" -- and what else follows it is no command
    see(t, p, "got \29x\r\n20 70\r\n")
    p.stdin:write "\29d"
    see(t, p, "detached from `[^\n]+`, which goes on\r\nfirst\tnil\tdetached\r\nsame\ttrue\r\n")
    p:resize(25, 80)
    p.stdin:write "line\n"
    see(t, p, "typed\tline\r\n")
    see(t, p, "got meanwhile\r\n%d+ %d+\r\n")
    p.stdin:write "three\n"
    see(t, p, "got three\r\n25 80\r\n")
    p.stdin:write "\4"
    see(t, p, "second\t5\tnil\r\nsame\ttrue\r\n$")
    t.eq(p:wait(), 0)
end)

spec.table("attach: what fills the screen is told to draw it anew:", ALL, function(t, c)
    local p <close> = on_terminal(c[1], MACHINE .. [[
        local p = m:sh("trap 'echo drawn; stty size' WINCH; echo ready; while :; do sleep 0.05; done"):popen {
            pty = {rows = 30, cols = 100}}
        for i = 1, 2 do
            p:attach()
            print("left", i)
        end]])
    see(t, p, "ready\r\n")
    p.stdin:write "\29d"
    see(t, p, "left\t1")
    see(t, p, "drawn\r\n30 100\r\n")
    p.stdin:write "\29d"
    see(t, p, "left\t2")
    t.eq(p:wait(), 0)
end)

spec.table("attach: one without a terminal gets lines:", ALL, function(t, c)
    local p <close> = on_terminal(c[1], MACHINE .. [[
        local p = m:sh("cat; echo err >&2; exit 6"):popen()
        print("first", p:attach())
        print("second", p:attach())
        local q = m.sleep["1000"]:popen()
        q:attach()]])
    see(t, p, "Ctrl%-%] d Enter detaches\r\n")
    p.stdin:write "one\n"
    see(t, p, "one\r\none\r\n")
    p.stdin:write "\29d\n"
    see(t, p, "first\tnil\tdetached\r\n.*attached to [^\n]+\n")
    p.stdin:write "two\n"
    see(t, p, "two\r\ntwo\r\n")
    p.stdin:write "\4"
    see(t, p, "err\r\nsecond\t6\tnil\r\n.*attached to `sleep 1000`[^\n]+\n")
    p.stdin:write "\3"
    t.same({p:wait()}, {nil, "INT"})
end)

spec.test("attach: every key is for a program that has none to be left with", function(t)
    local p <close> = on_terminal("agent", [[
        local c = m:sh "stty raw -echo; echo ready; dd bs=1 count=2 2>/dev/null | od -An -c; stty sane"
        local p = c:popen{pty = true}
        print("code", p:attach{escape = false})]])
    t.match(see(t, p, "ready"), "^ready", "nothing is said about it")
    p.stdin:write "\29d"
    see(t, p, "035%s+d%s.*code\t0")
    t.eq(p:wait(), 0)
end)

spec.test("attach: without a terminal our input is its input, to the end", function(t)
    local c = here[os.getenv "RSHELL"][{"-e", [[
        local p = here:sh("cat; echo err >&2; exit 7"):popen()
        print("code", p:attach())
        local q = here.cat:popen()
        print("code", q:attach{stdin = io.stdin, stdout = io.stdout})]]}]
    t.same({(c << "in\29d\n"):run()}, {0, "in\29d\ncode\t7\tnil\ncode\tnil\tdetached\n", "err\n", {0}})
end)

spec.finish()
