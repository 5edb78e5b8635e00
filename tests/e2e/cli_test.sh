#!/usr/bin/env bash
# The command line: every form, what it prints and how it ends.
# shellcheck disable=SC2016 # what is quoted is for another shell, or Lua
set -u
. "$(dirname "$0")/../lib/tap.sh"
enter cli
PATH=$(dirname "$RSHELL"):$PATH
unset RSHELL_LOG

# is NAME STATUS OUT ERR COMMAND...: the command ends like this and prints this; OUT and ERR are patterns of `case`.
is() {
    local name=$1 status=$2 out=$3 err=$4 got truth=0
    shift 4
    timeout 20 "$@" >out 2>err
    got=$?
    # shellcheck disable=SC2053 # they are patterns
    [[ $got = "$status" && $(<out) = $out && $(<err) = $err ]] && truth=1
    outcome "$name" $truth "status $got"$'\n'"out: $(<out)"$'\n'"err: $(<err)"
}

# dies NAME SIGNAL STATUS OUT ERR CODE: the code prints "ready" and gets the signal.
dies() {
    local name=$1 signal=$2 status=$3 out=$4 err=$5 pid
    rm -f out
    # In the background of a script SIGINT would be ignored.
    env --default-signal=INT rshell -e "$6" >out 2>err &
    pid=$!
    for _ in $(seq 1000); do
        [ "$(head -n 1 out 2>/dev/null)" != ready ] || break
        sleep 0.01
    done
    kill -s "$signal" "$pid"
    { wait $pid; } 2>/dev/null
    local got=$? truth=0
    # shellcheck disable=SC2053 # they are patterns
    [[ $got = "$status" && $(<out) = ready$out && $(<err) = $err ]] && truth=1
    outcome "$name" $truth "status $got"$'\n'"out: $(<out)"$'\n'"err: $(<err)"
}

# ---- what is run ----

cat >hello.lua <<'END'
print("hello", ...)
END
printf '#!/usr/bin/env rshell\nprint(arg[0], #arg)\n' >script
printf '#!x\n\nerror "wrong"' >counted
chmod +x script
mkdir sub "od?d"
echo 'return {name = "mine"}' >sub/mine.lua
echo 'return "my json"' >sub/json.lua
echo '- hosts: all' >site.yml
echo 'print(require("mine").name, require "json", require("hash").md5 ~= nil)' >sub/main.lua
echo 'print(require "mine")' >"od?d/main.lua"

is "a script" 0 $'hello\ta\t-v' '' rshell hello.lua a -v
is "run" 0 $'hello\ta\t--help' '' rshell run hello.lua a --help
is "a name that has no .lua" 0 $'script\t1' '' rshell script x
is "its first line is for the system" 0 $'./script\t2' '' ./script x y
is "the first line counts in errors" 1 '' 'rshell: counted:3: wrong' rshell counted
is "code" 0 $'1\ta b' '' rshell -e 'print(#arg, ...)' 'a b'
is "code, joined to its option" 0 7 '' rshell '-eprint(7)'
is "run -e" 0 7 '' rshell run -e 'print(7)'
is "code returns nothing" 0 '' '' rshell -e 'return 1'
is "no code" 0 '' '' rshell -e ''
is "a second -e is an argument" 0 $'-e\tx' '' rshell -e 'print(...)' -e x
is "standard input" 0 $'-\ta' '' rshell - a < <(echo 'print(arg[0], ...)')
is "standard input from a file" 0 $'hello\ta' '' rshell run - a <hello.lua
is "-- ends the options" 0 $'hello\t--' '' rshell -- hello.lua --
is "a script that is a pipe" 0 hello '' rshell <(echo 'print "hello"')
is "a byte order mark" 0 1 '' rshell <(printf '\357\273\277#!x\nprint(1)')
is "an empty script" 0 '' '' rshell /dev/null

is "arg" 0 $'s.lua\tx\trun\t-v\t'"*rshell" '' \
    rshell -v run /dev/fd/9 x 9< <(echo 'print("s.lua", arg[1], arg[-1], arg[-2], arg[-3])')
is "arg of code" 0 $'-e\tx\t-v' '' rshell -v -e 'print(arg[0], arg[1], arg[-1])' x
is "its own folder is where modules are" 0 $'mine\tmy json*' '' rshell sub/main.lua
is "from any folder" 0 $'mine\tmy json*' '' bash -c 'cd / && exec rshell "$0/sub/main.lua"' "$PWD"
is "a folder with a question mark is no template" 1 '' "*module 'mine' not found*" rshell 'od?d/main.lua'
is "plain names of our modules" 0 'true*' '' rshell -e 'print(require "json" == require "rshell.sys.json")'
is "globals" 0 'true' '' rshell -e 'print(here == rshell.here and sleep == rshell.sleep and FG ~= nil)'
is "globals when _G is strict" 0 'true' '' \
    rshell -e 'setmetatable(_G, {__index = function() error "strict" end}) print(here == rshell.here)'
is "other globals are nil" 0 nil '' rshell -e 'print(no_such_thing)'

# ---- options and usage ----

is "--version" 0 'rshell 0.1.0' '' rshell --version
is "-V" 0 'rshell 0.1.0' '' rshell -V
is "--help" 0 'usage: rshell *Subcommands:*run *Options:*-e CODE*' '' rshell --help
is "-h" 0 'usage: rshell *' '' rshell -h
is "help" 0 'usage: rshell *' '' rshell help
is "help run" 0 'usage: rshell *Runs a Lua script*' '' rshell help run
is "help about a kind of error" 0 'Errors of kind auth*ssh-add*' '' rshell help auth
is "help about a name" 0 'Machine:tunnel(*rshell.Tunnel*' '' rshell help m.tunnel
is "help about a class" 0 'rshell.Path*checksum*' '' rshell help rshell.Path
is "help about a name that is none" 2 '' "rshell: nothing is known about 'rshell.tunel'*" rshell help rshell.tunel
is "run --help" 0 'usage: rshell *Runs a Lua script*' '' rshell run --help
is "help has no marks" 0 '' '' bash -c 'rshell help run | grep "[*_\\]"; rshell --help | grep "[*_\\]"; :'
is "help fits a terminal" 0 '' '' bash -c 'rshell help run | grep ".\{80\}"; rshell --help | grep ".\{80\}"; :'
is "help about a global" 0 'rshell.cluster(hosts, options)*' '' rshell help cluster
is "help about nothing" 2 '' "rshell: no subcommand 'rum', did you mean 'run'?" rshell help rum
is "nothing" 2 '' 'usage: rshell *' rshell
is "a subcommand that is none" 2 '' "rshell: no subcommand or file 'rnu', did you mean 'run'?" rshell rnu
is "a word that is nothing" 2 '' "rshell: no subcommand or file 'zzzzzz'; see rshell --help" rshell zzzzzz
is "an option that is none" 2 '' "rshell: no option '--vesrion', did you mean '--version'?" rshell --vesrion
is "a letter that is none" 2 '' "rshell: no option '-x'" rshell -x
is "a letter that is none, among others" 2 '' "rshell: no option '-x'" rshell -vx
is "an option of run that is none" 2 '' "rshell: no option '--hlp', did you mean '--help'?" rshell run --hlp
is "an option without its value" 2 '' "rshell: option -e needs a value: CODE" rshell -e
is "a value too many" 2 '' "rshell: option --version takes no value" rshell --version=2
is "run what" 2 '' "rshell: run: a file expected*" rshell run
is "control characters are shown" 2 '' "rshell: no subcommand or file '\\\\x1b\\[2J'*" rshell $'\e[2J'

# ---- what can't be run ----

printf 'x\0y' >zero
printf '\033Lua' >compiled
cp /bin/true program
is "a file that isn't there" 2 '' "rshell: can't open no.lua: no such file or directory" rshell no.lua
is "a path that isn't there" 2 '' "rshell: can't open ./no: no such file or directory" rshell run ./no
is "below a file" 2 '' "rshell: can't open zero/x.lua: not a directory" rshell zero/x.lua
is "a folder" 2 '' "rshell: can't run sub: is a directory" rshell sub
is "standard input that is closed" 2 '' "rshell: can't read standard input: bad file descriptor" bash -c 'rshell - <&-'
is "standard input that is a folder" 2 '' "rshell: can't read standard input: is a directory" bash -c 'rshell - <sub'
is "a file with NUL bytes" 2 '' "rshell: can't run zero: it is a binary file, not a Lua script" rshell zero
is "a YAML playbook" 2 '' "rshell: site.yml: YAML playbooks are not in this version; *rshell-playbook(5)" rshell site.yml
is "bytecode" 2 '' "rshell: can't run compiled: it is compiled Lua, which rshell doesn't run" rshell compiled
is "a program" 2 '' "rshell: can't run program: it is a program, not a Lua script" rshell program
if [ "$(id -u)" = 0 ]; then
    skip "a file that we may not read" "root may read everything"
else
    echo >secret && chmod 0 secret
    is "a file that we may not read" 2 '' "rshell: can't open secret: permission denied" rshell secret
fi

# ---- errors ----

printf 'local a = 1\nlocal = 2\n' >bad.lua
printf '#!x\n\nx = "\n' >quote.lua
echo 'here["no-such-program"]()' >program.lua
cat >deep.lua <<'END'
local function inner()
    here["no-such-program"]()
end
inner()
END
is "a syntax error" 1 '' $'rshell: bad.lua:2: * near \'=\'\n  2 | local = 2' rshell bad.lua
is "a syntax error below #!" 1 '' $'rshell: quote.lua:3: *\n  3 | x = "' rshell quote.lua
is "a syntax error in code" 1 '' $'rshell: -e:1: *\n  1 | x = = 1' rshell -e 'x = = 1'
is "a syntax error in standard input" 1 '' $'rshell: stdin:1: *' rshell - < <(printf 'x =')
is "an error" 1 '' 'rshell: (command line):1: wrong' rshell -e 'error "wrong"'
is "an error with control characters" 1 '' 'rshell: \\x1b\[31m' rshell -e 'error("\27[31m", 0)'
is "an error that is a table" 1 '' 'rshell: an error that is a table: {code = 3, what = {"a"}}' \
    rshell -e 'error {code = 3, what = {"a"}}'
is "an error that is nil" 1 '' 'rshell: an error that is nil' rshell -e 'error()'
is "an error that prints itself" 1 '' 'rshell: mine' \
    rshell -e 'error(setmetatable({}, {__tostring = function() return "mine" end}))'
is "an error that can't be printed" 1 '' "rshell: an error that is a table and can't be printed" \
    rshell -e 'error(setmetatable({}, {__tostring = error}))'
is "an error object and where it was raised" 1 '' $'rshell: *no-such-program*\n  at deep.lua:2' rshell deep.lua
is "-v: a traceback without our own frames" 1 '' $'*\n  at deep.lua:2\nstack traceback:\n\tdeep.lua:2: *' rshell -v deep.lua
is "-v behind the subcommand" 1 '' $'*\nstack traceback:\n\tdeep.lua:2: *' rshell run -v deep.lua
is "-vv: with them" 1 '' $'*rshell/cli/run.lua:*' rshell -vv deep.lua
is "output comes before the error" 1 $'1\nrshell: *' '' bash -c 'exec rshell -e "io.write(1, \"\\n\") error(2)" 2>&1'
is "an error in a task" 1 '' $'rshell: (command line):1: lost' rshell -e 'spawn(function() error "lost" end):await()'
is "an error in a task that nobody awaited" 0 '' \
    'rshell: a task failed and nobody awaited it: (command line):1: lost' rshell -e 'spawn(function() error "lost" end) sleep(0)'
is "an error in a finaliser goes on" 0 1 '*' rshell -e 'setmetatable({}, {__gc = error}) collectgarbage() print(1)'
is "no more stack" 1 '' 'rshell: (command line):1: stack overflow*' rshell -e 'local function f() return 1 + f() end f()'

# ---- the log ----

is "RSHELL_LOG" 0 '' 'rshell: info: me: text' \
    env RSHELL_LOG=info rshell -e 'require "rshell.log".write("info", "me", "text")'
is "a level that is none" 2 '' "rshell: RSHELL_LOG: no level 'x'*" env RSHELL_LOG=x rshell -e ''
is "-vv is info" 0 $'true\tfalse' '' rshell -vv -e 'local on = require "rshell.log".is_on print(on "info", on "debug")'
is "-vvv is debug" 0 $'true\tfalse' '' rshell -vvv -e 'local on = require "rshell.log".is_on print(on "debug", on "trace")'
is "-v says nothing about the log" 0 $'true\tfalse' '' \
    rshell -v -e 'local on = require "rshell.log".is_on print(on "warning", on "info")'
cat >sink.lua <<'END'
local log = require "rshell.log"
local got = {}
log.sink(function(level, module, text) got[#got + 1] = level .. " " .. module .. " " .. text end)
log.write("warn", "me", "one")
log.write("info", "me", "not shown")
log.write("error", "you", "two")
sleep(0.01)
print(table.concat(got, ", "))
log.sink(function() log.write("error", "sink", "itself") error "broken" end)
log.write("error", "me", "three")
sleep(0.01)
log.write("error", "me", "four")
log.sink(nil)
log.write("error", "me", "five")
END
is "a sink" 0 'warning me one, error you two' \
    $'*sink: itself\n*the sink failed*broken\nrshell: error: me: four\nrshell: error: me: five' rshell sink.lua

# ---- the end ----

is "os.exit" 3 '' '' rshell -e 'os.exit(3) print "no"'
is "os.exit(true)" 0 x '' rshell -e 'io.write "x" os.exit(true)'
is "os.exit(false)" 1 '' '' rshell -e 'os.exit(false)'
is "os.exit(256 + 4)" 4 '' '' rshell -e 'os.exit(260)'
is "os.exit of something else" 1 '' '*bad argument #1 to *' rshell -e 'os.exit {}'
is "os.exit in pcall" 4 '' '' rshell -e 'pcall(os.exit, 4) print "no"'
is "os.exit in a coroutine" 4 '' '' rshell -e 'coroutine.wrap(function() os.exit(4) end)() print "no"'
is "os.exit where nothing can wait" 4 '' '' rshell -e 'table.sort({1, 2}, function() os.exit(4) end) print "no"'
is "os.exit in a task" 4 closed '' \
    rshell -e 'spawn(os.exit, 4) local c <close> = setmetatable({}, {__close = function() print "closed" end}) sleep(9)'
is "os.exit lets the other tasks close" 4 closed '' rshell -e '
    spawn(function() local c <close> = setmetatable({}, {__close = function() print "closed" end}) sleep(9) end)
    sleep(0.01)
    os.exit(4)'
is "os.exit in a finaliser" 4 '' '' rshell -e 'setmetatable({}, {__gc = function() os.exit(4) end})'
is "os.exit ends what runs" 4 '' '' rshell -e '
    p = here.sleep:bind(4261):popen()
    os.exit(4)'
is "nothing of it is left" 0 '' '' bash -c '! pgrep -u "$(id -u)" -fx "sleep 4261"'
is "what was left running ends at the end" 0 '' '' rshell -e 'here.sleep:bind(4261):popen()'
is "nothing of that is left" 0 '' '' bash -c '! pgrep -u "$(id -u)" -fx "sleep 4261"'

mkdir temp
export TMPDIR=$PWD/temp
is "temporary folders go at the end" 0 '' '' rshell -e 'd = here:tempdir()'
is "and with os.exit" 4 '' '' rshell -e 'd = here:tempdir() os.exit(4)'
is "and after an error" 1 '' '*wrong' rshell -e 'd = here:tempdir() error "wrong"'
is "and when nobody reads the output" 0 $'1\n141' '' \
    bash -c 'rshell -e "d = here:tempdir() for i = 1, math.huge do print(i) end" | head -n 1; echo "${PIPESTATUS[0]}"'
dies "and after SIGTERM" TERM 143 '' '' 'd = here:tempdir() print "ready" sleep(60)'
is "none is left" 0 '' '' ls temp

# ---- output ----

is "nobody reads the output" 0 $'1\n141' '' \
    bash -c 'rshell -e "for i = 1, math.huge do print(i) end" | head -n 1; echo "${PIPESTATUS[0]}"'
is "io.write notices too" 0 $'1\n141' '' \
    bash -c 'rshell -e "for i = 1, math.huge do io.write(i, \"\\n\") end" | head -n 1; echo "${PIPESTATUS[0]}"'
is "so does a file's write" 0 $'1\n141' '' \
    bash -c 'rshell -e "for i = 1, math.huge do io.stdout:write(i, \"\\n\") end" | head -n 1; echo "${PIPESTATUS[0]}"'
is "pcall doesn't help" 0 $'1\n141' '' \
    bash -c 'rshell -e "for i = 1, math.huge do pcall(print, i) end" | head -n 1; echo "${PIPESTATUS[0]}"'
is "closers run" 0 $'1\n141' closed bash -c 'rshell -e "
    local c <close> = setmetatable({}, {__close = function() io.stderr:write \"closed\" end})
    for i = 1, math.huge do print(i) end" | head -n 1; echo "${PIPESTATUS[0]}"'
is "what is left in the buffer" 0 141 '' \
    bash -c 'rshell -e "sleep(0.2) io.write(1)" | true; echo "${PIPESTATUS[0]}"'
is "no room for the output" 1 '' "rshell: can't write to standard output: no space left on device" \
    bash -c 'rshell -e "print(1)" >/dev/full'
is "a full disk that a flush meets" 1 '' "rshell: can't write to standard output: no space left on device" \
    bash -c 'rshell -e "io.write(1) io.stdout:flush() io.open(\"/nowhere\") print(2)" >/dev/full'
is "a reader that has gone, which a flush meets" 0 141 '' \
    bash -c 'rshell -e "for i = 1, math.huge do io.write(i) io.flush() end" | true; echo "${PIPESTATUS[0]}"'
is "no output" 1 '' "rshell: can't write to standard output: bad file descriptor" bash -c 'rshell -e "print(1)" >&-'
is "no output, and none is needed" 0 '' '' bash -c 'rshell -e "" >&- 2>&- <&-'
is "files don't land on closed standard streams" 0 'kept' '' bash -c \
    'rshell -e "local f = io.open(\"kept\", \"w\") print(1) f:write \"kept\" f:close()" >&- 2>&-; cat kept'

# ---- signals ----

CLOSER='local c <close> = setmetatable({}, {__close = function() print "closed" end}) print "ready" io.stdout:flush() '
dies "SIGTERM" TERM 143 $'\nclosed' '' "$CLOSER sleep(60)"
dies "SIGHUP" HUP 129 $'\nclosed' '' "$CLOSER sleep(60)"
dies "SIGINT" INT 130 $'\nclosed' '' "$CLOSER sleep(60)"
dies "SIGTERM in a tight loop" TERM 143 $'\nclosed' '' "$CLOSER while true do end"
dies "SIGTERM, and pcall doesn't help" TERM 143 $'\nclosed' '' "$CLOSER while true do pcall(sleep, 60) end"
dies "SIGTERM, and a loop that catches it" TERM 143 $'\nclosed' '' "$CLOSER while true do pcall(function() while true do end end) end"
dies "SIGTERM while a command runs" TERM 143 $'\nclosed' '' "$CLOSER here.sleep(4261)"
is "nothing of that is left either" 0 '' '' bash -c '! pgrep -u "$(id -u)" -fx "sleep 4261"'

mkfifo never
rshell - <never >out 2>err &
pid=$!
exec 8>never
sleep 0.2
kill -TERM $pid
{ wait $pid; } 2>/dev/null
status=$?
exec 8>&-
[ $status = 143 ] && truth=1 || truth=0
outcome "SIGTERM while the script is read" "$truth" "status $status"

finish
