-- The processes of a machine: m:list_processes(), m:pgrep(pattern).

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local object = require "rshell.object"
local status = require "rshell.status"
local view = require "rshell.view"

local M = {}

---@class rshell.ProcessInfo
local members = {}
M.members = members

--- Sends it a signal: a number, "TERM" (the default) or "SIGTERM".
---@param sig (string|integer)?
function members:kill(sig)
    local mt = debug.getmetatable(self)
    if not mt or mt.__index ~= members then err.usage "kill: call it with a colon, as process:kill()" end
    local number = status.signal("kill", sig)
    local ok, text, name = view.check(mt.view).proc.kill(self.pid, number)
    if not ok then view.fail(mt.view, ("can't signal process %d (%s)"):format(self.pid, self.name), text, name) end
end

local function describe(p)
    return ("process %d `%s` (%s)"):format(p.pid, p.args, p.user)
end

--- All that can be seen over there, by number.
---@param v rshell.View
---@return rshell.ProcessInfo[]
function M.list(v)
    local all = view.ask(v, "host", "processes")
    local mt = {view = v, __index = members, __name = "process info", __tostring = describe}
    for _, p in ipairs(all) do setmetatable(p, mt) end
    table.sort(all, function(a, b) return a.pid < b.pid end)
    return all
end

local function check_pattern(pattern)
    if type(pattern) ~= "string" then err.usage("pgrep: a pattern expected, got %s", object.type(pattern)) end
    local ok, text = pcall(string.find, "", pattern)
    if not ok then err.usage("pgrep: %s: %s", text:gsub("^.-: ", ""), pattern) end
end

--- Those whose command line matches a Lua pattern, without the process that looks, and our own that watch others.
---@param v rshell.View
---@param pattern string
---@return rshell.ProcessInfo[]
function M.grep(v, pattern)
    check_pattern(pattern)
    local own, found = view.ask(v, "host", "pid"), {}
    local is_ours = require "rshell.bare.shell".is_ours
    for _, p in ipairs(M.list(v)) do
        if p.pid ~= own and p.args:find(pattern) and not is_ours(p.args) then found[#found + 1] = p end
    end
    return found
end

arity.strict(members)

return M
