-- What commands print with, and scripts may too: rshell.output.

local arity = require "rshell.arity"
local color = require "rshell.output.color"
local err = require "rshell.shared.error"
local layout = require "rshell.output.layout"
local near = require "rshell.shared.near"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local progress = require "rshell.output.progress"
local units = require "rshell.output.units"

local M = {members = {}, fields = {}}

---@class rshell.output
local functions = {}
M.functions = functions

local function text_of(who, value)
    if type(value) ~= "string" then err.usage("output.%s: a string expected, got %s", who, type(value)) end
    return value
end

local function amount_of(who, value)
    if type(value) ~= "number" or value ~= value or value < 0 then
        err.usage("output.%s: a number of at least 0 expected, got %s", who, tostring(value))
    end
    return value
end

--- The lines of a table that fits the window.
functions.table = require "rshell.output.table".format

--- Columns that text takes; control characters count as they are shown.
function functions.width(s) return layout.width(layout.plain(text_of("width", s))) end

--- Cut to so many columns, with an ellipsis where something is missing.
function functions.fit(s, columns)
    if math.type(columns) ~= "integer" then err.usage("output.fit: a number of columns expected") end
    return (layout.fit(layout.plain(text_of("fit", s)), columns))
end

--- In a style, where standard output takes colours.
function functions.paint(style, s)
    if not color.STYLES[style] then
        err.usage("output.paint: no style '%s'%s", tostring(style), near.suffix(style, color.STYLES))
    end
    return color.paint(style, text_of("paint", s))
end

--- Writes values as the prompt shows them, one below the other; of text nothing is left out or changed.
function functions.show(...)
    local pretty = require "rshell.repl.pretty"
    local columns = layout.window(1)
    for i = 1, select("#", ...) do
        local value = select(i, ...)
        local is_text = type(value) == "string" and value ~= ""
        local shown = is_text and value or pretty.result(value, columns)
        io.write(shown, shown:sub(-1) == "\n" and "" or "\n")
    end
end

function functions.size(n) return units.size(amount_of("size", n)) end
function functions.time(seconds) return units.time(amount_of("time", seconds)) end

-- ---- progress ----

local mt, make, state = object.class "progress"

---@class rshell.Progress
local members, fields = M.members, M.fields

local OPTIONS = {label = "text", total = "number", bytes = "boolean"}

local function show_count(n)
    return (n < 10 and n % 1 ~= 0 and "%.1f" or "%.0f"):format(n)
end

--- A line at the terminal, until it is closed.
function functions.progress(opts)
    opts = options.check("output.progress", opts, OPTIONS)
    local s = {done = 0, total = opts.total}
    local amount = progress.amount(opts.bytes and units.size or show_count)
    local label = opts.label and opts.label .. "  " or ""
    s.line = progress.line(function() return label .. amount:text(s.done, s.total) end)
    return make(s)
end

--- So much is done; and is all, where that is known by now.
function members:set(done, total)
    local s = state(self)
    s.done = amount_of("progress", done)
    if total ~= nil then s.total = amount_of("progress", total) end
end

--- So much more is done, 1 without.
function members:add(n)
    local s = state(self)
    s.done = s.done + amount_of("progress", n == nil and 1 or n)
end

--- Takes the line away. Harmless twice.
function members:close()
    state(self).line:close()
end

function fields.done(s) return s.done end
function fields.total(s) return s.total end

function mt.__index(self, key)
    if members[key] then return members[key] end
    if fields[key] then return fields[key](state(self)) end
    options.no_member("progress", key, members, fields)
end

mt.__close = members.close
mt.__gc = members.close

function mt.__tostring(self)
    local s = state(self)
    return s.total and ("progress %s of %s"):format(s.done, s.total) or ("progress %s"):format(s.done)
end

setmetatable(functions, {
    __index = function(_, name)
        err.usage("rshell.output has no member '%s'%s", tostring(name), near.suffix(name, functions))
    end,
})

arity.strict(members)

return M
