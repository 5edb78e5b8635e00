-- Names for require: what is loaded, what has a plain name, and the files on package.path.

local here = require "rshell".here
local pending = require "rshell.repl.complete.pending"

local M = {}

local AGE = 10 -- seconds
local owner = {}

--- Modules below the folder of a template such as "/usr/share/lua/5.4/?.lua", one level deep.
local function in_folder(dir, prefix, add, depth)
    local ok, list = pcall(function() return here:path(dir):list {stat = true} end)
    for _, p in ipairs(ok and list or {}) do
        local name = p.name:match "^([%w_-]+)%.lua$"
        if name then
            add(name == "init" and prefix:sub(1, -2) or prefix .. name)
        elseif p.name:find "^[%w_]+$" and depth < 1 and p.stat.type == "dir" then
            in_folder(tostring(p), prefix .. p.name .. ".", add, depth + 1)
        end
    end
end

local function ask()
    local found, seen = {}, {}
    local function add(name, about)
        if name == "" or seen[name] then return end
        seen[name] = true
        found[#found + 1] = {text = name, about = about}
    end
    for _, name in ipairs(require "rshell.globals".modules()) do add(name, "rshell's " .. name) end
    for name in ("string table math io os utf8 debug coroutine"):gmatch "%l+%d*" do add(name, "Lua's") end
    add("rshell", "everything rshell has")
    for template in package.path:gmatch "[^;]+" do
        local dir = template:match "^(.*/)%?%.lua$"
        if dir then in_folder(dir, "", add, 0) end
    end
    return found
end

function M.candidates(_, what)
    local found = {}
    for i, one in ipairs(pending.ask(owner, package.path, AGE, ask) or {}) do
        found[i] = {text = one.text, about = one.about, ending = what.quote}
    end
    return found
end

return M
