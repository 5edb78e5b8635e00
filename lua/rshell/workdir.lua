-- m.cwd: the path of the directory that this view of the machine has now, in this task.

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local fscall = require "rshell.fscall"
local path = require "rshell.path"
local view = require "rshell.view"

local M = {}

---@class rshell.Workdir: rshell.Path
local members = {}
M.members = members

local function now(s)
    return {view = s.view, text = path.normal(view.cwd(s.view))}
end

local mt, make, state = path.class("workdir", members, now)

---@param v rshell.View
---@return rshell.Workdir
function M.new(v)
    return make {view = v}
end

--- The text of a directory that is there. Of a text with ".." the machine says where it leads, so that what m.cwd
--- prints doesn't grow.
local function directory(v, dir)
    if dir == nil then err.usage "the name of a directory expected" end
    local text = path.text(v, dir)
    local p = {view = v, text = text}
    if (text .. "/"):find("/../", 1, true) then
        return (fscall.ask(p, "change to", "resolve", text .. "/."))
    end
    local type = fscall.ask(p, "change to", "type", text, {follow = true})
    if type ~= "dir" then fscall.fail(p, "change to", "not a directory", "ENOTDIR") end
    return text
end

--- Makes dir the working directory of this view; inside a scope of this task, until that ends.
---@param dir string|rshell.Path
function members:chdir(dir)
    local v = state(self).view
    view.set_cwd(v, directory(v, dir))
    return self
end

--- m.cwd "app": until what this gives is closed.
function mt.__call(self, dir)
    local v = state(self).view
    return view.enter_cwd(v, directory(v, dir))
end

--- Also when nobody can be asked any more.
function mt.__tostring(self)
    local v = state(self).view
    local known = view.start_dir(v) or v.conn.cwd
    if v.conn.closed and not known then return ("working directory of %s (closed)"):format(v.conn.name) end
    return now {view = v}.text
end

arity.strict(members)

return M
