package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local rshell = require "rshell"
local m = require("machines").get()
local other = require("machines").other()
local programs = require "programs"

local BOTH = "echo out; echo err >&2"

-- A sink for `to`: a function, and what it got.
local function gather()
    local got = {}
    return function(block) got[#got + 1] = block end, function() return table.concat(got) end
end

-- An object with the methods of streams.
local function stream_of(text)
    local at = 1
    return {
        read = function(_, n)
            local block = text:sub(at, at + n - 1)
            at = at + #block
            return block ~= "" and block or nil
        end,
    }
end

local function sink_stream()
    local got = {}
    return {
        write = function(self, block)
            got[#got + 1] = block
            return self
        end,
        text = function() return table.concat(got) end,
    }
end

-- ---- to, append ----

spec.test("to a file: by name, by path object, relative to cwd", function(t)
    local dir <close> = m:tempdir()
    local f = dir / "f"
    t.eq(m.echo["a"]:to(tostring(f))(), "")
    t.eq(f:read(), "a\n")
    t.eq(m.echo["b"]:to(f)(), "")
    t.eq(f:read(), "b\n", "what was there is gone")
    m:at(dir).echo["c"]:to "g"()
    t.eq((dir / "g"):read(), "c\n")
    m:at(dir).echo["d"]:to "f":with {cwd = "/"}()
    t.eq(f:read(), "d\n", "the name means the view's directory")
end)

spec.test("append and >>", function(t)
    local dir <close> = m:tempdir()
    local f = dir / "f"
    m.echo["a"]:append(f)()
    m.echo["b"]:append(tostring(f))();
    (m.echo["c"] >> f)();
    (m.echo["d"] >> tostring(f))()
    t.eq(f:read(), "a\nb\nc\nd\n")
end)

spec.test("all that run gives, beside a redirection", function(t)
    local dir <close> = m:tempdir()
    local code, out, err, codes = m:sh(BOTH .. "; exit 4"):to(dir / "f"):run()
    t.same({code, out, err, codes}, {4, "", "err\n", {4}})
    t.eq((dir / "f"):read(), "out\n")
    local e = t.raises("process", m:sh(BOTH .. "; exit 4"):to(dir / "f"))
    t.eq(e.stderr, "err\n")
end)

spec.test("a new file has the mode that umask leaves", function(t)
    local dir <close> = m:tempdir()
    m:with {umask = 63}.echo:to(dir / "a")()
    t.eq((dir / "a"):mode(), 384)
    m.echo:to(dir / "b"):with {umask = 2}()
    t.eq((dir / "b"):mode(), 436)
end)

spec.table("a function gets what is printed, at every end", {
    {name = "to", function(c, fn) return c:to(fn) end, "out\n", "", "err\n"},
    {name = "append", function(c, fn) return c:append(fn) end, "out\n", "", "err\n"},
    {name = ">>", function(c, fn) return c >> fn end, "out\n", "", "err\n"},
    {name = "err_to", function(c, fn) return c:err_to(fn) end, "err\n", "out\n", ""},
}, function(t, c)
    local fn, got = gather()
    local code, out, err = c[1](m:sh(BOTH), fn):run()
    t.same({code, got(), out, err}, {0, c[2], c[3], c[4]})
end)

spec.test("a function gets bytes, in blocks, and may wait", function(t)
    local data = programs.ALL_BYTES:rep(8000)
    local got = {}
    local c = (m.cat << data):to(function(block)
        rshell.sleep(0.001)
        got[#got + 1] = block
    end)
    t.eq(c(), "")
    t.ok(table.concat(got) == data)
    t.ok(#got > 1)
end)

spec.test("a stream gets what is printed: ours, a Lua file, any object that writes", function(t)
    local dir <close> = m:tempdir()
    local sink = sink_stream()
    m.echo["a"]:to(sink)()
    m.echo["b"]:to(sink)()
    t.eq(sink.text(), "a\nb\n")
    local p = m.cat:popen()
    m.echo["through"]:to(p.stdin)()
    t.eq(p:communicate(), "through\n")
    local f <close> = io.tmpfile()
    m.echo["file"]:to(f)()
    f:seek "set"
    t.eq(f:read "a", "file\n")
    local opened <close> = (dir / "f"):open "w"
    m.echo["opened"]:to(opened)()
    opened:close()
    t.eq((dir / "f"):read(), "opened\n")
end)

spec.test("a file of another machine", function(t)
    local dir <close> = other:tempdir()
    local f = dir / "f"
    t.eq(m.echo["a"]:to(f)(), "")
    t.eq(f:read(), "a\n");
    (m.echo["b"] >> f)()
    t.eq(f:read(), "a\nb\n")
    m:sh(BOTH):err_to(f)()
    t.eq(f:read(), "err\n")
    t.eq(m.cat:from(f)(), "err\n")
    local large = programs.ALL_BYTES:rep(20000);
    (m.cat << large):to(f)()
    t.ok(f:read() == large)
    t.ok(m.cat:from(f)() == large)
    m.echo["x"]:to((other:with {umask = 63}):path(f):with_name "private")()
    t.eq((dir / "private"):mode(), 384)
end)

-- ---- err_to, err_to_out ----

spec.test("err_to and err_to_out", function(t)
    local dir <close> = m:tempdir()
    local f = dir / "f"
    t.same({m:sh(BOTH):err_to(f):run()}, {0, "out\n", "", {0}})
    t.eq(f:read(), "err\n")
    t.same({m:sh(BOTH):err_to_out():run()}, {0, "out\nerr\n", "", {0}})
    m:sh(BOTH):to(f):err_to_out()()
    t.eq(f:read(), "out\nerr\n", "where stdout goes")
    local fn, got = gather()
    m:sh(BOTH):to(fn):err_to_out()()
    t.eq(got(), "out\nerr\n")
    local out, text = gather()
    local err, errors = gather()
    m:sh(BOTH):to(out):err_to(err)()
    t.same({text(), errors()}, {"out\n", "err\n"})
end)

-- ---- from ----

spec.test("from a file, a function, a stream", function(t)
    local dir <close> = m:tempdir()
    local f = dir / "f"
    f:write(programs.ALL_BYTES)
    t.eq(m.cat:from(f)(), programs.ALL_BYTES)
    t.eq(m.cat:from(tostring(f))(), programs.ALL_BYTES)
    t.eq(m:at(dir).cat:from "f"(), programs.ALL_BYTES)
    local n = 0
    t.eq(m.cat:from(function()
        n = n + 1
        return n <= 3 and tostring(n) or nil
    end)(), "123")
    t.eq(m.cat:from(stream_of(programs.ALL_BYTES))(), programs.ALL_BYTES)
    local p = m.echo["from a program"]:popen()
    t.eq(m.cat:from(p.stdout)(), "from a program\n")
    local tmp <close> = io.tmpfile()
    tmp:write "lua file"
    tmp:seek "set"
    t.eq(m.cat:from(tmp)(), "lua file")
    t.eq((m.cat << "last"):from(f):from(f)(), programs.ALL_BYTES, "what is said last")
end)

spec.test("a source that never ends, and a program that does", function(t)
    t.eq(m.head["-c"][5]:from(function() return ("x"):rep(10000) end)(), "xxxxx")
    t.eq(m["true"]:from(function() return ("x"):rep(10000) end)(), "")
end)

-- ---- failures ----

spec.test("what can't be opened: nothing starts", function(t)
    local dir <close> = m:tempdir()
    local touched = dir / "touched"
    local touch = m.touch[touched]
    for _, c in ipairs {touch:from(dir / "no"), touch:to(dir / "no/f"), touch:err_to(dir / "no/f"), touch:to(dir),
            touch:from(other:path "/no/such"), touch:to(other:path "/no/such/f"), touch:from(dir / "no") | m.cat} do
        local e = t.raises("can't open", c)
        t.ok(e.kind == "notfound" or e.kind == "io" or e.kind == "usage", e.kind)
        t.eq(touched:exists(), false, tostring(c))
    end
    t.raises("notfound", m.yes | m.cat:from(dir / "no"))
    local e = t.raises("notfound", m.cat:from(dir / "no"))
    t.eq(e.path, tostring(dir / "no"))
    t.eq(e.host, m.name)
    t.eq(e.command, tostring(m.cat:from(dir / "no")))
    t.eq(t.raises("notfound", m.cat:from(other:path "/no/such")).path, "/no/such")
end)

spec.test("a function that fails ends the program and raises its error", function(t)
    local pid
    local function bad(block)
        pid = tonumber(block:match "%d+")
        error {"mine"}
    end
    local ok, e = pcall(m:sh("echo $$; exec sleep 1000"):to(bad))
    t.eq(ok, false)
    t.same(e, {"mine"})
    t.ok(programs.gone(m, pid))
    ok, e = pcall(m:sh("echo $$; exec sleep 1000"):err_to_out():to(bad) | m.cat)
    t.same({ok, e}, {false, {"mine"}})
    t.ok(programs.gone(m, pid))
    ok, e = pcall(m.cat:from(function() error "source" end))
    t.eq(ok, false)
    t.match(e, "source$")
    t.match(t.raises("usage", m.cat:from(function() return 5 end)).message, "gave a number")
    local full <close> = io.open("/dev/full", "w")
    full:setvbuf "no"
    t.match(t.raises("io", m.echo["x"]:to(full)).message, "No space left")
    t.match(t.raises("io", m.echo["x"]:to(other:path "/dev/full")).message, "/dev/full: no space left")
end)

spec.test("a writer that goes away and a reader that fails are told apart", function(t)
    local function closed()
        require("rshell.shared.error").raise {kind = "closed", message = "the source was closed"}
    end
    t.match(t.raises("closed", m.cat:from(closed)).message, "the source was closed")
    t.raises("closed", m.cat:to(closed) << "x")
end)

-- ---- FIFOs: who opens one waits for the other side, but nobody else does ----

local function fifo(t)
    local dir = m:tempdir()
    t.defer(function() dir:close() end)
    m.mkfifo(dir / "p")
    return dir / "p"
end

spec.test("a FIFO: a program waits for who writes", function(t)
    local p = fifo(t)
    local reader <close> = m.cat:from(p):popen()
    t.eq(reader:poll(), nil)
    m.echo["hi"]:to(p)()
    t.eq(reader.stdout:read "a", "hi\n")
    t.eq(reader:wait(), 0)
end)

spec.test("a FIFO: a program waits for who reads", function(t)
    local p = fifo(t)
    local both <close> = m:sh(BOTH):to(p):err_to_out():popen()
    t.eq(m.cat(p), "out\nerr\n")
    t.eq(both:wait(), 0)
    local apart <close> = m:sh(BOTH):err_to(p):popen()
    t.eq(m.cat:from(p)(), "err\n")
    t.eq(apart.stdout:read "a", "out\n")
    local piped = (m.cat:from(p) | m.tr:bind("a", "b")) & rshell.BG
    m.printf["aa"]:append(p)()
    t.eq(piped:wait().stdout, "bb")
end)

spec.test("a FIFO: who waits in vain can be ended", function(t)
    local p = fifo(t)
    t.raises("timeout", m.cat:from(p):with {timeout = 0.3})
    t.raises("timeout", m.echo:to(p):with {timeout = 0.3})
    local reader = m.cat:from(p):popen()
    reader:kill()
    t.same({reader:wait()}, {nil, "TERM"})
end)

spec.test("a FIFO: what can't run is told at once", function(t)
    t.raises("notfound", m["no-such-program"]:from(fifo(t)))
    t.raises("denied", m["/etc/passwd"]:from(fifo(t)))
end)

spec.table("what nothing can be read from or written to", {
    {"from", nil}, {"from", 5}, {"from", true}, {"from", {}}, {"from", m}, {"from", m.ls}, {"to", nil}, {"to", 5},
    {"to", {}}, {"append", false},
    {"err_to", 1}, {"to", ""}, {"to", "a\0b"}, {"from", {write = print}}, {"to", {read = print}},
}, function(t, c)
    t.raises("usage", function() return m.cat[c[1]](m.cat, c[2]) end)
end)

spec.test("100 MB through functions and files of another machine, in bounded memory", function(t)
    local dir <close> = other:tempdir()
    local seen, left = 0, 1526
    programs.bounded(t, 20, function()
        m:sh("head -c 100000000 /dev/zero"):to(function(block) seen = seen + #block end)()
        t.eq(seen, 100000000)
        t.eq(m.wc["-c"]:from(function()
            left = left - 1
            return left >= 0 and ("\0"):rep(65536) or nil
        end):text(), tostring(1526 * 65536))
        m:sh("head -c 100000000 /dev/zero"):to(dir / "large")()
        t.eq(m.wc["-c"]:from(dir / "large"):text(), "100000000")
    end)
end)

spec.finish()
