-- What the prompt makes of text: lines, values, completion, saved sessions. How it behaves at a terminal is in
-- e2e/prompt_test.sh.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local rshell = require "rshell"
local colour = require "rshell.repl.colour"
local complete = require "rshell.repl.complete"
local docs = require "rshell.repl.docs"
local err = require "rshell.shared.error"
local history = require "rshell.repl.history"
local meant = require "rshell.repl.meant"
local pending = require "rshell.repl.complete.pending"
local pretty = require "rshell.repl.pretty"
local programs = require "rshell.repl.complete.programs"
local read = require "rshell.repl.read"
local save = require "rshell.repl.commands.save"
local shell = require "rshell.repl.complete.shell"
local source = require "rshell.repl.source"
local task = require "rshell.task"
local tokens = require "rshell.repl.tokens"
local variables = require "rshell.repl.variables"
local where = require "rshell.repl.where"

local here = rshell.here
colour.set(false)
require "rshell.globals".install("", function(name) return name == "m" and here or nil end)

-- ---- tokens ----

spec.table("tokens", {
    {"a.b:c(1)", "name:a op:. name:b op:: name:c op:( number:1 op:)"},
    {"x = 'it''s'", "name:x op:= string:'it' string:'s'"},
    {"local s = [==[ ]] ]==] y", "keyword:local name:s op:= string:[==[ ]] ]==] name:y"},
    {"1.5e-3 0x1p4 .5 3..4", "number:1.5e-3 number:0x1p4 number:.5 number:3. number:.4"},
    {"a // b ~= c -- end", "name:a op:// name:b op:~= name:c comment:-- end!"},
    {'f("x\\"y', 'name:f op:( string:"x\\"y!'},
    {"[[ open", "string:[[ open!"},
    {"--[[ a\nb ]] c", "comment:--[[ a\nb ]] name:c"},
    {"a ? é", "name:a bad:? bad:\xc3 bad:\xa9"},
}, function(t, case)
    local words = {}
    for i, token in ipairs(tokens.of(case[1])) do
        words[i] = token.kind .. ":" .. token.text .. (token.open and "!" or "")
    end
    t.eq(table.concat(words, " "), case[2])
end)

spec.test("tokens cover any text, and end", function(t)
    for _ = 1, 2000 do
        local bytes = {}
        for i = 1, math.random(1, 40) do bytes[i] = string.char(math.random(0, 255)) end
        local text, at = table.concat(bytes), 0
        for _, token in ipairs(tokens.of(text)) do
            t.ok(token.from > at and token.to >= token.from and token.to <= #text, spec.show(text))
            at = token.to
        end
    end
end)

-- ---- lines ----

spec.table("top-level locals become globals", {
    {"local x = 1", ";     x = 1"},
    {"local a, b", ";     a, b = nil"},
    {"local a <const>, b <close> = f()", ";     a        , b         = f()"},
    {"local function f() local y = 1 end", ";     function f() local y = 1 end"},
    {"do local z = 1 end local y", "do local z = 1 end ;     y = nil"},
    {"if a then local b = 1 end", "if a then local b = 1 end"},
    {"s = 'local x = 1' -- local y", "s = 'local x = 1' -- local y"},
    {"for i = 1, 2 do local x = i end\nlocal q = 2", "for i = 1, 2 do local x = i end\n;     q = 2"},
}, function(t, case)
    t.eq((source.lift_locals(case[1])), case[2])
end)

spec.test("what is declared <close> is told", function(t)
    local _, closing = source.lift_locals "local a <close>, b <const>, c <close> = 1, 2, 3"
    t.same(closing, {"a", "c"})
end)

spec.table("a line is complete", {
    {"x", true}, {"x = ", false}, {"f(1,", false}, {"{1, 2", false}, {"for i = 1, 2 do", false}, {"1 +", false},
    {"for i = 1, 2 do\nend", true}, {"x = [[", false}, {"x = [[a\n]]", true}, {"x = 'open", true}, {"end end", true},
    {"!for x in 1; do", true}, {":time for", true}, {"  !(", true}, {"= 1 +", false}, {"--[[", false}, {"return", true},
    {"function f()\n  return 1", false}, {"if x then y() else", false}, {"x = = 1", true},
    {"x = 1; x", true}, {"x = 1\nx", true}, {"x = 1; x =", false}, {"x:f", true}, {"y = x.y:f", true},
    {"x:f(", false}, {"f(1); g(2,", false}, {"x = [[\n]]; x", true},
}, function(t, case)
    t.eq(read.is_complete(case[1]), case[2])
end)

spec.table("an expression is told from a statement", {
    {"1 + 1", true}, {"= 1 + 1", true}, {"f()", true}, {"x = 1", false}, {"local x = 1", false}, {"", false},
    {"-- only words", false}, {"a, b", true}, {"x = 1; y", true},
    {"x = 1\ny", true}, {"local x = {1; 2}; #x", true}, {"x = 1; y = ", nil}, {"do x = 1; y", nil}, {"x = 1; y z", nil},
    {"f = function() x = 1; y end", nil}, {"x = 1;", false}, {"x = 1; -- y", false},
}, function(t, case)
    local what = source.compile(case[1], "=rsh")
    if case[2] == nil then
        t.ok(what.message)
        return
    end
    t.ok(what.text, what.message)
    t.eq(what.is_expression or false, case[2])
end)

spec.table("what is wrong is told of what was meant", {
    {"6 * * 7", "near '*'"}, {"{a b}", "near 'b'"}, {"x = = 1", "near '='"}, {"x + = 2", "near '='"},
    {"from stdin", "near 'stdin'"}, {"x:f", "function arguments"}, {"'open", "unfinished string"},
    {"end", "near 'end'"},
}, function(t, case)
    local message = source.compile(case[1], "=rsh").message
    t.ok(message:find(case[2], 1, true), message)
end)

spec.table("blocks that are open, for indenting", {
    {"do", 1}, {"for i = 1, 2 do\nif x then", 2}, {"f({", 2}, {"x = [[", 0}, {"do end", 0}, {"end", 0}, {"a = ')'", 0},
}, function(t, case) t.eq(source.depth(case[1]), case[2]) end)

-- ---- values ----

local cycle = {name = "c"}
cycle.self = cycle
local deep = {}
do
    local at = deep
    for _ = 1, 20 do
        at.x = {}
        at = at.x
    end
end

spec.table("values", {
    {1, "1"}, {1.5, "1.5"}, {"text", "text"}, {"two\nlines\n", "two\nlines"}, {true, "true"}, {{}, "{}"}, {"", '""'},
    {{1, 2, "x"}, '{1, 2, "x"}'}, {{b = 1, a = 2, [10] = 3}, "{[10] = 3, a = 2, b = 1}"},
    {{["not a name"] = 1, ["end"] = 2}, '{["end"] = 2, ["not a name"] = 1}'},
    {cycle, '{name = "c", self = <the table itself>}'},
    {{"a\n\27[2Jb\0"}, '{"a\\n\\x1b[2Jb\\x00"}'}, {"\27[2J", "\\x1b[2J"}, {{"\xff"}, '{"\\xff"}'}, {{"é"}, '{"é"}'},
    {here, "machine here (local)"}, {here:path "/etc", "/etc"}, {{here:path "/etc"}, "{/etc}"},
    {here.ls["-l"], "ls -l   -- not run: c() or c & FG runs it"},
    {deep, "{x = {x = {x = {x = {x = {x = {...}}}}}}}"},
}, function(t, case)
    t.eq(pretty.result(case[1]), case[2])
end)

spec.test("a long table goes on several lines, a huge one has an end", function(t)
    local names, numbers = {}, {}
    for i = 1, 8 do names[i] = ("x"):rep(20) .. i end
    t.match(pretty.value(names), '^{\n  "x+1",\n.*\n}$')
    local short = {}
    for i = 1, 30 do short[i] = i * 1000 end
    t.match(pretty.value(short, 40), "^{\n  1000, 2000, 3000, 4000, 5000, 6000,\n  7000, .*, 30000\n}$")
    for line in pretty.value(short, 40):gmatch "[^\n]+" do t.ok(#line <= 40, line) end
    for i = 1, 100000 do numbers[i] = i end
    local shown = pretty.value(numbers)
    t.ok(#shown < 2000, shown)
    t.match(shown, "%.%.%. 99900 more")
    t.match(pretty.result(("x"):rep(1000000)), "800000 bytes more")
end)

spec.test("what can't be shown doesn't raise, and proxies are asked for a line only", function(t)
    local bad = setmetatable({}, {__tostring = function() error "no" end})
    t.match(pretty.result {bad}, "can't be shown")
    local asked = 0
    local proxy = setmetatable({}, {
        __describe = function()
            asked = asked + 1
            return "proxy of x"
        end,
        __index = function() error "fetched" end, __pairs = function() error "fetched" end,
    })
    t.eq(pretty.result(proxy), "proxy of x")
    t.eq(asked, 1)
end)

spec.test("colours take no room, and only known values have them", function(t)
    colour.set(true)
    t.defer(colour.set, false)
    local shown = pretty.result {1, "x", a = here}
    t.eq(shown:gsub("\27%[", "^"), '{^36m1^0m, ^32m"x"^0m, ^34ma^0m = ^1;34mmachine here (local)^0m}')
    t.eq(pretty.result "text", "text")
    local numbers = {}
    for i = 1, 25 do numbers[i] = i end
    t.eq(select(2, pretty.value(numbers, 80):gsub("\n", "")), 3)
    t.eq(select(2, pretty.value(numbers, 120):gsub("\n", "")), 0)
    t.eq(colour.paint_prompt("good", "rsh"), "\1\27[32m\2rsh\1\27[0m\2")
end)

spec.test("an error as a value", function(t)
    local _, e = pcall(here["false"])
    t.match(pretty.result(e), "false")
end)

-- ---- completion ----

--- What the line can go on with, from | on.
local function found_for(session, text)
    local before, after = text:match "^(.*)|(.-)$"
    local list, from = complete.find(session, before .. after, #before, 10)
    local names = {}
    for i, c in ipairs(list) do names[i] = c.text end
    return names, from, list
end

local function includes(list, name)
    for _, one in ipairs(list) do
        if one == name then return true end
    end
    return false
end

local function new_session() return {where = where.new()} end

_G.things = {alpha = 1, beta = {gamma = 2}, [1] = here, run = function() end}
_G.proxied = nil

local function run(line)
    local what = source.compile(line, "=rsh")
    return variables.bind(what.text, "=rsh", what.declared)()
end

spec.test("locals are locals, in all lines that come", function(t)
    run "local n, word = 1, 'w'"
    t.eq(rawget(_G, "n"), nil)
    t.eq(variables.get "word", "w")
    run "function up() n = n + 1 return n end"
    t.defer(function() _G.up = nil end)
    t.eq(run "up()", 2)
    run "n = 10"
    t.eq(run "up()", 11)
    t.eq(run "n", 11)
    run "local n = n + 1"
    t.eq(run "n", 12)
    t.eq(run "up()", 12, "a function keeps the variable that it has")
    t.eq(run "n", 12)
    run "local function twice(x) return x == 0 and 0 or 2 + twice(x - 1) end"
    t.eq(run "twice(3)", 6)
    t.eq(run "local a = 1; a + n", 13)
    t.eq(run "function() return word end"(), "w")
    local name, value = debug.getupvalue(run "function() return word end", 1)
    t.eq(name, "word")
    t.eq(value, "w")
    t.ok(includes(found_for(new_session(), "wor|"), "word"))
end)

spec.table("completion finds", {
    {"he|", "here"}, {"rsh|", "rshell"}, {"spa|", "spawn"}, {"FG|", "FG"}, {"loc|", "local"},
    {"here.|", "cwd"}, {"here.cw|", "cwd"}, {"here:|", "path"}, {"here:pa|", "path"}, {"here.cwd.par|", "parent"},
    {"here:path('/'):is_|", "is_dir"}, {"x = here:path('/').na|", "name"}, {"m.cw|", "cwd"}, {"ssh('x').cw|", "cwd"},
    {"things.al|", "alpha"}, {"things.beta.|", "gamma"}, {"things[1].cw|", "cwd"}, {"things:|", "run"},
    {"string.fo|", "format"}, {"rshell.sp|", "spawn"}, {"rshell.nodeset.ex|", "expand"}, {"print(here.cw|)", "cwd"},
    {":he|", "help"}, {":trace o|", "on"}, {":help ho|", "host"}, {":doc here:pa|", "path"}, {":time here.cw|", "cwd"},
    {"here.l|", "ls"}, {"!l|", "ls"}, {"!ls / | ca|", "cat"},
    {'here["l|', "ls"}, {"here.ls('-l').x = 1; here:pat|", "path"},
    {'require "js|', "json"}, {'require("rsh|', "rshell"},
}, function(t, case)
    local names = found_for(new_session(), case[1])
    t.ok(includes(names, case[2]), table.concat(names, " "))
end)

spec.table("options of the table that a function takes", {
    {"here:tunnel(1, 2, {re|", "reverse"}, {"m:tunnel{ |", "lhost"}, {'ssh("x", {|', "connect_timeout"},
    {'ssh("x", {port = 22, u|', "user"}, {"here.ls:with{ti|", "timeout"}, {"here.ls:with {timeout = 3, |", "retcode"},
    {"c = here.ls & TF{ret|", "retcode"}, {"copy(a, b, {dele|", "delete"}, {"here:sudo {|", "password"},
    {'here:path("/x"):mkdir({par|', "parents"}, {'cluster("web", {li|', "limit"}, {"parallel({}, f, {li|", "limit"},
    {'ssh("x", {host_keys = "acc|', "accept-new"}, {"ssh('x', {env = f(1, {2}), us|", "user"},
    {"rshell.MultiServerDeployment({here}, {pa|", "partial"},
}, function(t, case)
    local names = found_for(new_session(), case[1])
    t.ok(includes(names, case[2]), table.concat(names, " "))
    t.ok(not includes(names, "here"), "only these")
end)

spec.table("the last word of a line for sh", {
    {"ls", 1, "ls", nil, true}, {"ls /a b", 7, "b"}, {"ls /a\\ b", 4, "/a b"}, {"cat 'x y", 5, "x y", "'"},
    {'cat "x\\" y', 5, 'x" y', '"'}, {"a \124 b", 5, "b", nil, true}, {"a; ", 4, "", nil, true}, {"x=", 3, ""},
    {"cat 'x' y", 9, "y"}, {"cat 'x'", nil}, {"cat a'x y", nil},
}, function(t, case)
    local word = shell.last_word(case[1])
    t.eq(word and word.from, case[2])
    t.eq(word and word.text, case[3])
    t.eq(word and word.quote, case[4])
    if word then t.eq(word.is_first, case[5] or false) end
end)

spec.test("members of clusters, results and calls that are under way; m.cmd", function(t)
    _G.many = rshell.cluster {here}
    t.defer(function() _G.many = nil end)
    _G.came = _G.many:sh "true"
    _G.call = rshell.async(function() end)()
    for _, case in ipairs {
        {"many.gre|", "grep"}, {"many:sel|", "select"}, {"came.he|", "here"}, {"came['he|", "here"},
        {"came.here.st|", "status"}, {"came['here'].st|", "status"}, {"call:aw|", "await"}, {"here.cmd.gre|", "grep"},
        {"many.ls:bi|", "bind"}, {"here:sh('gre|", "grep"}, {"many:sh('ls | gre|", "grep"}, {"here.cmd.ls:ru|", "run"},
        {"here.ls:run():|", nil},
    } do
        local names = found_for(new_session(), case[1])
        if case[2] then t.ok(includes(names, case[2]), case[1]) else t.same(names, {}, case[1]) end
    end
    local names = found_for(new_session(), "here.cmd.|")
    t.ok(not includes(names, "cwd"), "m.cmd has commands alone")
    _G.call:await()
end)

spec.test("~ is the home folder where nobody would read it", function(t)
    local home = os.getenv "HOME"
    here:path(home, "tilde-one"):write ""
    t.defer(function() here:path(home, "tilde-one"):delete() end)
    for _, line in ipairs {'here.cat("~/tilde-|', 'here:path "~/tilde-|', "dofile '~/tilde-|"} do
        t.same(found_for(new_session(), line), {home .. "/tilde-one"}, line)
    end
    for _, line in ipairs {'ssh("x", {keyfile = "~/tilde-|', "!cat ~/tilde-|", ":save ~/tilde-|"} do
        t.same(found_for(new_session(), line), {"~/tilde-one"}, line)
    end
end)

spec.test("files below a path that the line names", function(t)
    local dir = t.tmp()
    here:path(dir, "a/deep"):mkdir {parents = true}
    for _, form in ipairs {"here:path '%s/a' / 'd|", "here:path('%s') / 'a' / 'd|", "here:path('%s/a') / 'd|"} do
        t.same(found_for(new_session(), form:format(dir)), {"deep/"}, form)
    end
end)

spec.table("what is no option is completed as elsewhere", {
    {"here:tunnel(1, 2, {reverse = he|", "here"}, {"x = {he|", "here"}, {"here.ls:with{env = {he|", "here"},
    {"ssh({he|", "here"},
}, function(t, case)
    local names = found_for(new_session(), case[1])
    t.ok(includes(names, case[2]), table.concat(names, " "))
end)

spec.table("names of environment variables", {
    {"here.env.PA|", "PATH"}, {"x = here.env.HO|", "HOME"}, {"here.env['PA|", "PATH"}, {'here.env:get("PA|', "PATH"},
    {"other.RSH|", "RSHELL_PROMPT_SPEC"}, {'other["RSHELL-|', "RSHELL-PROMPT"},
}, function(t, case)
    _G.other = here:with {env = {RSHELL_PROMPT_SPEC = "1", ["RSHELL-PROMPT"] = "2", HOME = false}}.env
    t.defer(function() _G.other = nil end)
    local names = found_for(new_session(), case[1])
    t.ok(includes(names, case[2]), table.concat(names, " "))
    t.ok(not includes(found_for(new_session(), "other.HO|"), "HOME"), "it is unset there")
    t.ok(not includes(found_for(new_session(), "here.env:HO|"), "HOME"), "no method")
end)

spec.table("completion finds nothing", {
    {"-- here.|"}, {"here.cwd.nosuch.|"}, {"12|"}, {"'text |"}, {"nosuch.|"}, {"things.run.|"}, {":nosuch |"},
}, function(t, case)
    t.same(found_for(new_session(), case[1]), {})
end)

spec.test("completion never runs the line", function(t)
    local ran = 0
    _G.trap = setmetatable({}, {__index = function() ran = ran + 1 end, __call = function() ran = ran + 1 end})
    found_for(new_session(), "trap.x.|")
    found_for(new_session(), "trap().|")
    found_for(new_session(), "trap.|")
    t.eq(ran, 0)
end)

spec.test("files of the machine that a string is for", function(t)
    local dir = t.tmp()
    here:path(dir, "one.txt"):write "1"
    here:path(dir, "only"):mkdir()
    here:path(dir, ".hidden"):write ""
    for _, form in ipairs {
        'here:path("%s/on|', 'here.cat("%s/on|', "here.cat('-n', '%s/on|", 'x = "%s/on|',
        'here:at("%s/on|', "!cat %s/on|", ":save %s/on|", 'here.ls["%s/on|',
    } do
        local names, _, list = found_for(new_session(), form:format(dir))
        t.same(names, {dir .. "/one.txt", dir .. "/only/"}, form)
        t.eq(list[2].ending, "", form)
    end
end)

spec.test("files below a path that a variable has", function(t)
    local dir = t.tmp()
    here:path(dir, "deploy.lua"):write ""
    _G.base = here:path(dir)
    t.same(found_for(new_session(), 'x = base / "de|'), {"deploy.lua"})
    local names = found_for(new_session(), ("!ls %s/.|"):format(dir))
    t.same(names, {})
end)

spec.test("a name with a blank is quoted for sh, and not in Lua", function(t)
    local dir = t.tmp()
    here:path(dir, "a b"):write ""
    t.same(found_for(new_session(), ("!cat %s/|"):format(dir)), {dir .. "/a\\ b"})
    t.same(found_for(new_session(), ("!cat %s/a\\ |"):format(dir)), {dir .. "/a\\ b"})
    for _, quote in ipairs {"'", '"'} do
        local names, _, list = found_for(new_session(), ("!cat %s%s/a|"):format(quote, dir))
        t.same(names, {quote .. dir .. "/a b"})
        t.eq(list[1].ending, quote .. " ")
    end
    t.same(found_for(new_session(), ("here:path('%s/|"):format(dir)), {dir .. "/a b"})
end)

spec.test("hosts of ssh_config, what it includes, known_hosts and the groups file", function(t)
    local home = os.getenv "HOME"
    local ssh = here:path(home, ".ssh"):mkdir {exist_ok = true}
    t.defer(function() ssh:delete {recursive = true} end)
    ;(ssh / "config"):write "Host alpha beta *.wild !no\n  Port 22\nInclude more.conf\n"
    ;(ssh / "more.conf"):write "host=gamma\n"
    ;(ssh / "known_hosts"):write [[
delta,10.0.0.1 ssh-ed25519 AAA
|1|hash|hash ssh-rsa A
[eps]:2222 ssh-rsa A
@revoked x y
]]
    local groups = here:path(os.getenv "XDG_CONFIG_HOME" or home .. "/.config", "rshell")
    groups:mkdir {parents = true, exist_ok = true}
    ;(groups / "groups"):write "web: web[1-3]\n"
    t.defer(function() groups:delete {recursive = true} end)
    local names = found_for(new_session(), 'ssh "|')
    for _, name in ipairs {"alpha", "beta", "gamma", "delta", "10.0.0.1", "eps:2222", "@web"} do
        t.ok(includes(names, name), name .. " in " .. table.concat(names, " "))
    end
    t.ok(not includes(names, "*.wild") and not includes(names, "x"))
    t.same(found_for(new_session(), 'ssh("root@al|'), {"root@alpha"})
    t.same(found_for(new_session(), ":host alp|"), {"alpha"})
    t.same(found_for(new_session(), 'cluster "alpha,ga|'), {"gamma"})
end)

spec.test("an object whose class tells its names is asked once", function(t)
    local asked = 0
    local _, make = require "rshell.object".class "things over there"
    local remote = make {}
    debug.getmetatable(remote).__names = function()
        asked = asked + 1
        return {"fetch", "store"}
    end
    _G.remote = remote
    t.same(found_for(new_session(), "remote.|"), {"fetch", "store"})
    t.same(found_for(new_session(), "remote.f|"), {"fetch"})
    t.eq(asked, 1)
end)

spec.test("a machine that hangs holds up no key", function(t)
    local _, make = require "rshell.object".class "slow things"
    local slow, asked = make {}, 0
    debug.getmetatable(slow).__names = function()
        asked = asked + 1
        task.sleep(1)
        return {"late"}
    end
    _G.slow = slow
    local before = task.now()
    local list, _, late = complete.find(new_session(), "slow.", 5)
    local took = task.now() - before
    t.same(list, {})
    t.ok(late)
    t.ok(took >= 0.09 and took < 0.9, took) -- 0.1 s; the rest is what a busy machine takes
    t.same(complete.find(new_session(), "slow.", 5), {})
    task.sleep(1.5)
    t.same(found_for(new_session(), "slow.|"), {"late"})
    t.eq(asked, 1)
end)

-- ---- what somebody may have meant ----

--- This machine with no programs but these.
local function machine_with(t, ...)
    local dir = t.tmp()
    here:path(dir, "sh"):symlink "/bin/sh"
    for _, name in ipairs {...} do here:path(dir, name):write("#!/bin/sh\n", {mode = "755"}) end
    return here:with {env = {PATH = dir}}
end

spec.test("the program that somebody meant", function(t)
    local m = machine_with(t, "git", "gtf", "get", "ls", "ll", "systemctl")
    t.eq(meant.program(m, "gti"), "git")
    t.eq(meant.program(m, "sytemctl"), "systemctl")
    t.eq(meant.program(m, "lgit"), "git")
    t.eq(meant.program(m, "lgits"), nil)
    t.eq(meant.program(m, "sl"), "ls")
    t.eq(meant.program(m, "lx"), nil, "half of a name is too much")
    t.eq(meant.program(m, "git"), nil, "that one is there")
    t.eq(meant.program(m, "/bin/gti"), nil)
    t.eq(meant.program(m, "nothing-like-it"), nil)
end)

spec.table("the program that a line of sh meant", {
    {"gti status", "git"}, {"ls | grpe x", "grep"}, {"cd /x && gti", "git"}, {"A=1 gti", nil}, {"exit 127", nil},
    {"ls | git", nil},
}, function(t, case)
    t.eq(meant.by_line(machine_with(t, "git", "ls", "grep"), case[1]), case[2])
end)

spec.test("an error says which machine has no such program; others have no hint", function(t)
    local _, e = pcall(here.grpe)
    t.eq(meant.by_error(e), "grep")
    _, e = pcall(here.which, here, "grpe")
    t.eq(meant.by_error(e), "grep")
    _, e = pcall(function() return here:path("/nosuch"):read() end)
    t.eq(meant.by_error(e), nil)
    t.eq(meant.by_error(err.new {kind = "notfound", host = "gone", name = "grpe", message = "no program 'grpe'"}), nil)
end)

spec.test("a machine that is slow to tell its programs holds up nobody", function(t)
    local names, owner = programs.names, {}
    t.defer(function() programs.names = names end)
    programs.names = function()
        return pending.ask(owner, "programs", 60, function() task.sleep(1.5) return {"git"} end)
    end
    local before = task.now()
    t.eq(meant.program(here, "gti"), nil)
    t.ok(task.now() - before < 1.4, "the answer was awaited")
    task.sleep(2)
    t.eq(meant.program(here, "gti"), "git")
end)

-- ---- documents ----

spec.test("every class of the stubs is known, with a line about each member", function(t)
    local files = here:path((arg[0]:gsub("[^/]*$", "") .. "../../lua/types")):glob "*.lua"
    local declared = 0
    for _, file in ipairs(files) do
        for name in file:read():gmatch "%-%-%-@class ([%w_.]+)" do
            declared = declared + 1
            t.ok(docs.class(name), name)
        end
    end
    t.ok(declared > 20)
    t.eq(docs.member("rshell.Machine", "path").kind, "method")
    t.eq(docs.member("rshell.Machine", "path").type, "rshell.Path")
    t.eq(docs.member("rshell.Machine", "cwd").type, "rshell.Workdir")
    t.match(docs.member("rshell.Machine", "tunnel").about, "^A tunnel")
    t.match(docs.member("rshell.Workdir", "is_dir").signature, "is_dir%(%)")
    for _, class in ipairs(docs.names()) do
        for _, member in ipairs(docs.members(class)) do
            t.ok(member.kind == "field" or member.doc ~= "", class .. "." .. member.name .. " has no text")
        end
    end
end)

-- ---- history ----

spec.test("history that no file can take lasts as long as the prompt", function(t)
    local one = history.new()
    one.path = here:path "/proc/none/history"
    local ok, why = one:add "first"
    t.eq(ok, nil)
    t.match(why, "^what is typed is not kept for later: can't .-/proc/none")
    t.same(one:news(), {"first"})
    t.ok(one:add "second")
    t.same(one:news(), {"second"})
    t.same(one:news(), {})
end)

spec.test("history is shared, exact, and for its owner only", function(t)
    local one, two = history.new(), history.new()
    t.defer(function() one.path:delete() end)
    t.same(one:news(), {})
    local entries = {"x = 1", "for i = 1, 2 do\n  print(i)\nend", "a = '\\n'", "\195\169"}
    for _, entry in ipairs(entries) do t.ok(one:add(entry)) end
    one:add "\195\169"
    one:add " secret()"
    t.same(two:news(), entries)
    two:add "from two"
    t.same(two:news(), {"from two"})
    t.eq(one.path:mode(), 384) -- 0600
    local all = one:news()
    t.eq(#all, 5)
    t.eq(all[5], "from two")
end)

-- ---- :save ----

spec.test("a saved session does the same", function(t)
    local dir = t.tmp()
    local kept = {
        {how = "statement", text = "local x = 20 + 1"}, {how = "value", text = "= x * 2"},
        {how = "call", text = "print 'said'"}, {how = "lua", text = ("m.cwd:chdir %q"):format(dir)},
        {how = "shell", text = "pwd"}, {how = "value", text = "here:path('/etc').name"},
    }
    local file = here:path(dir, "session.lua")
    file:write(save.script(kept))
    local c = here[os.getenv "RSHELL"]
    t.eq(c("run", file), ("42\nsaid\n%s\netc\n"):format(dir))
    kept[#kept + 1] = {how = "value", text = "_ .. '!'"}
    file:write(save.script(kept))
    t.match(c("run", file), "\netc!\n$")
end)

spec.test("an expression behind statements is shown, and saved", function(t)
    local file = here:path(t.tmp(), "session.lua")
    local lines = ("local x = 20; x + 1\nlocal y = x\n_ * 2\nprint 'a'; print 'b'\n:save %s\n"):format(file)
    local c = here[os.getenv "RSHELL"]
    t.match((c["-i"] << lines)(), "^rsh> 21\nrsh> rsh> 42\nrsh> a\nb\nrsh> 5 lines saved[^\n]*\nrsh> \n$")
    t.eq(c("run", file), "21\n42\na\nb\n")
end)

spec.test("a saved session shows what was shown: tables, several values, text that ends with its line", function(t)
    local file = here:path(t.tmp(), "session.lua")
    local lines = "t = {1, x = 'y'}\nt\n1, 'two'\n'a\\n'\n{_}\nhere:path '/etc' -- a path\n"
    local c = here[os.getenv "RSHELL"]
    local shown = (c["-i"] << lines .. ":save " .. file .. "\n")():gsub("rsh> ", "")
    t.match(shown, '^{1, x = "y"}\n1\ntwo\na\n{"a\\n"}\n/etc\n6 lines saved')
    t.eq(c("run", file), shown:gsub("6 lines.*", ""))
    local text = ("long "):rep(100000)
    t.eq(c("-e", "rshell.output.show(('long '):rep(100000))"), text .. "\n")
end)

spec.finish()
