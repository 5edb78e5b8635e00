-- Names of files on a machine: a folder is one round trip, remembered for some seconds.

local machine = require "rshell.machine"
local path = require "rshell.path"
local pending = require "rshell.repl.complete.pending"
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

--- The folder that a word of this view is in, as an absolute path.
local function folder(v, what)
    local dir = what.word:match "^.*/" or ""
    if dir:find "^~/" and (what.plain or v.conn.kind == "local") then
        local home = v.conn.kind == "local" and os.getenv "HOME" or rawget(v.conn, "home")
        return home and home .. dir:sub(2)
    end
    if dir:sub(1, 1) == "/" then return dir end
    local base = what.base and path.test(what.base)
    if base then return base.text .. "/" .. dir end
    return dir
end

--- A name that sh would take apart.
local function quote_for_sh(name)
    return (name:gsub("[%s'\"\\$`*?;&|<>(){}%[%]!#]", "\\%0"))
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
    local dir = v and not v.conn.closed and folder(v, what)
    if not dir then return {} end
    local question = ("files:%s:%s"):format(view.start_dir(v) or "", dir)
    local names = pending.ask(v.conn, question, AGE, absolute(v, dir)) or {}
    local stem, before = what.word:match "[^/]*$", what.word:match "^.*/" or ""
    local found = {}
    for _, name in ipairs(names) do
        local is_folder = name:sub(-1) == "/"
        -- Hidden ones only for who asks for them.
        if (name:sub(1, 1) ~= "." or stem:sub(1, 1) == ".") and (is_folder or not what.folders) then
            local ending = is_folder and "" or what.quote or what.shell and " " or ""
            found[#found + 1] = {text = before .. (what.shell and quote_for_sh(name) or name), ending = ending}
        end
    end
    return found
end

return M
