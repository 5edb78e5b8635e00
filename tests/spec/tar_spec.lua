package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local odd = require "odd"
local rshell = require "rshell"
local tar = require "rshell.shared.tar"

local here = rshell.here

--- A reader over a string, which comes in pieces of this size.
local function reader(bytes, size)
    local at = 1
    return tar.reader(function()
        if at > #bytes then return nil end
        local piece = bytes:sub(at, at + size - 1)
        at = at + size
        return piece
    end)
end

local function read_all(bytes, size)
    local all, r = {}, reader(bytes, size or #bytes)
    for e in function() return r:next() end do
        local parts = {}
        for block in function() return r:data() end do parts[#parts + 1] = block end
        all[#all + 1] = {e.name, e.type, e.target or table.concat(parts)}
    end
    return all
end

local function archive(entries, exact)
    local out, size = {}, 0
    local function add(s)
        out[#out + 1] = s
        size = size + #s
    end
    for _, e in ipairs(entries) do
        local data = e.data or ""
        add(tar.header({
            name = e.name, type = e.type or "file", size = #data, mode = e.mode or 420, mtime = e.mtime or 0,
            target = e.target,
        }, exact))
        add(data)
        add(tar.padding(#data))
    end
    add(tar.ending(size))
    return table.concat(out)
end

local LONG = ("d"):rep(60) .. "/" .. ("n"):rep(90) .. "/" .. ("x"):rep(255)

local function everything()
    local entries = {}
    for i, name in ipairs(odd.names) do entries[i] = {name = "t/" .. name, data = name .. i} end
    entries[#entries + 1] = {name = "t/" .. LONG, data = odd.bytes}
    entries[#entries + 1] = {name = "t/link", type = "link", target = "../" .. LONG}
    entries[#entries + 1] = {name = "t/short", type = "link", target = "-n"}
    return entries
end

local function expected(entries)
    local all = {}
    for i, e in ipairs(entries) do all[i] = {e.name, e.type or "file", e.target or e.data} end
    return all
end

spec.test("what is written can be read, in pieces of any size", function(t)
    local entries = everything()
    for _, exact in ipairs {false, true} do
        local bytes = archive(entries, exact)
        t.eq(#bytes % 10240, 0, "whole records")
        for _, size in ipairs {1, 7, 511, 512, 513, 4096, #bytes} do
            t.same(read_all(bytes, size), expected(entries))
        end
    end
end)

for _, program in ipairs {"tar", "busybox tar"} do
    local function run(t, words, input)
        local words_of = {}
        for word in (program .. " " .. words):gmatch "%S+" do words_of[#words_of + 1] = word end
        local c = here.cmd[words_of[1]]:bind(table.unpack(words_of, 2))
        return c:with {cwd = t.dir, input = input, env = {EXTRACT_UNSAFE_SYMLINKS = "1", LC_ALL = "C"}}
    end

    spec.test(program .. " unpacks what we write", function(t)
        t.dir = odd.dir(t, here)
        local entries = everything()
        entries[#entries + 1] = {
            name = "t/when", mode = tonumber("751", 8), mtime = 1234567890.25, data = ("y"):rep(100000),
        }
        for _, mtime in ipairs {-1.25, -0.25, -462653695.75, -2} do
            entries[#entries + 1] = {name = "t/at" .. mtime, mtime = mtime, data = ""}
        end
        run(t, "-xpof -", archive(entries, program == "tar")):text()
        for _, e in ipairs(entries) do
            local p = t.dir / e.name
            t.ok((e.target and p:readlink() or p:read()) == (e.target or e.data), e.name)
            if e.mtime and program == "tar" then t.eq(p:lstat().mtime, e.mtime + 0.0, e.name) end
        end
        local st = (t.dir / "t/when"):stat()
        t.same({st.mode, st.mtime}, {tonumber("751", 8), program == "tar" and 1234567890.25 or 1234567890.0})
    end)

    spec.test("we read what " .. program .. " packs", function(t)
        t.dir = odd.dir(t, here)
        local root = (t.dir / "t"):mkdir()
        local entries = everything()
        for _, e in ipairs(entries) do
            local p = t.dir / e.name
            p.parent:mkdir {parents = true, exist_ok = true}
            if e.target then p:symlink(e.target) else p:write(e.data) end
        end
        local formats = program == "tar" and {"--format=gnu ", "--format=posix ", "--format=pax "} or {""}
        for _, format in ipairs(formats) do
            local got = {}
            for _, e in ipairs(read_all(run(t, "-c " .. format .. "-f - t")(), 1000)) do got[e[1]] = e end
            for _, e in ipairs(expected(entries)) do t.same(got[e[1]], e) end
        end
        root:delete {recursive = true}
    end)
end

spec.test("archives one behind another are one", function(t)
    local a, b = {{name = "a", data = "1"}}, {{name = "b", data = "2"}}
    t.same(read_all(archive(a) .. archive(b)), {{"a", "file", "1"}, {"b", "file", "2"}})
    t.same(read_all(archive {}), {})
    t.same(read_all "", {})
end)

spec.test("big numbers", function(t)
    local header = tar.header {name = "x", type = "file", size = 9 * 2 ^ 30 // 1 | 0, mode = 0, mtime = -5}
    local e = tar.reader(function()
        local h = header
        header = nil
        return h
    end):next()
    t.eq(e.size, 9 << 30)
end)

spec.test("what is cut short or changed never passes for something else", function(t)
    local bytes = archive(everything(), true)
    local whole = #read_all(bytes)
    for at = 1, #bytes, 97 do
        local ok, e = pcall(read_all, bytes:sub(1, at))
        t.ok(ok and #e <= whole or not ok and e.malformed, at)
    end
    math.randomseed(1)
    for _ = 1, 500 do
        local at = math.random(#bytes)
        local changed = bytes:sub(1, at - 1) .. string.char(math.random(0, 255)) .. bytes:sub(at + 1)
        local ok, e = pcall(read_all, changed)
        t.ok(ok or type(e) == "table" and e.malformed, tostring(e))
    end
end)

spec.finish()
