-- The SSH agent: which keys it has, and libssh's conversation with it.
--
-- libssh talks to an agent in a way that blocks, so it does that on a worker, over a socket that a task of ours
-- serves. What it may see is our choice (IdentitiesOnly), and an agent that never answers holds up nobody but its own
-- session.

local raw = require "rshell.ssh.raw"
local task = require "rshell.task"

local M = {}

local REQUEST_IDENTITIES, IDENTITIES, FAILURE = 11, 12, 5
local MAX_MESSAGE = 256 * 1024

local function read_message(stream)
    local head = stream:read {exact = 4}
    if not head or #head < 4 then return nil end
    local n = (">I4"):unpack(head)
    if n == 0 or n > MAX_MESSAGE then return nil end
    local body = stream:read {exact = n}
    return body and #body == n and body or nil
end

local function write_message(stream, body)
    stream:write((">s4"):pack(body))
end

local function ask(stream, body)
    write_message(stream, body)
    return read_message(stream)
end

local function parse_identities(body)
    if not body or body:byte(1) ~= IDENTITIES then return {} end
    local keys = {}
    local ok = pcall(function()
        local n, at = (">I4"):unpack(body, 2)
        for _ = 1, math.min(n, 1000) do
            local blob, comment
            blob, comment, at = (">s4s4"):unpack(body, at)
            keys[#keys + 1] = {blob = blob, comment = comment, type = (">s4"):unpack(blob)}
        end
    end)
    return ok and keys or {}
end

--- The keys that the agent at this socket has, or nil where there is none that answers.
---@param path string
---@param seconds number
---@return table[]?
function M.keys(path, seconds)
    local net = require "rshell.sys.net"
    local ok, keys = pcall(task.timeout, seconds, function()
        local stream <close> = assert(net.connect(path))
        return parse_identities(ask(stream, string.char(REQUEST_IDENTITIES)))
    end)
    return ok and keys or nil
end

local function identities(keys)
    local parts = {(">BI4"):pack(IDENTITIES, #keys)}
    for _, key in ipairs(keys) do parts[#parts + 1] = (">s4s4"):pack(key.blob, key.comment) end
    return table.concat(parts)
end

--- Answers libssh: with the chosen keys, and with what the agent says to all else.
local function serve(stream, path, keys)
    local net = require "rshell.sys.net"
    local agent <close> = assert(net.connect(path))
    for body in function() return read_message(stream) end do
        if body:byte(1) == REQUEST_IDENTITIES then
            write_message(stream, identities(keys))
        else
            write_message(stream, ask(agent, body) or string.char(FAILURE))
        end
    end
end

--- Logs in with these keys of the agent: "accepted", "denied" or "partial".
---@param session userdata
---@param path string
---@param keys table[]
---@param seconds number
function M.login(session, path, keys, seconds)
    local ours <close>, theirs = raw.pair()
    local server <close> = task.spawn(serve, ours, path, keys)
    -- When the time is over the socket closes, which ends what the worker waits for.
    local _ <close> = task.spawn(function()
        task.sleep(seconds)
        server:cancel()
        ours:close()
    end)
    return session:auth_agent(theirs)
end

return M
