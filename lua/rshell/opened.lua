-- What a prompt's user has opened: machines, tunnels, tasks, futures, processes. The prompt lists it, keeps it (what
-- nobody names would be closed with the garbage), and closes it at the end. Scripts keep their own things; here
-- nothing is noted.

local M = {}

local kept
local hooks = {}

---@class rshell.OpenedHooks
---@field watcher? fun(): fun(t: rshell.Task) called by who starts something; what it gives, for the task of it
---@field over? fun(kind: string, thing: any) called for each that is let go of

--- From now on what is opened is noted.
---@param with rshell.OpenedHooks?
function M.keep(with)
    kept, hooks = kept or {}, with or hooks
end

--- What is to be called with the task, once there is one, in which something runs that is started now; or nil.
---@return (fun(t: rshell.Task))?
function M.watcher()
    return hooks.watcher and hooks.watcher()
end

--- Notes a thing and gives it. is_over(thing) tells when it can be forgotten.
---@generic T
---@param kind string
---@param thing T
---@param is_over fun(thing: T): boolean
---@param task rshell.Task? in which it runs
---@return T
function M.add(kind, thing, is_over, task)
    if kept then
        kept[#kept + 1] = {kind = kind, thing = thing, is_over = is_over}
        if task and hooks.watcher then hooks.watcher()(task) end
    end
    return thing
end

--- What is open, oldest first, all or of a kind: an array of {kind=, thing=}.
---@param kind string?
function M.list(kind)
    local open, found = {}, {}
    for _, one in ipairs(kept or {}) do
        if not one.is_over(one.thing) then
            open[#open + 1] = one
            if not kind or one.kind == kind then found[#found + 1] = one end
        elseif hooks.over then
            hooks.over(one.kind, one.thing)
        end
    end
    kept = kept and open
    return found
end

return M
