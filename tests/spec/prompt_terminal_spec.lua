-- The prompt at a terminal, driven by keys in tmux: what one sees, and what is left behind. Other machines are in
-- prompt_machine_spec.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local rshell = require "rshell"
local spec = require "spec"
local terminal = require "terminal"

local here = rshell.here
local terms <close> = terminal.new()
local home = terms.home
local SECONDS = terminal.SECONDS

-- ---- lines ----

spec.test("values, locals that stay, several lines, errors", function(t)
    local s = terms:open(t)
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
    s:leave()
end)

spec.test("a background task prints above the line that is typed", function(t)
    local s = terms:open(t)
    s:line "spawn(function() for i = 1, 3 do sleep(0.2) print('tick ' .. i) end io.stderr:write 'to stderr\\n' end)"
    s:type "half a"
    s:see "tick 1\ntick 2\ntick 3\nto stderr\nrsh> half a\n$"
    s:type " line"
    s:see "rsh> half a line\n$"
    s:keys "C-u"
    s:leave()
end)

spec.test("Ctrl-C clears a line, ends a loop, a wait, and a loop that catches errors", function(t)
    local s = terms:open(t)
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
    s:leave()
    t.eq(here.cmd.pgrep:run({"-fx", "sleep " .. nap}, {retcode = "any"}), 1)
end)

spec.test(":fg awaits futures and tasks, and shows what they give", function(t)
    local s = terms:open(t)
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
    s:leave()
end)

spec.test("Ctrl-D with work under way asks once", function(t)
    local s = terms:open(t)
    s:line "spawn(sleep, 1000)"
    s:see "task"
    s:line ":jobs"
    s:see "1  task %(waiting%)"
    s:ready()
    s:keys "C-d"
    s:see "1 job still runs"
    s:ready()
    s:leave()
end)

-- ---- the terminal ----

spec.test("programs get the terminal, and give it back; so does one that is killed", function(t)
    local s = terms:open(t)
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
    s:leave()
end)

spec.test("the window gets another size", function(t)
    local s = terms:open(t)
    s:type(("x"):rep(60))
    s:resize(50, 20)
    s:see("rsh> " .. ("x"):rep(45) .. "\n" .. ("x"):rep(15))
    s:resize(100, 20)
    s:see("rsh> " .. ("x"):rep(60) .. "\n$")
    s:keys "C-c"
    s:ready()
    s:line "!until [ \"$(stty size)\" = '20 100' ]; do sleep 0.1; done; echo wide" -- tmux tells a second change later
    s:see "\nwide\n"
    s:leave()
end)

spec.test("stopped by Ctrl-Z and continued", function(t)
    local s = terms:open(t)
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
    s:leave()
end)

spec.test("TERM while a line is typed leaves the terminal as it was", function(t)
    local s = terms:open(t)
    s:type "half"
    s:line ""
    s:line "_G.pid = here:sh 'echo $PPID':text(); print('pid ' .. pid)"
    local pid = s:see "\npid %d+":match "\npid (%d+)"
    s:type "more"
    s:see "rsh> more"
    here.kill("-TERM", pid)
    s:see "sh%$\n$"
    s:same_terminal(143)
end)

spec.test("a terminal that goes away, and os.exit", function(t)
    local s = terms:open(t)
    s:line "pid = here:sh 'echo $PPID':text(); print('pid ' .. pid)"
    local pid = s:see "\npid %d+":match "\npid (%d+)"
    s:ready()
    s:hang_up()
    local last = rshell.now() + SECONDS
    while here:path("/proc", pid):exists() and rshell.now() < last do rshell.sleep(0.02) end
    t.ok(not here:path("/proc", pid):exists(), "it outlives its terminal")
    s = terms:open(t)
    s:line "os.exit(7)"
    s:see "sh%$\n$"
    s:same_terminal(7)
end)

spec.test("half a line from a task waits for its end, a long one has one", function(t)
    local s = terms:open(t)
    s:line("spawn(function() sleep(0.3) io.write 'be' io.stdout:flush() sleep(0.1) io.write 'gun\\n'"
        .. " io.write(('z'):rep(20000)) io.stdout:flush() end)")
    s:see "begun\nz+\n"
    s:ready()
    s:leave()
end)

-- ---- keys ----

spec.test("Tab completes, twice it lists with what each is", function(t)
    local s = terms:open(t)
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
    s:leave()
end)

spec.test("history is there for the next prompt, and searched", function(t)
    local s = terms:open(t)
    s:line "first = 'needle one'"
    local two = terms:open(t)
    two:line "second = 'other'"
    s:keys "C-r"
    s:type "needle"
    s:see "search%)`needle': first = 'needle one'\n$"
    s:keys "Enter"
    s:see "'needle one'\nrsh>\n$"
    s:keys "Enter"
    s:see "\nrsh>\nrsh>\n$" -- keys between two prompts are shown before the second
    s:keys "Up"
    s:see "rsh> second = 'other'\n$"
    s:keys "C-u"
    s:leave()
    two:leave()
end)

spec.test("a search that found several lines leaves nothing of them", function(t)
    local s = terms:open(t)
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
    s:leave()
end)

spec.test("io.read is ended by Ctrl-C, and holds up no task", function(t)
    local s = terms:open(t)
    s:line "spawn(function() sleep(0.1) print 'a task' end) io.read()"
    s:see "\na task\n"
    s:keys "C-c"
    s:see "interrupted\nrsh>\n$"
    s:line "io.read():upper()"
    s:line "typed"
    s:see "\nTYPED\nrsh>\n$"
    s:leave()
end)

spec.test("!! is the last line for the shell once more; a program that Ctrl-C ends", function(t)
    local s = terms:open(t)
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
    s:leave()
end)

spec.test("help fits the window", function(t)
    local s = terms:open(t)
    s:resize(44, 24)
    s:line ":help"
    s:see "\n  :trace on|off\n    tells each round trip over SSH and each\n    frame, and how many a line took\n"
    s:line ":doc rshell.TunnelOptions"
    s:see "\n  reverse  "
    s:leave()
end)

spec.test("several lines are recalled as one, and Up moves in them", function(t)
    local s = terms:open(t)
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
    s:leave()
end)

spec.test("a paste of 1,000 lines", function(t)
    local s = terms:open(t)
    local lines = {"sum = 0"}
    for i = 1, 1000 do lines[#lines + 1] = ("sum = sum + %d"):format(i) end
    local file = home / "paste"
    file:write(table.concat(lines, "\n") .. "\n")
    s:paste(file)
    s:see "sum %+ 1000"
    s:keys "Enter"
    s:ready()
    s:line "'sum ' .. sum"
    s:see "\nsum 500500\n"
    -- Without brackets each line is typed.
    s:paste(file, true)
    s:see "sum = sum %+ 1000\nrsh>"
    s:line "'again ' .. sum"
    s:see "\nagain 500500\n"
    s:leave()
end)

spec.test("wide characters are edited as one", function(t)
    local s = terms:open(t)
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
    s:leave()
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
    local s = terms:open(t)
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
    s:leave()
    t.match(here[os.getenv "RSHELL"](home / "session.lua"), "nil\n42\nfrom sh\n$")
end)

spec.test("a script first; no script; a dumb terminal; a pipe", function(t)
    (home / "first.lua"):write "made = arg[1] .. '!'\n"
    local s = terms:open(t, {command = '"$RSHELL" -i ' .. home / "first.lua" .. " word"})
    s:ready()
    s:line "made"
    s:see "\nword!\n"
    s:leave()
    local code = terms:open(t, {command = "\"$RSHELL\" -i -e 'local x = arg[1]' word"})
    code:ready()
    code:line "x .. '!'"
    code:see "\nword!\n"
    code:leave()
    local plain = terms:open(t, {command = 'TERM=dumb "$RSHELL"'})
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
    local s = terms:open(t)
    local lines = {"sum = 0"}
    for i = 1, 99 do lines[#lines + 1] = ("sum = sum + %d"):format(i) end
    local file = home / "tall"
    file:write(table.concat(lines, "\n"))
    s:paste(file)
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
    s:leave()
end)

spec.finish()
