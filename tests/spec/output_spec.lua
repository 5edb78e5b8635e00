-- What commands print with: widths, tables, colours, and the line that tells how far things are.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local color = require "rshell.output.color"
local layout = require "rshell.output.layout"
local rate = require "rshell.output.rate"
local rshell = require "rshell"
local units = require "rshell.output.units"

local here, output = rshell.here, rshell.output
local program = here[os.getenv "RSHELL" or arg[0]:gsub("[^/]*$", "") .. "../../build/rshell"]

-- ---- amounts ----

spec.table("sizes", {
    {0, "0 B"}, {999, "999 B"}, {0.4, "0 B"}, {1000, "1.0 kB"}, {1549, "1.5 kB"}, {99949, "99.9 kB"}, {99950, "100 kB"},
    {123456789, "123 MB"}, {2.5e12, "2.5 TB"}, {5e15, "5000 TB"},
}, function(t, c) t.eq(units.size(c[1]), c[2]) end)

spec.table("times", {
    {0, "0:00"}, {0.1, "0:01"}, {59.5, "1:00"}, {3599, "59:59"}, {3661, "1:01:01"}, {1e300, "99:59:59"},
    {math.huge, "99:59:59"},
}, function(t, c) t.eq(units.time(c[1]), c[2]) end)

spec.test("a rate is that of the last seconds", function(t)
    local r = rate.new()
    t.eq(r:get(), nil)
    r:note(100, 0)
    t.eq(r:get(), nil)
    for s = 1, 10 do r:note(100 + s, s * 10) end
    t.eq(r:get(), 10.0)
    for s = 11, 20 do r:note(100 + s, 100) end
    t.eq(r:get(), 0.0, "a stall shows")
    t.ok(#r.marks < 10, "old ones are forgotten")
end)

-- ---- columns ----

spec.table("widths", {
    {"", 0}, {"abc", 3}, {"日本", 4}, {"e\u{301}x", 2}, {"😀", 2}, {"\27[31m", 8}, {"a\tb", 3}, {"a\nb", 4}, {"\xff", 1},
}, function(t, c) t.eq(output.width(c[1]), c[2]) end)

spec.table("what fits", {
    {"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"日本語", 6, "日本語"},
    {"cafe\u{301}", 4, "cafe\u{301}"}, {"cafe\u{301}s", 4, "caf…"}, {"ab", 1, "…"}, {"ab", 0, ""}, {"", 0, ""},
    {"a\27b", 3, "a\\…"},
}, function(t, c)
    local fitting = output.fit(c[1], c[2])
    t.eq(fitting, c[3])
    t.ok(output.width(fitting) <= c[2])
end)

spec.test("words are broken into lines", function(t)
    t.same(layout.wrap("one two  three", 7), {"one two", "three"})
    t.same(layout.wrap("日本 日本 x", 6), {"日本", "日本 x"})
    t.same(layout.wrap("longer than it", 3), {"longer", "than", "it"})
    t.same(layout.wrap("", 9), {""})
end)

-- ---- tables ----

local function lines(...) return table.concat({...}, "\n") .. "\n" end

spec.test("a table's columns are as wide as what is in them", function(t)
    t.eq(output.table {{"a", 1, "x"}, {"bbb", 100, "y"}}, lines("a      1  x", "bbb  100  y"))
    t.eq(output.table {{"日本", "|"}, {"e\u{301}", "|"}}, lines("日本  |", "e\u{301}     |"))
    t.eq(output.table({{host = "web1", n = 5}, {"db", 10}}, {columns = {"host", "n"}}),
        lines("host   n", "web1   5", "db    10"))
    t.eq(output.table {{"a", nil, "c"}, {nil, nil, "d"}}, lines("a    c", "     d"))
    t.eq(output.table {{"a\nb\27", true}}, lines "a\\nb\\x1b  true")
    t.eq(output.table {}, "")
    t.eq(output.table({}, {columns = {"a", "b"}}), lines "a  b")
end)

spec.test("a table fits", function(t)
    local rows = {{"host", ("x"):rep(50), ("日本"):rep(20)}, {"h", "y", "z"}}
    for width = 16, 150, 7 do
        for line in output.table(rows, {width = width}):gmatch "[^\n]+" do
            t.ok(output.width(line) <= width, line)
        end
    end
    t.eq(output.table({{("x"):rep(9), "1234"}}, {width = 12}), lines "xxxxx…  1234")
    t.eq(output.table({{("x"):rep(9), "1234"}}, {width = 1}), lines "xxx…  1234", "none vanishes")
end)

spec.table("wrong usage", {
    {"table", 5}, {"table", {5}}, {"table", {}, {column = {}}}, {"fit", "x"}, {"width", 1}, {"paint", "rde", "x"},
    {"size", "x"}, {"time", -1}, {"progress", {totla = 1}}, {"tabel"},
}, function(t, c)
    t.raises("usage", function() output[c[1]](c[2], c[3]) end)
end)

-- ---- colours ----

spec.test("where there are colours", function(t)
    local script = [[io.write(rshell.output.paint("red", "x"))]]
    local function painted(more, pty)
        local env = {NO_COLOR = false, CLICOLOR_FORCE = false, TERM = "xterm"}
        for k, v in pairs(more) do env[k] = v end
        return program["-e"][script]:with {env = env, pty = pty}()
    end
    t.eq(painted({}, true), "\27[31mx\27[0m")
    t.eq(painted({NO_COLOR = ""}, true), "\27[31mx\27[0m", "an empty one doesn't count")
    t.eq(painted({NO_COLOR = "1"}, true), "x")
    t.eq(painted({TERM = "dumb"}, true), "x")
    t.eq(painted({TERM = false}, true), "x")
    t.eq(painted {}, "x")
    t.eq(painted {CLICOLOR_FORCE = "1"}, "\27[31mx\27[0m")
    t.eq(painted {CLICOLOR_FORCE = "0"}, "x")
    t.eq(painted {CLICOLOR_FORCE = "1", NO_COLOR = "1"}, "x")
    for style in pairs(color.STYLES) do t.match(color.STYLES[style], "^[%d;]+$") end
end)

-- ---- progress ----

--- What a terminal of so many columns shows of a script's output, a line a row, with its last state.
local function at_terminal(t, script, columns)
    local p <close> = program["-e"][script]:with {env = {TERM = "tmux"}}:popen {pty = {rows = 24, cols = columns or 80}}
    local text, done = "", false
    local reader = rshell.spawn(function()
        pcall(function()
            for block in function() return p.stdout:read(65536) end do text = text .. block end
        end)
        done = true
    end)
    p:wait(60)
    for _ = 1, 500 do
        if done then break end
        rshell.sleep(0.02)
    end
    reader:cancel()
    return text
end

--- Each line as it is when the terminal has followed the returns and erasing within it.
local function settled(text)
    local rows = {}
    for line in (text .. "\n"):gmatch "(.-)\n" do
        rows[#rows + 1] = line:gsub("\r$", ""):gsub(".*\27%[K", ""):gsub(".*\r", "")
    end
    return rows
end

spec.test("progress is shown, and goes", function(t)
    local text = at_terminal(t, [[
        local p <close> = rshell.output.progress {label = "copying", total = 4000, bytes = true}
        p:set(1000)
        sleep(0.5)
        p:add(1000)
        sleep(0.5)]])
    t.match(text, "copying  1%.0 kB of 4%.0 kB %(25 %%%)")
    t.match(text, "copying  2%.0 kB of 4%.0 kB %(50 %%%)  [%d.]+ k?B/s  [%d:]+ left")
    t.same(settled(text), {""})
end)

spec.test("lines that are printed meanwhile stay whole", function(t)
    local text = at_terminal(t, [[
        local p <close> = rshell.output.progress {label = "working", total = 30}
        for i = 1, 30 do
            p:add()
            print("out " .. i)
            io.stderr:write("err ", i, "\n")
            io.write("two ")
            sleep(0.02)
            io.write("parts ", i, "\n")
            require "rshell.log".write("error", "me", "log " .. i)
            sleep(0.03)
        end]])
    t.match(text, "working  %d+ of 30")
    local rows, at = settled(text), 0
    for i = 1, 30 do
        for _, want in ipairs {"out " .. i, "err " .. i, "two parts " .. i, "rshell: error: me: log " .. i} do
            at = at + 1
            t.eq(rows[at], want)
        end
    end
end)

spec.test("no line is drawn while another has not ended", function(t)
    local text = at_terminal(t, [[
        local p <close> = rshell.output.progress {label = "working"}
        io.write "a line that "
        sleep(0.7)
        print "ends"
        sleep(0.5)]])
    t.match(text, "^a line that ends\r\n")
    t.match(text, "working")
end)

spec.test("no more than the window's columns", function(t)
    local text = at_terminal(t, [[
        local p <close> = rshell.output.progress {label = ("日本"):rep(40)}
        sleep(0.5)]], 30)
    local shown = text:match "\r\27%[K([^\r]+)"
    t.ok(shown and layout.width(shown) <= 29, shown)
    t.match(shown, "…$")
end)

spec.test("a program on the terminal isn't disturbed", function(t)
    local text = at_terminal(t, [[
        local p <close> = rshell.output.progress {label = "working"}
        sleep(0.5)
        FG(here:sh("printf '<'; sleep 0.7; printf '>\n'"))
        sleep(0.5)]])
    t.match(text, "<>")
    t.match(text, "working.*<>.*working")
end)

spec.test("where there is no terminal, nothing is shown", function(t)
    local script = [[
        local p <close> = rshell.output.progress {label = "working", total = 3}
        p:add()
        sleep(0.5)
        print(p, p.done, p.total, rshell.type(p))]]
    local code, out, errors = program["-e"][script]:run()
    t.same({code, out, errors}, {0, "progress 1 of 3\t1\t3\tprogress\n", ""})
    -- Behind a pipe somebody else writes to the terminal.
    local text = here:sh([["$1" -e "$2" | cat]], program.argv[1], script):with {pty = true, env = {TERM = "tmux"}}()
    t.eq(text, "progress 1 of 3\t1\t3\tprogress\r\n")
end)

spec.test("it goes with an error, os.exit and the garbage collector", function(t)
    local start = [[p = rshell.output.progress {label = "working"} sleep(0.5) ]]
    t.match(at_terminal(t, start .. "error 'wrong'"), "working[^\r]*\r\27%[K\27%[1;31mrshell:[^\n]*wrong\r\n$")
    t.match(at_terminal(t, start .. "os.exit(3)"), "working[^\r]*\r\27%[K$")
    local dropped = start .. "p = nil collectgarbage() print 'gone' sleep(0.5)"
    t.match(at_terminal(t, dropped), "working[^\r]*\r\27%[Kgone\r\n$")
end)

spec.finish()
