-- m:list_processes and m:pgrep.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local machines = require "machines"
local m = machines.get()
local task = require "rshell.task"

local function find(list, pid)
    for _, p in ipairs(list) do
        if p.pid == pid then return p end
    end
end

spec.test("the list", function(t)
    local p <close> = m.cmd.sleep:bind("61.5"):popen()
    local all = m:list_processes()
    local it = t.ok(find(all, p.pid), "it isn't in the list")
    t.eq(it.name, "sleep")
    t.eq(it.args, "sleep 61.5")
    t.same(it.argv, {"sleep", "61.5"})
    t.eq(it.user, m.user)
    t.ok(math.type(it.uid) == "integer" and it.ppid > 0)
    t.match(it.stat, "^[RSDI]$")
    t.match(tostring(it), "^process " .. p.pid .. " `sleep 61.5` %(")
    for i = 2, #all do t.ok(all[i - 1].pid < all[i].pid) end
end)

spec.test("patterns", function(t)
    local p <close> = m.cmd.sleep:bind("61.75"):popen()
    local found = m:pgrep "^sleep 61%.75$"
    t.eq(#found, 1)
    t.eq(found[1].pid, p.pid)
    local q <close> = (m.cmd.sleep["61.76"] | m.cat):popen()
    t.eq(#m:pgrep "sleep 61%.76", 1, "what serves the program isn't it")
    t.ok(q.pid)
    t.eq(#m:pgrep "no process has this in its command line \1", 0)
    t.raises("usage", m.pgrep, m, "%")
    t.raises("usage", m.pgrep, m, "[")
    t.raises("usage", m.pgrep, m)
end)

spec.test("the one that looks is not found", function(t)
    if machines.kind ~= "local" then t.skip "another process looks over there" end
    local own
    for _, p in ipairs(m:list_processes()) do
        if p.name == "rshell" and p.args:find(arg[0], 1, true) then own = p end
    end
    if not own then t.skip "another process looks over there" end
    t.eq(find(m:pgrep "", own.pid), nil)
end)

spec.test("kill", function(t)
    local p <close> = m.cmd.sleep:bind("62"):popen()
    local it = find(m:list_processes(), p.pid)
    it:kill(0)
    it:kill "SIGTERM"
    t.same({p:wait(5)}, {nil, "TERM"})
    p:close()
    task.sleep(0.01)
    t.raises("notfound", it.kill, it)
    t.raises("usage", it.kill, {pid = 1})
    t.match(t.raises("usage", it.kill, it, "NOSUCH").message, "no signal 'NOSUCH'")
end)

spec.finish()
