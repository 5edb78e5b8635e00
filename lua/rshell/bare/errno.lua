-- The words for what fails over there, as the C library has them here.

local M = {}

local TEXTS = {
    E2BIG = "argument list too long",
    EACCES = "permission denied",
    EADDRINUSE = "address already in use",
    ECLOSED = "closed",
    ECONNREFUSED = "connection refused",
    EINVAL = "invalid argument",
    EIO = "input/output error",
    EISDIR = "is a directory",
    ENOENT = "no such file or directory",
    ENOEXEC = "exec format error",
    ENOTDIR = "not a directory",
    ENOTFOUND = "not found",
    ENOTTY = "inappropriate ioctl for device",
    EPERM = "operation not permitted",
    ESRCH = "no such process",
    ETIMEOUT = "timed out",
    EUNSUPPORTED = "not possible on this machine",
}

--- nil, text, NAME
---@param name string
function M.fail(name, ...)
    return nil, TEXTS[name] or name, name, ...
end

return M
