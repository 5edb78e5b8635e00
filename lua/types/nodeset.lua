---@meta

---Many names written short, as ClusterShell writes them: `rshell.nodeset`.
---
---    web[1-20]!web7      without       a,b   a b     both           rack[1-3]n[01-04]   several ranges, padded
---    web[1-9]&web[5-20]  in both       a^b           in just one    n[0-10/2]-ib0       steps, suffixes
---    @web @dc:web @*     groups        web* ~web\d   by glob or regular expression, of all names
---
---Operators are applied from left to right. `user@host:port` and `[::1]:22` are names. Ranges are put in as text.
---@class rshell.nodeset
local nodeset = {}

---Text, a list (the union of what is in it), or an object.
---@alias rshell.NodesetLike string | rshell.Nodeset | rshell.NodesetLike[]

---@class rshell.NodesetOptions
---@field groups? table<string, any> | fun(name: string, source: string?): rshell.NodesetLike? else the groups files
---@field all? rshell.NodesetLike | fun(): rshell.NodesetLike what `*` and `~regex` choose from; else the group `all`, else all groups

---A set of names that never changes. `a + b` has all of both, `a - b` those of a that b lacks, `a & b` what is in both,
---`a ~ b` what is in one of them; either side may be text. `#a` counts, `a[i]`, `ipairs` and `pairs` give names in order,
---`tostring` folds, `==` compares.
---@class rshell.Nodeset
---@field [integer] string
---@operator add(rshell.NodesetLike): rshell.Nodeset
---@operator sub(rshell.NodesetLike): rshell.Nodeset
---@operator band(rshell.NodesetLike): rshell.Nodeset
---@operator bxor(rshell.NodesetLike): rshell.Nodeset
---@operator len: integer
local Nodeset = {}

---Whether all names of a node set are in this one.
---@param p rshell.NodesetLike
---@return boolean
function Nodeset:contains(p) end

---The names in order, in an array of your own.
---@return string[]
function Nodeset:expand() end

---n node sets of nearly the same size, in order; fewer where there aren't as many names.
---@param n integer
---@return rshell.Nodeset[]
function Nodeset:split(n) end

---The names in order: by what isn't a number, then by their numbers from the left, the shorter ones first (web2, web10, web010).
---Raises kind `parse` with the column for what isn't a node set, `usage` past a million names.
---@param p rshell.NodesetLike
---@param options? rshell.NodesetOptions
---@return string[]
function nodeset.expand(p, options) end

---The short form.
---@param p rshell.NodesetLike
---@param options? rshell.NodesetOptions
---@return string
function nodeset.fold(p, options) end

---An object of names as they are: whatever is in them is part of the name.
---@param names string[]
---@return rshell.Nodeset
function nodeset.of_names(names) end

---Names as they are, folded.
---@param names string[]
---@return string
function nodeset.fold_names(names) end

---How many names.
---@param p rshell.NodesetLike
---@param options? rshell.NodesetOptions
---@return integer
function nodeset.count(p, options) end

---n node sets of nearly the same size, in order, the larger ones first; fewer where there aren't as many names.
---@param p rshell.NodesetLike
---@param n integer
---@param options? rshell.NodesetOptions
---@return rshell.Nodeset[]
function nodeset.split(p, n, options) end

---An object; the empty set without a node set.
---@param p? rshell.NodesetLike
---@param options? rshell.NodesetOptions
---@return rshell.Nodeset
function nodeset.new(p, options) end

---The groups of a file with lines `group: node set`, for the option `groups`. Without that option these files are read:
---`~/.config/rshell/groups`, `/etc/rshell/groups`, and ClusterShell's; of a group in several the first one holds.
---@param path string
---@return table<string, string>
function nodeset.groups(path) end

return nodeset
