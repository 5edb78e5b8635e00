package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local nodeset = require "rshell.nodeset"
local err = require "rshell.shared.error"

local function words(text)
    local out = {}
    for word in text:gmatch "%S+" do out[#out + 1] = word end
    return out
end

-- ---- what ClusterShell 1.9.1 says of the same text: node set, names, short form ----

local LIKE_CLUSTERSHELL = {
    {"", "", ""},
    {"web1", "web1", "web1"},
    {"node[1-10]", "node1 node2 node3 node4 node5 node6 node7 node8 node9 node10", "node[1-10]"},
    {"node[001-010/3]", "node001 node004 node007 node010", "node[001,004,007,010]"},
    {"n[9,10,1,09,010]", "n1 n9 n09 n10 n010", "n[1,9,09-10,010]"},
    {"rack[1-2]n[01-02]", "rack1n01 rack1n02 rack2n01 rack2n02", "rack[1-2]n[01-02]"},
    {"b3,a10,a2,b,a", "a a2 a10 b b3", "a,a[2,10],b,b3"},
    {"a[1-2]-ib[0-1]", "a1-ib0 a1-ib1 a2-ib0 a2-ib1", "a[1-2]-ib[0-1]"},
    {"a[1-5]!a3", "a1 a2 a4 a5", "a[1-2,4-5]"},
    {"a[1-5]&a[3-9],b1^a3", "a4 a5 b1", "a[4-5],b1"},
    {"web1:22,web2:22", "web1:22 web2:22", "web[1-2]:22"},
    {"user@web1:22,user@web2:22", "user@web1:22 user@web2:22", "user@web[1-2]:22"},
    {"10.0.0.1,10.0.0.2,10.0.1.1", "10.0.0.1 10.0.0.2 10.0.1.1", "10.0.0.[1-2],10.0.1.1"},
    {"[1-3]", "1 2 3", "[1-3]"},
    {"[1-3]a", "1a 2a 3a", "[1-3]a"},
    {"a[1-3]4", "a14 a24 a34", "a[14,24,34]"},
    {"a4[1-3]", "a41 a42 a43", "a[41-43]"},
    {"a[08-12]", "a08 a09 a10 a11 a12", "a[08-12]"},
    {"a[1-10/2]", "a1 a3 a5 a7 a9", "a[1,3,5,7,9]"},
    {"a1,a01,a001,a10", "a1 a01 a10 a001", "a[1,01,10,001]"},
    {"a[98-100],a[098-100]", "a98 a99 a098 a099 a100", "a[98-99,098-100]"},
    {"a[00-02,0-2]", "a0 a1 a2 a00 a01 a02", "a[0-2,00-02]"},
    {"a[98-99],a100,a101", "a98 a99 a100 a101", "a[98-101]"},
    {"a[08-10],a[098-100]", "a08 a09 a10 a098 a099 a100", "a[08-10,098-100]"},
    {"a99,a100,a098,a099", "a99 a098 a099 a100", "a[99,098-100]"},
    {"a[0-10/2,1]", "a0 a1 a2 a4 a6 a8 a10", "a[0-2,4,6,8,10]"},
    {"a[1 - 3]", "a1 a2 a3", "a[1-3]"},
    {"a[1, 3]", "a1 a3", "a[1,3]"},
    {"a1 , a2", "a1 a2", "a[1-2]"},
    {"a1!a1", "", ""},
    {"a[1-3]b!a[2-3]b,c^c", "a1b", "a1b"},
    {"a[1-3],b1^a2", "a1 a3 b1", "a[1,3],b1"},
    {"a[1-3],b[1-2]&a[2-3],b1", "a2 a3 b1", "a[2-3],b1"},
    {"a1-ib1,a2-ib0,a2-ib1", "a1-ib1 a2-ib0 a2-ib1"},
    {"a1b1,a1b2,a2b1,a2b2,a3b1", "a1b1 a1b2 a2b1 a2b2 a3b1", "a[1-2]b[1-2],a3b1"},
    {"a1b1,a2b2,a3b3", "a1b1 a2b2 a3b3", "a1b1,a2b2,a3b3"},
    {"a[1-2]b1c1,a[1-2]b2c1", "a1b1c1 a1b2c1 a2b1c1 a2b2c1", "a[1-2]b[1-2]c1"},
    {"b2,b1,a2", "a2 b1 b2", "a2,b[1-2]"},
    {"a1b2,a1,a10c,a,a1c,a-1,a_1,A1,1,b,a2b1,zz", "1 A1 a a1 a1b2 a2b1 a1c a10c a-1 a_1 b zz",
        "1,A1,a,a1,a1b2,a2b1,a[1,10]c,a-1,a_1,b,zz"},
    {"a123456789012345678901234567890", "a123456789012345678901234567890", "a123456789012345678901234567890"},
}

spec.table("as ClusterShell", LIKE_CLUSTERSHELL, function(t, c)
    local names = nodeset.expand(c[1])
    t.same(names, words(c[2]))
    t.eq(nodeset.count(c[1]), #names)
    local folded = nodeset.fold(c[1])
    if c[3] then t.eq(folded, c[3]) end
    t.same(nodeset.expand(folded), names)
    t.eq(nodeset.fold(names), folded)
end)

-- ---- where we take more than it does ----

local OURS = {
    {"a[1-5],!a3", "a1 a2 a4 a5", "a[1-2,4-5]"},
    {"a[1-5] , & a[2-3] ,^ a[3-4]", "a2 a4", "a[2,4]"},
    {"a1 b1", "a1 b1", "a1,b1"},
    {"  a1\n a2\t", "a1 a2", "a[1-2]"},
    {"a4[8-10]", "a48 a49 a410", "a[48-49,410]", name = "ranges are put in as text"},
    {"a[1-2][3-4]", "a13 a14 a23 a24", "a[13-14,23-24]"},
    {"a[1-2][9-10]", "a19 a29 a110 a210", "a[19,29,110,210]"},
    {"[::1]", "[::1]", "[::1]"},
    {"[::2],[::1]:22,u@[fe80::1%eth0]:2", "[::1]:22 [::2] u@[fe80::1%eth0]:2", "[::1]:22,[::2],u@[fe80::1%eth0]:2"},
    {"fe80::1,fe80::2", "fe80::1 fe80::2", "fe80::[1-2]"},
    {"h[1-2]-[::1]", "h1-[::1] h2-[::1]", "h1-[::1],h2-[::1]"},
    {"a123456789012345[8-9]", "a1234567890123458 a1234567890123459", "a1234567890123458,a1234567890123459"},
    {"a1-ib0,a1-ib1,a1-ib2,a2-ib0", "a1-ib0 a1-ib1 a1-ib2 a2-ib0", "a1-ib[0-2],a2-ib0"},
    {"a1b1,a2b1,a3b1,a1b2", "a1b1 a1b2 a2b1 a3b1", "a[1-3]b1,a1b2", name = "the other axis where it's shorter"},
    {"b9-1,b10-1,b09-1,b9-2", "b9-1 b9-2 b09-1 b10-1", "b[9,09-10]-1,b9-2"},
    {"ssh://u@h[1-2]:22", "ssh://u@h1:22 ssh://u@h2:22", "ssh://u@h[1-2]:22"},
    {"größe[1-2]", "größe1 größe2", "größe[1-2]"},
}

spec.table("ours", OURS, function(t, c)
    t.same(nodeset.expand(c[1]), words(c[2]))
    t.eq(nodeset.fold(c[1]), c[3])
    t.same(nodeset.expand(c[3]), words(c[2]))
end)

-- ---- what is wrong: text, column, what the message says ----

local WRONG = {
    {"a[x]", 3, "a number expected, got 'x'"},
    {"a[]", 3, "a number expected, got ']'"},
    {"a[1", 4, "',', '%-' or '%]' expected, got the end"},
    {"a[", 3, "a number expected, got the end"},
    {"a1]", 3, "an operator or the end expected, got '%]'"},
    {"a,,b", 3, "a name expected, got ','"},
    {",a", 1, "a name expected"},
    {"a,", 3, "a name expected, got the end"},
    {"!a", 1, "a name expected, got '!'"},
    {"a!", 3, "a name expected"},
    {"a!&b", 3, "a name expected, got '&'"},
    {"a,!,b", 4, "a name expected"},
    {"a[5-1]", 3, "goes backwards"},
    {"a[1-3/0]", 3, "a step of 0"},
    {"a[1-3/]", 7, "a number expected"},
    {"a[1/2]", 4, "',', '%-' or '%]' expected, got '/'"},
    {"a[8-012]", 3, "differ in width"},
    {"a[01-100]", 3, "differ in width"},
    {"a[1,,2]", 5, "a number expected"},
    {"a[1-2-3]", 6, "'%-' or '%]' expected, got '%-'"},
    {"a[-1-3]", 3, "a number expected"},
    {"a[[1-2]]", 3, "a number expected, got '%['"},
    {"a[1-2]]", 7, "expected, got '%]'"},
    {"a[1234567890123456]", 3, "more than 15 digits"},
    {"[::1,::2]", 2, "a number expected, got ':'"},
    {"a\0b", 2, "an operator or the end expected"},
    {"a[ü]", 3, "a number expected, got 'ü'"},
    {"@", 2, "a name expected, got the end"},
    {"@:web", 2, "a group has a name"},
    {"@web:", 2, "a group has a name"},
    {"~", 2, "a regular expression expected"},
    {"b,~a(b", 7, "%) expected, got the end"},
    {"~*a", 2, "something before %* expected"},
    {"~a[b", 5, "%] expected"},
    {"~a\\q", 4, "expected, got 'q'"},
    {"~a{300}", 3, "bounds from 0 to 255"},
}

spec.table("wrong", WRONG, function(t, c)
    local e = t.raises("parse", nodeset.expand, c[1], {all = "a1"})
    t.eq(e.column, c[2], e.message)
    t.match(e.message, c[3])
    t.match(e.message, "column " .. c[2])
end)

spec.test("what isn't a node set", function(t)
    for _, p in ipairs {1, true, print} do t.raises("usage", nodeset.expand, p) end
    t.raises("usage", nodeset.expand, nil)
    t.raises("usage", nodeset.fold, {"a", 1})
    t.match(t.raises("usage", nodeset.expand, "a", {group = {}}).message, "did you mean 'groups'")
end)

-- ---- lists and objects ----

spec.test("lists are unions", function(t)
    t.eq(nodeset.fold {"a[1-2]", "a3", nodeset.new "b1", {"c"}}, "a[1-3],b1,c")
    t.eq(nodeset.fold {}, "")
    t.eq(nodeset.count {"a1", "a1", "a[1-3]!a2"}, 2)
end)

spec.test("objects", function(t)
    local a, b = nodeset.new "a[1-5]", nodeset.new "a[4-6]"
    t.eq(tostring(a + b), "a[1-6]")
    t.eq(tostring(a - b), "a[1-3]")
    t.eq(tostring(a & b), "a[4-5]")
    t.eq(tostring(a ~ b), "a[1-3,6]")
    t.eq(tostring(a - "a[2-9]"), "a1")
    t.eq(tostring("a[1-9]" - a), "a[6-9]")
    t.eq(tostring({"b1"} + a), "a[1-5],b1")
    t.eq(tostring(a), "a[1-5]", "operators change nothing")
    t.eq(#a, 5)
    t.ok(a == nodeset.new {"a[1-3]", "a[4-5]"})
    t.ok(a ~= b)
    t.eq(a[2], "a2")
    t.eq(a[6], nil)
    t.eq(tostring(nodeset.new()), "")
    t.ok(nodeset.new(a) == a)
end)

spec.test("contains", function(t)
    local a = nodeset.new "a[1-5]"
    t.ok(a:contains "a3")
    t.ok(a:contains "a[2-4]")
    t.ok(a:contains(nodeset.new()))
    t.eq(a:contains "a[5-6]", false)
end)

spec.test("pairs and ipairs go in order", function(t)
    local set, out = nodeset.new "a[9-11]", {}
    for i, name in pairs(set) do out[i] = name end
    t.same(out, {"a9", "a10", "a11"})
    out = {}
    for i, name in ipairs(set) do out[i] = name end
    t.same(out, {"a9", "a10", "a11"})
end)

spec.test("members", function(t)
    local set = nodeset.new "a[1-3]"
    local names = set:expand()
    names[1] = "x"
    t.eq(set[1], "a1", "the array is the caller's")
    t.match(t.raises("usage", function() return set.contain end).message, "did you mean 'contains'")
    t.match(t.raises("usage", function() return nodeset.expnd end).message, "did you mean 'expand'")
    t.raises("usage", function() return set.contains "a1" end)
end)

spec.table("split", {
    {"a[1-8]", 3, {"a[1-3]", "a[4-6]", "a[7-8]"}},
    {"a[1-3]", 10, {"a1", "a2", "a3"}},
    {"a[1-3]", 1, {"a[1-3]"}},
    {"", 2, {}},
    {"a[1-2],b[1-2]", 2, {"a[1-2]", "b[1-2]"}},
}, function(t, c)
    local out = {}
    for i, part in ipairs(nodeset.split(c[1], c[2])) do out[i] = tostring(part) end
    t.same(out, c[3])
end)

spec.test("split into no parts", function(t)
    t.raises("usage", nodeset.split, "a", 0)
    t.raises("usage", nodeset.split, "a", 1.5)
    t.eq(#nodeset.new("a[1-5]"):split(2), 2)
end)

spec.test("names as they are", function(t)
    t.eq(nodeset.fold_names {"web1", "web2", "a container"}, "a container,web[1-2]")
end)

-- ---- groups ----

local GROUPS = {
    web = "web[1-4]", db = {"db1", "db2"}, rack1 = "web1,db1", rack2 = "@db", all = "@web,@db,z", mine = "@dc:x",
    loop = "a,@loop2", loop2 = "@loop", bad = "a[", ["dc:y"] = "y1",
    dc = {x = "x[1-2]"},
}

spec.table("groups", {
    {"@web", "web[1-4]"},
    {"@db", "db[1-2]"},
    {"@rack[1-2]", "db[1-2],web1"},
    {"@web&@rack1", "web1"},
    {"@web!@rack1", "web[2-4]"},
    {"@dc:x", "x[1-2]"},
    {"@dc:y", "y1"},
    {"@mine", "x[1-2]"},
    {"@r*", "db[1-2],web1"},
    {"@dc:*", "x[1-2]"},
    {"@*", "db[1-2],web[1-4],z"},
    {"*", "db[1-2],web[1-4],z"},
    {"w*", "web[1-4]"},
    {"w*!*[1-2]", "web[3-4]"},
    {"web?", "web[1-4]"},
    {"b*", ""},
    {"new,w*", "new,web[1-4]"},
    {"~web[13]", "web[1,3]"},
    {"~.*[24]$", "db2,web[2,4]"},
    {"~^(web|db)1,z", "db1,web1,z"},
    {"~web\\d!web2&~.*", "web[1,3-4]"},
    {"~b", "", name = "a regex starts at the beginning"},
}, function(t, c)
    t.eq(nodeset.fold(c[1], {groups = GROUPS}), c[2])
end)

spec.test("groups that aren't there", function(t)
    local opts = {groups = GROUPS}
    t.match(t.raises("usage", nodeset.fold, "@wbe", opts).message, "no group '@wbe', did you mean 'web'")
    t.raises("usage", nodeset.fold, "@nope:x", opts)
    t.raises("usage", nodeset.fold, "@x*", opts)
    t.match(t.raises("usage", nodeset.fold, "@loop", opts).message, "contains itself")
    t.match(t.raises("parse", nodeset.fold, "@bad", opts).message, "in the group '@bad': node set 'a%[', column 3")
end)

spec.test("groups of a function, and a universe", function(t)
    local function groups(name, source)
        if name == "g" then return source and {source .. "[1-2]"} or nodeset.new "g[1-3]" end
    end
    t.eq(nodeset.fold("@g,@s:g", {groups = groups}), "g[1-3],s[1-2]")
    t.raises("usage", nodeset.fold, "@h", {groups = groups})
    t.raises("usage", nodeset.fold, "*", {groups = groups})
    t.eq(nodeset.fold("*2", {all = "a[1-3]"}), "a2")
    t.eq(nodeset.fold("*2", {all = function() return {"a1", "a2"} end}), "a2")
    t.eq(nodeset.fold("@*", {all = {"a1", "a2"}}), "a[1-2]")
    t.eq(nodeset.fold("*!a1,b*", {all = "a[1-2],b"}), "a2,b")
end)

local function file(t, text)
    local path = t.tmp() .. "/groups"
    local f <close> = assert(io.open(path, "w"))
    f:write(text)
    return path
end

spec.test("a groups file", function(t)
    local path = file(t, table.concat({"# all of them", "", "web: web[1-4]  # the front", "  db :db1 db2", "empty:",
        "web: web9", "front: @web!web1"}, "\n"))
    local groups = nodeset.groups(path)
    t.same(groups, {web = "web[1-4],web9", db = "db1 db2", empty = "", front = "@web!web1"})
    t.eq(nodeset.fold("@front", {groups = groups}), "web[2-4,9]")
    t.eq(nodeset.fold("*", {groups = groups}), "db[1-2],web[1-4,9]")
    local e = t.raises("parse", nodeset.groups, file(t, "a: b\nnonsense\n"))
    t.eq(e.line, 2)
    t.raises("notfound", nodeset.groups, path .. "x")
end)

spec.test("the groups files are read when a group is asked for", function(t)
    local dir = t.tmp()
    -- Its own all, since that of ClusterShell's files is an example.
    os.execute(("mkdir -p '%s/rshell' && printf 'web: web[1-3]\\nall: @web\\n' > '%s/rshell/groups'"):format(dir, dir))
    local script = dir .. "/x.lua"
    local f = assert(io.open(script, "w"))
    f:write [[
        local n = require "rshell.nodeset"
        print(n.fold "@web", n.fold "@local:web,@default:web", n.fold "@web&*[1-2]")
        print(select(2, pcall(n.fold, "@foo:web")))
    ]]
    f:close()
    local rshell = io.open("/proc/self/cmdline"):read "a":match "^[^\0]+"
    local p <close> = assert(io.popen(("XDG_CONFIG_HOME='%s' '%s' '%s' 2>&1"):format(dir, rshell, script)))
    t.match(p:read "a", "^web%[1%-3%]\tweb%[1%-3%]\tweb%[1%-2%]\nno source of groups 'foo'")
end)

-- ---- limits and speed ----

spec.test("no more than a million names", function(t)
    t.eq(nodeset.count "a[1-1000000]", 1000000)
    for _, p in ipairs {"a[0-1000000]", "a[0-999999999999999]", "a[1-1001]b[1-1000]", "a[1-1000][1-1000][1-1000]",
        "a[1-600000],b[1-600000]", "a[1-600000,1-600000]"} do
        t.match(t.raises("usage", nodeset.count, p).message, "more than 1000000 names", p)
    end
end)

-- Processor time of a build without optimisation; elsewhere it is a third of that.
spec.test("a hundred thousand names", function(t)
    local start = os.clock()
    local names = nodeset.expand "n[1-100000]"
    t.eq(#names, 100000)
    t.ok(os.clock() - start < 1.5, "expand took " .. os.clock() - start)
    for i = #names, 2, -1 do
        local j = math.random(i)
        names[i], names[j] = names[j], names[i]
    end
    start = os.clock()
    t.eq(nodeset.fold(names), "n[1-100000]")
    t.ok(os.clock() - start < 5, "fold took " .. os.clock() - start)
    names = nodeset.expand "r[1-100]n[001-100]x[1-5]"
    t.eq(nodeset.fold(names), "r[1-100]n[001-100]x[1-5]")
end)

-- ---- properties ----

local function pick(list) return list[math.random(#list)] end

local function random_name()
    local parts = {}
    for i = 1, math.random(1, 4) do
        local number = pick({"%d", "%02d", "%03d"}):format(pick {math.random(0, 12), math.random(95, 105)})
        parts[i] = pick {"a", "b", "-ib", ".x", ":", "@h", "%", "1234567890123456", number, number, number}
    end
    local name = table.concat(parts)
    return name:find "^[@~]" and "h" .. name or name
end

spec.test("expand(fold(x)) is x", function(t)
    for _ = 1, 300 do
        local names, seen = {}, {}
        for _ = 1, math.random(0, 60) do
            local name = random_name()
            if not seen[name] then
                seen[name] = true
                names[#names + 1] = name
            end
        end
        local sorted, folded = nodeset.expand(names), nodeset.fold(names)
        t.eq(#sorted, #names)
        for _, name in ipairs(sorted) do t.ok(seen[name], name) end
        t.same(nodeset.expand(folded), sorted, folded)
        t.eq(nodeset.fold(folded), folded)
    end
end)

spec.test("operators are those of sets", function(t)
    local function random_set()
        local a, b = math.random(5), math.random(5)
        return ("a[%d-%d]b[%d-%d],a%02d"):format(a, a + math.random(5), b, b + math.random(9), math.random(20))
    end
    for _ = 1, 50 do
        local x, y = nodeset.new(random_set()), nodeset.new(random_set())
        t.ok((x ~ y) == (x + y) - (x & y))
        t.ok((x - y) == x - (x & y))
        t.eq(#(x + y), #x + #y - #(x & y))
        t.ok((x + y):contains(x))
        t.eq(nodeset.fold(("%s!%s"):format(tostring(x), "c")), tostring(x))
    end
end)

-- ---- fuzz: a result or an error object ----

local PIECES = {"a", "web", "1", "09", "[", "]", "[1-3]", "[08-10/2]", ",", "!", "&", "^", "-", "/", " ", "@", "@g",
    "~", "*", "?", "(", ")", "{2}", "|", "\\d", "\\", ":", "::1", "\0", "\200", "ü", "%d", "%", ".", "$", "+"}

spec.test("fuzz", function(t)
    local opts = {groups = {g = "g[1-3]", all = "web[1-20],g[1-3]"}}
    local good = 0
    for _ = 1, 8000 do
        local parts = {}
        for i = 1, math.random(0, 9) do
            parts[i] = math.random(12) == 1 and string.char(math.random(0, 255)) or pick(PIECES)
        end
        local text = table.concat(parts)
        local ok, e = pcall(nodeset.fold, text, opts)
        if ok then
            good = good + 1
            t.eq(nodeset.fold(e, opts), e, text)
        else
            t.ok(err.is(e) and (e.kind == "parse" or e.kind == "usage"), ("%q: %s"):format(text, tostring(e)))
            if e.kind == "parse" then t.ok(e.column >= 1 and e.column <= #text + 1, text) end
        end
    end
    t.ok(good > 400, "too few were good: " .. good)
end)

spec.finish()
