-- rshell exec at a terminal: what Ctrl-C does, and that lines stay whole.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local rshell = require "rshell"

local here = rshell.here
local program = here[os.getenv "RSHELL" or arg[0]:gsub("[^/]*$", "") .. "../../build/rshell"]
local bed = require "bed".new {config = {"ListenAddress 127.0.0.2"}}
local known = here:path(bed.known_hosts)
known:append((known:read():gsub("127.0.0.1", "127.0.0.2")))

local exec = program:bind("exec", "-H", "127.0.0.[1-2]", "-l", bed.user, "-p", bed.port, "-i", bed.key, "-F",
    "/dev/null", "-o", "UserKnownHostsFile=" .. bed.known_hosts)

--- A number of seconds that no other program sleeps.
local function odd_number() return tostring(math.random(100000, 900000)) end

local function sleepers(n)
    local count = 0
    for _, p in ipairs(here:list_processes()) do
        if p.args:find("sleep " .. n, 1, true) and not p.args:find("rshell", 1, true) then count = count + 1 end
    end
    return count
end

local function wait_until(t, what, fn)
    for _ = 1, 1000 do
        if fn() then return end
        rshell.sleep(0.02)
    end
    t.ok(false, what)
end

--- A program at a terminal; what it shows is collected in screen.text.
local function at_terminal(t, ...)
    local p = exec:bind(...):with {env = {NO_COLOR = "1"}}:popen {pty = {rows = 24, cols = 80}}
    local screen = {text = ""}
    local reader = rshell.spawn(function()
        pcall(function()
            for block in function() return p.stdout:read(65536) end do screen.text = screen.text .. block end
        end)
    end)
    t.defer(function()
        p:close()
        reader:cancel()
    end)
    return p, screen
end

spec.test("Ctrl-C once shows who is running, twice ends it over there", function(t)
    local n = odd_number()
    local p, screen = at_terminal(t, "--", "sh", "-c", "echo up; sleep " .. n .. " & wait")
    wait_until(t, "they don't start: " .. screen.text, function() return sleepers(n) >= 2 end)
    wait_until(t, "no line of progress", function() return screen.text:find("0 of 2 done, 2 running", 1, true) end)
    p.stdin:write "\3"
    wait_until(t, "nobody is shown", function() return screen.text:find "still running" end)
    t.match(screen.text, "rshell: still running: 127%.0%.0%.%[1%-2%]; Ctrl%-C again ends them\r\n")
    t.eq(p:poll(), nil, "it goes on")
    t.ok(sleepers(n) >= 2)
    p.stdin:write "\3"
    p:wait(20)
    t.eq(p.termsig, "INT")
    wait_until(t, "something still runs over there", function() return sleepers(n) == 0 end)
end)

spec.test("lines stay whole beside the progress", function(t)
    local script = "i=0; while [ $i -lt 40 ]; do echo line $i; echo error $i >&2; i=$((i+1)); sleep 0.03; done"
    local p, screen = at_terminal(t, "-s", "--", script)
    t.eq(p:wait(60), 0)
    wait_until(t, "no end", function() return select(2, screen.text:gsub("line 39", "")) == 2 end)
    t.match(screen.text, "0 of 2 done")
    local seen = 0
    for line in screen.text:gmatch "([^\n]*)\n" do
        -- What a terminal shows: after each return and erase, the rest.
        local shown = line:gsub("\r$", ""):gsub(".*\27%[K", "")
        t.match(shown, "^127%.0%.0%.[12] | %l+ %d+$")
        seen = seen + 1
    end
    t.eq(seen, 160)
end)

local SIGNALS = {"TERM", "INT", "HUP"}
spec.table("without a terminal there is no progress, and a signal ends all at once", SIGNALS, function(t, c)
    local n = odd_number()
    local p <close> = exec:bind("--", "sleep", n):popen()
    wait_until(t, "they don't start", function() return sleepers(n) >= 2 end)
    p:kill(c)
    p:wait(20)
    t.eq(p.termsig, c)
    t.eq(p.stderr:read "a", "")
    wait_until(t, "something still runs over there", function() return sleepers(n) == 0 end)
end)

spec.test("what a name says of user and port holds for it, whatever the options say", function(t)
    local name = ("%s@127.0.0.1:%d"):format(bed.user, bed.port)
    local c = exec:bind("-H", "!127.0.0.[1-2]", "-H", name, "-l", "nobody", "-p", "1")
    t.eq(c("--", "echo", "x"), name .. " | x\n")
end)

-- ---- formats ----

local json = require "rshell.sys.json"

local function objects(text)
    local list = {}
    for line in text:gmatch "[^\n]+" do list[#list + 1] = assert(json.decode(line)) end
    return list
end

spec.test("--json: an object a host", function(t)
    local code, out, errors = exec:bind("--json", "-s", "--", "echo hi; printf '\\377'; echo no >&2; exit 3"):run()
    t.eq(code, 3)
    t.match(errors, "exited with status 3")
    local why = "exited with status 3"
    local function of(host)
        return {host = host, status = "failed", code = 3, stdout = "hi\n\u{fffd}", stderr = "no\n", error = why}
    end
    t.same(objects(out), {of "127.0.0.1", of "127.0.0.2"})
end)

spec.test("--ndjson: an object a line as it comes, then one a host", function(t)
    local code, out = exec:bind("--ndjson", "-s", "--", "echo hi; sleep 0.5; echo no >&2"):run()
    t.eq(code, 0)
    local list = objects(out)
    t.eq(#list, 6)
    for i = 1, 2 do
        local lines = {}
        for _, o in ipairs(list) do
            if o.host == "127.0.0." .. i and o.line then lines[#lines + 1] = o.stream .. " " .. o.line end
        end
        t.same(lines, {"out hi", "err no"})
    end
    t.same({list[5], list[6]}, {
        {host = "127.0.0.1", status = "ok", code = 0}, {host = "127.0.0.2", status = "ok", code = 0},
    })
end)

spec.test("a host that can't be reached, and where to read on", function(t)
    local code, out, errors = program:bind("exec", "-H", "nowhere.invalid", "-F", "/dev/null", "--", "true"):run()
    t.same({code, out}, {255, ""})
    t.match(errors, "^rshell: nowhere.invalid: can't connect .-\n"
        .. "rshell: more: rshell doctor nowhere.invalid, rshell help connect\n$")
end)

spec.test("formats exclude each other", function(t)
    local code, out, errors = exec:bind("-b", "--json", "--", "true"):run()
    t.same({code, out, errors}, {2, "", "rshell: exec: --fold and --json exclude each other\n"})
end)

spec.test("-b shows standard error too", function(t)
    local code, out, errors = exec:bind("-b", "-s", "--", "echo hi; echo; printf 'no\n\nend' >&2"):run()
    local rule = ("-"):rep(15)
    t.same({code, out}, {0, ("%s\n127.0.0.[1-2] (2)\n%s\nhi\n\n"):format(rule, rule)})
    for i = 1, 2 do
        local lines = {}
        for line in errors:gmatch("127%.0%.0%." .. i .. " | ([^\n]*)\n") do lines[#lines + 1] = line end
        t.same(lines, {"no", "", "end"})
    end
end)

spec.table("what says nothing to do is told with status 2", {
    {"-H web[1-", "exec", "-H", "web[1-", "--", "true", says = "node set 'web[1-', column 7"},
    {"no group", "exec", "-H", "@no-such-group", "--", "true", says = "no group '@no-such-group'"},
    {"no host", "exec", "-H", "web1!web1", "--", "true", says = "exec: -H 'web1!web1' names no host"},
    {"an empty set", "exec", "-H", "", "--", "true", says = "exec: -H '' names no host"},
    {"a time", "exec", "-H", "web1", "--timeout", "-1", "--", "true", says = "--timeout: a number of seconds"},
    {"no command", "exec", "-H", "web1", "--", says = "a command expected"},
    {"-s with words", "exec", "-H", "web1", "-s", "echo", "x", says = "takes one string, got 2 words"},
    {"an option", "exec", "-H", "web1", "--limt", "2", says = "no option '--limt', did you mean '--limit'?"},
    {"an option that ssh hasn't", "exec", "-H", "a,b", "-o", "Compresion=1", "--", "true",
        says = "rshell: option -o: ssh has no option 'compresion', did you mean 'compression'?\n"},
    {"a value that ssh doesn't take", "tunnel", "-o", "Port=x", "a", "1:2", says = "option -o: port: 'x' is no port"},
    {"no configuration", "exec", "-H", "a,b", "-F", "/nonexistent", "--", "true",
        says = "rshell: option -F: /nonexistent: there is no such file\n"},
    {"doctor without configuration", "doctor", "-F", "/nonexistent", "a", says = "option -F: /nonexistent: there is"},
    {"an option of pdsh", "exec", "-w", "web1", "uname", says = "rshell: no option '-w'; here it is -H HOSTS\n"},
    {"an option of clush", "exec", "-wweb1", "uname", says = "no option '-wweb1'; here it is -H HOSTS\n"},
    {"an option of scp", "cp", "-P", "22", "x", "a:", says = "no option '-P'; here it is -p PORT\n"},
    {"an option of ssh", "tunnel", "-L", "1:a:2", "b", says = "here it is HOST LPORT:DHOST:DPORT\n"},
    {"behind an operand", "doctor", "a", "--jsn", says = "no option '--jsn', did you mean '--json'?\n"},
    {"behind all operands", "tunnel", "a", "1:x", "--reverse", says = "DPORT expected, got '1:x'\n"},
    {"an operand like an option", "cp", "--", "-x", "web[1-:", says = "node set 'web[1-'"},
    {"cp to no set", "cp", "x", "web[1-:/y", says = "node set 'web[1-'"},
    {"cp to nobody", "cp", "-H", "a!a", "x", "y", says = "cp: -H 'a!a' names no host"},
}, function(t, c)
    local code, out, errors = program:bind(table.unpack(c, 2)):run()
    t.same({code, out}, {2, ""})
    t.ok(errors:find(c.says, 1, true), errors)
end)

spec.test("-o: the first value counts, as with ssh; what ssh knows and we don't need is fine", function(t)
    local given = exec:bind("-o", "SetEnv=A_B=1", "-o", "VisualHostKey=yes", "-o", "IgnoreUnknown=x*", "-o", "xyz=1")
    t.eq((given:bind("--", "true"):run()), 0)
    local twice = exec:bind("-o", "ConnectTimeout=20", "-o", "UserKnownHostsFile=/nonexistent", "--", "true")
    t.eq((twice:run()), 0)
end)

spec.test("-H given several times: all of them", function(t)
    t.eq(exec("-H", "!127.0.0.2", "--", "echo", "x"), "127.0.0.1 | x\n")
    local code, out = program:bind("exec", "-H", "a!a", "-H", "nowhere.invalid", "-F", "/dev/null", "--", "true"):run()
    t.same({code, out}, {255, ""})
end)

spec.test("--timeout holds for a host that doesn't answer, too", function(t)
    local _ <close> = here:listen(bed.port, "127.0.0.3")
    local code, out, errors = exec:bind("-H", "127.0.0.3", "--timeout", "0.7", "--", "echo", "x"):run()
    t.eq(code, 255)
    t.match(out, "^127%.0%.0%.[12] | x\n127%.0%.0%.[12] | x\n$")
    t.match(errors, "127%.0%.0%.3[^\n]* 0%.7 s")
end)

spec.test("hosts are coloured where colours are wanted", function(t)
    local coloured = exec:with {env = {CLICOLOR_FORCE = "1", NO_COLOR = false}}
    t.match(coloured("--", "echo", "x"), "\27%[36m127%.0%.0%.1\27%[0m | x\n")
    local rule = ("-"):rep(15)
    t.eq(coloured("-b", "--", "echo", "x"), ("%s\n\27[36m127.0.0.[1-2] (2)\27[0m\n%s\nx\n"):format(rule, rule))
    t.match(exec("--", "echo", "x"), "^127%.0%.0%.[12] | x\n127%.0%.0%.[12] | x\n$")
end)

bed:close()
spec.finish()
