-- Our values against those of python3-msgpack: what it writes we read, what we write it reads, and both
-- know the values from elsewhere (tests/tools/msgpack_values.py).
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local json = require "rshell.sys.json"
local spec = require "spec"
local wire = require "rshell.wire"

local TOOL = arg[0]:gsub("[^/]*$", "") .. "../tools/msgpack_values.py"
local PYTHON = "/usr/bin/python3" -- the distribution's, which has the package
local COUNT = 800

local function python(...)
    local p = io.popen(table.concat({PYTHON, TOOL, ...}, " ") .. " 2>&1")
    local text = p:read "a"
    return p:close(), text
end

local class = {}
local function mine(...) return setmetatable(table.pack(...), class) end
local function export(v) return 1, table.unpack(v, 1, v.n) end
local function import(_, ...) return mine(...) end

local names = {mine = mine, array = json.array, null = json.null, math = math}

-- The same types, too; NaN is NaN, and -0.0 isn't 0.0.
local function same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then
        if a ~= a or b ~= b then return a ~= a and b ~= b end
        return a == b and math.type(a) == math.type(b) and (a ~= 0 or 1 / a == 1 / b)
    end
    if getmetatable(a) ~= getmetatable(b) then return false end
    for k, v in next, a do
        if not same(v, b[k]) then return false end
    end
    for k in next, b do
        if a[k] == nil then return false end
    end
    return true
end

local function packed_same(a, b)
    if a.n ~= b.n then return false end
    for i = 1, a.n do
        if not same(a[i], b[i]) then return false end
    end
    return true
end

local function exchange(t, seed)
    local dir = t.tmp()
    local ok, text = python("make", seed, COUNT, dir .. "/theirs")
    t.ok(ok, text)
    local theirs, ours = assert(io.open(dir .. "/theirs", "rb")), assert(io.open(dir .. "/ours", "wb"))
    local function part() return theirs:read((string.unpack(">I4", theirs:read(4)))) or "" end
    for number = 1, COUNT do
        local bytes, source = part(), part()
        local meant = table.pack(assert(load("return " .. source, "=values", "t", names))())
        local got = table.pack(wire.decode(import, bytes))
        if not packed_same(got, meant) then
            t.eq(spec.show(got), spec.show(meant), ("message %d: %s"):format(number, source:sub(1, 300)))
            t.fail(("message %d is not what it means: %s"):format(number, source:sub(1, 300)))
        end
        ours:write(string.pack(">s4", wire.encode(export, table.unpack(meant, 1, meant.n))))
    end
    t.eq(theirs:read(1), nil)
    theirs:close()
    ours:close()
    ok, text = python("check", seed, COUNT, dir .. "/ours")
    t.ok(ok, text)
end

for seed = 1, 2 do
    spec.test(COUNT .. " messages, seed " .. seed, function(t)
        if not os.execute(PYTHON .. " -c 'import msgpack' 2>/dev/null") then
            t.skip "python3-msgpack is missing (scripts/setup installs it)"
        end
        exchange(t, seed)
    end)
end

spec.finish()
