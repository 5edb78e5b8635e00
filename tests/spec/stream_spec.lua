package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local waits = require "waits"
local task = require "rshell.task"
local proc = require "rshell.sys.proc"
local net = require "rshell.sys.net"

-- Writers that are still at it when their test ends.
task.on_unobserved(function() end)

local nap, is_kind, promptly = waits.nap, waits.is_kind, waits.promptly

-- Two streams that are connected with each other, closed after the test.
local function pair(t)
    local l <close> = assert(net.listen(0))
    local a = assert(net.connect("127.0.0.1", l.port))
    local b = assert(l:accept())
    t.defer(function() a:close() b:close() end)
    return a, b
end

-- A stream from which these parts can be read, one after the other, and then the end.
local function source(t, ...)
    local a, b = pair(t)
    local parts = {...}
    task.spawn(function()
        for _, part in ipairs(parts) do
            b:write(part)
            nap()
        end
        b:shutdown()
    end)
    return a
end

local BYTES = {}
for i = 0, 255 do BYTES[i + 1] = string.char(i) end
BYTES = table.concat(BYTES)

-- {what was written, {what is read, what is expected; ...}}
local READS = {
    {name = "some", "abcdef", {{4, "abcd"}, {4, "ef"}, {4, nil}, {4, nil}}},
    {name = "more than there is", "abc", {{1 << 40, "abc"}, {1, nil}}},
    {name = "exactly", "abcdef", {{{exact = 4}, "abcd"}, {{exact = 2}, "ef"}, {{exact = 1}, nil}}},
    {name = "exactly, cut short", "abc", {{{exact = 4}, "abc"}, {{exact = 4}, nil}}},
    {name = "nothing", "ab", {{0, ""}, {{exact = 0}, ""}, {1, "a"}, {0, ""}}},
    {name = "lines", "a\n\nb\r\nc", {{"l", "a"}, {"l", ""}, {"l", "b\r"}, {"l", "c"}, {"l", nil}}},
    {name = "lines with their ends", "a\n\nb", {{"L", "a\n"}, {"L", "\n"}, {"L", "b"}, {"L", nil}}},
    {name = "a line by default", "a\nb\n", {{nil, "a"}, {nil, "b"}, {nil, nil}}},
    {name = "all", "a\nb", {{"a", "a\nb"}, {"a", ""}, {"l", nil}}},
    {name = "all of nothing", "", {{"a", ""}, {"a", ""}, {1, nil}}},
    {name = "as io does", "a\nb\nc", {{"*l", "a"}, {"*L", "b\n"}, {"*a", "c"}}},
    {name = "mixed", "a\nbcd\ne", {{"l", "a"}, {2, "bc"}, {"L", "d\n"}, {"a", "e"}}},
    {name = "every byte", BYTES, {{"a", BYTES}}},
    {name = "every byte, in lines", BYTES, {{"L", BYTES:sub(1, 11)}, {{exact = 245}, BYTES:sub(12)}}},
}

spec.table("reads", READS, function(t, case)
    for _, size in ipairs {1000000, 1} do -- at once, and byte by byte
        local parts = {}
        for i = 1, #case[1], size do parts[#parts + 1] = case[1]:sub(i, i + size - 1) end
        if size == 1 and #parts > 20 then break end
        local s = source(t, table.unpack(parts))
        for i, step in ipairs(case[2]) do
            if size == 1 and type(step[1]) == "number" then break end
            t.eq(s:read(step[1]), step[2], i)
        end
    end
end)

spec.test("a long line that comes in pieces", function(t)
    local piece = ("x"):rep(70001)
    local s = source(t, piece, piece, piece .. "\n" .. "next")
    t.eq(s:read "l", piece:rep(3))
    t.eq(s:read "l", "next")
end)

spec.test("lines()", function(t)
    local got = {}
    for line in source(t, "a\nb", "c\n", "d"):lines() do got[#got + 1] = line end
    t.same(got, {"a", "bc", "d"})
    got = {}
    for line in source(t, "a\nb"):lines "L" do got[#got + 1] = line end
    t.same(got, {"a\n", "b"})
    got = {}
    for block in source(t, "abcde"):lines {exact = 2} do got[#got + 1] = block end
    t.same(got, {"ab", "cd", "e"})
end)

spec.test("misuse raises", function(t)
    local a = pair(t)
    for _, format in ipairs {"x", "n", -1, 1.5, {}, {exact = -1}, {exact = "1"}, true} do
        t.eq(pcall(a.read, a, format), false, spec.show(format))
        t.eq(pcall(a.lines, a, format), false, spec.show(format))
    end
    t.raises("string expected", a.write, a, {})
    t.raises("string expected", a.write, a, "x", nil)
    t.raises("Stream expected", a.read, io.stdout)
    t.raises("Stream expected", a.pump, a, io.stdout)
end)

spec.test("a read that ends by its timeout loses nothing", function(t)
    local a, b = pair(t)
    b:write "abc"
    is_kind(t, select(2, pcall(a.read, a, {exact = 6}, 0.02)), "timeout")
    is_kind(t, select(2, pcall(a.read, a, "l", 0.02)), "timeout")
    is_kind(t, select(2, pcall(a.read, a, "a", 0)), "timeout")
    b:write "def\n"
    t.eq(a:read("l", 60), "abcdef")
    is_kind(t, select(2, pcall(task.timeout, 0.02, a.read, a, 1)), "timeout")
    b:write "x"
    t.eq(a:read(1, math.huge), "x")
end)

spec.test("write takes strings and numbers, and gives the stream", function(t)
    local a, b = pair(t)
    t.eq(a:write(), a)
    t.eq(a:write "", a)
    t.eq(a:write("a", 1, 2.5, "\0b"), a)
    a:shutdown()
    t.eq(b:read "a", "a12.5\0b")
end)

spec.test("one reader at a time", function(t)
    local a, b = pair(t)
    local reader = task.spawn(a.read, a, {exact = 4})
    nap()
    b:write "ab"
    nap()
    local message = is_kind(t, select(2, pcall(a.read, a, 1)), "usage").message
    t.match(message, "another task")
    is_kind(t, select(2, pcall(a.pump, a, b)), "usage")
    b:write "cd"
    t.eq(reader:await(), "abcd")
    b:write "e"
    t.eq(a:read(1), "e")
end)

spec.test("what several tasks write is not mixed", function(t)
    local a, b = pair(t)
    local size, writers = 300000, {}
    for i = 1, 8 do
        writers[i] = task.spawn(function()
            for _ = 1, 3 do a:write((string.char(96 + i)):rep(size), "\n") end
        end)
    end
    local count = {}
    for _ = 1, 24 do
        local line = b:read "l"
        t.eq(#line, size)
        t.eq(line, line:sub(1, 1):rep(size))
        count[line:sub(1, 1)] = (count[line:sub(1, 1)] or 0) + 1
    end
    for i = 1, 8 do
        writers[i]:await()
        t.eq(count[string.char(96 + i)], 3)
    end
end)

spec.test("a writer that is cancelled leaves the others their turn", function(t)
    local a, b = pair(t)
    local big = ("x"):rep(20000000)
    local first = task.spawn(a.write, a, big)
    local second = task.spawn(a.write, a, "second")
    local third = task.spawn(a.write, a, "third")
    nap()
    t.eq(second.done, false)
    second:close()
    first:close()
    local got = b:read(1 << 30)
    while not got:find "third" do got = got:sub(-5) .. b:read(1 << 30) end
    third:await()
    t.eq(got:find "second", nil)
end)

spec.test("both ways at once, and half-closed", function(t)
    local a, b = pair(t)
    local blob = BYTES:rep(20000)
    local tasks = {}
    for i, s in ipairs {a, b} do
        tasks[i] = task.spawn(function() return s:read "a" end)
        tasks[i + 2] = task.spawn(function() s:write(blob) s:shutdown() end)
    end
    t.ok(tasks[1]:await() == blob)
    t.ok(tasks[2]:await() == blob)

    a, b = pair(t)
    a:shutdown()
    t.eq(b:read(1), nil)
    b:write "still"
    b:shutdown()
    t.eq(a:read "a", "still")
    is_kind(t, select(2, pcall(a.write, a, "x")), "closed")
end)

spec.test("the other side is gone", function(t)
    local a, b = pair(t)
    b:close()
    t.eq(a:read "a", "")
    local ok, e = promptly(t, pcall, function() while true do a:write(("x"):rep(100000)) end end)
    t.eq(ok, false)
    is_kind(t, e, "closed")
end)

spec.test("closing wakes who waits, and is harmless twice", function(t)
    local a = pair(t)
    local reader = task.spawn(a.read, a, 1)
    local writers = {}
    for i = 1, 3 do writers[i] = task.spawn(a.write, a, ("x"):rep(20000000)) end
    nap()
    t.eq(tostring(a), "stream")
    a:close()
    a:close()
    t.eq(tostring(a), "stream (closed)")
    is_kind(t, select(2, pcall(reader.await, reader)), "closed")
    for i = 1, 3 do is_kind(t, select(2, pcall(writers[i].await, writers[i])), "closed") end
    for _, method in ipairs {"read", "write", "lines", "shutdown"} do
        is_kind(t, select(2, pcall(a[method], a)), "closed")
    end
    do local _ <close> = a end
    collectgarbage()
end)

spec.test("a stream that is dropped is closed", function(t)
    local l <close> = assert(net.listen(0))
    assert(net.connect("127.0.0.1", l.port))
    local b <close> = assert(l:accept())
    collectgarbage()
    collectgarbage()
    t.eq(b:read("a", 60), "")
end)

-- Each of the collector's rounds drops a sentry, which makes the next one.
local function count_rounds(t)
    local rounds, on = 0, true
    local function stand()
        setmetatable({}, {__gc = function()
            rounds = rounds + 1
            if on then stand() end
        end})
    end
    t.defer(function() on = false end)
    stand()
    return function() return rounds end
end

spec.test("the collector doesn't look through all there is for each few megabytes that are read", function(t)
    local a, b = pair(t)
    local live, block, most = {}, ("x"):rep(1 << 20), 0
    for i = 1, 40000 do live[i] = {i} end
    collectgarbage()
    local before, rounds = collectgarbage "count", count_rounds(t)
    task.spawn(function()
        for _ = 1, 64 do a:write(block) end
        a:shutdown()
    end)
    for _ in b:lines(1 << 20) do most = math.max(most, collectgarbage "count") end
    t.ok(rounds() <= 8, rounds() .. " rounds for 64 MiB")
    t.ok(most < 12 * 1024 + 2 * before, most .. " KiB at most")
    t.eq(#live, 40000)
end)

-- ---- pumps ----

spec.test("pump copies all, and leaves the other one open", function(t)
    local a, b = pair(t)
    local c, d = pair(t)
    local blob = BYTES:rep(20000)
    local writer = task.spawn(function() a:write(blob) a:shutdown() end)
    local pump = task.spawn(b.pump, b, c)
    t.ok(d:read {exact = #blob} == blob)
    t.eq(pump:await(), #blob)
    writer:await()
    c:write "more"
    t.eq(d:read(4), "more")
    t.eq(b:pump(c), 0, "at its end")
end)

spec.test("pump begins with what was read and not taken", function(t)
    local s = source(t, "line\nrest")
    local c, d = pair(t)
    t.eq(s:read "l", "line")
    t.eq(s:pump(c), 4)
    c:shutdown()
    t.eq(d:read "a", "rest")
end)

spec.test("two pumps make a tunnel", function(t)
    local client, near = pair(t)
    local far, server = pair(t)
    local pumps = {}
    for i, ends in ipairs {{near, far}, {far, near}} do
        pumps[i] = task.spawn(function()
            local n = ends[1]:pump(ends[2])
            ends[2]:shutdown()
            return n
        end)
    end
    local echo = task.spawn(function()
        for line in server:lines "L" do server:write(line:upper()) end
        server:shutdown()
    end)
    for i = 1, 200 do
        client:write(("line %d\n"):format(i))
        t.eq(client:read "l", "LINE " .. i)
    end
    client:shutdown()
    t.eq(client:read "a", "")
    echo:await()
    t.eq(pumps[1]:await(), pumps[2]:await())
end)

spec.test("a pump holds no more than a little", function(t)
    local a, b = pair(t)
    local c, d = pair(t)
    local pump = task.spawn(b.pump, b, c)
    local written = 0
    local writer = task.spawn(function()
        for _ = 1, 1000 do
            a:write(("x"):rep(100000))
            written = written + 100000
        end
        a:shutdown()
    end)
    local before
    repeat
        before = written
        task.sleep(0.1)
    until written == before
    t.eq(pump.status, "waiting")
    t.ok(written < 50000000, written .. " bytes were taken although nobody reads")
    local got = 0
    while got < 100000000 do got = got + #d:read(1 << 20) end
    writer:await()
    t.eq(pump:await(), 100000000)
end)

spec.test("a pump whose source is closed", function(t)
    local _, b = pair(t)
    local c = pair(t)
    local pump = task.spawn(b.pump, b, c)
    nap()
    is_kind(t, select(2, pcall(b.read, b, 1)), "usage")
    b:close()
    is_kind(t, select(2, pcall(pump.await, pump)), "closed")

end)

spec.test("a pump whose target is gone", function(t)
    local a, b = pair(t)
    local c, d = pair(t)
    d:close()
    local pump = task.spawn(b.pump, b, c)
    local writer = task.spawn(function() while true do a:write(("x"):rep(100000)) end end)
    is_kind(t, select(2, promptly(t, pcall, pump.await, pump)), "closed")
    writer:close()
end)

spec.test("a pump whose target is closed while it waits for room there", function(t)
    local a, b = pair(t)
    local c = pair(t)
    local pump = task.spawn(b.pump, b, c)
    local writer = task.spawn(function() while true do a:write(("x"):rep(100000)) end end)
    task.sleep(0.02)
    c:close() -- while it waits for room there
    is_kind(t, select(2, promptly(t, pcall, pump.await, pump)), "closed")
    writer:close()
    is_kind(t, select(2, pcall(b.pump, b, c)), "closed")
end)

spec.test("a pump in place", function(t)
    local a, b = pair(t)
    local c, d = pair(t)
    local writer = task.spawn(function()
        for _ = 1, 3000 do a:write(("x"):rep(1000)) task.sleep(0) end
        a:shutdown()
    end)
    local reader = task.spawn(function()
        local n = 0
        for block in d:lines(1 << 20) do n = n + #block end
        return n
    end)
    local copied
    table.sort({1, 2}, function(x, y)
        copied = copied or b:pump(c)
        return x < y
    end)
    c:shutdown()
    t.eq(copied, 3000000)
    t.eq(reader:await(), 3000000)
    writer:await()
end)

-- ---- bounded memory ----

spec.test("100 MB through a pipe in bounded memory", function(t)
    local code = [[
        local proc, task = require "rshell.sys.proc", require "rshell.task"
        local function peak()
            for line in io.lines "/proc/self/status" do
                local kb = line:match "^VmHWM:%s*(%d+)"
                if kb then return tonumber(kb) end
            end
        end
        local p = assert(proc.spawn {argv = {"cat"}, stdin = "pipe"})
        local block = ("x"):rep(65536)
        local function pass(n)
            local writer = task.spawn(function() for _ = 1, n do p.stdin:write(block) end end)
            local got = 0
            while got < n * #block do got = got + #p.stdout:read(1 << 20) end
            writer:await()
        end
        pass(100)
        local before = peak()
        pass(1600)
        p.stdin:close()
        p:wait()
        print(peak() - before)
    ]]
    -- A sanitizer that keeps what is freed would hide how little that is.
    local env = {ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":quarantine_size_mb=1"}
    local r = proc.run {argv = {waits.RSHELL, "run", "-e", code}, env = env, timeout = 120}
    local grown = tonumber(r.stdout)
    t.ok(grown and grown < 20000, r.stdout .. r.stderr)
end)

spec.test("who writes to one that doesn't read is held up", function(t)
    local p = assert(proc.spawn {argv = {"sleep", "1000"}, stdin = "pipe"})
    local writer = task.spawn(function() p.stdin:write(("x"):rep(10000000)) end)
    task.sleep(0.05)
    t.eq(writer.done, false)
    p:stop()
    is_kind(t, select(2, pcall(writer.await, writer)), "closed")
end)

spec.test("pass copies what has come, and gives nil at the end", function(t)
    local s, back, out = source(t, "ab", "cde"), pair(t)
    local n, calls = 0, 0
    for bytes in function() return s:pass(out) end do
        t.ok(bytes > 0)
        n, calls = n + bytes, calls + 1
    end
    t.eq(n, 5)
    t.ok(calls <= 2)
    t.eq(s:pass(out), nil)
    t.eq(back:read {exact = 5}, "abcde")
end)

spec.test("pass writes all it has read, and says when that fails", function(t)
    local big = ("0123456789abcdef"):rep(1 << 17)
    local s, back, out = source(t, big), pair(t)
    local got, n = task.spawn(function() return back:read {exact = #big} end), 0
    while n < #big do n = n + s:pass(out) end
    t.ok(got:await() == big)
    local c, d = pair(t)
    d:write("x")
    out:close()
    is_kind(t, select(2, pcall(c.pass, c, out)), "closed")
end)

spec.test("blocks: at least so many bytes, fewer at the end, and written whole", function(t)
    local s = source(t, "ab", "cde", "f")
    local first = s:read {block = 4}
    t.eq(first:text(), "abcde")
    t.eq(#first, 5)
    local back, out = pair(t)
    t.eq(out:write(first), out)
    t.eq(#first, 0) -- its bytes are gone with it
    t.eq(back:read {exact = 5}, "abcde")
    t.eq(s:read({block = 4}):text(), "f")
    t.eq(s:read {block = 4}, nil)
    t.raises("exact=n", s.read, s, {block = 0})
end)

spec.test("a block is written whole to who reads late, and freed when its writer is cancelled", function(t)
    local a, b = pair(t)
    local big = ("0123456789abcdef"):rep(1 << 18)
    local feed = task.spawn(function() b:write(big) end)
    local block = a:read {block = #big}
    feed:await()
    local writer = task.spawn(function() a:write(block) end)
    nap()
    t.eq(#block, 0)
    t.eq(b:read {exact = #big}, big)
    writer:await()
    feed = task.spawn(function() b:write(big) end)
    block = a:read {block = #big}
    feed:await()
    local stuck = task.spawn(function() while true do a:write(block) a:write(big) end end)
    nap()
    stuck:cancel()
    is_kind(t, select(2, pcall(stuck.await, stuck)), "cancelled")
end)

spec.finish()
