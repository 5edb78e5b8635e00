-- Copies between two machines, in bounded memory: as one stream where both can (rshell.transfer.stream), else file by
-- file (rshell.transfer.each).

local each = require "rshell.transfer.each"
local stream = require "rshell.transfer.stream"
local view = require "rshell.view"

local M = {}

local function report(run, text)
    if run.o.progress then run.o.progress {files = run.files, bytes = run.bytes, total = run.total, path = text} end
end

--- What takes long is the whole copy: its parts have no time limit of their own.
local function side(v)
    return {view = setmetatable({timeout = false}, {__index = v}), tree = view.check(v).tree}
end

--- SFTP knows whole seconds only.
local function same_time(run, st, old)
    return st.mtime == old.mtime or rawget(run.to.view.conn.backend, "only_sftp") and old.mtime == math.floor(st.mtime)
end

--- Copies src to dst, which is the final name. Gives {files=, bytes=, skipped=}.
---
--- Besides the options of copies: exclusive (nothing may be there), always (nothing is skipped as unchanged).
---@param src rshell.PathState
---@param dst rshell.PathState
function M.run(src, dst, o)
    local run = {
        from = side(src.view), to = side(dst.view), src = src.text, dst = dst.text, o = o,
        files = 0, bytes = 0, skipped = 0, report = report,
        same_time = same_time,
    }
    if not stream.run(run) then each.run(run) end
    return run
end

return M
