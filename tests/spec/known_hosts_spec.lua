package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local base64 = require "rshell.ssh.base64"
local fs = require "rshell.sys.fs"
local kh = require "rshell.ssh.known_hosts"
local proc = require "rshell.sys.proc"
local task = require "rshell.task"

local function run(...)
    local r = assert(proc.run {stages = {{argv = {...}}}})
    return r.exits[1].code, r.stdout, r.stderr
end

local function hex(s)
    return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function save(dir, name, ...)
    local path = dir .. "/" .. name
    assert(fs.write(path, table.concat({...}, "\n") .. "\n", {mode = 384}))
    return path
end

-- Keys of all types, made once: type and Base64.
local keys = {}

local function key(kind, n)
    local id = kind .. (n or 1)
    if keys[id] then return table.unpack(keys[id]) end
    local dir = assert(fs.mktemp_dir())
    local code, _, text = run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", dir .. "/k")
    assert(code == 0, text)
    local public = assert(fs.read(dir .. "/k.pub"))
    assert(fs.remove(dir, {recursive = true}))
    keys[id] = {public:match "^(%S+) (%S+)"}
    return table.unpack(keys[id])
end

local function line(names, kind, n)
    return ("%s %s %s"):format(names, key(kind, n))
end

-- The lines that ssh-keygen finds.
local function keygen_lines(file, name)
    local _, out = run("ssh-keygen", "-F", name, "-f", file)
    local lines = {}
    for n in out:gmatch "found: line (%d+)" do lines[#lines + 1] = math.tointeger(n) end
    return lines
end

local function our_lines(files, names, port)
    local lines = {}
    for i, e in ipairs(kh.lookup(files, names, port)) do lines[i] = e.line end
    return lines
end

-- ---- the ground ----

spec.test("base64 gives back what it was given", function(t)
    for n = 0, 70 do
        local bytes = {}
        for i = 1, n do bytes[i] = string.char((i * 71 + n * 13) % 256) end
        local s = table.concat(bytes)
        local text = base64.encode(s)
        t.eq(#text, (n + 2) // 3 * 4)
        t.eq(base64.decode(text), s)
    end
end)

spec.table("base64", {
    {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\255\254\253", "//79"},
    {"\0\0\0\0", "AAAAAA=="},
}, function(t, c)
    t.eq(base64.encode(c[1]), c[2])
    t.eq(base64.decode(c[2]), c[1])
end)

spec.table("no base64", {
    {"A"}, {"AB"}, {"ABC"}, {"===="}, {"A==="}, {"AB=C"}, {"AB CD"}, {"AB-_"}, {"ABCD\n"}, {"=ABC"},
}, function(t, c)
    t.eq(base64.decode(c[1]), nil)
end)

-- RFC 2202
spec.table("hmac", {
    {("\x0b"):rep(20), "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"},
    {"Jefe", "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    {("\xaa"):rep(20), ("\xdd"):rep(50), "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
    {
        ("\xaa"):rep(80), "Test Using Larger Than Block-Size Key - Hash Key First",
        "aa4ae5e15272d00e95705637ce8a3b55ed402112",
    },
    {"", "", "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d"},
}, function(t, c) t.eq(hex(kh.hmac(c[1], c[2])), c[3]) end)

spec.table("fingerprint", {{"ed25519"}, {"ecdsa"}, {"rsa"}}, function(t, c)
    local kind = c[1]
    local dir = t.tmp()
    local file = save(dir, "k.pub", ("%s %s comment"):format(key(kind)))
    local _, out = run("ssh-keygen", "-lf", file)
    t.eq(kh.fingerprint((select(2, key(kind)))), out:match "SHA256:%S+")
end)

spec.test("no fingerprint and no bits of what is no key", function(t)
    t.eq(kh.fingerprint "!!", nil)
    t.eq(kh.rsa_bits "!!", nil)
    t.eq(kh.rsa_bits "AAAA", nil)
    t.eq(kh.rsa_bits((select(2, key "ed25519"))), nil)
    t.eq(kh.rsa_bits((select(2, key "rsa"))), 3072)
end)

-- ---- lookup, as ssh-keygen does it ----

local LINES = {
    "alpha", "alpha,beta,10.0.0.1", "*.example.com", "!web.example.com,*.example.com", "web?.example.com",
    "[alpha]:2222", "[10.0.0.1]:22", "[*.example.com]:2222", "::1", "[::1]:2222", "ALPHA", "*", "alpha.*,!alpha.b",
    "@revoked alpha",
    "@cert-authority *.example.com",
}

local function corpus(t, hashed)
    local lines = {"# a comment", "", "   ", "  # another"}
    for i, names in ipairs(LINES) do
        lines[#lines + 1] = line(names, i % 2 == 0 and "ed25519" or "ecdsa") .. (i % 3 == 0 and " me@x" or "")
    end
    local file = save(t.tmp(), "known_hosts", table.unpack(lines))
    if hashed then
        local code, _, text = run("ssh-keygen", "-H", "-f", file)
        t.eq(code, 0, text)
    end
    return file
end

local NAMES = {
    {"alpha"}, {"beta"}, {"10.0.0.1"}, {"web.example.com"}, {"web1.example.com"}, {"web12.example.com"},
    {"example.com"},
    {"a.b.example.com"}, {"alpha", 2222}, {"web.example.com", 2222}, {"::1"}, {"::1", 2222}, {"alpha.a"}, {"alpha.b"},
    {"gamma"}, {"alpha", 23},
}

for _, hashed in ipairs {false, true} do
    spec.table(hashed and "hashed lookup" or "lookup", NAMES, function(t, c)
        local file = corpus(t, hashed)
        local name = c[2] and ("[%s]:%d"):format(c[1], c[2]) or c[1]
        t.same(our_lines({file}, {c[1]}, c[2]), keygen_lines(file, name))
    end)
end

spec.test("capitals don't count", function(t)
    local file = save(t.tmp(), "k", line("Alpha", "ed25519"), line("*.EXAMPLE.com", "ed25519"))
    t.same(our_lines({file}, {"aLPHA"}), {1})
    t.same(our_lines({file}, {"a.example.COM"}), {2})
end)

spec.test("an entry has all that a message needs", function(t)
    local file = save(t.tmp(), "k", "# none", line("@revoked alpha", "ed25519") .. " comment")
    local type, blob = key "ed25519"
    t.same(kh.lookup({file}, {"alpha"}), {{file = file, line = 2, marker = "@revoked", type = type, key = blob}})
end)

spec.test("several files and several names, each entry once, in order", function(t)
    local dir = t.tmp()
    local a = save(dir, "a", line("x", "ecdsa"), line("10.0.0.1,alpha", "ed25519"), line("alpha", "rsa"))
    local b = save(dir, "b", line("10.0.0.1", "rsa"))
    local got = {}
    for i, e in ipairs(kh.lookup({a, dir .. "/missing", b}, {"10.0.0.1", "alpha"}, 22)) do
        got[i] = e.file:sub(-1) .. e.line
    end
    t.same(got, {"a2", "a3", "b1"})
    t.same(kh.known_types({a, b}, {"10.0.0.1", "alpha"}), {"ssh-ed25519", "ssh-rsa"})
end)

spec.test("malformed lines are skipped", function(t)
    local type, blob = key "ed25519"
    local good = line("alpha", "ed25519")
    local file = save(t.tmp(), "k", "alpha", "alpha ssh-ed25519", "alpha ssh-ed25519 ????", "alpha ssh-rsa " .. blob,
        "alpha " .. blob, "@wrong " .. good, "@revoked", "@revoked alpha", "|1|a|b " .. type .. " " .. blob,
        "|1|| " .. type .. " " .. blob, "|2|a|b|c " .. type .. " " .. blob, "alpha " .. type .. " AAAA",
        "alpha 1024 35 1234567", "\0\255\1 \2", "  \t " .. good .. "\r", good:gsub(" ", "\t"))
    t.same(our_lines({file}, {"alpha"}), {15, 16})
    t.same(our_lines({file}, {"beta"}), {})
end)

spec.test("the last line needs no end", function(t)
    local file = t.tmp() .. "/k"
    assert(fs.write(file, line("alpha", "ed25519")))
    t.same(our_lines({file}, {"alpha"}), {1})
end)

spec.test("a changed file is read again", function(t)
    local dir = t.tmp()
    local file = save(dir, "k", line("alpha", "ed25519"))
    t.eq(#kh.lookup({file}, {"beta"}), 0)
    save(dir, "k", line("beta", "ed25519"))
    t.eq(#kh.lookup({file}, {"beta"}), 1)
    assert(fs.remove(file))
    t.eq(#kh.lookup({file}, {"beta"}), 0)
end)

spec.test("a file that can't be read is an error", function(t)
    local dir = t.tmp()
    local e = t.raises("io", kh.lookup, {dir}, {"alpha"})
    t.eq(e.file, dir)
    t.same(kh.lookup({dir .. "/k/nothing", "/dev/null"}, {"alpha"}), {})
end)

-- ---- judging ----

local function judge(file, names, port, kind, n)
    local type, blob = key(kind, n)
    return kh.check({file}, names, port, type, blob)
end

spec.table("check", {
    {name = "the same key", {"alpha ed25519"}, "ok", 1},
    {name = "no entry", {"beta ed25519"}, "unknown"},
    {name = "another key of the type", {"alpha ecdsa", "alpha ed25519 2"}, "changed", 2},
    {name = "another type only", {"alpha ecdsa", "alpha rsa"}, "changed", 1},
    {name = "one of several", {"alpha ed25519 2", "alpha ecdsa", "alpha ed25519"}, "ok", 3},
    {name = "revoked", {"alpha ed25519", "@revoked alpha ed25519"}, "revoked", 2},
    {name = "revoked for all", {"alpha ed25519", "@revoked * ed25519"}, "revoked", 2},
    {name = "another key is revoked", {"alpha ed25519", "@revoked * ed25519 2"}, "ok", 1},
    {name = "an authority vouches for no plain key", {"@cert-authority * ed25519"}, "unknown"},
    {name = "an authority contradicts no plain key", {"@cert-authority * ed25519 2", "alpha ed25519"}, "ok", 2},
    {name = "negated", {"*,!alpha,!10.0.0.1 ed25519"}, "unknown"},
    {name = "the port's own key", {"[alpha]:2222 ed25519"}, "ok", 1, port = 2222},
    {name = "known without the port", {"alpha ed25519"}, "ok", 1, port = 2222},
    {name = "another one without the port", {"alpha ed25519 2"}, "unknown", port = 2222},
    {name = "revoked without the port", {"@revoked alpha ed25519"}, "revoked", 1, port = 2222},
    {name = "the port's key has changed", {"[alpha]:2222 ed25519 2", "alpha ed25519"}, "changed", 1, port = 2222},
    {name = "known by its address", {"10.0.0.1 ed25519"}, "ok", 1},
}, function(t, c)
    local lines = {}
    for i, text in ipairs(c[1]) do
        local names, kind, n = text:match "^(.*) ([a-z]+[0-9]*) ?(%d?)$"
        lines[i] = line(names, kind, n ~= "" and n or nil)
    end
    local file = save(t.tmp(), "k", table.unpack(lines))
    local verdict, entry = judge(file, {"alpha", "10.0.0.1"}, c.port, "ed25519")
    t.eq(verdict, c[2])
    t.eq(entry and entry.line, c[3])
end)

spec.test("check tells the known types", function(t)
    local file = save(t.tmp(), "k", line("alpha", "ecdsa"), line("alpha", "rsa"), line("@revoked alpha", "ed25519", 2))
    local verdict, entry, types = judge(file, {"alpha"}, nil, "ed25519")
    t.eq(verdict, "changed")
    t.eq(entry.type, "ecdsa-sha2-nistp256")
    t.same(types, {"ecdsa-sha2-nistp256", "ssh-rsa"})
end)

-- ---- adding ----

local function add(file, name, port, kind, opts)
    local type, blob = key(kind)
    return kh.add(file, name, port, type, blob, opts)
end

spec.test("add makes the folder and the file", function(t)
    local file = t.tmp() .. "/.ssh/known_hosts"
    t.ok(add(file, "Alpha", 22, "ed25519"))
    t.ok(add(file, "::1", 2222, "rsa"))
    t.eq(fs.read(file), line("alpha", "ed25519") .. "\n" .. line("[::1]:2222", "rsa") .. "\n")
    t.eq(fs.stat(file).mode, 384)
    t.eq(fs.stat(file:match "^(.*)/").mode, 448)
    t.same(keygen_lines(file, "alpha"), {1})
    t.same(keygen_lines(file, "[::1]:2222"), {2})
end)

spec.test("a file that is there keeps its mode and its content", function(t)
    local file = t.tmp() .. "/k"
    assert(fs.write(file, "# no end", {mode = 420}))
    t.ok(add(file, "alpha", nil, "ed25519"))
    t.eq(fs.read(file), "# no end\n" .. line("alpha", "ed25519") .. "\n")
    t.eq(fs.stat(file).mode, 420)
    t.eq((judge(file, {"alpha"}, nil, "ed25519")), "ok")
end)

spec.test("hashed names are found by ssh-keygen, and by us", function(t)
    local file = t.tmp() .. "/k"
    t.ok(add(file, "alpha", 22, "ed25519", {hash = true}))
    t.ok(add(file, "alpha", 2222, "ecdsa", {hash = true}))
    t.eq(fs.read(file):find("alpha", 1, true), nil)
    t.same(keygen_lines(file, "alpha"), {1})
    t.same(keygen_lines(file, "[alpha]:2222"), {2})
    t.same(our_lines({file}, {"alpha"}), {1})
    t.same(our_lines({file}, {"alpha"}, 2222), {2})
end)

spec.test("a file that can't be read isn't written to", function(t)
    local dir = t.tmp()
    local ok, text, name = add(dir, "alpha", nil, "ed25519")
    t.eq(ok, nil)
    t.eq(name, "EISDIR", text)
    t.eq(add("/proc/none/known_hosts", "alpha", nil, "ed25519"), nil)
end)

spec.table("no name of a host", {
    {""}, {"*"}, {"a*"}, {"a?"}, {"!a"}, {"a,b"}, {"a b"}, {"a\nb"}, {"|1|x|y"}, {"#x"}, {"@revoked"},
}, function(t, c)
    local name = c[1]
    local file = t.tmp() .. "/k"
    t.raises("usage", add, file, name, nil, "ed25519")
    t.eq(fs.exists(file), false)
end)

spec.test("what is no key isn't added", function(t)
    local file = t.tmp() .. "/k"
    local _, blob = key "ed25519"
    t.raises("usage", kh.add, file, "alpha", nil, "ssh-rsa", blob)
    t.raises("usage", kh.add, file, "alpha", nil, "ssh-ed25519", "AAAA\nx")
    t.eq(fs.exists(file), false)
end)

spec.test("tasks that add at once lose nothing", function(t)
    local file = t.tmp() .. "/k"
    local tasks = {}
    for i = 1, 20 do tasks[i] = task.spawn(add, file, "host" .. i, nil, "ed25519") end
    for _, one in ipairs(tasks) do t.ok(one:await()) end
    for i = 1, 20 do t.eq((judge(file, {"host" .. i}, nil, "ed25519")), "ok") end
    local n = select(2, fs.read(file):gsub("\n", ""))
    t.eq(n, 20)
end)

-- ---- large and broken files ----

local function large(t, hashed)
    local lines = {}
    for i = 1, 10000 do lines[i] = line("host" .. i, "ed25519") end
    local file = save(t.tmp(), "k", table.unpack(lines))
    if hashed then t.eq((run("ssh-keygen", "-H", "-f", file)), 0) end
    return file
end

spec.test("10,000 lines", function(t)
    local file = large(t)
    local start = os.clock()
    t.same(our_lines({file}, {"host9999", "10.0.0.1"}), {9999})
    local first = os.clock() - start
    for i = 1, 1000 do t.eq(#kh.lookup({file}, {"host" .. i}), 1) end
    t.note(("first %.3f s, then %.1f us each"):format(first, (os.clock() - start - first) * 1000))
    t.ok(os.clock() - start < 5)
end)

spec.test("10,000 hashed lines", function(t)
    local file = large(t, true)
    local start = os.clock()
    t.same(our_lines({file}, {"host9999"}), {9999})
    local first = os.clock() - start
    t.same(our_lines({file}, {"host77"}), {77})
    t.note(("first %.3f s, the next %.3f s"):format(first, os.clock() - start - first))
    t.ok(os.clock() - start < 10)
end)

spec.test("truncated and broken files raise nothing", function(t)
    local file = corpus(t)
    local text = fs.read(file)
    local broken = file .. ".broken"
    local function try(content)
        assert(fs.write(broken, content, {atomic = false}))
        t.eq(type(kh.lookup({broken}, {"alpha", "web.example.com"}, 22)), "table")
    end
    for i = 0, #text, 37 do try(text:sub(1, i)) end
    for i = 1, #text, 23 do
        try(text:sub(1, i - 1) .. string.char(text:byte(i) ~ 1 << i % 8) .. text:sub(i + 1))
    end
end)

spec.finish()
