-- What a prompt's user has opened: machines, tunnels, tasks, futures, processes. The prompt lists it, keeps it (what
-- nobody names would be closed with the garbage), and closes it at the end. Scripts keep their own things; here
-- nothing is noted.

local M = {}

local kept

--- From now on what is opened is noted.
function M.keep()
    kept = kept or {}
end

--- Notes a thing and gives it. is_over(thing) tells when it can be forgotten.
---@generic T
---@param kind string
---@param thing T
---@param is_over fun(thing: T): boolean
---@return T
function M.add(kind, thing, is_over)
    if kept then kept[#kept + 1] = {kind = kind, thing = thing, is_over = is_over} end
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
        end
    end
    kept = kept and open
    return found
end

return M
