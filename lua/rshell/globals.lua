-- What scripts and the prompt have without asking: rshell's globals, and its modules under plain names.

local M = {}

-- Modules that are found under plain names, after everything in package.path.
local PLAIN = {fs = true, proc = true, net = true, host = true, hash = true, json = true}

local function search_plain(name)
    if PLAIN[name] then return function() return require("rshell.sys." .. name) end end
    return ("\n\tno field '%s' among rshell's modules"):format(name)
end

--- Names of the modules that have a plain name, sorted.
---@return string[]
function M.modules()
    local names = {}
    for name in next, PLAIN do names[#names + 1] = name end
    table.sort(names)
    return names
end

--- Globals are made when they are first used. Those that the text names are made now: a script may give _G a metatable.
--- What is no global of ours is asked of `other`.
---@param code string
---@param other (fun(name: any): any)?
function M.install(code, other)
    local names = {rshell = true}
    local rshell = require "rshell"
    _G.rshell = rshell
    for _, name in ipairs(rshell.globals()) do
        if code:find("%f[%w_]" .. name .. "%f[^%w_]") then _G[name] = rshell[name] else names[name] = true end
    end
    setmetatable(_G, {
        __index = function(t, name)
            if not names[name] then return other and other(name) end
            local value = rshell[name]
            rawset(t, name, value)
            return value
        end,
    })
    package.searchers[#package.searchers + 1] = search_plain
end

return M
