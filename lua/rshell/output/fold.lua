-- Identical outputs together, below the names of those that gave them.

local color = require "rshell.output.color"
local text = require "rshell.text"

local M = {}

local RULE = ("-"):rep(15)

--- Calls fn with each line, shown as a terminal may see it.
---@param s string
---@param fn fun(line: string)
function M.each_line(s, fn)
    if s == "" then return end
    for line in (s:sub(-1) == "\n" and s or s .. "\n"):gmatch "(.-)\n" do fn(text.escape(line)) end
end

--- "web[1-5] (5)", with the status where that isn't ok.
---@param block rshell.Block
---@param paint? fun(style: string, s: string): string
local function head_of(block, paint)
    local head = text.escape(block.hosts)
    if block.count > 1 then head = ("%s (%d)"):format(head, block.count) end
    head = paint("name", head)
    if block.status ~= "ok" then head = ("%s %s"):format(head, paint("error", block.status)) end
    return head
end

local function unpainted(_, s) return s end

--- The lines of blocks, without a newline at the end; coloured as fd takes it, plain without.
---@param blocks rshell.Block[]
---@param fd integer?
---@return string
function M.format(blocks, fd)
    local paint = fd and function(style, s) return color.paint(style, s, fd) end or unpainted
    local lines = {}
    for _, block in ipairs(blocks) do
        lines[#lines + 1] = RULE
        lines[#lines + 1] = head_of(block, paint)
        lines[#lines + 1] = RULE
        M.each_line(block.output, function(line) lines[#lines + 1] = line end)
    end
    return table.concat(lines, "\n")
end

return M
