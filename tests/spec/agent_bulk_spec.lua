-- Streams that carry much through an agent, where bytes pass from pipe to pipe without being read: that all of them
-- come, once and in order, whatever happens to who reads and who writes.
local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path
local machines = require "machines"
machines.use "agent"
local hash = require "rshell.sys.hash"
local odd = require "odd"
local rshell = require "rshell"
local spec = require "spec"

local here = rshell.here
local m = machines.get()

local KIB, MIB = 1024, 1024 * 1024

--- Bytes in which none that is lost, doubled or moved goes unnoticed.
local function bytes(n)
    return here.head["-c"][n]["/dev/urandom"]()
end

local function digest(s) return hash.sha256(s) end

--- All that a stream has, read in pieces of changing sizes.
local function slurp(stream)
    local all, sizes = {}, {1, 100, 4096, 70 * KIB, MIB}
    while true do
        local s = stream:read(sizes[#all % #sizes + 1])
        if not s then return table.concat(all) end
        all[#all + 1] = s
    end
end

--- Writes it in pieces of these sizes, in turns, and closes.
local function pour(stream, data, sizes)
    local at, i = 1, 0
    while at <= #data do
        i = i + 1
        local n = sizes[i % #sizes + 1]
        stream:write(data:sub(at, at + n - 1))
        at = at + n
    end
    stream:close()
end

local SIZES = {
    {name = "large", MIB},
    {name = "just a frame", 32 * KIB - 12},
    {name = "about a frame", 32 * KIB - 13, 32 * KIB - 11, 32 * KIB, 4096, 4095},
    {name = "all kinds", 1, 300 * KIB, 17, 64 * KIB + 1, 3 * MIB, 12},
}

for _, sizes in ipairs(SIZES) do
    spec.test("into a program and out of it, written in pieces: " .. sizes.name, function(t)
        local data = bytes(9 * MIB + 12345)
        local p <close> = m.cat:popen()
        local writing = rshell.spawn(pour, p.stdin, data, sizes)
        t.ok(slurp(p.stdout) == data, "each byte, once and in order")
        writing:await()
        t.eq(p:wait(), 0)
    end)
end

spec.test("a program that writes little at a time, and much, and little again", function(t)
    local p <close> = m:sh([[
        i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); done
        head -c 5000000 /dev/zero | tr '\0' x
        i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); done
        dd if=/dev/zero bs=100 count=20000 2>/dev/null | tr '\0' y
        printf end]]):popen()
    local lines = {}
    for i = 0, 299 do lines[#lines + 1] = i .. "\n" end
    local few = table.concat(lines)
    t.ok(slurp(p.stdout) == few .. ("x"):rep(5000000) .. few .. ("y"):rep(2000000) .. "end")
end)

spec.test("a reader over there that sleeps stops the writer, and nobody else", function(t)
    local data = bytes(12 * MIB)
    local slow <close> = m:sh "sleep 0.5; exec sha256sum":popen()
    local written = false
    local writing = rshell.spawn(function()
        pour(slow.stdin, data, {MIB})
        written = true
    end)
    for _ = 1, 20 do t.ok(m:path("/"):is_dir()) end
    t.eq(written, false, "no more is under way than there is credit and room for")
    t.eq(slow.stdout:read "l", digest(data) .. "  -")
    writing:await()
end)

spec.test("a reader over here that waits stops the program, and nobody else", function(t)
    local p <close> = m:sh("head -c $1 /dev/zero; echo done >&2", tostring(64 * MIB)):popen()
    t.eq(#p.stdout:read {exact = 100 * KIB}, 100 * KIB)
    for _ = 1, 20 do t.ok(m:path("/"):is_dir()) end
    t.eq(#m.head["-c"][tostring(3 * MIB)]["/dev/zero"](), 3 * MIB, "another stream gets through")
    t.eq(#slurp(p.stdout), 64 * MIB - 100 * KIB)
    t.eq(p.stderr:read "l", "done")
end)

spec.test("many at once, both ways", function(t)
    local tasks = {}
    for i = 1, 8 do
        tasks[i] = rshell.spawn(function()
            local data = bytes(2 * MIB + i * 1001)
            local p <close> = m.cat:popen()
            local writing = rshell.spawn(pour, p.stdin, data, SIZES[i % #SIZES + 1])
            local same = slurp(p.stdout) == data
            writing:await()
            return same
        end)
    end
    for i = 1, 8 do t.eq(tasks[i]:await(), true) end
end)

spec.test("a program that ends amid what is written to it", function(t)
    local block = bytes(MIB)
    for _, n in ipairs {1, 100000, 3000000} do
        local p <close> = m.head["-c"][tostring(n)]:to("/dev/null"):popen()
        t.raises("closed", function()
            for _ = 1, 64 do p.stdin:write(block) end
        end)
        t.eq(p:wait(), 0)
    end
    t.eq(m.echo "x", "x\n")
end)

spec.test("a program that is killed amid what it writes", function(t)
    for _, n in ipairs {0, 100 * KIB, 5 * MIB} do
        local p <close> = m.cat["/dev/zero"]:popen()
        if n > 0 then t.eq(#p.stdout:read {exact = n}, n) end
        p:kill "KILL"
        slurp(p.stdout)
        t.eq(select(2, p:wait()), "KILL")
    end
    t.eq(m.echo "x", "x\n")
end)

spec.test("who stops reading, or gives up writing, leaves the others in order", function(t)
    local data = bytes(6 * MIB)
    local good <close> = m.cat:popen()
    local writing = rshell.spawn(pour, good.stdin, data, {300 * KIB})
    for i = 1, 5 do
        local p <close> = m.cat["/dev/zero"]:popen()
        p.stdout:read {exact = i * 50 * KIB}
        p.stdout:close()
        local q <close> = m:sh "sleep 60":popen()
        local stuck = rshell.spawn(function() while true do q.stdin:write(data) end end)
        rshell.sleep(0.01 * i)
        stuck:cancel()
        q:kill()
    end
    t.ok(slurp(good.stdout) == data)
    writing:await()
end)

spec.test("while a file and other streams fill the link, each gets on", function(t)
    local dir = odd.dir(t, m)
    local done = false
    m:sh("head -c $1 /dev/zero >$2", tostring(16 * MIB), tostring(dir / "from"))()
    local back = odd.dir(t, here) / "back"
    local copying = rshell.spawn(function()
        while not done do m:download(dir / "from", back) end
    end)
    local writing = rshell.spawn(function()
        local p <close> = m.cat:to("/dev/null"):popen()
        local block = bytes(MIB)
        while not done do p.stdin:write(block) end
    end)
    local tasks = {}
    for i = 1, 3 do
        tasks[i] = rshell.spawn(function() return #m.head["-c"][8 * MIB + i]["/dev/zero"]() end)
    end
    for i = 1, 3 do t.eq(tasks[i]:await(), 8 * MIB + i) end
    done = true
    copying:await()
    writing:await()
end)

spec.test("what goes between two machines", function(t)
    local other = machines.other()
    local data = bytes(7 * MIB + 1)
    local path = odd.dir(t, other) / "file"
    path:write(data)
    t.eq((other.cat[path] | m.cat | m.sha256sum)(), digest(data) .. "  -\n")
    t.eq((m.cat | other.sha256sum):with {input = data}(), digest(data) .. "  -\n")
end)

spec.finish()
