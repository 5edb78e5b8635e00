package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local bare = require "bare"
local here = require "rshell".here
local new = require "rshell.bare.shell".new
local line = require "rshell.bare.shell".line

-- Programs for sh behind any login shell. Shells that are not installed are left out.

local bytes = {}
for b = 1, 255 do bytes[b] = string.char(b) end
local ALL = table.concat(bytes)
local NOISE = "echo welcome; echo trouble >&2; printf 'no newline'"

local function has(name) return (here:sh("command -v $1 >/dev/null", name):run()) == 0 end

local LOGINS = {}
for _, name in ipairs {"dash", "bash", "mksh", "ksh", "zsh", "tcsh", "csh", "fish", "busybox"} do
    if has(name) then LOGINS[#LOGINS + 1] = {name = name, name == "busybox" and "busybox sh" or name} end
end

local SHELLS = {}
for _, name in ipairs {"dash", "bash", "mksh"} do
    if has(name) then SHELLS[#SHELLS + 1] = tostring(here:which(name)) end
end

spec.table("every byte arrives, whatever the login shell and sh are", LOGINS, function(t, c)
    for _, sh in ipairs(SHELLS) do
        local connector = bare.connector(c[1], {sh = sh})
        local r = t.ok(new(connector):run('printf %s "$1"; printf %s "$2" >&2; exit 3', {args = {ALL, "-n two"}}))
        t.same(r, {code = 3, stdout = ALL, stderr = "-n two"}, sh)
        t.eq(connector.count, 1)
    end
end)

spec.table("long programs, and what follows is theirs", LOGINS, function(t, c)
    local connector = bare.connector(c[1])
    local shell = new(connector)
    local input = ALL .. "\0" .. ALL
    -- As one line; csh refuses that, gets it over stdin, and no long line again.
    for _, length in ipairs {4000, 20000} do
        local long = ("x"):rep(length) .. ALL
        local r = t.ok(shell:run('printf %s "$1"; cat', {args = {long}, input = input}))
        t.ok(r.stdout == long .. input)
    end
    t.eq(connector.count, c.name == "csh" and 3 or 2)
    t.eq(#connector.lines[connector.count] < 500, shell.login:find "csh" ~= nil)
    -- Over stdin for everybody.
    local huge = ("y"):rep(110000)
    t.ok(t.ok(shell:run('printf %s "$1"; cat', {args = {huge}, input = input})).stdout == huge .. input)
end)

spec.table("a login shell that we know gets programs as they are", LOGINS, function(t, c)
    local connector = bare.connector(c[1])
    local shell = new(connector)
    local posix = c.name ~= "fish" and c.name ~= "busybox" and not c.name:find "csh"
    for i, word in ipairs {"a", "b c", "d\\e"} do
        local r = t.ok(shell:run('F() { :;}\nprintf %s "$1"', {args = {word}}))
        t.eq(r.stdout, word)
        t.eq(connector.lines[i]:find("printf %b", 1, true) == nil, i == 2 and posix, word)
    end
end)

-- A start-up file may have set $SHELL to anything.
spec.table("a login shell that is called what it isn't", LOGINS, function(t, c)
    for _, name in ipairs {"/bin/sh", "/bin/bash"} do
        local shell = new(bare.connector(c[1], {env = {SHELL = name}}))
        for _, word in ipairs {"a", "$HOME;!`b`", "it's"} do
            for _, start in ipairs {"", "F() { exit 5;}\n"} do
                local r = t.ok(shell:run(start .. 'printf "%s." "$1"', {args = {word}}))
                t.same(r, {code = 0, stdout = word .. ".", stderr = ""})
            end
        end
    end
end)

spec.test("a short input comes with the program, a long one behind it", function(t)
    local connector = bare.connector "/bin/sh"
    local shell = new(connector)
    local script = 'cat; printf %s "$1"; exit 7'
    for _, input in ipairs {"", "\n", "a'b\\0\0\n", ALL:rep(20), ALL:rep(200), ALL:rep(500)} do
        local r = t.ok(shell:run(script, {args = {"$HOME"}, input = input}))
        t.eq(r.code, 7)
        t.ok(r.stdout == input .. "$HOME", #input)
    end
    t.ok(#connector.lines[4] > #connector.lines[6], "the shorter one is in the line")
    t.eq(connector.count, 6)
end)

spec.table("what start-up files print is not the program's", LOGINS, function(t, c)
    if c[1]:find "fish" or c[1]:find "csh" then t.skip "its own words" end
    local r = new(bare.connector(c[1], {noise = NOISE})):run "echo out; echo err >&2"
    t.same(r, {code = 0, stdout = "out\n", stderr = "err\n"})
end)

spec.test("a login shell that takes no long line gets the program anew", function(t)
    local connector = bare.connector "/bin/sh"
    local exec = connector.exec
    connector.exec = function(l, o) return exec(#l > 3000 and "echo Word too long. >&2; exit 1" or l, o) end
    local shell = new(connector)
    shell.login = "sh"
    t.eq(t.ok(shell:run('printf %s "${#1}"', {args = {("z"):rep(20000)}})).stdout, "20000")
    t.eq(connector.count, 2)
    t.ok(shell.short)
    t.eq(t.ok(shell:run('printf %s "${#1}"', {args = {("z"):rep(20000)}})).stdout, "20000")
    t.eq(connector.count, 3)
end)

spec.test("a server that takes no long line gets the program anew", function(t)
    local connector = bare.connector "/bin/sh"
    local exec = connector.exec
    connector.exec = function(l, o)
        if #l > 9000 then return nil, "refused", "EPROTOCOL" end
        return exec(l, o)
    end
    t.eq(t.ok(new(connector):run('printf %s "${#1}"', {args = {("z"):rep(20000)}})).stdout, "20000")
    t.eq(connector.count, 1)
end)

spec.test("a program of which only a part came does nothing", function(t)
    local connector = bare.connector "/bin/sh"
    local exec = connector.exec
    connector.exec = function(l, o)
        local ch = exec(l, o)
        local stdin = ch.stdin
        ch.stdin = {
            write = function(_, data)
                stdin:write(data:sub(1, -3))
                stdin:close()
            end,
            close = function() end,
        }
        return ch
    end
    local dir <close> = here:tempdir()
    local script = "echo x > '" .. tostring(dir / "f") .. "'\n" .. (": '" .. ("x"):rep(3000) .. "'\n")
    local shell = new(connector)
    shell.short = true
    local r, _, name = shell:run(script)
    t.eq(r, nil)
    t.eq(name, "EPROTOCOL")
    t.eq((dir / "f"):exists(), false)
end)

spec.test("no shell at all", function(t)
    local connector = bare.connector("/bin/sh", {noise = "echo This account is closed. >&2; exit 1"})
    local r, text, name = new(connector):run "echo"
    t.eq(r, nil)
    t.eq(text, "no POSIX shell answered (status 1: This account is closed.)")
    t.eq(name, "EPROTOCOL")
end)

spec.test("limits", function(t)
    local shell = new(bare.connector "/bin/sh")
    t.same({shell:run("sleep 100", {timeout = 0.2})}, {nil, "timed out", "ETIMEOUT"})
    t.same({shell:run("while :; do echo x; done", {max_output = 1000})}, {nil, "too much output", "ELIMIT"})
    t.same(shell:run "kill -9 $$", {signal = "KILL", stdout = "", stderr = ""})
    t.raises("usage", shell.run, shell, "echo", {args = {"a\0b"}})
    t.raises("usage", line, "a\0b")
end)

spec.test("open gives streams, also of a terminal", function(t)
    local shell = new(bare.connector("/bin/sh", {noise = NOISE}))
    local ch = t.ok(shell:open('read -r x; echo "got $x $1"', {args = {"arg"}}))
    ch.stdin:write "line\n"
    t.eq(ch.stdout:read "l", "got line arg")
    t.same(ch:wait(), {code = 0})
    ch:close()
    for _, length in ipairs {1, 6000} do
        local opts = {args = {("x"):rep(length)}, pty = {rows = 7, cols = 9}}
        ch = t.ok(shell:open("tty >/dev/null && stty size; echo ${#1}", opts))
        t.eq(ch.stdout:read "l", "7 9\r")
        t.eq(ch.stdout:read "l", length .. "\r")
        ch:close()
        shell.login = nil
    end
end)

spec.finish()
