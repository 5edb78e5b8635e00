---@meta

---m.env: `m.env.NAME` gives and `m.env.NAME = value` sets a variable, nil unsets it. `pairs` goes over all, sorted; `#` counts
---them. `m.env{NAME = value}` sets until the scope that this gives is closed; false unsets there.
---@class rshell.Environment
---@field path rshell.EnvironmentPath
---@field [string] string?
---@overload fun(changes: table<string, string | number | false>): rshell.Scope
local environment = {}

---The value of a variable.
---@param name string also one that is a member here
---@return string? value
function environment:get(name) end

---Sets a variable.
---@param name string
---@param value? string | number nil unsets
function environment:set(name, value) end

---$NAME and ${NAME} are replaced, unknown ones by nothing.
---@param text string
---@return string
function environment:expand(text) end

---~ and ~user at the start are replaced by a home directory.
---@param text string
---@return string
function environment:expanduser(text) end

---The entries of PATH as strings, with `[i]`, `#`, `ipairs` and `pairs`; each change sets PATH.
---@class rshell.EnvironmentPath
---@field [integer] string
local list = {}

---Puts an entry into PATH.
---@param i integer | rshell.AnyPath the place; or the entry, which comes last then
---@param entry? rshell.AnyPath
---@return rshell.EnvironmentPath self
function list:insert(i, entry) end

---Adds an entry at the end of PATH.
---@param entry rshell.AnyPath
---@return rshell.EnvironmentPath self
function list:append(entry) end

---Takes an entry out of PATH.
---@param x integer | rshell.AnyPath a place, or the first such entry
---@return string removed
function list:remove(x) end
