-- What the prompt tells in several lines: text that fits the window, and rows of names with what each is.

local colour = require "rshell.repl.colour"
local layout = require "rshell.output.layout"
local term = require "rshell.term"

local M = {}

local LEAST = 24 -- columns for what stands beside a name; with less it goes below

local function columns()
    local _, n = term.size()
    return math.max(n or 80, 12)
end

--- Paragraphs as they are, but for lines that are too long.
---@param s string
---@param margin integer? blanks before each line
function M.text(s, margin)
    local blanks = (" "):rep(margin or 0)
    for line in (s:gsub("\n$", "") .. "\n"):gmatch "(.-)\n" do
        local indent = line:match "^ *"
        if layout.width(line) + #blanks > columns() then
            line = table.concat(layout.wrap(line, columns() - #blanks - #indent), "\n" .. blanks .. indent)
            line = indent .. line
        end
        io.write(blanks, line, "\n")
    end
end

--- Rows {name, text} in two columns.
---@param rows string[][]
function M.rows(rows)
    local width = 0
    for _, row in ipairs(rows) do width = math.max(width, layout.width(row[1])) end
    local room = columns() - width - 4
    for _, row in ipairs(rows) do
        if room >= LEAST then
            local name = colour.paint("name", layout.pad(row[1], width))
            io.write("  ", name, "  ", table.concat(layout.wrap(row[2], room), "\n" .. (" "):rep(width + 4)), "\n")
        else
            io.write("  ", colour.paint("name", row[1]), "\n")
            M.text(row[2], 4)
        end
    end
end

---@param s string
function M.heading(s)
    io.write(colour.paint("heading", s), "\n")
end

return M
