-- Names of files on a machine: a folder is one round trip, remembered for some seconds.

local machine = require "rshell.machine"
local path = require "rshell.path"
local pending = require "rshell.repl.complete.pending"
local shell = require "rshell.repl.complete.shell"
local view = require "rshell.view"

local M = {}

local AGE = 5 -- seconds

--- The last part of a name, for a list.
function M.base(text) return text:match "([^/]*/?)$" end

--- Names of a folder; those of folders end in a slash.
local function ask(v, dir)
    local names, stats = view.ask(v, "fs", "list", dir, {stat = true})
    for i, name in ipairs(names) do names[i] = stats[i].type == "dir" and name .. "/" or name end
    return names
end

local function home_of(v, m)
    if v.conn.kind == "local" then return os.getenv "HOME" end
    return pending.ask(v.conn, "home", math.huge, function() return m.home end)
end

--- The folder that a word of this view is in, as an absolute path; nil where that isn't known.
local function folder(v, what, word)
    local dir = word:match "^.*/" or ""
    if dir:find "^~/" then
        local home = home_of(v, what.machine)
        return home and home .. dir:sub(2)
    end
    if dir:sub(1, 1) == "/" then return dir end
    local base = what.base_text or what.base and path.test(what.base).text
    return base and base .. "/" .. dir or dir
end

--- Nobody reads ~ in a string of Lua but a few options: it becomes the home folder.
local function without_tilde(v, what)
    local home = what.word:find "^~/" and not what.keeps_tilde and not what.shell and not what.plain
        and home_of(v, what.machine)
    if home then what.word = home .. what.word:sub(2) end
end

local function absolute(v, dir)
    return function()
        local where = dir
        if where:sub(1, 1) ~= "/" then where = view.cwd(v) .. "/" .. where end
        return ask(v, where)
    end
end

function M.candidates(_, what)
    local v = machine.test(what.machine)
    if not v or v.conn.closed then return {} end
    without_tilde(v, what)
    local word = what.shell and what.shell.text or what.word
    local dir = folder(v, what, word)
    if not dir then return {} end
    local question = ("files:%s:%s"):format(view.start_dir(v) or "", dir)
    local names = pending.ask(v.conn, question, AGE, absolute(v, dir)) or {}
    local stem, before = word:match "[^/]*$", word:match "^.*/" or ""
    local found = {}
    for _, name in ipairs(names) do
        local is_folder = name:sub(-1) == "/"
        -- Hidden ones only for who asks for them.
        if (name:sub(1, 1) ~= "." or stem:sub(1, 1) == ".") and (is_folder or not what.folders) then
            local text, quote = before .. name, what.quote or ""
            if what.shell then
                text = shell.quote(text, what.shell.quote)
                quote = (what.shell.quote or "") .. " "
            end
            found[#found + 1] = {text = text, ending = is_folder and "" or quote}
        end
    end
    return found
end

return M
