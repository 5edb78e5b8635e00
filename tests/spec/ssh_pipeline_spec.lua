-- pipeline_spec over SSH, on a machine without an agent.
local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path
require("machines").use "ssh"

-- A program that prints for nobody any more is ended by a task of ours, whose channel is closed meanwhile.
local rshell, task = require "rshell", require "rshell.task"
local spec, m = require "spec", require("machines").get()
spec.test("a pipeline that ends early leaves no task that fails", function(t)
    local failed
    task.on_unobserved(function(e) failed = failed or tostring(e) end)
    for _ = 1, 10 do (m.yes | rshell.here.head["-n1"])() end
    rshell.sleep(0.3)
    t.eq(failed, nil)
end)

dofile(folder .. "pipeline_spec.lua")
