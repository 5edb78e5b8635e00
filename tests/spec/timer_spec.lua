package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local proc = require "rshell.sys.proc"
local task = require "rshell.task"

-- A round of the loop runs timers before it sleeps for events: one that is due then must not wait for the next event.
spec.test("a timer that is due at once doesn't wait for another event", function(t)
    local p = assert(proc.spawn {argv = {"sleep", "60"}})
    local before = task.now()
    for _ = 1, 20 do task.sleep(0) end
    t.ok(task.now() - before < 30)
    p:stop()
    p:release()
end)

spec.finish()
