-- What `c & BG` returns: a result that will be there; and results that are there, of `c & TEE`.

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local object = require "rshell.object"
local opened = require "rshell.opened"
local options = require "rshell.shared.options"
local status = require "rshell.status"

local M = {}

local mt, make, state = object.class "future"
local result_mt, make_result, result_state = object.class "result"

---@class rshell.Future
local members = {}
local fields = {}
M.members, M.fields = members, fields

--- The task gives {exits=, stdout=, stderr=}.
function M.new(plan, task)
    return opened.add("future", make {plan = plan, task = task}, members.ready, task)
end

--- Waits; a cancel of who waits ends it.
local function get(f, seconds)
    f.asked = true
    local ok, r = pcall(f.task.await, f.task, seconds)
    if ok then return r end
    local kind = err.is(r) and r.kind
    if kind == "cancelled" then f.task:close() end
    if kind == "timeout" and seconds and not f.task.done then
        status.still_runs(f.plan, seconds, "f:close() ends it")
    end
    error(r, 0)
end

-- Each waits until it has ended.
function fields.stdout(f) return get(f).stdout end
function fields.stderr(f) return get(f).stderr end
function fields.code(f) return status.exit(f.plan, get(f).exits).code end
function fields.signal(f) return status.exit(f.plan, get(f).exits).signal end

--- Waits; raises on a bad status, and kind timeout when it isn't done in time (it goes on then).
---@param seconds number?
---@return rshell.Future
function members:wait(seconds)
    local f = state(self)
    options.seconds("wait", seconds)
    status.check(f.plan, get(f, seconds))
    return self
end

function members:ready()
    return state(self).task.done
end

--- What is wrong with how it ended, if it has, and nobody has asked.
---@param f rshell.Future
---@return any error or nil
function M.unseen(f)
    f = state(f)
    if f.asked or not f.task.done or f.task.failed then return nil end
    local ok, e = pcall(function() status.check(f.plan, f.task:await()) end)
    return not ok and e or nil
end

--- Ends it at once. Harmless twice.
function members:close()
    state(self).task:close()
end

function mt.__index(self, key)
    local f = state(self)
    if members[key] then return members[key] end
    if fields[key] then return fields[key](f) end
    if key == "attach" then
        err.raise {kind = "usage", message = "what & BG gives keeps what its program prints, and can't be attached",
            hint = "c:popen() gives a process, which can"}
    end
    options.no_member("future", key, members, fields)
end

function mt.__tostring(self)
    local f = state(self)
    return ("future of `%s` (%s)"):format(status.line(f.plan), f.task.done and "ready" or "running")
end

mt.__close = members.close

-- ---- results ----

local RESULT = {code = true, signal = true, stdout = true, stderr = true}
M.RESULT = RESULT

--- .code .signal .stdout .stderr
function M.result(exit, r)
    return make_result {code = exit.code, signal = exit.signal, stdout = r.stdout, stderr = r.stderr}
end

function result_mt.__index(self, key)
    local r = result_state(self)
    if not RESULT[key] then options.no_member("result", key, RESULT) end
    return r[key]
end

function result_mt.__tostring(self)
    local r = result_state(self)
    return ("result (%s, %d bytes out, %d bytes err)"):format(
        r.signal and "ended by " .. r.signal or "status " .. r.code, #r.stdout, #r.stderr)
end

arity.strict(members)

return M
