---@meta

---m:tempdir(): a folder that is deleted with all that is in it when it is closed: by `<close>`, with its machine, or at the
---end of the program.
---@class rshell.TempDir: rshell.Path
local tempdir = {}

---Deletes it; twice is harmless.
function tempdir:close() end
