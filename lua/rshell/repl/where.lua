-- Where lines with `!` run and what `m` is: a machine, or many as one. Begins as this machine.

local err = require "rshell.shared.error"
local machine = require "rshell.machine"
local object = require "rshell.object"
local task = require "rshell.task"
local text = require "rshell.text"
local variables = require "rshell.repl.variables"

local M = {}

---@class rshell.repl.Where
---@field machine rshell.Machine
---@field cluster rshell.Cluster? what was set last, if it is many
---@field name string
---@field lua string how a script names it
---@field own table<string, rshell.Machine> those that :host has connected
local Where = {}
Where.__index = Where

---@return rshell.repl.Where
function M.new()
    local here = require "rshell".here
    return setmetatable({machine = here, name = "here", lua = "here", own = {here = here}}, Where)
end

--- A machine or cluster of the user's that a word names: a variable.
local function variable(word)
    if not word:find "^[%a_][%w_]*$" then return nil end
    local v = variables.get(word)
    local kind = v ~= nil and object.type(v)
    return (kind == "machine" or kind == "cluster") and v or nil
end

--- Sets it to a machine by name: one that is open, a variable's, or a host to connect to.
---@param word string
function Where:set(word)
    local known = variable(word) or self.own[word]
    if known and known.closed then known = nil end
    if object.type(known or 0) == "cluster" then return self:set_many(known, word, word) end
    local m = known or require "rshell".ssh(word)
    if not known then self.own[word] = m end
    self.machine, self.cluster = m, nil
    self.name = known and m.name or word
    self.lua = variable(word) and word or word == "here" and "here" or ("ssh %q"):format(word)
end

---@param cluster rshell.Cluster
---@param name string
---@param lua string
function Where:set_many(cluster, name, lua)
    self.cluster, self.name, self.lua = cluster, name, lua
end

--- The directory, where somebody has changed it.
function Where:directory()
    local v = machine.test(self.machine)
    local dir = v and v.cwd
    if not dir then return nil end
    local home = rawget(v.conn, "home")
    if home and #home > 1 and (dir .. "/"):sub(1, #home + 1) == home .. "/" then dir = "~" .. dir:sub(#home + 1) end
    return dir
end

--- Changes the directory of the machine; ~ is its home, - where one was before.
---@param dir string?
function Where:chdir(dir)
    if self.cluster then err.usage ":cd works on one machine; see :host" end
    local m = self.machine
    local before = tostring(m.cwd)
    dir = dir or "~"
    if dir == "-" then dir = self.before or before end
    if dir == "~" or dir:find "^~/" then dir = m.home .. dir:sub(2) end
    m.cwd:chdir(dir)
    self.before = before
    return tostring(m.cwd)
end

--- "web1:/srv", "/srv" on this machine, "" where nothing was set.
function Where:label()
    local dir = not self.cluster and self:directory()
    if self.name == "here" then return dir or "" end
    local closed = not self.cluster and self.machine.closed and " (closed)" or ""
    return text.escape(self.name .. (dir and ":" .. dir or "") .. closed)
end

--- Ends what was connected.
function Where:close()
    for name, m in next, self.own do
        if name ~= "here" then task.shield(pcall, m.close, m) end
    end
end

return M
