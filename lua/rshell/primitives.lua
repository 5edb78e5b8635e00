-- Objects that C makes and scripts get, tasks and streams: a name that one doesn't have is a usage error, as it is of
-- all other objects. Their metatables are told so once; what they do have is found as before.

require "rshell.sys.proc" -- registers streams

local options = require "rshell.shared.options"

local M = {}

--- word: what one is called. fields: names that its __index computes.
---@param class string the name of its metatable, which is registered
---@param word string
---@param fields table<string, true>
function M.complete(class, word, fields)
    local mt = debug.getregistry()[class]
    if getmetatable(mt) then return end
    local known = {}
    for name in next, mt do
        if not name:find "^__" then known[name] = true end
    end
    setmetatable(mt, {__index = function(_, key) options.no_member(word, key, known, fields) end})
end

return M
