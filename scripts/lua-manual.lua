-- Prints the source of the manual page rshell-lua(7): the template, with what the stubs of lua/types say in place of
-- `@CLASS@`, `@globals@` and `@rest@` (every public class that the template doesn't name).
--
-- usage: rshell run scripts/lua-manual.lua TEMPLATE

local reference = require "rshell.reference"

local all = reference.all()
local used = {}

-- ---- scdoc ----

--- Text between marks is as it is; elsewhere `code` is bold.
local function escape(s)
    return (s:gsub("[\\*_`@#]", "\\%0"))
end

local function marked(s)
    local out, at = {}, 1
    while true do
        local from, to, code = s:find("`([^`]+)`", at)
        out[#out + 1] = escape(s:sub(at, (from or 0) - 1))
        if not from then break end
        out[#out + 1] = "*" .. escape(code) .. "*"
        at = to + 1
    end
    local text = table.concat(out)
    -- What scdoc takes for the start of a list, a table or a comment.
    return (text:gsub("^([%-%.|;%[%]])", "\\%1"))
end

--- Paragraphs; lines that are indented are shown as they are.
local function paragraphs(text, tabs)
    local lines, literal = {}, false
    for line in (text .. "\n"):gmatch "(.-)\n" do
        local is_code = line:find "^   " ~= nil or literal and line == ""
        if is_code ~= literal then
            lines[#lines + 1] = is_code and "\n```" or "```\n"
            literal = is_code
        end
        lines[#lines + 1] = is_code and line:sub(4) or tabs .. marked(line)
    end
    if literal then lines[#lines + 1] = "```" end
    return (table.concat(lines, "\n"):gsub("\n\n```\n", "\n```\n"))
end

local function type_of(t)
    return (t:gsub("rshell%.", ""):gsub("%s*|%s*", " | "))
end

-- ---- members ----

local SIGNS = {
    div = "/", idiv = "//", concat = "..", bor = "|", band = "&", shl = "<<", shr = ">>", add = "+", sub = "-",
    bxor = "~", mul = "*",
}

local function params_of(member)
    local list = {}
    for i, p in ipairs(member.params) do
        local words = p.type == "any" and p.name or ("%s: %s"):format(p.name, type_of(p.type))
        list[i] = p.optional and "[" .. words .. "]" or words
    end
    return table.concat(list, ", ")
end

local function head_of(owner, member)
    local name, kind = member.name, member.kind
    if kind == "method" then return ("*%s:%s*(%s)"):format(owner, escape(name), escape(params_of(member))) end
    if kind == "function" then return ("*%s.%s*(%s)"):format(owner, escape(name), escape(params_of(member))) end
    if kind == "index" then return ("*%s*%s"):format(owner, escape(type_of(name))) end
    if kind == "field" then return ("*%s.%s*%s"):format(owner, escape(name), member.optional and "?" or "") end
    if name == "call" then return ("*%s*%s"):format(owner, escape(type_of(member.operand))) end
    if name == "len" then return ("*#%s*"):format(owner) end
    return ("*%s %s* %s"):format(owner, escape(SIGNS[name] or name), escape(type_of(member.operand:sub(2, -2))))
end

local function returned(member)
    if member.kind == "field" then return member.type end
    if not member.returns then return member.type end
    local types = {}
    for i, r in ipairs(member.returns) do types[i] = r.type end
    return table.concat(types, ", ")
end

--- What is to know about each value that has a text, as sentences.
local function values_of(member)
    local sentences, given = {}, {}
    for _, p in ipairs(member.params or {}) do
        if p.text ~= "" then sentences[#sentences + 1] = ("_%s_: %s."):format(escape(p.name), marked(p.text)) end
    end
    for _, r in ipairs(member.returns or {}) do
        if r.text ~= "" and r.text ~= "..." then given[#given + 1] = marked(r.text) end
    end
    if #given > 0 then sentences[#sentences + 1] = ("Gives: %s."):format(table.concat(given, "; ")) end
    return table.concat(sentences, " "):gsub("%.%.", ".")
end

local function entry(owner, member)
    local type = returned(member)
    local head = head_of(owner, member)
    if type and type ~= "" then
        head = ("%s %s %s"):format(head, member.kind == "field" and "-" or "\\->", escape(type_of(type)))
    end
    local text, values = paragraphs(member.text, "\t"), values_of(member)
    if member.text == "" then return values == "" and head .. "\n" or ("%s\n\t%s\n"):format(head, values) end
    return ("%s\n%s%s\n"):format(head, text, values ~= "" and "\n\t" .. values or "")
end

--- Names that are kept for what is to come.
local function is_there(member)
    return not member.text:find "[Nn]ot in this version"
end

-- ---- classes ----

-- How an object of a class is called in the page.
local OWNERS = {
    ["rshell.Machine"] = "m", ["rshell.Path"] = "p", ["rshell.Command"] = "c", ["rshell.Runnable"] = "c",
    ["rshell.Pipeline"] = "c", ["rshell.Workdir"] = "m.cwd", ["rshell.Environment"] = "m.env",
    ["rshell.Cluster"] = "web", ["rshell.EnvironmentPath"] = "m.env.path", ["rshell.Results"] = "r",
    ["rshell.Error"] = "e",
}

local function owner_of(class)
    if OWNERS[class.name] then return OWNERS[class.name] end
    local last = class.name:match "[^.]*$"
    if last:find "^%u" then return (last:gsub("^%u+", string.lower)) end
    return last
end

--- A table of options or results has fields only: they are shown without an owner.
local function is_record(class)
    for _, member in ipairs(class.members) do
        if member.kind ~= "field" then return false end
    end
    return not OWNERS[class.name]
end

local function field_line(member)
    local about = member.text ~= "" and ": " .. marked(member.text) or ""
    local mark = member.optional and "?" or ""
    return ("*%s*%s %s%s"):format(escape(member.name), mark, escape(type_of(returned(member))), about)
end

local function record(class)
    local lines = {}
    for i, member in ipairs(class.members) do lines[i] = field_line(member) end
    return table.concat(lines, "++\n") .. "\n"
end

local function class_text(name)
    local class = all.classes[name] or error("no stub declares the class " .. name, 0)
    used[name] = true
    local parts = {"## " .. type_of(class.name) .. "\n"}
    if class.text ~= "" then parts[#parts + 1] = paragraphs(class.text, "") .. "\n" end
    if #class.parents > 0 then
        local parents = type_of(table.concat(class.parents, ", "))
        parts[#parts + 1] = ("Has all that %s has, too.\n"):format(escape(parents))
    end
    if is_record(class) then
        parts[#parts + 1] = record(class)
    else
        for _, member in ipairs(class.members) do
            if is_there(member) then parts[#parts + 1] = entry(owner_of(class), member) end
        end
    end
    return table.concat(parts, "\n")
end

local function globals_text()
    local parts = {}
    for _, g in ipairs(all.globals) do
        if g.type then
            parts[#parts + 1] = ("*%s*\n\t%s\n"):format(g.name, marked(g.text))
        end
    end
    return table.concat(parts, "\n")
end

--- Aliases are types with a name.
local function aliases_text()
    local names, parts = {}, {}
    for name in pairs(all.aliases) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
        local alias, lines = all.aliases[name], {}
        if alias.text ~= "" then lines[1] = "\t" .. marked(alias.text:gsub("\n", " ")) end
        if alias.type then lines[#lines + 1] = "\t" .. escape(type_of(alias.type)) end
        for _, v in ipairs(alias.values) do
            lines[#lines + 1] = ("\t*%s*%s"):format(escape(v.value), v.text ~= "" and ": " .. marked(v.text) or "")
        end
        parts[#parts + 1] = ("*%s*\n%s\n"):format(escape(type_of(name)), table.concat(lines, "++\n"))
    end
    return table.concat(parts, "\n")
end

-- Classes that only modules of our own see.
local INTERNAL = {["rshell.tasks"] = true, ["rshell.copy"] = true, ["rshell.View"] = true}

--- What nobody has placed: in the order of their names.
local function rest_text()
    local names, parts = {}, {}
    for name in pairs(all.classes) do
        if not used[name] and not INTERNAL[name] then names[#names + 1] = name end
    end
    table.sort(names)
    for i, name in ipairs(names) do parts[i] = class_text(name) end
    return table.concat(parts, "\n")
end

-- ---- the page ----

local function read_all(path)
    local f <close> = assert(io.open(path, "rb"))
    return f:read "a"
end

local OWN = {globals = globals_text, aliases = aliases_text, rest = rest_text}

-- Lines in order: what the rest is depends on what came before.
for line in read_all(arg[1]):gmatch "([^\n]*)\n" do
    local name = line:match "^@([%w_.]+)@$"
    io.write(name and (OWN[name] or class_text)(name) or line, "\n")
end
