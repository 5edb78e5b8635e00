-- What `c & BG` returns: a result that will be there; and results that are there.

local object = require "rshell.object"
local options = require "rshell.shared.options"
local task = require "rshell.task"

local M = {}

local mt, make, state = object.class "future"
local result_mt, make_result, result_state = object.class "result"

---@class rshell.Future
local members = {}
local fields = {}
M.members, M.fields = members, fields

--- fn runs in a task of its own and gives {code=, signal=, stdout=, stderr=}; check raises when the status is bad.
function M.new(plan, fn, check)
    return make {plan = plan, task = task.spawn(fn), check = check}
end

--- .code .stdout .stderr
function M.result(code, stdout, stderr)
    return make_result {code = code, stdout = stdout, stderr = stderr}
end

local function get(f)
    return f.task:await()
end

--- Each waits until it has ended.
function fields.stdout(f) return get(f).stdout end
function fields.stderr(f) return get(f).stderr end
function fields.code(f) return get(f).code end
function fields.signal(f) return get(f).signal end

--- Waits; raises on a bad status, and kind timeout when it isn't done in time (it goes on then).
---@param seconds number?
---@return rshell.Future
function members:wait(seconds)
    local f = state(self)
    f.check(f.plan, f.task:await(seconds))
    return self
end

function members:ready()
    return state(self).task.done
end

--- Ends it at once. Harmless twice.
function members:close()
    state(self).task:close()
end

function mt.__index(self, key)
    local f = state(self)
    if members[key] then return members[key] end
    if fields[key] then return fields[key](f) end
    options.no_member("future", key, {stdout = 1, stderr = 1, code = 1, signal = 1, wait = 1, ready = 1, close = 1})
end

function mt.__tostring(self)
    local f = state(self)
    return ("future of `%s` (%s)"):format(f.plan.text, f.task.done and "ready" or "running")
end

mt.__close = members.close

function result_mt.__index(self, key)
    local r = result_state(self)
    if r[key] == nil then options.no_member("result", key, {code = 1, stdout = 1, stderr = 1}) end
    return r[key]
end

function result_mt.__tostring(self)
    local r = result_state(self)
    return ("result (status %s, %d bytes out, %d bytes err)"):format(r.code, #r.stdout, #r.stderr)
end

return M
