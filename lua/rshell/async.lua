-- Calls that are under way: futures of conn:async and rshell.async.

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local object = require "rshell.object"
local opened = require "rshell.opened"
local options = require "rshell.shared.options"
local proxy = require "rshell.shared.proxy"
local task = require "rshell.task"

local M = {}

local mt, make, state = object.class "async"

---@class rshell.Async
local members = {}
local fields = {}
M.members, M.fields = members, fields

-- A future is a task, or a call that peer has sent, which needs none unless it fails or is cancelled. So many calls in
-- flight are cheap, and a failure that nobody asks for is told as that of any task.

--- A future of what fn(...) gives, in a task.
function M.new(fn, ...)
    local t = task.spawn(fn, ...)
    local watch = opened.watcher()
    if watch then watch(t) end
    return make {task = t}
end

--- A future that has failed already.
function M.failed(e)
    return M.new(error, e, 0)
end

local function results(f)
    if f.settle then f.settle(f.of) end
    return f.peer:answer(f.call)
end

--- For rshell.shared.peer.
local function fail(f)
    if f.task then return end
    f.task = task.spawn(results, f)
    if f.watch then f.watch(f.task) end
end

--- The future of a call that peer has sent. settle(of) is called, and may wait, before its results are given.
---@param peer rshell.Peer
---@param call table
---@param settle function?
---@param of any
function M.of_call(peer, call, settle, of)
    local f = {peer = peer, call = call, settle = settle, of = of, fail = fail, watch = opened.watcher()}
    call.future = f
    return make(f)
end

--- The same, where a task does more than wait: fn(...) finishes the call.
function M.of_task(peer, call, fn, ...)
    local f, watch = {peer = peer, call = call, task = task.spawn(fn, ...)}, opened.watcher()
    if watch then watch(f.task) end
    return make(f)
end

local function is_done(f)
    local t = f.task
    if t then return t.done end
    return f.call.done or false
end

local function get(f)
    while not f.task and not f.call.done do f.peer:await(f.call) end
    if f.task then return f.task:await() end
    return results(f)
end

--- Its results, or its error raised. Past so many seconds it raises kind timeout, and the call goes on.
---@param seconds number?
function members:await(seconds)
    local f = state(self)
    options.seconds("await", seconds)
    if not seconds or is_done(f) then return get(f) end
    local got = table.pack(pcall(task.timeout, seconds, get, f))
    if got[1] then return table.unpack(got, 2, got.n) end
    if is_done(f) then return get(f) end
    if err.is(got[2]) and got[2].kind == "timeout" then
        got[2].message = ("the call was not done after %g s; it goes on"):format(seconds)
    end
    error(got[2], 0)
end

function members:ready()
    return is_done(state(self))
end

--- Calls fn(future) when it is done: at once where it is.
---@param fn function
function members:on(fn)
    local f = state(self)
    if is_done(f) then
        fn(self)
    else
        task.spawn(function()
            pcall(get, f)
            fn(self)
        end)
    end
    return self
end

local function give_up(f)
    f.peer:cancel(f.call)
    err.raise {kind = "cancelled", message = "the task was cancelled"}
end

--- Ends the call, over there too.
function members:cancel()
    local f = state(self)
    if is_done(f) then return end
    if f.task then f.task:cancel() end
    if not f.call then return end
    f.task = task.spawn(give_up, f)
    f.peer:wake(f.call)
end

--- What it failed with; nil while it goes on.
function fields.error(f)
    if not is_done(f) or not f.task then return nil end
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
    return ("future (%s)"):format(is_done(state(self)) and "ready" or "under way")
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
        if not peer then return M.new(fn, ...) end
        if peer.timeout then return M.of_task(peer, call, peer.finish, peer, call) end
        return M.of_call(peer, call, peer.settle)
    end
end

arity.strict(members)

return M
