-- What the editor stubs of lua/types say: classes with their members, what each does, takes and gives.

local M = {}

---@class rshell.repl.Member
---@field name string
---@field class string that declares it
---@field kind "field"|"method"|"function"
---@field about string one line
---@field doc string all lines
---@field lines string[] about parameters and results
---@field signature string
---@field type string? what it is, or gives first

-- ---- reading ----

local function read_all(path)
    local f <close> = assert(io.open(path, "rb"))
    return f:read "a"
end

--- The stubs' text: in the program, or in the source tree beside lua/rshell.
local function source()
    local ok, text = pcall(require, "rshell.doc.stubs")
    if ok then return text end
    local _, path = package.searchers[2] "rshell.cli"
    local files = require "rshell".here:path((path:gsub("rshell/cli%.lua$", "types"))):glob "*.lua"
    for i, file in ipairs(files) do files[i] = read_all(tostring(file)) end
    return table.concat(files, "\n")
end

--- The first sentence.
local function first_sentence(doc)
    local line = doc:gsub("\n", " ")
    local stop = line:find("[.;] ") or line:find("%.$")
    return stop and line:sub(1, stop - 1) or line
end

--- "integer | string" of "integer | string where one connects": words joined by bars, brackets kept whole.
local function split_type(text)
    local at = 1
    while true do
        local _, stop = text:find("^%s*|?%s*fun%b()", at)
        if stop then
            local _, result = text:find("^:%s*[%w_.%?%[%]]+", stop + 1)
            stop = result or stop
        else
            _, stop = text:find('^%s*|?%s*[%w_."<>,%?%[%]{}%-]+', at)
        end
        if not stop then break end
        at = stop + 1
        if text:sub(stop, stop) ~= "," and not text:find("^%s*|", at) then break end
    end
    return text:sub(1, at - 1), text:sub(at):match "^%s*(.*)$"
end

local function new_class(name, parents, doc)
    local class = {name = name, parents = {}, doc = table.concat(doc, "\n"), members = {}, order = {}}
    for parent in (parents or ""):gmatch "[%w_.]+" do class.parents[#class.parents + 1] = parent end
    return class
end

local function add(class, member)
    if not class.members[member.name] then class.order[#class.order + 1] = member.name end
    class.members[member.name] = member
end

local function add_field(class, text)
    text = text:gsub("^public%s+", "")
    local name, rest = text:match "^([%a_][%w_]*%??)%s+(.*)$"
    if not name then return end
    local kind, about = split_type(rest)
    name = name:gsub("%?$", "")
    add(class, {
        name = name, class = class.name, kind = "field", about = about ~= "" and about or kind, doc = about, lines = {},
        type = kind, signature = ("%s.%s: %s"):format(class.name:match "[^.]*$", name, kind),
    })
end

--- Lines about parameters and results, and the type of the first result.
local function about_values(tags)
    local lines, first = {}, nil
    for _, tag in ipairs(tags) do
        local name, rest = tag:match "^param%s+(%S+)%s+(.*)$"
        if name then
            lines[#lines + 1] = name:gsub("%?$", "") .. ": " .. rest .. (name:find "%?$" and " (optional)" or "")
        end
        local given = tag:match "^return%s+(.*)$"
        if given then
            lines[#lines + 1] = "gives " .. given
            first = first or split_type(given)
        end
    end
    return lines, first
end

local function add_function(class, owner, sign, name, params, doc, tags)
    local lines, first = about_values(tags)
    local text = table.concat(doc, "\n")
    local about = first_sentence(text)
    if about == "" then about = first and "gives " .. first or "" end
    local shown = (owner:match "[^.]*$" or owner)
    add(class, {
        name = name, class = class.name, kind = sign == ":" and "method" or "function", about = about, doc = text,
        lines = lines, type = first, signature = ("%s%s%s(%s)"):format(shown, sign, name, params),
    })
end

--- Reads all; a comment block is about the next class or function.
local function parse(text)
    local classes, variables, order = {}, {}, {}
    local class, doc, tags = nil, {}, {}
    for line in (text .. "\n"):gmatch "(.-)\n" do
        local tag, said = line:match "^%-%-%-@(.*)$", line:match "^%-%-%-([^@].*)$"
        local name, rest = (tag or ""):match "^class%s+([%w_.]+)(.*)$"
        local variable = line:match "^local%s+([%w_]+)%s*=" or line:match "^([%a_][%w_]*)%s*=%s*{}"
        local owner, sign, method, params = line:match "^function%s+([%w_.]+)([.:])([%w_]+)%s*%((.-)%)"
        if name then
            class = new_class(name, rest:match "^%s*:%s*(.*)", doc)
            classes[name], doc, tags = class, {}, {}
            order[#order + 1] = name
        elseif tag and tag:find "^field%s" and class then
            add_field(class, tag:match "^field%s+(.*)$")
        elseif tag then
            tags[#tags + 1] = tag
        elseif said then
            doc[#doc + 1] = said:match "^%s*(.-)%s*$"
        else
            if variable and class then variables[variable] = class end
            local of = owner and variables[owner]
            if of then add_function(of, owner, sign, method, params, doc, tags) end
            if variable then class = nil end
            doc, tags = {}, {}
        end
    end
    return classes, order
end

local classes, order

local function all()
    if not classes then classes, order = parse(source()) end
    return classes
end

-- ---- asking ----

---@param name string "rshell.Path"
function M.class(name) return all()[name] end

--- The names of all classes.
function M.names()
    all()
    return order
end

--- A member of a class or of those it extends.
---@param class string?
---@param name string
---@return rshell.repl.Member?
function M.member(class, name)
    local c = class and all()[class]
    if not c then return nil end
    if c.members[name] then return c.members[name] end
    for _, parent in ipairs(c.parents) do
        local found = M.member(parent, name)
        if found then return found end
    end
end

local function gather(class, found, seen)
    local c = all()[class]
    if not c or seen[class] then return end
    seen[class] = true
    for _, name in ipairs(c.order) do
        if not found[name] then
            found[name] = c.members[name]
            found[#found + 1] = c.members[name]
        end
    end
    for _, parent in ipairs(c.parents) do gather(parent, found, seen) end
end

--- All members of a class and of those it extends, sorted by name.
---@param class string
---@return rshell.repl.Member[]
function M.members(class)
    local found = {}
    gather(class, found, {})
    local list = table.move(found, 1, #found, 1, {})
    table.sort(list, function(a, b) return a.name < b.name end)
    return list
end

return M
