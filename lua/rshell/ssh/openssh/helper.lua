-- rshell by another name, as ssh starts it: a link in the folder of a connection, which tells where the sockets are.
--
--   rshell-ssh-ask PROMPT   passes a question on, and prints the answer
--   rshell-ssh-way          passes bytes between ssh and a machine that the connection goes through

local net = require "rshell.sys.net"
local questions = require "rshell.ssh.openssh.questions"
local task = require "rshell.task"

local M = {}

local BLOCK = 65536
M.ASK, M.WAY = "rshell-ssh-ask", "rshell-ssh-way"

local function ask(dir, prompt)
    local stream <close> = assert(net.connect(dir .. "/" .. questions.SOCKET))
    stream:write(os.getenv "SSH_ASKPASS_PROMPT" or "", "\n", prompt or "")
    stream:shutdown()
    local answer = stream:read "a" or ""
    if answer:sub(1, 1) ~= questions.YES then return 1 end
    io.write(answer:sub(2), "\n")
    return 0
end

local function pass(from, to, finish)
    return task.spawn(function()
        pcall(function()
            for block in function() return from:read(BLOCK) end do to(block) end
        end)
        finish()
    end)
end

local function way(dir)
    local stream <close> = assert(net.connect(dir .. "/" .. M.WAY .. ".s"))
    local input <close> = require "rshell.stdio".input()
    local up = pass(input, function(block) stream:write(block) end, function() stream:shutdown() end)
    local down = pass(stream, function(block)
        io.stdout:write(block)
        io.stdout:flush()
    end, function() end)
    down:await()
    up:close()
    return 0
end

--- Runs as the helper that argv[0] names: its exit status.
---@param argv table
function M.run(argv)
    local dir, base = argv[0]:match "^(.*)/([^/]+)$"
    if base == M.ASK then return ask(dir, argv[1]) end
    return way(dir)
end

return M
