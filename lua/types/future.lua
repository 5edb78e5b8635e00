---@meta

---What `c & BG` gives: a result that will be there. Its fields wait for it. Dropped, the program runs on; closed, it ends.
---@class rshell.Future
---@field stdout string what was printed
---@field stderr string what was printed of errors
---@field code? integer nil where a signal ended it
---@field signal? string "KILL"
local Future = {}

---Waits until it has ended; a bad status raises kind `process`. Past its time it raises kind `timeout`; the program runs on
---then.
---@param seconds? number
---@return rshell.Future
function Future:wait(seconds) end

---True when it has ended.
---@return boolean
function Future:ready() end

---Ends the program at once, with its whole group.
function Future:close() end

---What `c & TEE` gives.
---@class rshell.Result
---@field code? integer nil where a signal ended it
---@field signal? string "KILL"
---@field stdout string
---@field stderr string
