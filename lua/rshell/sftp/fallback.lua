-- Accounts that allow nothing but SFTP: where no shell answers, the server is asked for that. From then on it serves
-- the files, and what needs a command is refused with the reason.

local M = {}

local REASON = "the account allows nothing but SFTP"

--- Greets the server, if there is one. Only then what speaks with it is loaded.
local function connect(backend)
    local client, files = require "rshell.sftp.client", require "rshell.sftp.fs"
    local channel = backend.connector.subsystem "sftp"
    local c = channel and client.new(channel)
    if not c then return end
    backend.only_sftp = true
    backend.sftp.client, backend.sftp.files = c, files.new(c)
    if rawget(backend, "notice") then backend.notice(REASON) end
end

--- Several tasks may find out at once; the first one asks.
local function is_sftp_only(backend)
    if not backend.shell.refused then return false end
    local s = backend.sftp
    s.asking = s.asking or require "rshell.task".spawn(connect, backend)
    s.asking:await()
    return backend.only_sftp
end

local function home(backend)
    local names, text, name = backend.sftp.client:names("realpath", require "rshell.sftp.client".string ".")
    if not names then return nil, text, name end
    return names[1].name
end

local function refuse(what)
    return nil, ("%s: %s"):format(what, REASON), "EACCES", {stage = 1, step = "fork"}
end

-- What is known without a command.
local OTHERS = {
    proc = {cwd = home},
    host = {home = home, env = function() return {} end},
    tree = {manifest = function() return false end},
}

local function instead(backend, module, fn, ...)
    local other = OTHERS[module] and OTHERS[module][fn]
    if other then return other(backend, ...) end
    local file = module == "fs" and backend.sftp.files[fn]
    if file then return file(...) end
    if module == "fs" then return nil, "not possible over SFTP, and " .. REASON, "EACCES" end
    return refuse "no command can be run"
end

--- A module whose functions turn to SFTP when no shell has answered.
---@param backend table
---@param name string of the module
---@param real table
function M.wrap(backend, name, real)
    return setmetatable({}, {__index = function(t, fn)
        local f = real[fn]
        if type(f) ~= "function" then return f end
        local function call(...)
            if not backend.only_sftp then
                local got = table.pack(f(...))
                if got[1] ~= nil or not is_sftp_only(backend) then return table.unpack(got, 1, got.n) end
            end
            return instead(backend, name, fn, ...)
        end
        t[fn] = call
        return call
    end})
end

return M
