-- The prompt at a terminal, driven by keys in tmux, with other machines: see prompt_terminal_spec.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local rshell = require "rshell"
local spec = require "spec"
local terminal = require "terminal"

local here = rshell.here
local bed <close> = require "bed".new()
local terms <close> = terminal.new(bed)
local home = terms.home
local SECONDS = terminal.SECONDS

spec.test("Ctrl-C ends what waits for another machine, which stays usable", function(t)
    local s = terms:open(t)
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
    s:leave()
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
    local s = terms:open(t)
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
    s:leave()
end)

spec.test("programs and files of another machine; a line of :host, :cd and !", function(t)
    here:path(bed.home, "bin"):mkdir {exist_ok = true}
    here:path(bed.home, "over there.txt"):write "told"
    local s = terms:open(t)
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
    s:resize(100, 30)
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
    s:leave()
end)

spec.test("a host that hangs holds up no key, and Ctrl-C gets out of it", function(t)
    local proxy = require "proxy"
    local link <close> = proxy.new(bed.port)
    proxy.trust(bed, link)
    local s = terms:open(t)
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
    s:leave()
end)

spec.test("fields of objects over there", function(t)
    local s = terms:open(t)
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
    s:leave()
end)

spec.test("conn:interact is a prompt over there, also in a script", function(t)
    local s = terms:open(t)
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
    s:leave()
    ;(home / "interact.lua"):write "local c <close> = ssh('bed'):connect()\nc:interact()\nprint 'after it'\n"
    local script = terms:open(t, {command = '"$RSHELL" ' .. home / "interact.lua"})
    script:see "bed lua>\n$"
    script:line "'in a ' .. 'script'"
    script:see "\nin a script\nbed lua>\n$"
    script:keys "C-d"
    script:see "\nafter it\nsh%$\n$"
end)

spec.test("broadcast with folded output", function(t)
    local s = terms:open(t)
    s:line "web = cluster({'bed', here}, {})"
    s:line ":hosts web echo same"
    s:see "bed,here %(2%)\n%-+\nsame\n"
    s:line ":hosts web"
    s:see "rsh web>"
    s:line "!exit 3"
    s:see "exit"
    s:line ":host here"
    s:leave()
end)

spec.finish()
