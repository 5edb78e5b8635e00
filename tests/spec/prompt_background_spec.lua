-- What the prompt tells of what fails in the background: when it fails, once, and not what somebody awaits.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local rshell = require "rshell"
local spec = require "spec"

local here = rshell.here
local home <close> = here:tempdir()
local SECONDS = 60 -- against hangs only

--- The prompt, behind pipes: p.stdin takes lines, and what it prints of errors is read from p.stderr.
local function open(t)
    local p = here[os.getenv "RSHELL"]["-i"]:with {env = {HOME = tostring(home), NO_COLOR = "1"}}:popen()
    t.defer(p.close, p)
    return p
end

--- All that is told until the end, which comes when the lines have been run.
local function told(t, lines)
    local p = open(t)
    local out, errors = rshell.timeout(SECONDS, p.communicate, p, table.concat(lines, "\n") .. "\n")
    return errors, out
end

local function count(text, what)
    return select(2, text:gsub(what:gsub("%p", "%%%0"), ""))
end

spec.test("it is told while nothing is typed, though it is still named", function(t)
    local p = open(t)
    p.stdin:write "x = spawn(function() sleep(0.05) error('gone wrong', 0) end)\n"
    t.eq(rshell.timeout(SECONDS, p.stderr.read, p.stderr, "l"), "a task in the background failed: gone wrong")
    p.stdin:write "print(pcall(x.await, x))\n"
    local out, errors = rshell.timeout(SECONDS, p.communicate, p)
    t.match(out, "false\tgone wrong\n")
    t.eq(errors, "", "once")
end)

spec.test("what its line awaits is not told, what it leaves is, when it is over", function(t)
    local errors, out = told(t, {
        "a = spawn(error, 'awaited', 0) sleep(0.05) print(pcall(a.await, a))",
        "b = spawn(error, 'left', 0) sleep(0.05) io.stderr:write 'the line ends\\n'",
        "c = spawn(sleep, 60) c:cancel() d = spawn(sleep, 60) d:close()",
        "1",
    })
    t.match(out, "false\tawaited")
    t.eq(errors, "the line ends\na task in the background failed: left\n")
end)

spec.test("a task that a task awaits is told by that one alone", function(t)
    local p = open(t)
    p.stdin:write("outer = spawn(function() local one, two = spawn(sleep, 0.1), spawn(error, 'inner', 0) one:await() "
        .. "two:await() end)\n")
    t.eq(rshell.timeout(SECONDS, p.stderr.read, p.stderr, "l"), "a task in the background failed: inner")
    local _, errors = rshell.timeout(SECONDS, p.communicate, p)
    t.eq(errors, "")
end)

spec.test("a command in the background: no program, a bad status", function(t)
    local errors = told(t, {
        "f = here['no-such-program'] & BG sleep(0.05)",
        "g = here.cmd.sh['-c']['exit 3'] & BG while not g:ready() do sleep(0.01) end",
        "1",
        "h = here.cmd.sh['-c']['exit 4'] & BG print(h.code)",
        "1",
    })
    t.eq(count(errors, "a task in the background failed: no program 'no-such-program'"), 1, errors)
    t.eq(count(errors, "in the background: `sh -c 'exit 3'` exited with status 3\n"), 1, errors)
    t.eq(count(errors, "exit 4"), 0, errors)
end)

spec.test("a call of a connection that nobody awaits", function(t)
    local errors = told(t, {
        "conn = here:connect()",
        "f = conn:async(function() error('far', 0) end) while not f:ready() do sleep(0.01) end",
        "g = conn:async(function() error('near', 0) end) print(pcall(g.await, g))",
        "1",
    })
    t.eq(count(errors, "a task in the background failed: far\n"), 1, errors)
    t.eq(count(errors, "near"), 0, errors)
end)

spec.finish()
