-- Candidates as a list: one a line with what it is where that is known and fits, else in columns.

local colour = require "rshell.repl.colour"
local layout = require "rshell.output.layout"

local M = {}

local function widest(names)
    local most = 0
    for _, name in ipairs(names) do most = math.max(most, layout.width(name)) end
    return most
end

local function with_about(found, names, columns)
    local lines, most = {}, math.min(widest(names), columns // 2)
    for i, c in ipairs(found) do
        local about = c.about and layout.fit(layout.plain(c.about), columns - most - 3) or ""
        lines[i] = colour.paint("name", layout.pad(names[i], most)) .. "  " .. colour.paint("dim", about)
    end
    return lines
end

local function in_columns(names, columns)
    local most = widest(names) + 2
    local across = math.max(1, columns // most)
    local down = (#names + across - 1) // across
    local lines = {}
    for row = 1, down do
        local cells = {}
        for i = row, #names, down do
            cells[#cells + 1] = i + down <= #names and layout.pad(names[i], most) or names[i]
        end
        lines[row] = table.concat(cells)
    end
    return lines
end

local function has_about(found)
    for _, c in ipairs(found) do
        if c.about then return true end
    end
end

--- Those of the first rank, where they alone fit.
local function first_rank(found)
    local first = {}
    for _, c in ipairs(found) do
        if (c.rank or 1) == (found[1].rank or 1) then first[#first + 1] = c end
    end
    return first
end

local function lines_of(found, columns, rows, name_of)
    local names = {}
    for i, c in ipairs(found) do
        names[i] = layout.plain(name_of and name_of(c.text) or c.text)
    end
    if has_about(found) and #found <= rows then return with_about(found, names, columns) end
    return in_columns(names, columns)
end

--- The list, at most so many rows.
---@param found table[]
---@param columns integer
---@param rows integer
---@param name_of (fun(text: string): string)? how a candidate is called
---@return string
function M.of(found, columns, rows, name_of)
    rows = math.max(rows, 5)
    local shown = found
    local lines = lines_of(found, columns, rows, name_of)
    if #lines > rows and (found[1].rank or 1) ~= (found[#found].rank or 1) then
        shown = first_rank(found)
        lines = lines_of(shown, columns, rows * 3, name_of)
    end
    local more = #found - #shown
    if #lines > rows * 3 then
        lines = table.move(lines, 1, rows, 1, {})
        lines[#lines + 1] = colour.paint("dim", ("... %d in all; type more of it"):format(#found))
        return table.concat(lines, "\n")
    end
    if more > 0 then lines[#lines + 1] = colour.paint("dim", ("... and %d more; type a letter"):format(more)) end
    return table.concat(lines, "\n")
end

return M
