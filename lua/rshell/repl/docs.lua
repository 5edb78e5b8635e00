-- What the prompt tells about members: a line and a page of what the reference has.

local reference = require "rshell.reference"

local M = {}

---@class rshell.repl.Member
---@field name string
---@field class string that declares it
---@field kind "field"|"method"|"function"
---@field about string one line
---@field doc string all lines
---@field lines string[] about parameters and results
---@field params rshell.reference.Value[] none of a field
---@field signature string
---@field type string? what it is, or gives first

--- The first sentence.
local function first_sentence(text)
    text = text:gsub("\n", " ")
    local stop = text:find "[.;] " or text:find "%.$"
    return stop and text:sub(1, stop - 1) or text
end

local function about_values(member)
    local lines = {}
    for _, p in ipairs(member.params or {}) do
        local optional = p.optional and " (optional)" or ""
        lines[#lines + 1] = ("%s: %s%s %s"):format(p.name, p.type, optional, p.text):gsub("%s+$", "")
    end
    for _, r in ipairs(member.returns or {}) do
        lines[#lines + 1] = ("gives %s %s"):format(r.type, r.text):gsub("%s+$", "")
    end
    return lines
end

local function signature(class, member)
    local owner = class:match "[^.]*$"
    if member.kind == "field" then return ("%s.%s: %s"):format(owner, member.name, member.type) end
    local names = {}
    for i, p in ipairs(member.params or {}) do names[i] = p.name end
    local sign = member.kind == "method" and ":" or "."
    return ("%s%s%s(%s)"):format(owner, sign, member.name, table.concat(names, ", "))
end

--- A member as it is told.
local function told(class, member)
    local first = (member.returns or {})[1]
    local type = member.type or first and first.type
    local about = first_sentence(member.text)
    if about == "" and type then about = member.kind == "field" and type or "gives " .. type end
    return {
        name = member.name, class = class, kind = member.kind, about = about, doc = member.text, type = type,
        lines = about_values(member), params = member.params or {}, signature = signature(class, member),
    }
end

local TOLD = {field = true, method = true, ["function"] = true}

--- {name -> member}, with the names in order, of a class and of those it extends.
local function gather(class, found)
    local c = reference.all().classes[class]
    for _, member in ipairs(c and c.members or {}) do
        if TOLD[member.kind] and not found[member.name] then
            found[member.name] = told(class, member)
            found[#found + 1] = found[member.name]
        end
    end
    for _, parent in ipairs(c and c.parents or {}) do gather(parent, found) end
    return found
end

local known = {}

local function members(class)
    known[class] = known[class] or gather(class, {})
    return known[class]
end

--- Whether there is such a class, and what is said about it.
---@param name string "rshell.Path"
---@return {doc: string}?
function M.class(name)
    local c = reference.all().classes[name]
    return c and {doc = c.text}
end

--- What objects of a class take that are called with options: the type, or nil.
---@param class string
---@return string?
function M.called_with(class)
    local c = reference.all().classes[class]
    for _, member in ipairs(c and c.members or {}) do
        local operand = member.kind == "operator" and member.name == "call" and member.operand
        if operand and operand:find "Options" then return operand end
    end
end

--- The names of all classes, sorted.
---@return string[]
function M.names()
    local names = {}
    for name in next, reference.all().classes do names[#names + 1] = name end
    table.sort(names)
    return names
end

--- A member of a class or of those it extends.
---@param class string?
---@param name string
---@return rshell.repl.Member?
function M.member(class, name)
    if not class or not reference.all().classes[class] then return nil end
    return members(class)[name]
end

--- All members of a class and of those it extends, sorted by name.
---@param class string
---@return rshell.repl.Member[]
function M.members(class)
    local all = members(class)
    local list = table.move(all, 1, #all, 1, {})
    table.sort(list, function(a, b) return a.name < b.name end)
    return list
end

return M
