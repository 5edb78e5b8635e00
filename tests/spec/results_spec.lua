package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local err = require "rshell.shared.error"
local results = require "rshell.results"

local function mixed()
    local r = results.new {"web1", "web2", "web3", "web10", "db1", "db2", "db3"}
    for _, name in ipairs {"web1", "web10", "web2"} do
        results.succeeded(r, name, "up\n", {stdout = "up\n", stderr = "", code = 0})
    end
    results.succeeded(r, "web3", "down\n", {stdout = "down\n", stderr = "", code = 0})
    results.failed(r, "db1", err.new {
        kind = "process", host = "db1", message = "`x` exited with status 3", code = 3, stdout = "a\n", stderr = "b\n",
    })
    results.failed(r, "db2", err.new {kind = "connect", host = "db2", message = "refused"})
    return r
end

local function lines(out)
    return {write = function(_, ...) out[#out + 1] = table.concat {...} end}
end

spec.test("one result for each host", function(t)
    local r = mixed()
    t.eq(#r, 7)
    t.same(r.web1, {host = "web1", status = "ok", value = "up\n", stdout = "up\n", stderr = "", code = 0})
    t.eq(r["db1"].status, "failed")
    t.eq(r.db1.code, 3)
    t.eq(r.db1.stdout, "a\n")
    t.eq(r.db1.error.kind, "process")
    t.eq(r.db1.value, nil)
    t.same(r.db3, {host = "db3", status = "skipped"})
    t.eq(r[1].host, "web1")
    t.eq(r[8], nil)
end)

spec.test("ok and failed are in order", function(t)
    local r = mixed()
    t.same(r.ok, {"web1", "web2", "web3", "web10"})
    t.same(r.failed, {"db1", "db2", "db3"})
    t.same(r.hosts, {"web1", "web2", "web3", "web10", "db1", "db2", "db3"})
    r.hosts[1] = "x"
    t.eq(r.hosts[1], "web1")
end)

spec.table("the status is told by the kind of the error", {
    {"connect", "unreachable"}, {"unreachable", "unreachable"}, {"hostkey", "unreachable"}, {"auth", "unreachable"},
    {"timeout", "timeout"}, {"cancelled", "cancelled"}, {"process", "failed"}, {"closed", "failed"},
    {"usage", "failed"},
}, function(t, c)
    local r = results.new {"a"}
    results.failed(r, "a", err.new {kind = c[1], message = "m"})
    t.eq(r.a.status, c[2])
end)

spec.test("anything can be raised", function(t)
    local r = results.new {"a", "b", "c"}
    results.failed(r, "a", "text")
    results.failed(r, "b", nil)
    results.failed(r, "c", {code = 3})
    t.match(tostring(r.c), '^c: failed\n{"code":3}$')
    t.eq(r.a.error, "text")
    t.eq(r.b.status, "failed")
    t.match(tostring(r.a), "^a: failed\ntext$")
    t.match(tostring(r:fold()), "nil")
end)

spec.test("each and pairs", function(t)
    local r, out = mixed(), {}
    for host, value in r:each() do out[#out + 1] = host .. "=" .. tostring(value) end
    t.same(out, {"web1=up\n", "web2=up\n", "web3=down\n", "web10=up\n", "db1=nil", "db2=nil", "db3=nil"})
    out = {}
    for host, e in pairs(r) do out[#out + 1] = host .. "=" .. e.status end
    t.eq(table.concat(out, " "), "web1=ok web2=ok web3=ok web10=ok db1=failed db2=unreachable db3=skipped")
end)

spec.test("tostring counts", function(t)
    t.eq(tostring(mixed()), "4 ok, 1 failed, 1 unreachable, 1 skipped")
    t.eq(tostring(results.new {}), "no hosts")
    t.eq(tostring(mixed().web1), "web1: ok\nup")
end)

spec.test("print", function(t)
    local out = {}
    mixed():print(lines(out))
    t.same(out, {
        "web1: up\n", "web2: up\n", "web3: down\n", "web10: up\n", "db1: failed: `x` exited with status 3\n",
        "db1: failed: a\n", "db1: failed: b\n", "db2: unreachable: refused\n", "db3: skipped\n",
    })
end)

spec.test("fold", function(t)
    local blocks = mixed():fold()
    t.eq(#blocks, 5)
    local names = {"web1", "web2", "web10"}
    t.same(blocks[1], {hosts = "web[1-2,10]", names = names, count = 3, output = "up\n", status = "ok"})
    t.eq(blocks[2].hosts, "web3")
    t.eq(tostring(blocks), table.concat({
        "---------------", "web[1-2,10] (3)", "---------------", "up",
        "---------------", "web3", "---------------", "down",
        "---------------", "db1 failed", "---------------", "`x` exited with status 3", "a", "b",
        "---------------", "db2 unreachable", "---------------", "refused",
        "---------------", "db3 skipped", "---------------",
    }, "\n"))
end)

spec.test("values that aren't text", function(t)
    local r = results.new {"a1", "a2", "a3"}
    results.succeeded(r, "a1", {x = 1, y = {2}})
    results.succeeded(r, "a2", {y = {2}, x = 1})
    results.succeeded(r, "a3", false)
    local blocks = r:fold()
    t.eq(blocks[1].hosts, "a[1-2]")
    t.eq(blocks[1].output, '{"x":1,"y":[2]}')
    t.eq(blocks[2].output, "false")
end)

spec.test("control characters of a target are shown escaped", function(t)
    local r, out = results.new {"a\27"}, {}
    results.succeeded(r, "a\27", "x\27[2J\ttab\n")
    r:print(lines(out))
    t.same(out, {"a\\x1b: x\\x1b[2J\ttab\n"})
    t.eq(tostring(r:fold()):find "\27", nil)
    t.eq(tostring(r[1]):find "\27", nil)
    t.eq(r[1].value, "x\27[2J\ttab\n")
end)

spec.test("a host's name comes first", function(t)
    local r = results.new {"ok", "each"}
    t.eq(r.ok.host, "ok")
    t.eq(r.each.host, "each")
    t.same(r.failed, {"ok", "each"})
end)

spec.test("what isn't there", function(t)
    local r = mixed()
    local e = t.raises("usage", function() return r.web4 end)
    t.match(e.message, "no host 'web4' in these results, did you mean 'web1'")
    t.match(t.raises("usage", function() return r.faild end).message, "did you mean 'failed'")
    t.raises("usage", function() return r[{}] end)
    t.raises("usage", function() return r.fold() end)
    t.raises("usage", results.new, {"a", "a"})
    t.raises("usage", results.failed, r, "x", "e")
end)

spec.finish()
