-- What specs of things that wait have in common.

local task = require "rshell.task"

local M = {}

-- Long enough that a test which waits for it has hung.
M.FOREVER = 1000

function M.nap() task.sleep(0.001) end

function M.forever() task.sleep(M.FOREVER) end

-- Runs fn; it may not take long, on however slow a machine.
function M.promptly(t, fn, ...)
    local start = task.now()
    local got = table.pack(fn(...))
    t.ok(task.now() - start < 30, "it took " .. task.now() - start .. " s")
    return table.unpack(got, 1, got.n)
end

-- Whether v is an error object of this kind; gives it.
function M.is_kind(t, v, kind)
    t.eq(type(v), "table", tostring(v))
    t.eq(v.kind, kind, tostring(v))
    return v
end

-- A table with one metamethod.
function M.with(event, fn) return setmetatable({}, {[event] = fn}) end

-- The program that runs this.
M.RSHELL = os.getenv "RSHELL" or arg[-1]

return M
