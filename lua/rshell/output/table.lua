-- Tables that fit the window: columns as wide as what is in them, numbers at the right; where that is too much, the
-- widest columns lose what doesn't fit.

local err = require "rshell.shared.error"
local layout = require "rshell.output.layout"
local options = require "rshell.shared.options"

local M = {}

local GAP = 2 -- columns between two
local LEAST = 4 -- columns that none is cut below

local OPTIONS = {columns = "table", width = "integer"}

local function cell_text(value)
    return value == nil and "" or layout.plain(tostring(value))
end

--- {rows of texts, number of columns, which columns hold nothing but numbers}
local function texts_of(rows, columns)
    local all = {rows = {}, count = columns and #columns or 0, numbers = {}}
    for i, row in ipairs(rows) do
        if type(row) ~= "table" then err.usage("output.table: row %d is a %s, not a table", i, type(row)) end
        local cells = {}
        for k = 1, math.max(#row, columns and #columns or 0) do
            local value = row[k]
            if value == nil and columns then value = row[columns[k]] end
            cells[k] = cell_text(value)
            if value ~= nil then
                all.numbers[k] = all.numbers[k] ~= false and type(value) == "number"
            end
        end
        all.count = math.max(all.count, #cells)
        all.rows[i] = cells
    end
    return all
end

local function widths_of(all, columns)
    local widths = {}
    for k = 1, all.count do
        local most = columns and layout.width(cell_text(columns[k])) or 0
        for _, cells in ipairs(all.rows) do most = math.max(most, layout.width(cells[k] or "")) end
        widths[k] = most
    end
    return widths
end

local function sum(widths)
    local total = GAP * math.max(0, #widths - 1)
    for _, w in ipairs(widths) do total = total + w end
    return total
end

--- Takes from the widest, one column after the other, until they fit.
local function shrink(widths, room)
    local total = sum(widths)
    while total > room do
        local widest = 1
        for k, w in ipairs(widths) do
            if w > widths[widest] then widest = k end
        end
        if widths[widest] <= LEAST then return end
        widths[widest], total = widths[widest] - 1, total - 1
    end
end

local function line_of(cells, widths, numbers)
    local parts = {}
    for k, w in ipairs(widths) do
        local fitting = layout.fit(cells[k] or "", w)
        parts[k] = layout.pad(fitting, w, numbers[k])
    end
    return (table.concat(parts, (" "):rep(GAP)):gsub(" +$", ""))
end

--- The lines of a table, each with its newline. A row is an array, or has the names in `columns`; these come above.
---@param rows table[]
---@param opts rshell.TableOptions?
---@return string
function M.format(rows, opts)
    if type(rows) ~= "table" then err.usage("output.table: an array of rows expected, got %s", type(rows)) end
    opts = options.check("output.table", opts, OPTIONS)
    local columns = opts.columns
    local all = texts_of(rows, columns)
    local widths = widths_of(all, columns)
    local room = opts.width or layout.window(1)
    if room then shrink(widths, room) end
    local lines = {}
    if columns then
        local names = {}
        for k = 1, all.count do names[k] = cell_text(columns[k]) end
        lines[1] = line_of(names, widths, all.numbers)
    end
    for _, cells in ipairs(all.rows) do lines[#lines + 1] = line_of(cells, widths, all.numbers) end
    return #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
end

return M
