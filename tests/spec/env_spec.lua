package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local machines = require "machines"
local odd = require "odd"
local rshell = require "rshell"

local m, other = machines.get(), machines.other()

-- A view of its own, so that tests don't disturb each other.
local function fresh(vars)
    local v = m:with {env = {RST_A = "a", RST_B = "b c", RST_EMPTY = ""}}
    for name, value in pairs(vars or {}) do v.env:set(name, value) end
    return v
end

-- What a program sees: bytes in, bytes out.
local function seen(v, name)
    local out = v.cmd.env "-0"
    for entry in out:gmatch "([^\0]*)\0" do
        local key, value = entry:match "^([^=]+)=(.*)$"
        if key == name then return value end
    end
end

spec.test("names by field", function(t)
    local v = fresh()
    t.eq(v.env.RST_A, "a")
    t.eq(v.env.RST_EMPTY, "")
    t.eq(v.env.RST_NONE, nil)
    t.eq(v.env:get "RST_A", "a")
    t.eq(v.env:get "RST_NONE", nil)
    t.eq(v.env.PATH, m.cmd.sh("-c", "printf %s \"$PATH\""))
    v.env.RST_A = "new"
    t.eq(v.env.RST_A, "new")
    t.eq(seen(v, "RST_A"), "new")
    v.env.RST_A = nil
    t.eq(v.env.RST_A, nil)
    t.eq(seen(v, "RST_A"), nil)
    v.env.RST_A = ""
    t.eq(seen(v, "RST_A"), "", "empty is not unset")
    t.eq(m.env.RST_A, nil, "other views have their own")
end)

spec.test("what the machine had can be unset and set again", function(t)
    local v = fresh()
    local home = v.env.HOME
    v.env.HOME = nil
    t.eq(v.env.HOME, nil)
    t.eq(seen(v, "HOME"), nil)
    v.env.HOME = home
    t.eq(seen(v, "HOME"), home)
    t.eq(m.env.HOME, home)
end)

spec.test("set and get, also of names that are members", function(t)
    local v = fresh()
    for _, name in ipairs {"get", "set", "path", "expand", "expanduser"} do
        t.raises("usage", function() v.env[name] = "x" end)
        v.env:set(name, "value of " .. name)
        t.eq(v.env:get(name), "value of " .. name)
        t.eq(seen(v, name), "value of " .. name)
        v.env:set(name, nil)
        t.eq(v.env:get(name), nil)
    end
    t.eq(type(v.env.get), "function")
    t.match(t.raises("usage", function() v.env.path = "/bin" end).hint, "set")
end)

spec.table("values", {
    {1, "1"}, {-5, "-5"}, {1.5, "1.5"}, {2.0, "2"}, {2 ^ 53, "9007199254740992"}, {0.1, "0.1"}, {1e300, "1e+300"},
    {0.1 + 0.2, "0.30000000000000004"}, {math.maxinteger, "9223372036854775807"}, {"", ""}, {"x", "x"},
    {" a  b ", " a  b "}, {"a=b", "a=b"}, {"new\nline\n", "new\nline\n"}, {"$HOME `id` \"'\\", "$HOME `id` \"'\\"},
    {"ü", "ü"}, {false, nil},
}, function(t, c)
    local v = fresh()
    v.env.RST_V = "before"
    v.env.RST_V = c[1]
    t.eq(v.env.RST_V, c[2])
    t.eq(seen(v, "RST_V"), c[2])
end)

spec.test("any byte but NUL arrives", function(t)
    local v = fresh()
    local all = odd.bytes:gsub("%z", "")
    v.env.RST_BYTES = all
    t.eq(v.env.RST_BYTES, all)
    t.eq(seen(v, "RST_BYTES"), all)
    t.eq(v.cmd.sh("-c", "printf %s \"$RST_BYTES\""), all)
end)

spec.test("any name arrives", function(t)
    local v = fresh()
    for i, name in ipairs {"a.b", "1", "a b", "ü", "\xff", "a-b", "%s", "a\nb", "[x]", "-u", "\27", "$"} do
        v.env[name] = "v" .. i
        t.eq(v.env[name], "v" .. i)
        t.eq(seen(v, name), "v" .. i, name)
        v.env[name] = nil
        t.eq(v.env[name], nil)
    end
end)

spec.test("names and values that are none", function(t)
    local v = fresh()
    for _, name in ipairs {"", "=", "A=B", "A=", "=A", "A\0", "\0"} do
        t.raises("usage", function() return v.env[name] end)
        t.raises("usage", function() v.env[name] = "x" end)
        t.raises("usage", v.env.get, v.env, name)
        t.raises("usage", v.env.set, v.env, name, "x")
        t.raises("usage", function() return v.env {[name] = "x"} end)
        t.raises("usage", v.with, v, {env = {[name] = "x"}})
    end
    for _, name in ipairs {1, true, {}, print, 1.5} do
        t.raises("usage", function() return v.env[name] end)
        t.raises("usage", function() v.env[name] = "x" end)
        t.raises("usage", function() return v.env {[name] = "x"} end)
        t.raises("usage", v.with, v, {env = {[name] = "x"}})
    end
    for _, value in ipairs {true, {}, print, "a\0b", m.cwd, m:path "/a"} do
        t.raises("usage", function() v.env.RST_A = value end)
        t.raises("usage", v.env.set, v.env, "RST_A", value)
        t.raises("usage", function() return v.env {RST_A = value} end)
        t.raises("usage", v.with, v, {env = {RST_A = value}})
    end
    t.raises("usage", v.env.get, v.env)
    t.raises("usage", v.env.get, "RST_A")
    t.eq(v.env.RST_A, "a")
end)

spec.test("with{env=} and c:with{env=}", function(t)
    local v = fresh()
    local w = v:with {env = {RST_A = 1, RST_B = false, RST_C = "c"}}
    t.same({w.env.RST_A, w.env.RST_B or "-", w.env.RST_C}, {"1", "-", "c"})
    t.eq(seen(w, "RST_B"), nil)
    t.eq(v.env.RST_A, "a")
    w.env.RST_A = "own"
    t.eq(v.env.RST_A, "a")
    v.env.RST_B = "later"
    t.eq(w.env.RST_B, nil)
    t.eq(w:with({env = {RST_D = "d"}}).env.RST_A, "own", "a view of a view starts with its settings")
    t.raises("usage", v.with, v, {env = "A=B"})
end)

spec.test("pairs, #, tostring", function(t)
    local v = fresh {RST_Z = "z"}
    v.env.RST_A = nil
    local names, vars = {}, {}
    for name, value in pairs(v.env) do
        names[#names + 1] = name
        vars[name] = value
    end
    local sorted = table.move(names, 1, #names, 1, {})
    table.sort(sorted)
    t.same(names, sorted)
    t.eq(#v.env, #names)
    t.eq(vars.RST_A, nil)
    t.eq(vars.RST_B, "b c")
    t.eq(vars.RST_EMPTY, "")
    t.eq(vars.HOME, v.env.HOME)
    local count = 0
    for entry in v.cmd.env "-0":gmatch "([^\0]*)\0" do
        count = count + 1
        local name, value = entry:match "^([^=]+)=(.*)$"
        if name ~= "_" and name ~= "PWD" and name ~= "SHLVL" and name ~= "OLDPWD" then t.eq(vars[name], value, name) end
    end
    t.ok(count >= #names - 4 and count <= #names + 4)
    t.ok(tostring(v.env):find(m.name, 1, true))
    t.eq(tostring(v.env):find("b c", 1, true), nil, "values may be secrets")
    t.eq(rshell.type(v.env), "environment")
    t.eq(getmetatable(v.env), false)
end)

spec.test("changes while going over all", function(t)
    local v = fresh()
    for name in pairs(v.env) do
        if name:find "^RST_" then v.env[name] = nil end
    end
    t.eq(v.env.RST_A, nil)
    t.eq(v.env.RST_B, nil)
end)

-- ---- scopes ----

spec.test("scopes", function(t)
    local v = fresh()
    do
        local _ <close> = v.env {RST_A = "in", RST_B = false, RST_N = 5}
        t.same({v.env.RST_A, v.env.RST_B or "-", v.env.RST_N}, {"in", "-", "5"})
        t.eq(seen(v, "RST_A"), "in")
        t.eq(seen(v, "RST_B"), nil)
        do
            local _ <close> = v.env {RST_A = "deeper"}
            t.same({v.env.RST_A, v.env.RST_N}, {"deeper", "5"})
        end
        t.eq(v.env.RST_A, "in")
        v.env.RST_A = "set"
        v.env.RST_X = "x"
        t.eq(seen(v, "RST_A"), "set")
    end
    t.same({v.env.RST_A, v.env.RST_B}, {"a", "b c"})
    t.eq(v.env.RST_X, nil, "what is set in a scope ends with it")
    t.ok(not pcall(function()
        local _ <close> = v.env {RST_A = "in"}
        error "x"
    end))
    t.eq(v.env.RST_A, "a")
    t.raises("usage", function() return v.env "RST_A" end)
    t.raises("usage", function() return v.env() end)
end)

spec.test("scopes that end in another order", function(t)
    local v = fresh()
    local a, b = v.env {RST_A = "in"}, v.env {RST_X = "x"}
    t.match(tostring(a), "^scope of the environment of ")
    a:close()
    t.eq(seen(v, "RST_X"), "x", "the innermost goes on")
    b:close()
    a:close()
    t.same({v.env.RST_A, v.env.RST_X}, {"a"})
end)

spec.test("scopes belong to their task, and to those it spawns", function(t)
    local v = fresh()
    local got = {}
    local scoped = rshell.spawn(function()
        local _ <close> = v.env {RST_A = "task"}
        local child = rshell.spawn(function()
            rshell.sleep(0.05)
            got.child = v.env.RST_A
        end)
        rshell.sleep(0.02)
        got.own = v.env.RST_A
        return child
    end)
    rshell.sleep(0.01)
    got.main = v.env.RST_A
    scoped:await():await()
    t.same(got, {main = "a", own = "task", child = "task"})
    t.eq(v.env.RST_A, "a")
end)

spec.test("scopes of two views", function(t)
    local v, w = fresh(), fresh()
    local _ <close> = v.env {RST_A = "v"}
    local _ <close> = w.env {RST_A = "w"}
    t.same({v.env.RST_A, w.env.RST_A}, {"v", "w"})
    t.eq(v:at("/").env.RST_A, "v", "a new view starts in the scope")
end)

-- ---- expanding ----

spec.table("expand", {
    {"", ""}, {"plain", "plain"}, {"$RST_A", "a"}, {"${RST_A}", "a"}, {"x$RST_A/y", "xa/y"}, {"${RST_A}b", "ab"},
    {"$RST_AB", ""}, {"$RST_A$RST_A", "aa"}, {"$RST_NONE", ""}, {"<${RST_NONE}>", "<>"}, {"$RST_EMPTY.", "."},
    {"$", "$"}, {"a$", "a$"}, {"$$", "$$"}, {"$1", "$1"}, {"$-", "$-"}, {"${", "${"}, {"${RST_A", "${RST_A"},
    {"${}", "${}"}, {"${1}", "${1}"}, {"${RST_A:-x}", "${RST_A:-x}"}, {"$RST_A}", "a}"}, {"%1 %% %s", "%1 %% %s"},
    {"$RST_B", "b c"}, {"$RST_D", "$RST_A %1"}, {"~/$RST_A", "~/a"}, {"\\$RST_A", "\\a"},
    {"$RST_A\0$RST_A", "a\0a"}, {"$HOME", nil},
}, function(t, c)
    local v = fresh {RST_D = "$RST_A %1"}
    t.eq(v.env:expand(c[1]), c[2] or v.env.HOME)
end)

spec.test("expanduser", function(t)
    local v = fresh {HOME = "/some/home"}
    local env = v.env
    t.eq(env:expanduser "~", "/some/home")
    t.eq(env:expanduser "~/x", "/some/home/x")
    t.eq(env:expanduser "a~", "a~")
    t.eq(env:expanduser "/~", "/~")
    t.eq(env:expanduser "", "")
    t.eq(env:expanduser "./~/x", "./~/x")
    t.eq(env:expanduser "~root", m.cmd.sh("-c", "printf %s ~root"))
    t.eq(env:expanduser "~root/a b/$X", m.cmd.sh("-c", "printf %s ~root") .. "/a b/$X")
    v.env.HOME = "/"
    t.eq(env:expanduser "~/x", "/x")
    t.eq(env:expanduser "~", "/")
    v.env.HOME = nil
    t.match(env:expanduser "~/x", "^/.*/?x$")
    local e = t.raises("notfound", env.expanduser, env, "~no-such-user/x")
    t.eq(e.host, m.name)
    t.match(e.message, "no%-such%-user")
    for _, x in ipairs {1, {}, true} do
        t.raises("usage", env.expanduser, env, x)
        t.raises("usage", env.expand, env, x)
    end
    t.raises("usage", env.expand, env)
end)

-- ---- PATH ----

local function entries(list)
    local all = {}
    for i, entry in ipairs(list) do all[i] = entry end
    return all
end

spec.test("env.path is a list over PATH", function(t)
    local v = fresh {PATH = "/a:/b:/c d"}
    local path = v.env.path
    t.eq(#path, 3)
    t.same({path[1], path[2], path[3]}, {"/a", "/b", "/c d"})
    t.eq(path[4], nil)
    t.eq(path[0], nil)
    t.same(entries(path), {"/a", "/b", "/c d"})
    local n = 0
    for i, entry in pairs(path) do
        n = n + 1
        t.eq(entry, path[i])
    end
    t.eq(n, 3)
    t.eq(tostring(path), "/a:/b:/c d")
    t.eq(rshell.type(path), "environment.path")
    v.env.PATH = "/x"
    t.same(entries(path), {"/x"}, "it shows what PATH is now")
    t.ok(path == v.env.path)
end)

spec.table("insert, append, remove, assignment", {
    {"insert first", function(p) p:insert(1, "/x") end, "/x:/a:/b"},
    {"insert between", function(p) p:insert(2, "/x") end, "/a:/x:/b"},
    {"insert last", function(p) p:insert(3, "/x") end, "/a:/b:/x"},
    {"insert without a place", function(p) p:insert "/x" end, "/a:/b:/x"},
    {"append", function(p) p:append "/x" end, "/a:/b:/x"},
    {"a path", function(p) p:insert(1, m:path "/x y") end, "/x y:/a:/b"},
    {"a relative entry stays as it is", function(p) p:append "bin" end, "/a:/b:bin"},
    {"chained", function(p) p:append "/x":append "/y":insert(1, "/z") end, "/z:/a:/b:/x:/y"},
    {"remove by place", function(p) p:remove(1) end, "/b"},
    {"remove by entry", function(p) p:remove "/b" end, "/a"},
    {"remove by path", function(p) p:remove(m:path "/a") end, "/b"},
    {"remove all", function(p) p:remove(1) p:remove(1) end, ""},
    {"remove all, then one", function(p) p:remove(1) p:remove(1) p:append "/x" end, "/x"},
    {"assignment", function(p) p[2] = "/x" end, "/a:/x"},
    {"assignment at the end", function(p) p[3] = "/x" end, "/a:/b:/x"},
    {"assignment of a path", function(p) p[1] = m:path "/x" end, "/x:/b"},
}, function(t, c)
    local v = fresh {PATH = "/a:/b"}
    c[2](v.env.path)
    t.eq(v.env.PATH, c[3])
    t.eq(tostring(v.env.path), c[3])
end)

spec.test("remove gives what it removed", function(t)
    local v = fresh {PATH = "/a:/b:/a"}
    t.eq(v.env.path:remove(2), "/b")
    t.eq(v.env.path:remove "/a", "/a")
    t.eq(v.env.PATH, "/a")
    local e = t.raises("notfound", v.env.path.remove, v.env.path, "/none")
    t.eq(e.host, m.name)
end)

spec.test("odd PATHs are kept as they are", function(t)
    local v = fresh {PATH = ":/a::/b:"}
    t.same(entries(v.env.path), {"", "/a", "", "/b", ""})
    v.env.path:append "/c"
    t.eq(v.env.PATH, ":/a::/b::/c")
    v.env.PATH = nil
    t.eq(#v.env.path, 0)
    t.eq(tostring(v.env.path), "")
    v.env.path:append "/x"
    t.eq(v.env.PATH, "/x")
    v.env.PATH = ""
    t.same(entries(v.env.path), {})
end)

spec.test("entries and places that are none", function(t)
    local v = fresh {PATH = "/a:/b"}
    local path = v.env.path
    for _, entry in ipairs {"", "a:b", "a\0", true, {}, other:path "/x"} do
        t.raises("usage", path.append, path, entry)
        t.raises("usage", path.insert, path, 1, entry)
        t.raises("usage", function() path[1] = entry end)
    end
    for _, i in ipairs {0, -1, 4, 1.5, "1", true} do t.raises("usage", path.insert, path, i, "/x") end
    for _, i in ipairs {0, -1, 3, 1.5} do t.raises("usage", path.remove, path, i) end
    for _, i in ipairs {0, 4, "x"} do t.raises("usage", function() path[i] = "/x" end) end
    t.raises("usage", path.append, path)
    t.raises("usage", path.insert, path)
    t.raises("usage", path.insert, path, 1, nil)
    t.raises("usage", path.remove, path)
    t.raises("usage", function() path[1] = nil end)
    t.match(t.raises("usage", function() return path.apend end).message, "append")
    t.eq(v.env.PATH, "/a:/b")
end)

spec.test("programs are found by the PATH that was set", function(t)
    local d = odd.dir(t, m)
    d:join "rst-tool":write("#!/bin/sh\necho found\n", {mode = "755"})
    local v = fresh()
    t.raises("notfound", v.which, v, "rst-tool")
    v.env.path:insert(1, d)
    t.eq(v:which "rst-tool", d / "rst-tool")
    t.eq(v.cmd["rst-tool"](), "found\n")
    do
        local _ <close> = v.env {PATH = "/nonexistent"}
        t.raises("notfound", v.which, v, "rst-tool")
    end
    v.env.path:remove(d)
    t.raises("notfound", v.which, v, "rst-tool")
end)

spec.finish()
