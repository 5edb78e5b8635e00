-- A file over there that is held open and followed: what is appended is told at once, by calls back to us, until a
-- number of lines has come.
-- usage: rshell run playbooks/follow.lua HOST FILE LINES [SSH_CONFIG]

local host, file, lines, config = arg[1], arg[2], tonumber(arg[3]), arg[4]
if not lines then error("usage: follow.lua HOST FILE LINES [SSH_CONFIG]", 0) end
local m <close> = ssh(host, {config = config})
local conn <close> = m:connect()

--- Runs over there: an object that stays there, with the file open, and a task that looks at it.
local function follower(path, seconds)
    local Follower = {}
    Follower.__index = Follower

    function Follower:on(tell)
        self.task = spawn(function()
            local part = ""
            while true do
                local data = self.file:read(65536)
                part = part .. (data or "")
                for line in part:gmatch "([^\n]*)\n" do
                    self.lines = self.lines + 1
                    tell(self.lines, line)
                end
                part = part:match "[^\n]*$"
                if not data then sleep(seconds) end
            end
        end)
    end

    function Follower:close()
        self.task:cancel()
        self.file:close()
        return self.lines
    end

    return setmetatable({file = fs.open(path, "r"), lines = 0}, Follower) -- luacheck: ignore fs
end

local remote = conn:call(follower, file, 0.05)
local come = 0
remote:on(function(n, line)
    print(("%s:%d: %s"):format(host, n, line))
    io.stdout:flush()
    come = n
end)
while come < lines do sleep(0.02) end
print(("%d lines, and the file is closed"):format(remote:close()))
