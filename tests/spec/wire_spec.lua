package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local json = require "rshell.sys.json"
local wire = require "rshell.wire"

-- There and back without hooks.
local function echo(...)
    return wire.decode(nil, wire.encode(nil, ...))
end

-- One number type or the other, exactly; -0.0 and 0.0 differ.
local function is(t, a, b)
    t.eq(math.type(a), math.type(b))
    t.eq(a, b)
    if b == 0 then t.eq(1 / a, 1 / b) end
end

local BYTES = {}
for i = 0, 255 do BYTES[i + 1] = string.char(i) end
BYTES = table.concat(BYTES)

spec.table("there and back", {
    {"nil", nil}, {"true", true}, {"false", false}, {"0", 0}, {"-1", -1}, {"127", 127}, {"128", 128}, {"255", 255},
    {"256", 256}, {"65535", 65535}, {"65536", 65536}, {"2^32-1", 2 ^ 32 - 1 | 0}, {"2^32", 2 ^ 32 | 0}, {"-32", -32},
    {"-33", -33}, {"-128", -128}, {"-129", -129}, {"-32768", -32768}, {"-32769", -32769}, {"-2^31", -(2 ^ 31) | 0},
    {"-2^31-1", (-(2 ^ 31) | 0) - 1}, {"largest", math.maxinteger}, {"smallest", math.mininteger},
    {"a whole float", 1.0}, {"2^53", 2.0 ^ 53}, {"negative zero", -0.0}, {"zero", 0.0}, {"infinity", 1 / 0},
    {"-infinity", -1 / 0}, {"a tenth", 0.1}, {"the smallest float", 5e-324},
    {"the largest float", 1.7976931348623157e308},
    {"the empty string", ""}, {"all bytes", BYTES}, {"31 bytes", ("x"):rep(31)}, {"32 bytes", ("x"):rep(32)},
    {"255 bytes", ("x"):rep(255)}, {"256 bytes", ("x"):rep(256)}, {"65535 bytes", ("x"):rep(65535)},
    {"65536 bytes", ("x"):rep(65536)}, {"5 MB", BYTES:rep(20000)}, {"JSON's null", json.null},
}, function(t, c)
    if math.type(c[2]) then is(t, echo(c[2]), c[2]) else t.eq(echo(c[2]), c[2]) end
    t.same(echo({c[2]}), {c[2]})
    if c[2] ~= nil then t.same(echo({[c[2]] = 1}), {[c[2]] = 1}) end
end)

spec.test("NaN", function(t)
    local x = echo(0 / 0)
    t.ok(x ~= x)
end)

spec.test("no value, and nil in the middle and at the end", function(t)
    t.eq(wire.encode(nil), "")
    t.eq(select("#", echo()), 0)
    t.same(table.pack(echo(nil, 1, nil, nil, 2, nil)), {n = 6, nil, 1, nil, nil, 2, nil})
    t.same(table.pack(echo(nil)), {n = 1})
end)

local function filled(n)
    local list = {}
    for i = 1, n do list[i] = i end
    return list
end

local function named(n)
    local map = {}
    for i = 1, n do map["key" .. i] = i end
    return map
end

local function backwards(n)
    local list = {}
    for i = n, 1, -1 do list[i] = i end
    return list
end

spec.table("tables", {
    {"empty", {}}, {"one", {1}}, {"15", filled(15)}, {"16", filled(16)}, {"65535", filled(65535)},
    {"65536", filled(65536)}, {"filled from the end", backwards(100)}, {"15 names", named(15)}, {"16 names", named(16)},
    {"65535 names", named(65535)}, {"65536 names", named(65536)}, {"a hole", {1, nil, 3}}, {"one in front", {nil, 2}},
    {"names and positions", {"a", "b", x = 1}}, {"zero", {[0] = 0, 1, 2}}, {"a negative key", {1, [-1] = 2}},
    {"float keys", {[1.5] = 1, [2 ^ 60] = 2}}, {"boolean keys", {[true] = 1, [false] = 2}},
    {"nested", {{{}, {1, {x = {}}}}, a = {b = {c = {1, 2, {d = 1}}}}}},
}, function(t, c) t.same(echo(c[2]), c[2]) end)

spec.test("a table as a key is that table", function(t)
    local key = {1}
    local back = echo({[key] = key})
    local k, v = next(back)
    t.same(k, key)
    t.eq(k, v)
end)

spec.test("only a sequence is an array", function(t)
    t.eq(wire.encode(nil, {1, 2}), "\x92\1\2")
    t.eq(wire.encode(nil, {}), "\x80")
    t.eq(wire.encode(nil, {[2] = 1}), "\x81\2\1")
    t.eq(wire.encode(nil, {1, nil, 3}):sub(1, 1), "\x82")
    t.eq(wire.encode(nil, {1, x = 3}):sub(1, 1), "\x82")
end)

spec.test("JSON's arrays stay that", function(t)
    local a, b, c = echo(json.array(), json.array {1, json.array {2}}, json.array {x = 1})
    t.eq(json.encode(a), "[]")
    t.eq(json.encode(b), "[1,[2]]")
    t.eq(getmetatable(b[2]), getmetatable(json.array()))
    t.eq(c.x, 1)
    t.eq(getmetatable(c), getmetatable(json.array()))
end)

spec.test("sharing and cycles", function(t)
    local x, y = {name = "x"}, {}
    y.me, y.x = y, {x, x}
    local list = json.array()
    list[1], list[2] = list, x
    local a, b, c, d = echo(x, y, list, x)
    t.eq(a.name, "x")
    t.eq(d, a)
    t.eq(b.me, b)
    t.eq(b.x[1], a)
    t.eq(b.x[2], a)
    t.eq(c[1], c)
    t.eq(c[2], a)
    -- Of one message only.
    t.ne(echo(x), a)
end)

spec.test("sharing among many tables", function(t)
    for _, n in ipairs {15, 16, 17, 31, 32, 33, 64, 65, 5000} do
        local all, again = {}, {}
        for i = 1, n do
            all[i] = {i}
            again[n + 1 - i] = all[i]
        end
        local a, b = echo(all, again)
        t.eq(#a, n)
        t.eq(#b, n)
        for i = 1, n do
            t.eq(a[i][1], i)
            t.eq(b[n + 1 - i], a[i])
        end
    end
end)

spec.test("depth", function(t)
    local function deep(n)
        local v = 1
        for _ = 1, n do v = {v} end
        return v
    end
    local v = echo(deep(200))
    for _ = 1, 200 do v = v[1] end
    t.eq(v, 1)
    t.match(t.raises("usage", wire.encode, nil, deep(201)).message, "200 levels")
    local got, text, name = wire.decode(nil, ("\x91"):rep(201) .. "\1")
    t.eq(got, nil)
    t.match(text, "200 levels")
    t.eq(name, "EPROTOCOL")
    t.ok(wire.decode(nil, ("\x91"):rep(200) .. "\1"))
    -- A cycle is not deep, however long the way around it is.
    local list = {}
    list[1] = {{list}}
    local back = echo(list)
    t.eq(back[1][1][1], back)
end)

spec.table("what can't be sent", {
    {"a function", print, "a function can't be sent %(value 1%)"},
    {"a coroutine", coroutine.create(print), "a coroutine"},
    {"a file", io.stdout, "userdata"}, {"a metatable", setmetatable({}, {}), "a table with a metatable"},
    {"deep inside", {a = {1, {["b-c"] = print}}}, "value 1, at %.a%[2%]%.b%-c"},
    {"odd keys", {["a b"] = {[1.5] = {[-7] = print}}}, "at %[%?%]%[%?%]%[%-7%]"},
    {"a key", {[print] = 1}, "a function"}, {"the empty name", {[""] = print}, "at %[%?%]"},
}, function(t, c)
    t.match(t.raises("usage", wire.encode, nil, c[2]).message, c[3])
    t.match(t.raises("usage", wire.encode, nil, 1, {}, c[2]).message, "value 3")
    t.eq(wire.encode(nil, {1}), "\x91\1")
end)

-- The hooks of a pair of sides that know of each other's objects by number.
local function hooks()
    local numbers, objects = {}, {}
    local function export(v)
        if not numbers[v] then
            objects[#objects + 1] = v
            numbers[v] = #objects
        end
        return 1, numbers[v], {kind = type(v)}
    end
    local function import(ext, number, about)
        if ext ~= 1 or not objects[number] then return nil, "no object " .. number end
        return type(objects[number]) == about.kind and objects[number]
    end
    return export, import
end

spec.test("hooks", function(t)
    local export, import = hooks()
    local class = setmetatable({}, {})
    local co = coroutine.create(print)
    local a, b, c = wire.decode(import, wire.encode(export, print, {class, {io.stdout, co}}, {[print] = print}))
    t.eq(a, print)
    t.eq(b[1], class)
    t.eq(b[2][1], io.stdout)
    t.eq(b[2][2], co)
    t.eq(c[print], print)
end)

spec.test("what a hook gives goes by the same rules", function(t)
    local shared = {"s"}
    local function export(v)
        return 6, shared, {shared, v == print and shared or print}, nil, json.array(), nil
    end
    local given = {}
    local function import(ext, ...)
        given[#given + 1] = table.pack(ext, ...)
        return "f"
    end
    local a, b = wire.decode(import, wire.encode(export, {print, shared}, print))
    t.same(a, {"f", {"s"}})
    t.eq(b, "f")
    t.eq(#given, 2)
    t.eq(given[1].n, 6)
    t.eq(given[1][1], 6)
    t.eq(given[1][2], a[2])
    t.eq(given[1][3][1], a[2])
    t.eq(given[1][3][2], a[2])
    t.eq(given[1][4], nil)
    t.eq(getmetatable(given[1][5]), getmetatable(json.array()))
    t.eq(given[2][2], a[2])
end)

-- Tables that live in a hook's result only may be collected, and others get their addresses.
spec.test("each table that a hook makes is its own", function(t)
    local count = 0
    local function export()
        collectgarbage()
        count = count + 1
        return 1, count, {count}
    end
    local list = {}
    for i = 1, 40 do list[i] = print end
    local got = wire.decode(function(_, number, made)
        t.eq(made[1], number)
        return made
    end, wire.encode(export, list))
    for i = 1, 40 do t.eq(got[i][1], i) end
end)

spec.test("export hooks that raise, or give no extension", function(t)
    local err = {}
    local ok, got = pcall(wire.encode, function() error(err) end, {1, {print}})
    t.ok(not ok)
    t.eq(got, err)
    t.eq(wire.encode(nil, 1), "\1")
    for _, results in ipairs {{}, {"x"}, {3}, {4}, {5}, {0}, {-1}, {9}, {257}, {1.5}, {true}} do
        local function export() return table.unpack(results) end
        t.match(t.raises("usage", wire.encode, export, print).message, "export hook")
    end
    t.raises("usage", wire.encode, function(v) return 1, 1, v end, setmetatable({}, {}))
    t.raises("bad argument #1", wire.encode, 5, 1)
    t.raises("bad argument #1", wire.encode)
end)

spec.test("import hooks that raise, or give nothing", function(t)
    local bytes = wire.encode(function() return 1, 7 end, {1, {print}})
    local err = {}
    local ok, got = pcall(wire.decode, function() error(err) end, bytes)
    t.ok(not ok)
    t.eq(got, err)
    t.same(table.pack(wire.decode(function(_, n) return nil, "no " .. n end, bytes)), {n = 3, nil, "no 7", "EPROTOCOL"})
    t.same(wire.decode(function() end, bytes), {1, {}})
    local key = wire.encode(function() return 1, 7 end, {[print] = 1})
    t.match(select(2, wire.decode(function() end, key)), "as a key")
    t.match(select(2, wire.decode(function() return 0 / 0 end, key)), "as a key")
    t.match(select(2, wire.decode(nil, bytes)), "a reference")
    t.raises("bad argument #1", wire.decode, 5, "")
    t.raises("bad argument #2", wire.decode, nil, {})
end)

spec.test("hooks that use the codec", function(t)
    local function export(v)
        return 6, wire.encode(nil, {type(v), ("x"):rep(1000)}), wire.encode(nil, "y")
    end
    local function import(_, x, y)
        return {wire.decode(nil, x), wire.decode(nil, y)}
    end
    local a = wire.decode(import, wire.encode(export, {1, print, {io.stdout}, ("z"):rep(500)}))
    t.same(a, {1, {{"function", ("x"):rep(1000)}, "y"}, {{{"userdata", ("x"):rep(1000)}, "y"}}, ("z"):rep(500)})
    -- One that has failed halfway leaves nothing behind.
    for _ = 1, 100 do
        pcall(wire.encode, function() wire.encode(nil, 1) error("x") end, ("x"):rep(100), print)
        t.eq(wire.encode(nil, 1), "\1")
    end
end)

-- A hook that is called for values which it gives itself, for ever.
spec.test("a hook that never comes to an end", function(t)
    local ok = pcall(wire.encode, function(v) return 6, v end, print)
    t.ok(not ok)
    t.eq(wire.encode(nil, 1), "\1")
end)

spec.test("hooks can wait, and others encode meanwhile", function(t)
    local future = rshell.spawn(function()
        return wire.encode(function() rshell.sleep(0.01) return 6, "waited" end, {print, "after"})
    end)
    for _ = 1, 50 do
        t.eq(wire.encode(nil, {"x"}), "\x91\xa1x")
        rshell.sleep(0.001)
    end
    t.same(wire.decode(function(_, s) return s end, future:await()), {"waited", "after"})
end)

spec.finish()
