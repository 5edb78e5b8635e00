package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local json = require "rshell.sys.json"

-- One number type or the other, exactly.
local function is(t, a, b)
    t.eq(math.type(a), math.type(b))
    t.eq(a, b)
end

spec.table("encode", {
    {"nil", nil, "null"}, {"null", json.null, "null"}, {"true", true, "true"}, {"false", false, "false"},
    {"0", 0, "0"}, {"negative", -17, "-17"}, {"largest", math.maxinteger, "9223372036854775807"},
    {"smallest", math.mininteger, "-9223372036854775808"},
    {"float", 1.5, "1.5"}, {"whole float", 1.0, "1.0"}, {"negative zero", -0.0, "-0.0"}, {"tenth", 0.1, "0.1"},
    {"third", 1 / 3, "0.3333333333333333"}, {"17 digits", 5e-324, "4.94065645841247e-324"}, {"large", 1e300, "1e+300"},
    {"2^53", 2.0 ^ 53, "9007199254740992.0"},
    {"string", "abc", '"abc"'}, {"empty string", "", '""'},
    {"escapes", '"\\/\b\f\n\r\t', [["\"\\/\b\f\n\r\t"]]}, {"control", "\0\1\31\127", '"\\u0000\\u0001\\u001f\127"'},
    {"UTF-8", "gr\u{fc}n \u{20ac} \u{1f600} \u{10ffff}", '"gr\u{fc}n \u{20ac} \u{1f600} \u{10ffff}"'},
    {"empty table", {}, "{}"}, {"empty array", json.array(), "[]"}, {"array", {1, "a", true, {}}, '[1,"a",true,{}]'},
    {"marked array", json.array {1, 2}, "[1,2]"}, {"object", {a = {b = {1}}}, '{"a":{"b":[1]}}'},
    {"number keys", {[10] = "x"}, '{"10":"x"}'}, {"float keys", {[1.5] = "x"}, '{"1.5":"x"}'},
    {"nulls in an array", {1, json.null, 3}, "[1,null,3]"},
}, function(t, c) t.eq(json.encode(c[2]), c[3]) end)

spec.test("encode an array whose elements came in disorder", function(t)
    local a = {}
    for i = 20, 1, -1 do a[i] = i end
    t.eq(json.encode(a), "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]")
    -- Tried and taken back at each level, this would take for ever.
    local nested = 1
    for _ = 1, 100 do nested = {[2] = 2, [1] = nested} end
    t.eq(json.encode(nested), ("["):rep(100) .. "1" .. (",2]"):rep(100))
end)

spec.test("encode sorted and indented", function(t)
    local v = {b = {1, {}}, a = "x", [10] = json.array(), [2] = true, aa = {}}
    t.eq(json.encode(v, {sort = true}), '{"10":[],"2":true,"a":"x","aa":{},"b":[1,{}]}')
    t.eq(json.encode(v, {sort = true, indent = 2}), [[
{
  "10": [],
  "2": true,
  "a": "x",
  "aa": {},
  "b": [
    1,
    {}
  ]
}]])
    t.eq(json.encode({a = {1}}, {indent = "\t"}), '{\n\t"a": [\n\t\t1\n\t]\n}')
    t.eq(json.encode({1, 2}, {indent = 0}), "[1,2]")
    t.eq(json.encode({1}, {indent = true}), "[\n  1\n]")
end)

spec.table("what has no form in JSON", {
    {"NaN", 0 / 0, "NaN"}, {"infinity", 1 / 0, "infinity"}, {"function", print, "function"},
    {"coroutine", coroutine.create(print), "thread"}, {"file", io.stdout, "userdata"},
    {"bytes", "caf\xe9", "UTF%-8"}, {"surrogate", "\xed\xa0\x80", "UTF%-8"}, {"key", {[true] = 1}, "boolean"},
    {"holes", {1, 2, nil, 4}, "holes"}, {"mixed", {1, x = 2}, "names and positions"},
    {"marked with a name", json.array {x = 1}, "names and positions"},
    {"deep inside", {a = {1, {b = print}}}, "at .a%[2%].b"},
}, function(t, c)
    local err = t.raises("usage", json.encode, c[2])
    t.match(err.message, c[3])
    t.raises("usage", json.encode, c[2], {sort = true})
end)

spec.test("after an error the encoder is as new", function(t)
    t.raises("usage", json.encode, {1, 2, {print}})
    t.eq(json.encode {1}, "[1]")
end)

spec.test("cycles and depth", function(t)
    local v = {}
    v.v = v
    t.match(t.raises("usage", json.encode, v).message, "200 levels")
    local text = ("["):rep(200) .. ("]"):rep(200)
    t.eq(json.encode(json.decode(text)), text)
    local got, err, name = json.decode("[" .. text .. "]")
    t.eq(got, nil)
    t.match(err, "line 1 column 201: more than 200 levels")
    t.eq(name, "EPARSE")
    t.eq(select(3, json.decode(('{"a":'):rep(100000))), "EPARSE")
end)

spec.test("invalid=replace", function(t)
    t.eq(json.encode("caf\xe9\xff!", {invalid = "replace"}), '"caf\u{fffd}\u{fffd}!"')
    t.eq(json.encode({["\xe9"] = 1}, {invalid = "replace"}), '{"\u{fffd}":1}')
    t.eq(json.decode([["\ud800x\udc00"]], {invalid = "replace"}), "\u{fffd}x\u{fffd}")
end)

spec.table("decode numbers", {
    {"0", 0}, {"-0", -0.0}, {"7", 7}, {"-12", -12}, {"9223372036854775807", math.maxinteger},
    {"-9223372036854775808", math.mininteger}, {"9223372036854775808", 2.0 ^ 63},
    {"999999999999999999", 999999999999999999},
    {"1.0", 1.0}, {"1e2", 100.0}, {"1E+2", 100.0}, {"25e-1", 2.5}, {"0.1", 0.1},
    {"1.7976931348623157e308", 1.7976931348623157e308},
    {"5e-324", 5e-324}, {"1e-400", 0.0}, {"0." .. ("1"):rep(100), 0.1111111111111111},
}, function(t, c)
    is(t, json.decode(c[1]), c[2])
    t.eq(string.format("%.17g", json.decode(c[1])), string.format("%.17g", c[2]))
end)

spec.table("decode", {
    {"null", json.null}, {" true ", true}, {"\t\r\nfalse\n", false}, {'"a"', "a"}, {'""', ""},
    {[["\"\\\/\b\f\n\r\t"]], '"\\/\b\f\n\r\t'}, {[["\u0000\u00e9\u20AC"]], "\0\u{e9}\u{20ac}"},
    {[["\ud83d\ude00"]], "\u{1f600}"}, {'"gr\u{fc}n"', "gr\u{fc}n"}, {'"\xff"', "\xff"}, {"\u{feff}1", 1},
    {"[]", {}}, {"{}", {}}, {"[ 1 , [ ] , { } ]", {1, {}, {}}},
    {'{ "a" : 1 , "b" : [ null ] }', {a = 1, b = {json.null}}},
    {'{"a":1,"a":2}', {a = 2}}, {'{"":1}', {[""] = 1}},
}, function(t, c)
    local v, err = json.decode(c[1])
    t.eq(err, nil)
    t.same(v, c[2])
end)

spec.table("decode errors", {
    {"", "line 1 column 1: expected a value, not the end"}, {"  ", "line 1 column 3: expected a value, not the end"},
    {"[1 2]", "line 1 column 4: expected , or ], not '2'"}, {'{"a":1 2}', "line 1 column 8: expected , or }, not '2'"},
    {"[1,]", "line 1 column 4: expected a value, not ']'"},
    {'{"a":1,}', "line 1 column 8: expected a name in quotes, not '}'"},
    {"{1:2}", "line 1 column 2: expected a name in quotes, not '1'"},
    {'{"a" 1}', "line 1 column 6: expected :, not '1'"},
    {"\n\n  x", "line 3 column 3: expected a value, not 'x'"}, {'"\u{e4}', 'line 1 column 3: expected ", not the end'},
    {'"a\nb"', 'line 1 column 3: expected ", not the byte 0x0a'},
    {'"a\0b"', 'line 1 column 3: expected ", not the byte 0x00'},
    {"1 2", "line 1 column 3: expected the end, not '2'"}, {"01", "line 1 column 2: expected the end, not '1'"},
    {"-", "line 1 column 2: expected a digit, not the end"}, {"+1", "line 1 column 1: expected a value, not '+'"},
    {"1.", "line 1 column 3: expected a digit, not the end"}, {".5", "line 1 column 1: expected a value, not '.'"},
    {"1e", "line 1 column 3: expected a digit, not the end"}, {"1e+x", "line 1 column 4: expected a digit, not 'x'"},
    {"1e999", "line 1 column 1: the number is too large"}, {"NaN", "line 1 column 1: expected a value, not 'N'"},
    {"0x10", "line 1 column 2: expected the end, not 'x'"}, {"nul", "line 1 column 1: expected a value, not 'n'"},
    {[["\x41"]], [[line 1 column 3: expected one of "\/bfnrtu after a backslash, not 'x']]},
    {[["\u12"]], [[line 1 column 3: expected four hexadecimal digits after \u]]},
    {[["\ud800"]], "line 1 column 3: half a surrogate pair"},
    {[["\udc00\ud800"]], "line 1 column 3: half a surrogate pair"},
    {[["\ud800\u0041"]], "line 1 column 3: half a surrogate pair"},
    {"[1]\0", "line 1 column 4: expected the end, not the byte 0x00"},
    {"<html>", "line 1 column 1: expected a value, not '<'"}, {"'a'", "line 1 column 1: expected a value, not '''"},
}, function(t, c)
    local v, err, name = json.decode(c[1])
    t.eq(v, nil)
    t.eq(err, c[2])
    t.eq(name, "EPARSE")
end)

spec.test("null", function(t)
    t.eq(tostring(json.null), "null")
    t.eq(json.decode "null", json.null)
    t.eq(json.decode '{"a":null}'.a, json.null)
end)

spec.test("arrays stay arrays", function(t)
    local text = '[[],{},[[]],{"a":[]}]'
    t.eq(json.encode(json.decode(text)), text)
    local v = json.decode "[1]"
    table.remove(v)
    t.eq(json.encode(v), "[]")
    local mine = setmetatable({}, {})
    t.raises("metatable of its own", json.array, mine)
    t.eq(rawequal(json.array(v), v), true)
end)

spec.test("floats come back as they went", function(t)
    local x = 12345
    for _ = 1, 2000 do
        x = (x * 6364136223846793005 + 1442695040888963407)
        local f = string.unpack("d", string.pack("i8", x))
        if f == f and f ~= 1 / 0 and f ~= -1 / 0 then is(t, json.decode(json.encode(f)), f) end
        is(t, json.decode(json.encode(x)), x)
    end
end)

spec.test("every character comes back", function(t)
    local all = {}
    for c = 0, 0x10ffff, 7 do
        if c < 0xd800 or c > 0xdfff then all[#all + 1] = utf8.char(c) end
    end
    local text = table.concat(all)
    t.ok(json.decode(json.encode(text)) == text)
end)

local SAMPLE = [==[
{"name":"web\u00e9\ud83d\ude00","list":[1,-2.5e3,null,true,{"x":{}},[]],"deep":[[[["\\\"\n"]]]],"big":12345678901}]==]

spec.test("every truncation is an error, no bit flip does harm", function(t)
    t.ok(json.decode(SAMPLE))
    for n = 0, #SAMPLE - 1 do
        local v, err, name = json.decode(SAMPLE:sub(1, n))
        t.eq(v, nil)
        t.match(err, "^line 1 column %d+: ")
        t.eq(name, "EPARSE")
    end
    for i = 1, #SAMPLE do
        for bit = 0, 7 do
            local flipped = SAMPLE:sub(1, i - 1) .. string.char(SAMPLE:byte(i) ~ (1 << bit)) .. SAMPLE:sub(i + 1)
            local v, err = json.decode(flipped)
            t.ok(v ~= nil or err)
        end
    end
end)

-- lua-cjson, where it is installed, must agree on what both can say.
local has_cjson, cjson = pcall(require, "cjson")

local function random_value(random, depth)
    local kind = random(depth > 4 and 5 or 7)
    if kind == 1 then return random(2) == 1 end
    if kind == 2 then return random(-1000000, 1000000) end
    if kind == 3 then return random() * 10 ^ random(-20, 20) end
    if kind == 4 then return json.null end
    if kind == 5 then
        local s = {}
        for i = 1, random(0, 12) do s[i] = utf8.char(random(3) == 1 and random(0, 0x7ff) or random(32, 126)) end
        return table.concat(s)
    end
    local v = {}
    if kind == 6 then
        for i = 1, random(1, 6) do v[i] = random_value(random, depth + 1) end
    else
        for _ = 1, random(0, 6) do v["k" .. random(100)] = random_value(random, depth + 1) end
    end
    return v
end

spec.test("lua-cjson reads and writes the same", function(t)
    if not has_cjson then t.skip "no lua-cjson" end
    t.eq(cjson.null, json.null)
    cjson.encode_number_precision(14)
    math.randomseed(42)
    for _ = 1, 500 do
        local v = random_value(math.random, 0)
        t.same(cjson.decode(json.encode(v)), v)
        t.same(cjson.decode(json.encode(v, {indent = 4, sort = true})), v)
        local text = cjson.encode(v)
        t.same(json.decode(text), cjson.decode(text))
    end
end)

spec.test("lua-cjson refuses the same", function(t)
    if not has_cjson then t.skip "no lua-cjson" end
    for n = 0, #SAMPLE - 1 do t.eq(pcall(cjson.decode, SAMPLE:sub(1, n)), false) end
    t.same(json.decode(SAMPLE), cjson.decode(SAMPLE))
end)

spec.test("misuse", function(t)
    t.raises("value expected", json.encode)
    t.raises("string expected", json.decode)
    t.raises("table expected", json.encode, 1, 2)
    t.raises("unknown option 'indents'", json.encode, 1, {indents = 2})
    t.raises("unknown option 'sort'", json.decode, "1", {sort = true})
    t.raises("usage", json.encode, 1, {indent = "xx"})
    t.raises("usage", json.encode, 1, {indent = 17})
    t.raises("usage", json.encode, 1, {indent = -1})
    t.raises("usage", json.encode, 1, {invalid = "maybe"})
    t.raises("table expected", json.array, 1)
end)

spec.finish()
