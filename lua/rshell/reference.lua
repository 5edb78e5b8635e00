-- What the stubs of lua/types say: every class with its members, what they take and give, and a text about each. The
-- manual page rshell-lua(7) is made of it.
--
-- The stubs are Lua with the comments of LuaLS; of these only what they use is known here.

local M = {}

---@class rshell.reference.Value
---@field name string "..." for the rest; of what is returned its name and text are one
---@field type string
---@field optional boolean
---@field text string

---@class rshell.reference.Member
---@field name string
---@field kind "field" | "method" | "function" | "operator" | "index"
---@field type string? of a field; of an operator its operand's and result
---@field optional boolean?
---@field params rshell.reference.Value[]?
---@field returns rshell.reference.Value[]?
---@field text string

---@class rshell.reference.Class
---@field name string
---@field parents string[]
---@field text string
---@field members rshell.reference.Member[]

-- ---- sources ----

local function read_all(path)
    local f <close> = assert(io.open(path, "rb"))
    return f:read "a"
end

--- All files behind each other: from the program, or from the source tree in builds that read lua/ from there.
local function source()
    local ok, stubs = pcall(require, "rshell.doc.stubs")
    if ok then return stubs end
    local _, path = package.searchers[2] "rshell.cli"
    local files = assert(require "rshell.sys.fs".glob("/", (path:gsub("rshell/cli%.lua$", "types/*.lua"))))
    for i, file in ipairs(files) do files[i] = read_all(file) end
    return table.concat(files)
end

-- ---- types ----

local CLOSERS = {["("] = "()", ["{"] = "{}", ["<"] = "<>", ["["] = "[]"}

--- The end of one type without `|`, from the place i on.
local function atom_end(s, i)
    local c = s:sub(i, i)
    if c == '"' then
        i = s:find('"', i + 1, true) or #s
    elseif c == "(" or c == "{" then
        i = select(2, s:find("%b" .. CLOSERS[c], i)) or #s
    else
        i = select(2, s:find("^[%w_.]+", i)) or select(2, s:find("^%S+", i)) or #s
    end
    while true do
        local following = s:sub(i + 1, i + 1)
        local closes = CLOSERS[following]
        if closes and following ~= "{" then
            i = select(2, s:find("%b" .. closes, i + 1)) or #s
        elseif following == "?" then
            i = i + 1
        else
            return i
        end
    end
end

--- A type and what follows it.
local function split_type(s)
    s = s:gsub("^%s+", "")
    local i = atom_end(s, 1)
    while true do
        local bar = s:match("^%s*|%s*()", i + 1)
        -- What a function returns.
        local result = not bar and s:sub(1, i):find "fun%b()$" and s:match("^:%s*()", i + 1)
        local again = bar or result or s:sub(i, i) == ")" and s:find "^fun" and s:match("^:%s*()", i + 1)
            or s:match("^,%s*()", i + 1)
        if not again then break end
        i = atom_end(s, again)
    end
    return s:sub(1, i), (s:sub(i + 1):gsub("^%s+", ""))
end

-- ---- lines ----

--- Comments that wait for what they are about.
local function new_notes()
    return {text = {}, params = {}, returns = {}}
end

local tags = {}

local VISIBILITY = {public = true, protected = true, private = true, package = true}

function tags.class(file, rest, notes)
    local name, parents = rest:match "^([%w_.]+)%s*:?%s*(.*)$"
    local class = {name = name, parents = {}, text = table.concat(notes.text, "\n"), members = {}}
    for parent in parents:gmatch "[%w_.]+" do class.parents[#class.parents + 1] = parent end
    file.classes[name] = class
    file.class = class
    file.notes = new_notes()
end

function tags.field(file, rest)
    local word, other = rest:match "^(%l+)%s+(.*)$"
    if VISIBILITY[word] and not other:find "^[:|]" then rest = other end
    local name, mark, tail = rest:match "^([%w_]+)(%??)%s+(.*)$"
    local kind = "field"
    if not name then
        kind, mark, name, tail = "index", "", rest:match "^(%b[])%s*(.*)$"
    end
    if not name or not file.class then return end
    local type, text = split_type(tail)
    local member = {name = name, kind = kind, type = type, optional = mark == "?", text = text}
    table.insert(file.class.members, member)
end

function tags.operator(file, rest)
    local name, operand, tail = rest:match "^(%w+)(%b())%s*:?%s*(.*)$"
    if not name then
        name, tail = rest:match "^(%w+)%s*:%s*(.*)$"
        operand = ""
    end
    if not name or not file.class then return end
    local type, text = split_type(tail)
    table.insert(file.class.members, {name = name, kind = "operator", operand = operand, type = type, text = text})
end

function tags.param(file, rest)
    local name, mark, tail = rest:match "^([%w_.]+)(%??)%s+(.*)$"
    if not name then return end
    local type, text = split_type(tail)
    table.insert(file.notes.params, {name = name, type = type, optional = mark == "?", text = text})
end

tags["return"] = function(file, rest)
    local type, text = split_type(rest)
    table.insert(file.notes.returns, {name = "", type = type, optional = false, text = text})
end

function tags.alias(file, rest, notes)
    local name, type = rest:match "^([%w_.]+)%s*(.*)$"
    local alias = {name = name, type = type ~= "" and type or nil, values = {}, text = table.concat(notes.text, "\n")}
    file.aliases[name], file.alias = alias, alias
    file.notes = new_notes()
end

function tags.type(file, rest)
    file.notes.type = rest
end

local function read_comment(file, line)
    local tag, rest = line:match "^%-%-%-@(%w+)%s*(.*)$"
    if tag then
        file.alias = nil
        if tags[tag] then tags[tag](file, rest, file.notes) end
        return
    end
    local value, about = line:match '^%-%-%-|%s*(%b"")%s*(.*)$'
    if value and file.alias then
        table.insert(file.alias.values, {value = value, text = about})
    else
        table.insert(file.notes.text, (line:gsub("^%-%-%- ?", "")))
    end
end

--- Parameters in the order of the function; what has no @param has no type.
local function params_of(list, notes)
    local by_name, params = {}, {}
    for _, p in ipairs(notes.params) do by_name[p.name] = p end
    for name in list:gmatch "[%w_.]+" do
        params[#params + 1] = by_name[name] or {name = name, type = "any", optional = false, text = ""}
    end
    return params
end

local function read_code(file, line)
    local owner, sign, name, list = line:match "^function%s+([%w_]+)([.:])([%w_]+)%s*(%b())"
    local class = owner and file.variables[owner]
    local global = not owner and line:match "^([%a_][%w_]*)%s*=%s*nil$"
    if class then
        table.insert(class.members, {
            name = name, kind = sign == ":" and "method" or "function", params = params_of(list:sub(2, -2), file.notes),
            returns = file.notes.returns, text = table.concat(file.notes.text, "\n"),
        })
    elseif global and file.notes.type then
        table.insert(file.globals, {name = global, type = file.notes.type, text = table.concat(file.notes.text, "\n")})
    else
        name, list = line:match "^function%s+([%w_]+)%s*(%b())"
        if name then
            table.insert(file.globals, {
                name = name, kind = "function", params = params_of(list:sub(2, -2), file.notes),
                returns = file.notes.returns, text = table.concat(file.notes.text, "\n"),
            })
        end
    end
    local variable = line:match "^local%s+([%w_]+)%s*=" or line:match "^([%a_][%w_.]*)%s*="
    if variable and file.class then file.variables[variable] = file.variables[variable] or file.class end
    if variable or line:find "^function" then file.class = nil end
    file.notes = new_notes()
end

--- A file begins with ---@meta; its variables are its own.
local function read_line(file, line)
    if line == "---@meta" then
        file.variables, file.class, file.alias = {}, nil, nil
    elseif line:find "^%-%-%-" then
        read_comment(file, line)
    elseif line == "" then
        -- A class whose variable hasn't come yet may still get fields; comments alone are about nothing.
        file.notes = new_notes()
    elseif not line:find "^%-%-" then
        read_code(file, line)
    end
end

-- ---- all of it ----

local parsed

--- Everything that the stubs say: classes and aliases by name, and globals.
---@return {classes: table<string, rshell.reference.Class>, aliases: table<string, table>, globals: table[]}
function M.all()
    if parsed then return parsed end
    local file = {classes = {}, aliases = {}, globals = {}, variables = {}, notes = new_notes()}
    for line in source():gmatch "([^\n]*)\n" do read_line(file, line) end
    parsed = {classes = file.classes, aliases = file.aliases, globals = file.globals}
    return parsed
end

--- A member of a class, or of one that it is made of.
---@param class string
---@param name string
---@return rshell.reference.Member?
function M.member(class, name)
    local c = M.all().classes[class]
    if not c then return nil end
    for _, member in ipairs(c.members) do
        if member.name == name and member.kind ~= "operator" then return member end
    end
    for _, parent in ipairs(c.parents) do
        local member = M.member(parent, name)
        if member then return member end
    end
end

return M
