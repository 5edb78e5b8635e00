---@meta

---@class rshell.CopyOptions
---@field checksum? boolean a file is unchanged when its content is, not its size and time
---@field delete? boolean remove what isn't in the source
---@field preserve? boolean | rshell.CopyKept false: no modes and times; a table: more than these
---@field progress? fun(state: rshell.CopyState) called now and then
---@field resume? boolean keep what was copied of a file when the copy breaks off, and go on with it

---@class rshell.CopyKept what is kept besides modes and times; between machines both need an agent
---@field owner? boolean owners and groups, by name; takes the right to give files away
---@field links? boolean files with several names stay one file
---@field xattrs? boolean extended attributes of users, and as root the capabilities of programs
---@field acls? boolean access control lists; who is named in them is meant by name, as owners are

---@class rshell.CopyState
---@field files integer
---@field bytes integer
---@field total? integer bytes that are to be sent, once that is known
---@field path string what was copied last

---@class rshell.CopyResult
---@field files integer copied, also links, but not folders
---@field bytes integer of these, holes included
---@field skipped integer unchanged

---Copies of files and trees; `copy` is the first of these.
---@class rshell.copy
local copying = {}

---Copies a file or a tree between any two machines. Strings are paths of this one. Links stay links. A file isn't
---replaced by a folder without delete=true, nor a folder by a file.
---@param src rshell.AnyPath
---@param dst rshell.AnyPath the final name; with a slash at its end the folder it goes into
---@param opts? rshell.CopyOptions
---@return rshell.CopyResult
function copying.copy(src, dst, opts) end

---m:upload(src, dst, opts): the same with dst on that machine.
---@param view rshell.View
---@param src rshell.AnyPath
---@param dst rshell.AnyPath
---@param opts? rshell.CopyOptions
---@return rshell.CopyResult
function copying.upload(view, src, dst, opts) end

---m:download(src, dst, opts): the same with src on that machine.
---@param view rshell.View
---@param src rshell.AnyPath
---@param dst rshell.AnyPath
---@param opts? rshell.CopyOptions
---@return rshell.CopyResult
function copying.download(view, src, dst, opts) end

return copying
