-- Calls of the primitives of files, for what has a view and a text: paths and open files. Errors name what can't be
-- done, and to which path.

local err = require "rshell.shared.error"
local task = require "rshell.task"
local view = require "rshell.view"

local M = {}

--- For a path that isn't there: a shell would have read its ~.
local function tilde_hint(where, name)
    if name ~= "ENOENT" or not where:find "^~" and not where:find("/~", 1, true) then return nil end
    return "~ is a name like any other in a path; m.home is the home folder, m.env:expanduser(text) knows others"
end

--- Raises what a primitive answered about a path, or about another one (`where`), most often below it.
---@param p rshell.PathState
---@param what string "read"
function M.fail(p, what, text, name, where, hint)
    where = where or p.text
    hint = hint or tilde_hint(where, name)
    view.fail(p.view, ("can't %s %s"):format(what, where), text, name, {path = where, hint = hint})
end

local function answer(p, what, first, text, name, where)
    if first == nil and name then M.fail(p, what, text, name, where) end
    return first, text, name
end

-- What a call within a time limit gave; a timeout is told what was not done.
local function finish(p, what, ok, ...)
    if ok then return ... end
    local e = ...
    if err.is(e) and e.kind == "timeout" and not e.path then
        e.host, e.path = p.view.conn.name, p.text
        e.message = ("can't %s %s: %s"):format(what, p.text, e.message)
    end
    error(e, 0)
end

--- fn(...) within the view's timeout. Gives what it gives.
function M.call(p, what, fn, ...)
    local seconds = p.view.timeout
    if not seconds then return fn(...) end
    return finish(p, what, pcall(task.timeout, seconds, fn, ...))
end

--- Calls the primitive `name` of fs; gives what it gives.
function M.try(p, what, name, ...)
    return M.call(p, what, view.check(p.view).fs[name], ...)
end

--- Calls the primitive `name` of fs; raises what fails.
function M.ask(p, what, name, ...)
    local fn = view.check(p.view).fs[name]
    if not p.view.timeout then return answer(p, what, fn(...)) end
    return answer(p, what, M.call(p, what, fn, ...))
end

--- Calls a method of an open file or a walker; raises what fails.
function M.ask_handle(p, what, handle, method, ...)
    view.check(p.view)
    return answer(p, what, M.call(p, what, handle[method], handle, ...))
end

return M
