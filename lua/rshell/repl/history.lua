-- What was typed, in a file that all running prompts add to and read from: one entry a line, with \n for a newline in
-- it and \\ for a backslash. Only its owner can read it.

local here = require "rshell".here

local M = {}

local KEPT = 10000 -- entries that a prompt starts with

local function folder()
    local state = os.getenv "XDG_STATE_HOME"
    if state and state:sub(1, 1) == "/" then return state .. "/rshell" end
    local home = os.getenv "HOME"
    return home and home ~= "" and home .. "/.local/state/rshell" or nil
end

---@class rshell.repl.History
---@field path rshell.Path? nil where there is no folder for it
---@field own string[] entries of this prompt that are in no file
---@field offset integer of what was read
local History = {}
History.__index = History

---@return rshell.repl.History
function M.new()
    local dir = folder()
    return setmetatable({path = dir and here:path(dir, "history"), own = {}, offset = 0}, History)
end

function M.encode(entry)
    return (entry:gsub("\\", "\\\\"):gsub("\n", "\\n"))
end

function M.decode(line)
    return (line:gsub("\\(.)", function(c) return c == "n" and "\n" or c end))
end

--- The entries that came since the last call, of this prompt and of others. The last line may still be on its way.
---@return string[]
function History:news()
    local entries = self.own
    self.own = {}
    local f <close> = self.path and io.open(tostring(self.path), "rb")
    if not f then return entries end
    if f:seek "end" < self.offset then self.offset = 0 end -- somebody has emptied it
    f:seek("set", self.offset)
    local new = f:read "a":match "^.*\n" or ""
    self.offset = self.offset + #new
    for line in new:gmatch "(.-)\n" do
        if #line > 0 then entries[#entries + 1] = M.decode(line) end
    end
    return table.move(entries, math.max(1, #entries - KEPT + 1), #entries, 1, {})
end

--- Keeps an entry, unless it begins with a blank or repeats the one before.
---@param entry string
---@return boolean? ok
---@return string? why not
function History:add(entry)
    if entry:find "^%s" or entry == self.last then return true end
    self.last = entry
    if not self.path then
        self.own[1] = entry
        return true
    end
    local ok, e = pcall(function()
        local dir = self.path.parent
        if not dir:is_dir() then dir:mkdir {parents = true, exist_ok = true, mode = "700"} end
        self.path:append(M.encode(entry) .. "\n", {mode = "600"})
    end)
    if ok then return true end
    self.path, self.own = nil, {entry}
    return nil, "what is typed is not kept for later: " .. tostring(e)
end

return M
