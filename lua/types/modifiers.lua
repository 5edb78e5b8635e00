---@meta

---How a command runs: `c & FG`, or `FG(c)` as a statement; with options `c & TF{retcode=1}`.
---@class rshell.Modifier
---@overload fun(command: rshell.Runnable, options?: rshell.ModifierOptions): any
---@operator call(rshell.Runnable): any
---@operator call(rshell.ModifierOptions): rshell.Modifier

---Those of commands, as far as they make sense; stdout, stderr and append are for NOHUP.
---@class rshell.ModifierOptions: rshell.CommandOptions
---@field stdout? string | rshell.Path
---@field stderr? string | rshell.Path
---@field append? boolean

---Attached to our terminal; true, or a bad status raises.
---@type rshell.Modifier
FG = nil

---In the background: a future.
---@type rshell.Modifier
BG = nil

---Shows what is printed, and keeps it: a result with code, stdout and stderr.
---@type rshell.Modifier
TEE = nil

---True or false.
---@type rshell.Modifier
TF = nil

---The status; 128 and the number of the signal that ended it.
---@type rshell.Modifier
RETCODE = nil

---Outlives us: the pid. Its output goes to /dev/null unless a file is given.
---@type rshell.Modifier
NOHUP = nil
