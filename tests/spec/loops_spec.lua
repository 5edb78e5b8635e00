package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local machines = require "machines"
local m, other = machines.get(), machines.other()
local programs = require "programs"

local function lines_of(c, ...)
    local got = {}
    for line in c:lines(...) do got[#got + 1] = line end
    return got
end

-- What iter gives: arrays of the lines of each kind.
local function iter_of(c, ...)
    local got = {out = {}, err = {}}
    for which, line in c:iter(...) do table.insert(got[which], line) end
    return got
end

-- ---- lines ----

spec.test("lines", function(t)
    t.same(lines_of(m.printf["a\\nb\\n"]), {"a", "b"})
    t.same(lines_of(m.printf["a\\n\\nb"]), {"a", "", "b"}, "also the last without a newline")
    t.same(lines_of(m["true"]), {})
    t.same(lines_of(m.seq, 3), {"1", "2", "3"}, "with arguments")
    t.same(lines_of(m.cat << "x\0y\n\255\n"), {"x\0y", "\255"})
    t.same(lines_of(m.echo["x"]:to "/dev/null"), {}, "nothing is left to read")
    t.eq(#lines_of(m.seq, 100000), 100000)
end)

spec.test("a loop and its program take turns", function(t)
    local dir <close> = m:tempdir()
    local fifo = dir / "fifo"
    m.mkfifo(fifo)
    local got = {}
    for line in m:sh('echo first; read x < "$1"; echo $x', fifo):lines() do
        got[#got + 1] = line
        if line == "first" then m:sh('echo second > "$1"', fifo)() end
    end
    t.same(got, {"first", "second"})
end)

spec.table("leaving the loop ends the program at once", {
    {name = "break", function(c)
        for line in c:lines() do
            if tonumber(line) then return line end
        end
    end},
    {name = "break of iter", function(c)
        for _, line in c:iter() do
            if tonumber(line) then return line end
        end
    end},
    {name = "an error", function(c)
        local line
        pcall(function()
            for l in c:lines() do
                line = l
                error "out"
            end
        end)
        return line
    end},
    {name = "across machines", function(c)
        for line in (c | other.cat):lines() do
            if tonumber(line) then return line end
        end
    end},
    {name = "iter across machines", function(c)
        for _, line in (c | other.cat):iter() do
            if tonumber(line) then return line end
        end
    end},
}, function(t, c)
    local pid = tonumber(c[1](m:sh "echo $$; exec sleep 1000"))
    t.ok(programs.gone(m, pid))
    pid = tonumber(c[1](m:sh "trap '' TERM; echo $$; sleep 1000; :"))
    t.ok(programs.gone(m, pid))
    pid = tonumber(c[1](m:sh "echo $$; while :; do echo y; echo y >&2; done"))
    t.ok(programs.gone(m, pid))
end)

spec.test("a bad status raises at the end, with stderr", function(t)
    local c = m:sh "echo a; echo b; echo err >&2; exit 3"
    for name, loop in pairs {lines = lines_of, iter = iter_of} do
        local e = t.raises("process", loop, c)
        t.eq(e.code, 3, name)
        t.eq(e.stderr, "err\n")
        t.eq(e.stdout, nil)
        t.eq(e.command, tostring(c))
        t.eq(e.host, m.name)
        t.eq(t.raises("process", loop, m:sh "kill -KILL $$").signal, "KILL")
    end
    local got = {}
    t.raises("process", function()
        for line in c:lines() do got[#got + 1] = line end
    end)
    t.same(got, {"a", "b"}, "after all lines")
    t.same(lines_of(c:with {retcode = 3}), {"a", "b"})
    t.eq(#lines_of((m.yes | m.head["-n2"]):with {pipefail = true, retcode = {0, 141}}), 2)
end)

spec.test("much on stderr doesn't hold up lines", function(t)
    local long = ("e"):rep(100)
    local script = ("i=0; while [ $i -lt 3000 ]; do echo %s >&2; i=$((i + 1)); done; echo out; exit 1"):format(long)
    local got = {}
    local e = t.raises("process", function()
        for line in m:sh(script):lines() do got[#got + 1] = line end
    end)
    t.same(got, {"out"})
    t.eq(#e.stderr, 303000)
    e = t.raises("process", lines_of, m:sh(script):with {max_output = 1000})
    t.ok(#e.stderr >= 1000 and #e.stderr < 200000, #e.stderr)
end)

-- ---- iter ----

spec.test("iter", function(t)
    t.same(iter_of(m:sh "echo a; echo b >&2; echo c; printf d >&2"), {out = {"a", "c"}, err = {"b", "d"}})
    t.same(iter_of(m:sh 'echo "$1" >&2', "x"), {out = {}, err = {"x"}})
    t.same(iter_of(m["true"]), {out = {}, err = {}})
    t.same(iter_of(m.echo, "x"), {out = {"x"}, err = {}})
    t.same(iter_of(m:sh("echo a; echo b >&2"):err_to_out()), {out = {"a", "b"}, err = {}})
    t.same(iter_of(m:sh("echo a; echo b >&2"):to "/dev/null"), {out = {}, err = {"b"}})
    t.same(iter_of(m:sh("echo a; echo b >&2"):to "/dev/null":err_to_out()), {out = {}, err = {}})
    t.same(iter_of(m:sh "echo a >&2" | other:sh "cat; echo b >&2; echo c").out, {"c"})
end)

spec.test("iter gives lines in the order in which they come", function(t)
    local dir <close> = m:tempdir()
    local got = {}
    local script = [[
        step() { until [ -e "$1" ]; do sleep 0.01; done; }
        for i in 1 2 3; do echo $i; step out$i; echo $i >&2; step err$i; done]]
    for which, line in m:at(dir):sh(script):iter() do
        got[#got + 1] = which .. line;
        (dir / (which .. line)):touch()
    end
    t.same(got, {"out1", "err1", "out2", "err2", "out3", "err3"})
end)

spec.test("iter with many lines on both", function(t)
    local got = iter_of(m:sh "i=0; while [ $i -lt 5000 ]; do echo $i; echo $i >&2; i=$((i + 1)); done")
    t.eq(#got.out, 5000)
    t.same(got.out, got.err)
end)

-- ---- time and memory ----

spec.table("timeout and line_timeout", {
    {name = "lines", lines_of}, {name = "iter", iter_of},
}, function(t, c)
    for _, script in ipairs {"echo a; sleep 1000", "exec >&- 2>&-; sleep 1000", "trap '' TERM; sleep 1000; :"} do
        local e = t.raises("timeout", c[1], m:sh(script):with {timeout = 0.3})
        t.match(e.message, "was not done after 0.3 s and was ended$")
        t.eq(e.host, m.name)
    end
    local e = t.raises("timeout", c[1], m:sh "echo a; exec sleep 1000":with {line_timeout = 0.3})
    t.match(e.message, "printed nothing for 0.3 s and was ended$")
    c[1](m:sh "for i in 1 2 3 4; do echo $i; sleep 0.2; done":with {line_timeout = 3})
    t.eq(#lines_of(m.seq["5"]:with {timeout = 60}), 5)
end)

spec.test("a slow loop is no idle program", function(t)
    for _, method in ipairs {"lines", "iter"} do
        local n = 0
        local c = m.seq["3"]:with {line_timeout = 0.2}
        for _ in c[method](c) do
            n = n + 1
            rshell.sleep(0.4)
        end
        t.eq(n, 3)
    end
end)

spec.test("a loop that stops reading stops the writer", function(t)
    local dir <close> = m:tempdir()
    local count = dir / "count"
    for _, method in ipairs {"lines", "iter"} do
        count:write ""
        local c = m:sh("while :; do printf '%1000s\\n'; echo >> $1; done", count)
        local size
        for _ in c[method](c) do
            local before = size
            rshell.sleep(0.5)
            size = count:size()
            if size == before then break end
        end
        t.ok(size < 1000 + machines.under_way(), "it wrote " .. size .. " kB")
    end
end)

spec.test("a line that never ends is an error, in bounded memory", function(t)
    programs.bounded(t, 40, function()
        for _, loop in ipairs {lines_of, iter_of} do
            local e = t.raises("io", loop, (m.yes | m.tr["-d"]["\n"]):with {max_output = 1000000})
            t.match(e.message, "max_output")
        end
    end)
    t.eq(#lines_of(m:sh "printf '%100000s'")[1], 100000)
end)

-- ---- by hand ----

spec.test("an iterator without a loop", function(t)
    local next_line = m.seq["2"]:lines()
    t.eq(next_line(), "1")
    t.eq(next_line(), "2")
    t.eq(next_line(), nil)
    t.eq(next_line(), nil)
end)

spec.test("loops in loops, and in many tasks", function(t)
    local got = {}
    for a in m.seq["2"]:lines() do
        for b in m.seq["2"]:lines() do got[#got + 1] = a .. b end
    end
    t.same(got, {"11", "12", "21", "22"})
    local tasks = {}
    for i = 1, 20 do tasks[i] = rshell.spawn(lines_of, m.seq[i]) end
    for i = 1, 20 do t.eq(#tasks[i]:await(), i) end
end)

spec.finish()
