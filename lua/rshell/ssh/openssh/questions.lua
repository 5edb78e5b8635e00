-- ssh asks us, not the terminal: for passwords, passphrases, unknown host keys. It starts a helper (rshell by another
-- name) that passes the question on through a socket which only we can reach, so no secret is in an argument, a
-- variable or a file.

local ask = require "rshell.ask"
local net = require "rshell.sys.net"
local task = require "rshell.task"

local M = {}

M.SOCKET = "ask"
M.YES, M.NO = "y", "n" -- the first byte of an answer

---@class rshell.ssh.Questions
---@field opts table of ssh(): password, passphrase, batch
---@field who string[] names of the account at the machine: user@host, as ssh may write it
---@field pending integer questions that somebody thinks about
---@field note string? what went wrong with an answer
local Questions = {}
Questions.__index = Questions

local function value_of(secret, ...)
    if type(secret) == "function" then return secret(...) end
    return secret
end

local function at_terminal(q, prompt, echo)
    if q.opts.batch or not ask.possible() then return nil end
    return ask.line(prompt, echo)
end

--- A given passphrase is tried once a key.
local function passphrase(q, prompt, path)
    if q.opts.passphrase == nil then return at_terminal(q, prompt, false) end
    if q.tried[path] then
        q.note = ("%s: the passphrase is wrong"):format(path)
        return nil
    end
    q.tried[path] = true
    return value_of(q.opts.passphrase, path)
end

--- Machines on the way have passwords of their own.
local function is_ours(q, prompt)
    local who = prompt:match "^%((%S+@%S+)%) " or prompt:match "^(%S+@%S+)'s "
    if not who then return true end
    for _, name in ipairs(q.who) do
        if name:lower() == who:lower() then return true end
    end
    return false
end

local function password(q, prompt)
    if q.opts.password == nil or not is_ours(q, prompt) then return at_terminal(q, prompt, false) end
    local secret = value_of(q.opts.password)
    return secret ~= nil and tostring(secret) or nil
end

--- The answer, or nil.
local function answer(q, kind, prompt)
    local path = prompt:match "[Pp]assphrase for key '(.*)'" or prompt:match "[Pp]assphrase for (.-): *$"
    if path then return passphrase(q, prompt, path) end
    if prompt:find "%(yes/no" then return at_terminal(q, prompt, true) end
    if kind == "confirm" then
        local said = at_terminal(q, prompt .. " (yes/no) ", true)
        return said and said:lower():find "^y" and "" or nil
    end
    if prompt:lower():find "password" then return password(q, prompt) end
    return at_terminal(q, prompt, false)
end

--- A notice (to touch a key) is shown until ssh ends its helper.
local function show(q, stream, prompt)
    local tty = not q.opts.batch and require "rshell.term".open()
    if tty then
        tty:write(require "rshell.text".escape(prompt), "\n")
        tty:close()
    end
    stream:read(1)
end

local function serve(q, stream)
    local _ <close> = stream
    local kind, prompt = (stream:read "a" or ""):match "^(%w*)\n(.*)$"
    if not kind then return end
    if kind == "none" then return show(q, stream, prompt) end
    q.pending = q.pending + 1
    local ok, text = pcall(answer, q, kind, prompt)
    q.pending = q.pending - 1
    stream:write(ok and text and M.YES .. text or M.NO)
end

--- Answers at a socket in dir until it is closed.
---@param dir string
---@param opts table
---@param who string[]
---@return rshell.ssh.Questions
function M.new(dir, opts, who)
    local q = setmetatable({opts = opts, who = who, pending = 0, tried = {}}, Questions)
    q.listener = assert(net.listen(dir .. "/" .. M.SOCKET))
    q.acceptor = task.spawn(function()
        while true do
            local stream = q.listener:accept()
            if not stream then return end
            task.spawn(pcall, serve, q, stream)
        end
    end)
    return q
end

function Questions:close()
    self.listener:close()
    self.acceptor:close()
end

return M
