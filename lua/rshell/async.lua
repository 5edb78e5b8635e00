-- Calls that are under way: futures of conn:async and rshell.async.

local err = require "rshell.shared.error"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local proxy = require "rshell.shared.proxy"
local task = require "rshell.task"

local M = {}

local mt, make, state = object.class "async"

---@class rshell.Async
local members = {}
local fields = {}
M.members, M.fields = members, fields

--- A future of what fn(...) gives, in a task; where that is cancelled before it runs, abandon() is called.
function M.new(abandon, fn, ...)
    local f = {abandon = abandon}
    f.task = task.spawn(function(...)
        f.runs = true
        return fn(...)
    end, ...)
    return make(f)
end

--- A future that has failed already.
function M.failed(e)
    return M.new(nil, error, e, 0)
end

--- Its results, or its error raised. Past so many seconds it raises kind timeout, and the call goes on.
---@param seconds number?
function members:await(seconds)
    local f = state(self)
    options.seconds("await", seconds)
    if f.task.done or not seconds then return f.task:await() end
    local got = table.pack(pcall(f.task.await, f.task, seconds))
    if got[1] then return table.unpack(got, 2, got.n) end
    if f.task.done then return f.task:await() end
    if err.is(got[2]) and got[2].kind == "timeout" then
        got[2].message = ("the call was not done after %g s; it goes on"):format(seconds)
    end
    error(got[2], 0)
end

function members:ready()
    return state(self).task.done
end

--- Calls fn(future) when it is done: at once where it is.
---@param fn function
function members:on(fn)
    local f = state(self)
    if f.task.done then
        fn(self)
    else
        task.spawn(function()
            pcall(f.task.await, f.task)
            fn(self)
        end)
    end
    return self
end

--- Ends the call, over there too.
function members:cancel()
    local f = state(self)
    if f.task.done then return end
    f.task:cancel()
    if not f.runs and f.abandon then f.abandon() end
end

--- What it failed with; nil while it goes on.
function fields.error(f)
    if not f.task.done then return nil end
    local ok, e = pcall(f.task.await, f.task)
    return not ok and e or nil
end

function mt.__index(self, key)
    local f = state(self)
    if members[key] then return members[key] end
    if fields[key] then return fields[key](f) end
    options.no_member("future", key, members, fields)
end

function mt.__tostring(self)
    return ("future (%s)"):format(state(self).task.done and "ready" or "under way")
end

--- The future of a call that peer has sent; finish(...) waits for it.
function M.of_call(peer, call, finish, ...)
    return M.new(function() task.spawn(peer.cancel, peer, call) end, finish, ...)
end

local function is_callable(v)
    local vmt = debug.getmetatable(v)
    return type(v) == "function" or type(vmt) == "table" and vmt.__call ~= nil
end

--- A function that starts fn(...) and gives a future. What is on the other side is called before this returns.
---@param fn any
function M.async(fn)
    if not is_callable(fn) then err.usage("async: a function expected, got %s", object.type(fn)) end
    return function(...)
        local ok, peer, call = pcall(proxy.start, fn, ...)
        if not ok then return M.failed(peer) end
        if not peer then return M.new(nil, fn, ...) end
        return M.of_call(peer, call, peer.finish, peer, call)
    end
end

return M
