-- The prompt at a terminal, driven by keys in tmux: what one sees, and what is left behind.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local rshell = require "rshell"
local spec = require "spec"

local here = rshell.here
local bed <close> = require "bed".new()
local home <close> = here:tempdir()
local socket = tostring(home / "tmux")
local tmux = here.tmux["-f"]["/dev/null"]["-S"][socket]:with {env = {TMUX = false}}

local function stop()
    pcall(tmux, "kill-server")
    while here.cmd.pgrep["-f"][socket] & rshell.TF do rshell.sleep(0.02) end
end

local _ <close> = setmetatable({}, {__close = stop})

tmux("new-session", "-d", "-s", "keep", "sleep", "inf") -- else the server goes with its last window

local SECONDS = 60 -- against hangs only

;(home / ".ssh"):mkdir()
;(home / ".ssh" / "config"):write(("Host bed\n  HostName 127.0.0.1\n  Port %d\n  User %s\n  IdentityFile %s\n"
    .. "  UserKnownHostsFile %s\n"):format(bed.port, bed.user, bed.key, bed.known_hosts))

-- ---- a terminal ----

local Screen = {}
Screen.__index = Screen

--- What one sees, without blanks at the ends of lines, and without empty lines at its end.
function Screen:text()
    local text = tmux("capture-pane", "-p", "-S", "-1000", "-t", self.name)
    return (text:gsub("[ \t]+\n", "\n"):gsub("\n+$", "\n"))
end

--- Waits until the screen matches; fails the test when it never does.
function Screen:see(pattern)
    local last = rshell.now() + SECONDS
    repeat
        local text = self:text()
        if text:find(pattern) then return text end
        rshell.sleep(0.03)
    until rshell.now() > last
    self.t.fail("never seen: " .. pattern .. "\n" .. self:text())
end

--- Keys by tmux's names.
function Screen:keys(...)
    tmux("send-keys", "-t", self.name, ...)
end

--- Text as it is, then Enter.
function Screen:line(text)
    tmux("send-keys", "-l", "-t", self.name, text)
    self:keys "Enter"
end

function Screen:type(text)
    tmux("send-keys", "-l", "-t", self.name, text)
end

--- Waits until what was entered has been taken: the cursor is on a new line.
function Screen:at_line_start()
    local last = rshell.now() + SECONDS
    while tmux("display-message", "-p", "-t", self.name, "#{cursor_x}") ~= "0\n" do
        if rshell.now() > last then self.t.fail("the cursor stays\n" .. self:text()) end
        rshell.sleep(0.03)
    end
end

--- A prompt that is there to be typed at: the last line is nothing else. What is typed earlier is for the program that
--- has the terminal.
function Screen:ready() return self:see "rsh[^\n]*>%s*$" end

local count = 0

--- A new window with the prompt, in a shell that tells how it ended and what the terminal is like.
local function open(t, opts)
    opts = opts or {}
    count = count + 1
    local name = "w" .. count
    local env = {
        "HOME=" .. tostring(home), "XDG_STATE_HOME=" .. tostring(home / "state"), "XDG_CONFIG_HOME=" ..
        tostring(home / "config"), "LC_ALL=C.UTF-8", "RSHELL=" .. os.getenv "RSHELL", "PS1=sh$ ", "SHELL=/bin/sh",
    }
    tmux("new-session", "-d", "-s", name, "-x", 90, "-y", 24, "env", env, "NO_COLOR=1", "sh")
    local s = setmetatable({t = t, name = name}, Screen)
    t.defer(function() pcall(tmux, "kill-session", "-t", name) end)
    s:see "sh%$\n$"
    s:line("stty -g >" .. home / "before" .. "; clear; " .. (opts.command or '"$RSHELL"'))
    if not opts.command then s:ready() end
    return s
end

--- Ctrl-D, then the shell: the terminal is as it was.
local function leave(s)
    s:ready()
    s:keys "C-d"
    s:see "sh%$\n$"
    s:line("stty -g | cmp - " .. home / "before" .. " && echo same terminal; echo status $?")
    s:see "same terminal\nstatus 0"
end

-- ---- lines ----

spec.test("values, locals that stay, several lines, errors", function(t)
    local s = open(t)
    s:line "local x = 20"
    s:line "x + 1"
    s:see "\n21\nrsh>"
    s:line "for i = 1, 2 do"
    s:line "print('got ' .. i)"
    s:line "end"
    s:see "\n  print%('got ' .. i%)\nend\ngot 1\ngot 2\n"
    s:line "_ * 2"
    s:see "\n42\n"
    s:line "nosuch.field"
    s:see "attempt to index a nil value"
    s:line "x = = 1"
    s:see "unexpected symbol near '='"
    s:line "ls -l"
    s:see "hint: !ls %-l runs the program"
    s:line "io.write 'no newline'"
    s:see "no newline⏎\nrsh>"
    s:line ":hots"
    s:see "did you mean 'host'%?"
    leave(s)
end)

spec.test("a background task prints above the line that is typed", function(t)
    local s = open(t)
    s:line "spawn(function() for i = 1, 3 do sleep(0.2) print('tick ' .. i) end io.stderr:write 'to stderr\\n' end)"
    s:type "half a"
    s:see "tick 1\ntick 2\ntick 3\nto stderr\nrsh> half a\n$"
    s:type " line"
    s:see "rsh> half a line\n$"
    s:keys "C-u"
    leave(s)
end)

spec.test("Ctrl-C clears a line, ends a loop, a wait, and a loop that catches errors", function(t)
    local s = open(t)
    local nap = 100000 + require "rshell.sys.host".pid()
    s:type "half a line"
    s:see "half a line"
    s:keys "C-c"
    s:see "half a line^C\nrsh>\n$"
    for i, line in ipairs {
        "while true do end", "sleep(1000)", "while true do pcall(sleep, 1000) end", ("here.sleep(%d)"):format(nap),
        "parallel({1, 2}, function() sleep(1000) end)", "repeat pcall(error) until false",
    } do
        s:line(("print 'run %d'; %s"):format(i, line))
        s:see(("\nrun %d\n$"):format(i))
        s:keys "C-c"
        s:see(("run %d\n^C\ninterrupted\nrsh>\n$"):format(i):gsub("%^", "%%^"))
    end
    s:line "'alive'"
    s:see "\nalive\n"
    leave(s)
    t.eq(here.cmd.pgrep:run({"-fx", "sleep " .. nap}, {retcode = "any"}), 1)
end)

spec.test("Ctrl-C ends what waits for another machine, which stays usable", function(t)
    local s = open(t)
    s:line "m = ssh 'bed'"
    s:line "print 'run'; while true do m.sleep(0.01) end"
    s:see "\nrun\n"
    rshell.sleep(0.3)
    s:keys "C-c"
    s:see "interrupted\nrsh>\n$"
    s:line "m.echo('there ' .. 1 + 1)"
    s:see "\nthere 2\n"
    s:line "print 'again'; m.sleep(1000)"
    s:see "\nagain\n"
    rshell.sleep(0.3)
    s:keys "C-c"
    s:see "again\n%^C\ninterrupted\nrsh>\n$"
    s:line "job = m.sleep[1000] & BG"
    s:line "tun = m:tunnel(0, 22)"
    s:line ":tunnels"
    s:see "1  tunnel here:%d+ %-> bed:22 %(0 open%), 0 bytes sent, 0 received"
    s:line ":jobs"
    s:see "1  future of `sleep 1000` %(running%)"
    s:ready()
    s:keys "C-d"
    s:see "1 job still runs"
    leave(s)
    if bed.account then -- nothing of it is left over there
        local last = rshell.now() + SECONDS
        while here.cmd.pgrep["-u"][bed.user] & rshell.TF and rshell.now() < last do rshell.sleep(0.05) end
        t.ok(not (here.cmd.pgrep["-u"][bed.user] & rshell.TF), here.cmd.pgrep:run({"-au", bed.user}, {retcode = "any"}))
    end
end)

--- Leaves a program whose window has just changed: less may lose a key then. What comes too often is for the prompt.
local function quit(s)
    local last = rshell.now() + SECONDS
    local at_prompt
    repeat
        s:keys "q"
        local again = rshell.now() + 3
        repeat
            rshell.sleep(0.05)
            at_prompt = s:text():find "rsh>[^\n]*\n$"
        until at_prompt or rshell.now() > again
    until at_prompt or rshell.now() > last
    s:keys "C-u"
    s:ready()
end

spec.test(":fg attaches what runs in the background, Ctrl-] d leaves it, and it can be attached again", function(t)
    local s = open(t)
    s:line ":fg"
    s:see "nothing runs in the background"
    s:line "m = ssh 'bed'"
    s:ready()
    s:line "p = m.less['/etc/passwd']:popen{pty = true, env = {TERM = 'tmux', LESS = false}}"
    s:ready()
    s:line ":fg 9"
    s:see ":jobs has no number 9"
    s:line ":jobs"
    s:see "%d  process %d+ `less /etc/passwd` %(running%)"
    s:line "p:attach()"
    s:see "root:"
    s:keys("C-]", "d")
    s:see "detached from `less /etc/passwd`, which goes on"
    s:see "rsh>\n$"
    s:line "!clear"
    s:ready()
    s:line ":fg"
    s:see "root:"
    quit(s)
    s:line "p.code"
    s:see "\n0\nrsh>"
    s:line "q = here.sleep[1000]:popen()"
    s:ready()
    s:line ":fg"
    s:see "attached to `sleep 1000`; Ctrl%-%] d Enter detaches"
    s:keys "C-c"
    s:see "interrupted"
    s:line "q.termsig"
    s:see "TERM"
    leave(s)
end)

spec.test(":fg awaits futures and tasks, and shows what they give", function(t)
    local s = open(t)
    s:line "f = here:sh 'until [ -e ~/go ]; do sleep 0.05; done; echo given; exit 2' & BG"
    s:ready()
    s:line ":fg"
    s:see ":fg\n$"
    s:at_line_start();
    (home / "go"):touch()
    s:see "\ngiven\nexit status 2\nrsh>\n$"
    s:line "on = here:path(here.home) / 'on'"
    s:line "t = spawn(function() while not on:exists() do sleep(0.05) end return 'a value' end)"
    s:ready()
    s:line ":fg 1"
    s:see ":fg 1\n$"
    s:at_line_start();
    (home / "on"):touch()
    s:see "\na value\nrsh>\n$"
    leave(s)
end)

spec.test("Ctrl-D with work under way asks once", function(t)
    local s = open(t)
    s:line "spawn(sleep, 1000)"
    s:see "task"
    s:line ":jobs"
    s:see "1  task %(waiting%)"
    s:ready()
    s:keys "C-d"
    s:see "1 job still runs"
    s:ready()
    leave(s)
end)

-- ---- the terminal ----

spec.test("programs get the terminal, and give it back; so does one that is killed", function(t)
    local s = open(t)
    s:line "!tput cols; stty size"
    s:see "\n90\n24 90\n"
    s:line "!stty raw -echo; kill -9 $$"
    s:see "ended by signal KILL"
    s:line "1 + 1"
    s:see "rsh> 1 %+ 1\n2\n"
    s:line "!less /etc/passwd"
    s:see "root:"
    s:keys "q"
    s:ready()
    s:line "!exit 3"
    s:see "exit status 3"
    s:line "!echo it runs; exec sleep 1000"
    s:see "\nit runs\n"
    s:keys "C-c"
    s:see "ended by signal INT"
    leave(s)
end)

spec.test("the window gets another size", function(t)
    local s = open(t)
    s:type(("x"):rep(60))
    tmux("resize-window", "-t", s.name, "-x", 50, "-y", 20)
    s:see("rsh> " .. ("x"):rep(45) .. "\n" .. ("x"):rep(15))
    tmux("resize-window", "-t", s.name, "-x", 100, "-y", 20)
    s:see("rsh> " .. ("x"):rep(60) .. "\n$")
    s:keys "C-c"
    s:ready()
    s:line "!until [ \"$(stty size)\" = '20 100' ]; do sleep 0.1; done; echo wide" -- tmux tells a second change later
    s:see "\nwide\n"
    leave(s)
end)

spec.test("stopped by Ctrl-Z and continued", function(t)
    local s = open(t)
    s:line "print 'before'"
    s:see "\nbefore\n"
    s:type "half"
    s:see "rsh> half"
    s:keys "C-z"
    s:see "sh%$\n$"
    s:line "echo a shell"
    s:see "\na shell\n"
    s:line "fg"
    s:see "\nrsh> half\n$"
    s:type "way"
    s:see "rsh> halfway\n$"
    s:keys "C-u"
    leave(s)
end)

spec.test("TERM while a line is typed leaves the terminal as it was", function(t)
    local s = open(t)
    s:type "half"
    s:line ""
    s:line "_G.pid = here:sh 'echo $PPID':text(); print('pid ' .. pid)"
    local pid = s:see "\npid %d+":match "\npid (%d+)"
    s:type "more"
    s:see "rsh> more"
    here.kill("-TERM", pid)
    s:see "sh%$\n$"
    s:line("stty -g | cmp - " .. home / "before" .. " && echo same terminal")
    s:see "same terminal"
end)

spec.test("a terminal that goes away, and os.exit", function(t)
    local s = open(t)
    s:line "pid = here:sh 'echo $PPID':text(); print('pid ' .. pid)"
    local pid = s:see "\npid %d+":match "\npid (%d+)"
    s:ready()
    tmux("kill-session", "-t", s.name)
    local last = rshell.now() + SECONDS
    while here:path("/proc", pid):exists() and rshell.now() < last do rshell.sleep(0.02) end
    t.ok(not here:path("/proc", pid):exists(), "it outlives its terminal")
    s = open(t)
    s:line "os.exit(7)"
    s:see "sh%$\n$"
    s:line("stty -g | cmp - " .. home / "before" .. " && echo same terminal")
    s:see "same terminal"
end)

spec.test("half a line from a task waits for its end, a long one has one", function(t)
    local s = open(t)
    s:line("spawn(function() sleep(0.3) io.write 'be' io.stdout:flush() sleep(0.1) io.write 'gun\\n'"
        .. " io.write(('z'):rep(20000)) io.stdout:flush() end)")
    s:see "begun\nz+\n"
    s:ready()
    leave(s)
end)

-- ---- keys ----

spec.test("Tab completes, twice it lists with what each is", function(t)
    local s = open(t)
    s:type "here:pa"
    s:keys "Tab"
    s:see "rsh> here:path\n$"
    s:type '("/etc/host'
    s:keys("Tab", "Tab")
    s:see "hostname"
    s:keys "C-c"
    s:type "here:t"
    s:keys("Tab", "Tab")
    s:see "tempdir +A path that is deleted when it is closed\ntunnel +A tunnel: the first"
    s:see "rsh> here:t\n$"
    s:keys "C-u"
    s:line "here:which 'ls'"
    s:see "\n/[%w/]*bin/ls\n"
    leave(s)
end)

spec.test("programs and files of another machine; a line of :host, :cd and !", function(t)
    here:path(bed.home, "bin"):mkdir {exist_ok = true}
    here:path(bed.home, "over there.txt"):write "told"
    local s = open(t)
    s:type ":host be"
    s:keys "Tab"
    s:see ":host bed"
    s:keys "Enter"
    s:see "machine bed %(agent%)"
    s:ready()
    s:line "!id -un"
    s:see("\n" .. bed.user .. "\n")
    s:ready()
    s:type '!cat over'
    s:keys "Tab"
    s:see "!cat over\\ there.txt"
    s:keys "Enter"
    s:see "told⏎\n"
    s:ready()
    s:line "!stty size"
    s:see "\n24 90\n"
    s:ready()
    s:line ":cd /etc"
    s:see "rsh bed:/etc>"
    s:line "!until [ \"$(stty size)\" = '30 100' ]; do sleep 0.1; done; echo wide"
    tmux("resize-window", "-t", s.name, "-x", 100, "-y", 30)
    s:see "\nwide\n"
    s:ready()
    s:line "m.pwd()"
    s:see "\n/etc\n"
    s:type "m.unam"
    s:keys("Tab")
    s:see "m.uname"
    s:keys "C-u"
    s:line ":time m.pwd()"
    s:see "%d s,[%w ,]* %d+ frames\n"
    s:line ":trace on"
    s:line "m.pwd()"
    s:see "frame: sent CALL, %d+ B.*trip: .*frame: got REPLY, %d+ B.*\n/etc\n%d.%d+ s,[%w ,]* %d+ frames\n"
    s:line ":trace off"
    s:line ":host here"
    s:see "rsh>\n$"
    leave(s)
end)

spec.test("a host that hangs holds up no key, and Ctrl-C gets out of it", function(t)
    local proxy = require "proxy"
    local link <close> = proxy.new(bed.port)
    proxy.trust(bed, link)
    local s = open(t)
    s:line(("m = ssh('bed', {port = %d})"):format(link.port))
    s:line "m.echo('up')"
    s:see "\nup\n"
    link:freeze()
    s:type "m.pin"
    s:keys("Tab")
    s:see "rsh> m.ping\n$"
    s:keys "C-u"
    s:type "!cat over"
    s:keys("Tab", "Tab")
    s:type " typed"
    s:see "!cat over typed\n$"
    s:keys "C-u"
    s:type "m.cat('over"
    s:keys("Tab", "Tab")
    s:see "still asking"
    s:keys "C-u"
    s:line "print 'run'; m.ls()"
    s:see "\nrun\n"
    s:keys "C-c"
    s:see "interrupted\nrsh>\n$"
    link:thaw()
    s:line "m.echo('up again')"
    s:see "\nup again\n"
    leave(s)
end)

spec.test("fields of objects over there", function(t)
    local s = open(t)
    s:line "conn = ssh('bed'):connect()"
    s:line "conn:execute 'settings = {first = 1, second = 2}'"
    s:line "made = conn:eval 'setmetatable({alpha = 1}, {__index = {beta = 2}})'"
    s:line "'ready'"
    s:see "\nready\n"
    s:type "conn.namespace.sett"
    s:keys("Tab", "Tab", "Tab")
    s:see "conn.namespace.settings"
    s:keys "C-u"
    s:type "made.al"
    s:keys("Tab", "Tab", "Tab")
    s:see "made.alpha"
    s:keys "C-u"
    s:type "conn.modules.f"
    s:keys "Tab"
    s:see "conn.modules.fs"
    s:keys "C-u"
    s:type "conn:ex"
    s:keys "Tab"
    s:see "conn:execute"
    s:keys "C-u"
    leave(s)
end)

spec.test("conn:interact is a prompt over there, also in a script", function(t)
    local s = open(t)
    s:line "conn = ssh('bed'):connect(); conn:interact()"
    s:see "bed lua>\n$"
    s:line "local x = 20"
    s:line "x + 1, {x}"
    s:see "\n21\n{20}\n"
    s:line "local y = x; y + 2"
    s:see "\n22\n"
    s:line "print 'from there'; while true do end"
    s:see "\nfrom there\n"
    s:keys "C-c"
    s:see "interrupted\nbed lua>\n$"
    s:type "half"
    s:see "lua> half"
    s:keys "C-c"
    s:see "half%^C\nbed lua>\n$"
    s:line "error 'over there'"
    s:see "over there"
    s:line "x"
    s:see "\n20\nbed lua>\n$"
    s:keys "C-d"
    s:see "rsh>\n$"
    s:line "conn.namespace.x"
    s:see "\n20\n"
    leave(s)
    ;(home / "interact.lua"):write "local c <close> = ssh('bed'):connect()\nc:interact()\nprint 'after it'\n"
    local script = open(t, {command = '"$RSHELL" ' .. home / "interact.lua"})
    script:see "bed lua>\n$"
    script:line "'in a ' .. 'script'"
    script:see "\nin a script\nbed lua>\n$"
    script:keys "C-d"
    script:see "\nafter it\nsh%$\n$"
end)

spec.test("broadcast with folded output", function(t)
    local s = open(t)
    s:line "web = cluster({'bed', here}, {})"
    s:line ":hosts web echo same"
    s:see "bed,here %(2%)\n%-+\nsame\n"
    s:line ":hosts web"
    s:see "rsh web>"
    s:line "!exit 3"
    s:see "exit"
    s:line ":host here"
    leave(s)
end)

spec.test("history is there for the next prompt, and searched", function(t)
    local s = open(t)
    s:line "first = 'needle one'"
    local two = open(t)
    two:line "second = 'other'"
    s:keys "C-r"
    s:type "needle"
    s:see "needle one"
    s:keys "Enter"
    s:ready()
    s:line ""
    s:keys "Up"
    s:see "rsh> second = 'other'\n$"
    s:keys "C-u"
    leave(s)
    leave(two)
end)

spec.test("a search that found several lines leaves nothing of them", function(t)
    local s = open(t)
    s:line "do"
    s:line "print 'one'"
    s:line "end"
    s:see "\none\n"
    s:keys "C-r"
    s:type "print"
    s:see "search%)`print': do\n  print 'one'\nend\n$"
    s:keys "C-g"
    s:see "\none\nrsh>\n$"
    s:type "6 *"
    s:see "\none\nrsh> 6 %*\n$"
    s:keys("C-u", "C-r")
    s:type "print"
    s:see "search%)`print': do\n"
    s:keys "C-c"
    s:see "\none\nrsh> do\n  print 'one'\nend%^C\nrsh>\n$"
    leave(s)
end)

spec.test("io.read is ended by Ctrl-C, and holds up no task", function(t)
    local s = open(t)
    s:line "spawn(function() sleep(0.1) print 'a task' end) io.read()"
    s:see "\na task\n"
    s:keys "C-c"
    s:see "interrupted\nrsh>\n$"
    s:line "io.read():upper()"
    s:line "typed"
    s:see "\nTYPED\nrsh>\n$"
    leave(s)
end)

spec.test("!! is the last line for the shell once more; a program that Ctrl-C ends", function(t)
    local s = open(t)
    s:line "!!"
    s:see "no line with ! came before"
    s:line "!echo one"
    s:see "\none\nrsh>\n$"
    s:line "!! two"
    s:see "\n!echo one two\none two\nrsh>\n$"
    s:line "!echo begun; sleep 1000"
    s:see "\nbegun\n"
    s:keys "C-c"
    s:see "%^C\nended by signal INT\nrsh>\n$"
    s:line ":save ~/saved.lua"
    s:see "rshell run [^\n]*/saved.lua"
    t.ok((home / "saved.lua"):is_file())
    s:line ":jobs x"
    s:see ":jobs takes no argument"
    leave(s)
end)

spec.test("help fits the window", function(t)
    local s = open(t)
    tmux("resize-window", "-t", s.name, "-x", 44, "-y", 24)
    s:line ":help"
    s:see "\n  :trace on|off\n    tells each round trip over SSH and each\n    frame, and how many a line took\n"
    s:line ":doc rshell.TunnelOptions"
    s:see "\n  reverse  "
    leave(s)
end)

spec.test("several lines are recalled as one, and Up moves in them", function(t)
    local s = open(t)
    s:line "do"
    s:line "print 'one'"
    s:line "end"
    s:see "\none\n"
    s:keys "Up"
    s:see "rsh> do\n  print 'one'\nend\n$"
    s:keys("Up", "End")
    s:type ", 'and two'"
    s:keys("BSpace")
    s:type "'"
    s:keys("C-c")
    leave(s)
end)

spec.test("a paste of 1,000 lines", function(t)
    local s = open(t)
    local lines = {"sum = 0"}
    for i = 1, 1000 do lines[#lines + 1] = ("sum = sum + %d"):format(i) end
    local file = home / "paste"
    file:write(table.concat(lines, "\n") .. "\n")
    tmux("load-buffer", file)
    tmux("paste-buffer", "-p", "-t", s.name)
    s:see "sum %+ 1000"
    s:keys "Enter"
    s:ready()
    s:line "'sum ' .. sum"
    s:see "\nsum 500500\n"
    -- Without brackets each line is typed.
    tmux("paste-buffer", "-t", s.name)
    s:see "sum = sum %+ 1000\nrsh>"
    s:line "'again ' .. sum"
    s:see "\nagain 500500\n"
    leave(s)
end)

spec.test("wide characters are edited as one", function(t)
    local s = open(t)
    s:type "x = '日本語é"
    s:see "rsh> x = '日本語é\n$"
    s:keys("Left", "Left", "BSpace")
    s:see "rsh> x = '日語é\n$"
    s:keys "End"
    s:line "'"
    s:line "#x .. x"
    s:see "\n8日語é\n"
    s:line "{x}"
    s:see '\n{"日語é"}\n'
    leave(s)
end)

-- ---- surroundings ----

spec.test("~/.inputrc and init.lua are read; a saved session runs", function(t)
    (home / ".inputrc"):write '$if rshell\n"\\C-t": "typed by a macro"\n$endif\n'
    ;(home / "config" / "rshell"):mkdir {parents = true, exist_ok = true}
    ;(home / "config" / "rshell" / "init.lua"):write "greeting = 'from init'\nlocal hidden = 1\n"
    t.defer(function()
        (home / ".inputrc"):delete();
        (home / "config"):delete {recursive = true}
    end)
    local s = open(t)
    s:type "greeting .. ' "
    s:keys "C-t"
    s:line "'"
    s:see "\nfrom init typed by a macro\n"
    s:line "hidden"
    s:see "rsh> hidden\nnil\n"
    s:line "local twice = 21 * 2"
    s:line "twice"
    s:line "!echo from sh"
    s:line(":save " .. home / "session.lua")
    s:see "lines saved"
    leave(s)
    t.match(here[os.getenv "RSHELL"](home / "session.lua"), "nil\n42\nfrom sh\n$")
end)

spec.test("a script first; no script; a dumb terminal; a pipe", function(t)
    (home / "first.lua"):write "made = arg[1] .. '!'\n"
    local s = open(t, {command = '"$RSHELL" -i ' .. home / "first.lua" .. " word"})
    s:ready()
    s:line "made"
    s:see "\nword!\n"
    leave(s)
    local code = open(t, {command = "\"$RSHELL\" -i -e 'local x = arg[1]' word"})
    code:ready()
    code:line "x .. '!'"
    code:see "\nword!\n"
    leave(code)
    local plain = open(t, {command = 'TERM=dumb "$RSHELL"'})
    plain:see "rsh>\n$"
    plain:line "for i = 1, 2 do"
    plain:see "%.%.%.>\n$"
    plain:line "print('plain ' .. i) end"
    plain:see "\nplain 1\nplain 2\nrsh>\n$"
    plain:line "sleep(1000)"
    rshell.sleep(0.3)
    plain:keys "C-c"
    plain:see "interrupted\nrsh>\n$"
    plain:keys "C-d"
    plain:see "sh%$\n$"
    local c = here[os.getenv "RSHELL"]
    t.eq((c << "print(1 + 1)\nlocal x = 2\nprint(x)")(), "2\n2\n")
end)

spec.test("a text of more lines than the window has is shown around the cursor", function(t)
    local s = open(t)
    local lines = {"sum = 0"}
    for i = 1, 99 do lines[#lines + 1] = ("sum = sum + %d"):format(i) end
    local file = home / "tall"
    file:write(table.concat(lines, "\n"))
    tmux("load-buffer", file)
    tmux("paste-buffer", "-p", "-t", s.name)
    s:see "sum %+ 77\n.*\nsum = sum %+ 99\n%-%- line 100 of 100: Enter runs them, Ctrl%-C drops them %-%-\n$"
    s:type " + 0.5"
    s:see "\nsum = sum %+ 99 %+ 0.5\n%-%-"
    s:keys "Up"
    s:see "%-%- line 99 of 100"
    s:keys "Enter"
    s:see "\nrsh> sum = 0\n%.%.%. 100 lines\nrsh>"
    s:ready()
    s:line "'sum ' .. sum"
    s:see "\nsum 4950.5\n"
    leave(s)
end)

spec.finish()
