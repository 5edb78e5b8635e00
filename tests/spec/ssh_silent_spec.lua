-- A link that has fallen silent, long before the keepalive says so: limits hold all the same, with and without an
-- agent.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local proxy = require "proxy"
local rshell = require "rshell"

local here, copy = rshell.here, rshell.copy
local BG, FG, NOHUP, TEE, TF = rshell.BG, rshell.FG, rshell.NOHUP, rshell.TEE, rshell.TF

local LIMIT, AT_MOST = 0.3, 60 -- seconds; the second is against hanging until the keepalive of 1000 s

require "rshell.task".on_unobserved(function() end)

local bed <close> = require "bed".new()

-- What is done with v, a view with a limit, to a folder d over there, and l, one here. Others are made before.
local cases = {
    call = function(c) c.v.ls() end,
    ["a limit of its own"] = function(c) c.m.ls:run(nil, {timeout = LIMIT}) end,
    popen = function(c) c.v.ls:popen() end,
    ["popen with a limit"] = function(c) c.m.ls:popen {timeout = LIMIT} end,
    lines = function(c) for _ in c.v.ls:lines() do error "a line" end end,
    iter = function(c) for _ in c.v.ls:iter() do error "a line" end end,
    BG = function(c) (c.v.ls & BG):wait() end,
    TF = function(c) return c.v.ls & TF end,
    TEE = function(c) return c.v.ls & TEE end,
    FG = function(c) return c.v.ls & FG end,
    NOHUP = function(c) return c.v.ls & NOHUP end,
    ["a pipeline from there"] = function(c) (c.v.ls | here.cat)() end,
    ["a pipeline to there"] = function(c) (here.ls | c.v.cat)() end,
    to = function(c) c.v.ls:to(c.l / "o")() end,
    ping = function(c) c.v:ping() end,
    which = function(c) c.v:which "ls" end,
    expanduser = function(c) c.v.env:expanduser "~root" end,
    chdir = function(c) c.v.cwd:chdir "/tmp" end,
    session = function(c) c.v:session():run "true" end,
    ["a script of a session"] = function(c) c.session:run("true", {timeout = LIMIT}) end,
    exists = function(c) c.p:exists() end,
    list = function(c) c.p.parent:list() end,
    write = function(c) c.p:write "x" end,
    copy = function(c) copy(c.p, c.l / "f") end,
    ["a copy over there"] = function(c) copy(c.p, c.p.parent / "g") end,
    connect_sock = function(c) c.v:connect_sock(c.listener.port) end,
    listen = function(c) c.v:listen(0) end,
    accept = function(c) c.listener:accept(LIMIT) end,
    ["a tunnel in reverse"] = function(c) c.v:tunnel(0, 1, {reverse = true}) end,
}

--- What happens to all of them at once, by name: the error, or "done".
local function try_all(c)
    local tasks, results = {}, {}
    for name, fn in pairs(cases) do tasks[name] = rshell.spawn(function() return select(2, pcall(fn, c)) end) end
    for name, one in pairs(tasks) do
        local ok, e = pcall(one.await, one, AT_MOST)
        results[name] = ok and (e or "done") or "hangs"
    end
    return results
end

for kind, agent in pairs {["with an agent"] = true, ["without an agent"] = false} do
    spec.test(kind, function(t)
        local link = proxy.new(bed.port)
        t.defer(link.close, link)
        proxy.trust(bed, link)
        local m = rshell.ssh("127.0.0.1", bed:options {port = link.port, agent = agent, keepalive = 1000})
        local v, d = m:with {timeout = LIMIT}, m:tempdir()
        local file = (d / "f"):write "x"
        local c = {
            m = m, v = v, p = v:path(tostring(file)), l = here:path(t.tmp()), session = m:session(),
            listener = m:listen(0),
        }
        c.session:run "true"
        link:freeze()
        local results = try_all(c)
        link:thaw()
        for name, e in pairs(results) do
            t.eq(type(e) == "string" and e or e.kind, "timeout", name)
            t.eq(e.host, "127.0.0.1", name)
            -- These two are told by the other side where it has a limit itself.
            local own = name == "accept" or name == "connect_sock"
            t.match(tostring(e), own and "." or "not done after 0.3 s", name)
        end
        t.eq(m.echo "still there", "still there\n")
        m:close()
    end)
end

spec.test("a limit of any machine of a pipeline holds", function(t)
    local slow = here:with {timeout = LIMIT}
    t.raises("timeout", here.echo["x"] | slow.sleep["1000"])
    t.raises("timeout", slow:with {timeout = 900}.echo["x"] | slow.sleep["1000"])
    t.eq(((here.echo["x"] | slow.cat):with {timeout = 900})(), "x\n")
end)

spec.finish()
