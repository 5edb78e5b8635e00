-- Values to bytes and back: the wire's codec against our JSON and python3-msgpack, which is C too.
-- usage: scripts/bench wire

local bench = require "bench"
local json = require "rshell.sys.json"
local wire = require "rshell.wire"

-- What a path's stat gives: 15 short names.
local STAT = {
    name = "hosts", type = "file", mode = 420, size = 1234, uid = 0, gid = 0, user = "root", group = "root",
    mtime = 1700000000.5, atime = 1700000000.5, ctime = 1700000000.25, ino = 123456, dev = 64769, nlink = 1, blocks = 8,
}

local LIST = {}
for i = 1, 1000 do
    LIST[i] = {}
    for k, v in pairs(STAT) do LIST[i][k] = v end
    LIST[i].name = "file" .. i
end

local function each(n, fn, ...)
    local args = table.pack(...)
    return function()
        local before = os.clock()
        for _ = 1, n do fn(table.unpack(args, 1, args.n)) end
        return (os.clock() - before) / n
    end
end

local PYTHON = [[
import json, sys, time, msgpack
what, n, value = sys.argv[1], int(sys.argv[2]), json.loads(sys.stdin.read())
packed = msgpack.packb(value)
fn, arg = (msgpack.packb, value) if what == "pack" else (msgpack.unpackb, packed)
before = time.process_time()
for _ in range(n): fn(arg)
print((time.process_time() - before) / n)]]

local function python(what, n, value)
    local c = here.cmd["/usr/bin/python3"]:bind("-c", PYTHON, what, n):with {input = json.encode(value)}
    return function() return tonumber(c:text()) end
end

local function compare(what, n, value)
    local bytes, text = wire.encode(nil, value), json.encode(value)
    bench.compare(what .. " to bytes", 9, {
        {"python3-msgpack", python("pack", n, value)}, {"wire", each(n, wire.encode, nil, value)},
        {"json", each(n, json.encode, value)},
    }, "us", 1e6)
    bench.compare(what .. " from bytes", 9, {
        {"python3-msgpack", python("unpack", n, value)}, {"wire", each(n, wire.decode, nil, bytes)},
        {"json", each(n, json.decode, text)},
    }, "us", 1e6)
end

compare("a map of 15 names", 20000, STAT)
compare("1,000 of them", 20, LIST)
