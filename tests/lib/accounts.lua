-- Accounts with passwords for one suite, what sudo and doas let them do, and a folder that can be a root. As root only.
-- All of it goes when it is closed.
--
--   local accounts <close> = accounts.new()
--   local name = accounts:add()                       -- its password is accounts.password
--   accounts:sudoers(name .. " ALL=(ALL) ALL")

local host = require "rshell.sys.host"
local rshell = require "rshell"

local M = {}

local here = rshell.here
local Accounts = {}
Accounts.__index = Accounts

--- Account databases are locked while they change: other suites do this too.
local function retry(fn)
    for try = 1, 20 do
        local ok, e = pcall(fn)
        if ok then return end
        if try == 20 then error(e, 0) end
        rshell.sleep(0.1 + math.random() * 0.3)
    end
end

--- An account; its home isn't made.
---@param name string
---@param home string
---@param shell string?
function M.make(name, home, shell)
    retry(function()
        here.useradd("-M", "-d", home, "-s", shell or "/bin/sh", "-p", "*", "-K", "UID_MIN=40000", "-K",
            "UID_MAX=49999", name)
    end)
end

--- Ends it, and what it runs.
---@param name string
function M.remove(name)
    pcall(here.pkill, "-KILL", "-u", name)
    retry(function() here.userdel("-f", name) end)
end

--- A new account with a home of its own; its name.
---@param shell string?
function Accounts:add(shell)
    local name = ("rst%d%03d"):format(host.pid(), #self.names)
    local home = self.dir .. "/" .. name
    M.make(name, home, shell)
    self.names[#self.names + 1] = name
    retry(function() (here.chpasswd << ("%s:%s\n"):format(name, self.password))() end)
    here.install("-d", "-o", name, "-m", "700", home)
    return name
end

--- Lines for sudo, in a file of ours.
function Accounts:sudoers(text)
    local path = here:path("/etc/sudoers.d", self.names[1])
    path:write(text .. "\n", {mode = "440"})
    self.files.sudo = path
end

--- Lines for doas. There is one file, which is put back as it was.
function Accounts:doas(text)
    local path = here:path "/etc/doas.conf"
    if self.doas_before == nil then self.doas_before = path:exists() and path:read() end
    self.doas_lines = (self.doas_lines or self.doas_before or "") .. text .. "\n"
    path:write(self.doas_lines, {mode = "400"})
end

--- A program, and the libraries that it is linked with.
local function needed(program)
    local files = {program}
    for file in (select(2, here.ldd:run({program}))):gmatch "(/%S+)%s+%(0x" do files[#files + 1] = file end
    return files
end

--- A root with busybox under the names of its applets and nothing else.
function Accounts:root()
    local root = here:path(self.dir, "root")
    if root:exists() then return tostring(root) end
    (root / "bin"):mkdir {parents = true};
    (root / "tmp"):mkdir {mode = "1777"};
    (root / "etc"):mkdir()
    for _, file in ipairs(needed "/bin/busybox") do
        local to = root / file:sub(2)
        to.parent:mkdir {parents = true, exist_ok = true}
        here.install("-m", "755", file, to)
    end
    for name in here.cmd.busybox("--list"):gmatch "%S+" do
        if name ~= "busybox" then (root / "bin" / name):symlink "busybox" end
    end
    (root / "etc/passwd"):write "root:x:0:0:root:/inside:/bin/sh\nguest:x:7:7:guest:/:/bin/sh\n"
    return tostring(root)
end

function Accounts:close()
    if self.closed then return end
    self.closed = true
    if self.doas_before then
        here:path "/etc/doas.conf":write(self.doas_before, {mode = "400"})
    elseif self.doas_before == false then
        here:path "/etc/doas.conf":delete {missing_ok = true}
    end
    for _, path in pairs(self.files) do path:delete {missing_ok = true} end
    for _, name in ipairs(self.names) do M.remove(name) end
    self.tmp:close()
end

Accounts.__close = Accounts.close

function M.new()
    local self = setmetatable({names = {}, files = {}, password = "s'e cret$" .. math.random(0)}, Accounts)
    self.tmp = here:tempdir()
    self.dir = tostring(self.tmp)
    here.chmod("755", self.dir)
    return self
end

return M
