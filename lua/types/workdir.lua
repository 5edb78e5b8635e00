---@meta

---m.cwd: the path of the working directory that this view of a machine has now, in this task. `m.cwd "app"` changes it until
---the scope that this gives is closed.
---@class rshell.Workdir: rshell.Path
---@overload fun(dir: rshell.AnyPath): rshell.Scope
local workdir = {}

---For this view; inside a scope of this task until that ends.
---@param dir rshell.AnyPath
---@return rshell.Workdir self
function workdir:chdir(dir) end

---What a scope of m.cwd or m.env gives: `local _ <close> = m.cwd "app"`.
---@class rshell.Scope
---@field close fun(self: rshell.Scope)
