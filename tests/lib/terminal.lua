-- Prompts at terminals that a test drives by keys, in tmux: what one sees is what is asked of it.
--
--   local terminal = require "terminal"
--   local terms <close> = terminal.new(bed)     -- ~/.ssh/config over there knows the bed as `bed`
--   local s = terms:open(t)                     -- a window with the prompt
--   s:line "1 + 1"
--   s:see "\n2\n"
--   s:leave()
--
-- tmux is talked to through one client in control mode: asking what a window shows starts no program.

local rshell = require "rshell"

local M = {}

local here = rshell.here
local SECONDS = 60 -- against hangs only
local LOOK = 0.01 -- seconds between two looks
local ECHO_SECONDS = 5 -- for what is typed to be seen, where it is

M.SECONDS = SECONDS

-- ---- tmux ----

local Terminals = {}
Terminals.__index = Terminals

--- For tmux's own reader of commands.
local function word(value)
    return "'" .. tostring(value):gsub("'", [['"'"']]) .. "'"
end

--- The answer to the command before: what is between %begin and %end. Other lines that begin with % are news.
local function answer(client)
    repeat
        local line = assert(client.stdout:read "l", "tmux has gone")
    until line:find "^%%begin "
    local lines = {}
    while true do
        local line = assert(client.stdout:read "l", "tmux has gone")
        if line:find "^%%end " then return table.concat(lines) end
        if line:find "^%%error " then error("tmux: " .. table.concat(lines), 0) end
        lines[#lines + 1] = line .. "\n"
    end
end

--- A command of tmux; what it prints.
function Terminals:tmux(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = word(words[i]) end
    self.client.stdin:write(table.concat(words, " ") .. "\n")
    return rshell.timeout(SECONDS, answer, self.client)
end

--- What reaches the bed, and nothing else of ours.
local function configure(home, bed)
    (home / ".ssh"):mkdir()
    ;(home / ".ssh" / "config"):write(("Host bed\n  HostName 127.0.0.1\n  Port %d\n  User %s\n  IdentityFile %s\n"
        .. "  UserKnownHostsFile %s\n"):format(bed.port, bed.user, bed.key, bed.known_hosts))
end

--- home: the folder that is HOME there.
function M.new(bed)
    local home = here:tempdir()
    if bed then configure(home, bed) end
    local socket = tostring(home / "tmux")
    local tmux = here.tmux["-f"]["/dev/null"]["-S"][socket]:with {env = {TMUX = false}}
    tmux("new-session", "-d", "-s", "keep", "sleep", "inf") -- else the server goes with its last window
    local client = tmux["-C"]["attach"]["-t"]["keep"]:popen()
    answer(client)
    return setmetatable({home = home, socket = socket, client = client, count = 0}, Terminals)
end

function Terminals:close()
    if self.closed then return end
    self.closed = true
    pcall(self.tmux, self, "kill-server")
    while here.cmd.pgrep["-f"][self.socket] & rshell.TF do rshell.sleep(0.02) end
    self.client:close()
    self.home:close()
end

Terminals.__close = Terminals.close

-- ---- a window ----

local Screen = {}
Screen.__index = Screen

--- What one sees, without blanks at the ends of lines, and without empty lines at its end.
function Screen:text()
    local text = self.terms:tmux("capture-pane", "-p", "-S", "-1000", "-t", self.name)
    return (text:gsub("[ \t]+\n", "\n"):gsub("\n+$", "\n"))
end

--- Waits until the screen matches; fails the test when it never does.
function Screen:see(pattern)
    local last = rshell.now() + SECONDS
    repeat
        local text = self:text()
        if text:find(pattern) then return text end
        rshell.sleep(LOOK)
    until rshell.now() > last
    self.t.fail("never seen: " .. pattern .. "\n" .. self:text())
end

--- Keys by tmux's names.
function Screen:keys(...)
    self.terms:tmux("send-keys", "-t", self.name, ...)
end

function Screen:type(text)
    self.terms:tmux("send-keys", "-l", "-t", self.name, text)
end

--- Text as it is, then Enter once it is seen: a prompt that is there afterwards is the next one.
function Screen:line(text)
    local before, last = self:text(), rshell.now() + ECHO_SECONDS
    self:type(text)
    while text ~= "" and self:text() == before and rshell.now() < last do rshell.sleep(LOOK) end
    self:keys "Enter"
end

function Screen:resize(columns, rows)
    self.terms:tmux("resize-window", "-t", self.name, "-x", columns, "-y", rows)
end

--- A file's text; plain: without the marks that tell it from keys.
function Screen:paste(file, plain)
    self.terms:tmux("load-buffer", file)
    if plain then
        self.terms:tmux("paste-buffer", "-t", self.name)
    else
        self.terms:tmux("paste-buffer", "-p", "-t", self.name)
    end
end

--- The terminal goes away.
function Screen:hang_up()
    self.terms:tmux("kill-session", "-t", self.name)
end

--- Waits until what was entered has been taken: the cursor is on a new line.
function Screen:at_line_start()
    local last = rshell.now() + SECONDS
    while self.terms:tmux("display-message", "-p", "-t", self.name, "#{cursor_x}") ~= "0\n" do
        if rshell.now() > last then self.t.fail("the cursor stays\n" .. self:text()) end
        rshell.sleep(LOOK)
    end
end

--- A prompt that is there to be typed at: the last line is nothing else. What is typed earlier is for the program that
--- has the terminal.
function Screen:ready() return self:see "rsh[^\n]*>%s*$" end

--- Ctrl-D, then the shell: the terminal is as it was.
function Screen:leave()
    self:ready()
    self:keys "C-d"
    self:see "sh%$\n$"
    self:same_terminal()
end

--- At the shell, after the prompt has ended with this status.
function Screen:same_terminal(status)
    self:line("s=$?; stty -g | cmp - " .. self.before .. " && echo same terminal, status $s")
    self:see("\nsame terminal, status " .. (status or 0) .. "\n")
end

--- A new window with the prompt, or another command, in a shell that tells how it ended and what the terminal is like.
function Terminals:open(t, opts)
    opts = opts or {}
    self.count = self.count + 1
    local home, name = tostring(self.home), "w" .. self.count
    local s = setmetatable({t = t, name = name, terms = self, before = home .. "/before"}, Screen)
    self:tmux("new-session", "-d", "-s", name, "-x", 90, "-y", 24, "env", "HOME=" .. home,
        "XDG_STATE_HOME=" .. home .. "/state", "XDG_CONFIG_HOME=" .. home .. "/config", "LC_ALL=C.UTF-8",
        "RSHELL=" .. os.getenv "RSHELL", "PS1=sh$ ", "SHELL=/bin/sh", "NO_COLOR=1", "sh")
    t.defer(function() pcall(s.hang_up, s) end)
    s:see "sh%$\n$"
    s:line("stty -g >" .. s.before .. "; clear; " .. (opts.command or '"$RSHELL"'))
    if not opts.command then s:ready() end
    return s
end

return M
