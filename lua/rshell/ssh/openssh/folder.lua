-- A private folder of this process for the sockets that ssh and we meet at: made when it is first wanted, removed at
-- the end, and by a guard that outlives us when there is no end to speak of (SIGKILL).

local err = require "rshell.shared.error"
local fs = require "rshell.sys.fs"
local proc = require "rshell.sys.proc"

local M = {}

local LONGEST = 60 -- with the names in it, and what ssh adds to them for a while, a socket's path has to fit into 107

-- Waits for the end of its input, which is ours.
local GUARD = 'trap "" HUP INT QUIT TERM;while read -r x;do :;done;rm -rf "$1"'

local dir
local guard -- kept for its input: when that is closed the folder goes
local uses, last = 0, 0

local function candidates()
    return {os.getenv "XDG_RUNTIME_DIR" or "", os.getenv "TMPDIR" or "", "/tmp"}
end

local function make()
    local why
    for _, base in ipairs(candidates()) do
        if base:sub(1, 1) == "/" and #base <= LONGEST then
            local path, text = fs.mktemp_dir("rshell-ssh-", {dir = base})
            if path then return path end
            why = text
        end
    end
    err.raise {kind = "io", message = "no folder for the sockets of ssh: " .. (why or "the names of all are too long")}
end

local function start_guard(path)
    local handle, text = proc.spawn {
        argv = {"/bin/sh", "-c", GUARD, "sh", path}, stdin = "pipe", stdout = "null", stderr = "null", keep = true,
        cwd = "/",
    }
    if handle then return handle end
    fs.remove(path, {recursive = true})
    err.raise {kind = "io", message = "can't start what removes the sockets of ssh: " .. text}
end

--- A name for sockets that nobody else has; the folder stays while there are some, see `done`.
---@return string
function M.take()
    if not dir then
        dir = make()
        guard = start_guard(dir)
    end
    uses, last = uses + 1, last + 1
    local path = ("%s/%d"):format(dir, last)
    local ok, text, name = fs.mkdir(path, {mode = 448})
    if not ok then err.raise {kind = err.kind_of(name), message = ("can't make %s: %s"):format(path, text)} end
    return path
end

--- What `take` gave is no longer needed.
function M.done(path)
    fs.remove(path, {recursive = true, missing_ok = true})
    uses = uses - 1
    if uses > 0 then return end
    fs.remove(dir, {recursive = true, missing_ok = true})
    guard.stdin:close()
    guard:release()
    dir, guard = nil, nil
end

return M
