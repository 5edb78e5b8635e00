-- The error object: one kind of thing is raised, and it says what, where, and what to do next.

local task = require "rshell.task"
local text = require "rshell.text"

local M = {}

---@class rshell.Error
---@field kind rshell.ErrorKind
---@field message string one line
---@field host string? the machine's name
---@field hint string? what to do next
local mt = task.error_metatable()

--- The shape of tostring(e): one line that says what and where, then labelled lines of what was printed, then the hint.
local LABELLED = {{"stdout", "out"}, {"stderr", "err"}}
local MAX_LINES = 20

local function add_output(lines, label, value)
    if type(value) ~= "string" or value == "" then return end
    local all = {}
    for line in (value:sub(-1) == "\n" and value or value .. "\n"):gmatch "(.-)\n" do all[#all + 1] = line end
    local first = math.max(1, #all - MAX_LINES + 1)
    if first > 1 then lines[#lines + 1] = ("  %s| (%d lines before these)"):format(label, first - 1) end
    for i = first, #all do lines[#lines + 1] = ("  %s| %s"):format(label, all[i]) end
end

--- "what and where" on one line.
function M.headline(e)
    local head = tostring(rawget(e, "message") or rawget(e, "kind") or "error")
    local host = rawget(e, "host")
    if host and host ~= "here" then head = ("%s: %s"):format(host, head) end
    return head
end

function mt.__tostring(e)
    local lines = {M.headline(e)}
    for _, field in ipairs(LABELLED) do add_output(lines, field[2], rawget(e, field[1])) end
    if rawget(e, "hint") then lines[#lines + 1] = "  hint: " .. tostring(e.hint) end
    return text.escape(table.concat(lines, "\n"))
end

mt.__name = "rshell.Error"

--- Makes an error object of these fields; kind and message are needed.
---@param fields table
---@return rshell.Error
function M.new(fields)
    return setmetatable(fields, mt)
end

function M.is(v)
    return type(v) == "table" and getmetatable(v) == mt
end

--- Raises an error object.
---@param fields table
function M.raise(fields)
    error(setmetatable(fields, mt), 0)
end

function M.usage(fmt, ...)
    M.raise {kind = "usage", message = fmt:format(...)}
end

--- The kind that a primitive's NAME ("ENOENT") stands for.
M.kind_of = task.error_kind

return M
