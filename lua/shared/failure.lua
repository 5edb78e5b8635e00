-- Errors on their way: what a side tells of one in a RAISE, and what is raised from it on the other side.
--
-- A traceback that has crossed is made of sections, the innermost first. The one that begins with "here:" is of the
-- side that has the error now; where that side passes it on, the other side puts its name there and adds a section of
-- its own.

local err = require "rshell.shared.error"

local M = {}

local PLAIN = {string = true, number = true, boolean = true}
-- No fields of a value.
local OURS = {kind = true, message = true, host = true, class = true, value = true, traceback = true}

-- ---- where ----

local function section(trace)
    return (trace:gsub("^[^\n]*", "here:", 1))
end

local function stack(level)
    return section(debug.traceback(nil, level + 1))
end

local function labelled(trace)
    return (trace:find "^stack traceback:" and section(trace)) or trace
end

local Noted = {}

--- For xpcall: the error, and where it was raised.
function M.note(e)
    if debug.getmetatable(e) == Noted then return e end
    if not err.is(e) then return setmetatable({e = e, trace = stack(2)}, Noted) end
    if not rawget(e, "traceback") then e.traceback = stack(2) end
    return e
end

-- ---- what is told ----

local function is_plain(v)
    if PLAIN[type(v)] then return true end
    if type(v) ~= "table" or getmetatable(v) ~= nil then return false end
    for k, x in next, v do
        if not PLAIN[type(k)] or not PLAIN[type(x)] then return false end
    end
    return true
end

--- What an error object holds besides data is its own side's business.
local function pack_ours(self, e)
    local fields = {}
    for k, v in next, e do
        if k == "value" or is_plain(v) then fields[k] = v end
    end
    local trace = fields.traceback
    fields.traceback = nil
    if fields.host then self.told[fields.host] = true end
    return {fields = fields, trace = trace and labelled(trace)}
end

--- A table without others in it as one writes it; nothing for what is more than that.
local function written(t)
    local parts = {}
    for k, v in next, t do
        if type(k) ~= "string" or not PLAIN[type(v)] or #parts > 20 then return nil end
        local value = type(v) == "string" and ("%q"):format(v):gsub("\\\n", "\\n") or tostring(v)
        parts[#parts + 1] = ("%s = %s"):format(k, value)
    end
    table.sort(parts)
    return "{" .. table.concat(parts, ", ") .. "}"
end

local function text_of(e)
    local mt = debug.getmetatable(e)
    local message = type(e) == "table" and not (mt and mt.__tostring) and rawget(e, "message")
    if type(message) == "string" then return message end
    local as_written = type(e) == "table" and not mt and written(e)
    if as_written then return as_written end
    local ok, text = pcall(tostring, e)
    return ok and text or "an error that is a " .. type(e)
end

--- The plain fields of an object that goes by reference, with those of its class.
local function fields_of(e, mt)
    local fields = {}
    for _ = 1, 100 do
        if type(e) ~= "table" then break end
        for k, v in next, e do
            if type(k) == "string" and k:sub(1, 2) ~= "__" and fields[k] == nil and is_plain(v) then fields[k] = v end
        end
        e = type(mt) == "table" and rawget(mt, "__index")
        mt = debug.getmetatable(e)
    end
    return fields
end

--- What is said of an error, of which the value may go by reference.
---@param e any as note gave it
---@return table
function M.pack(self, e)
    local trace
    if debug.getmetatable(e) == Noted then e, trace = e.e, e.trace end
    if err.is(e) then return pack_ours(self, e) end
    local what = {value = e, trace = trace}
    if type(e) == "string" then return what end
    local mt = debug.getmetatable(e)
    what.text = text_of(e)
    if type(mt) == "table" then
        what.class = type(mt.__name) == "string" and mt.__name or nil
        what.of_value = fields_of(e, mt)
    end
    return what
end

--- The same without what can't be sent.
function M.plain(what)
    local fields = what.fields
    if fields then fields.value = nil end
    return {fields = fields, text = what.text or is_plain(what.value) and what.value or nil, trace = what.trace}
end

-- ---- what is raised ----

local function adopt(e, fields)
    if type(fields) ~= "table" then return end
    for k, v in next, fields do
        if type(k) == "string" and not OURS[k] and e[k] == nil then e[k] = v end
    end
end

--- A remote error, of what was raised that is no error object.
local function remote(what)
    local value = what.value
    local text = what.text or value
    local e = {
        kind = "remote", value = value, message = type(text) == "string" and text or "an error without a text",
        class = type(what.class) == "string" and what.class or nil,
    }
    adopt(e, getmetatable(value) == nil and value or what.of_value)
    return e
end

local function ours(fields)
    local e = {}
    for k, v in next, fields do
        if type(k) == "string" then e[k] = v end
    end
    if type(e.message) ~= "string" then e.message = e.kind end
    return e
end

--- Names of hosts are ours to give: a target says only those that it has from us.
local function host_of(self, claimed)
    if not self.host or type(claimed) == "string" and self.told[claimed] then return claimed end
    return self.host
end

--- Raises what came; whatever it is, it is data.
---@param what any
function M.raise(self, what)
    if type(what) ~= "table" then what = {} end
    local fields = type(what.fields) == "table" and what.fields
    local e = fields and type(fields.kind) == "string" and ours(fields) or remote(what)
    e.host = host_of(self, e.host)
    local there = type(what.trace) == "string" and what.trace
    if there then
        local name = ("on %s:"):format(self.host or "the controller"):gsub("%%", "%%%%")
        there = ("\n" .. there):gsub("\nhere:", "\n" .. name):sub(2) .. "\n"
    end
    e.traceback = (there or "") .. stack(3)
    err.raise(e)
end

return M
