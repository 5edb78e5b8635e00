local colour = require "rshell.repl.colour"
local docs = require "rshell.repl.docs"
local err = require "rshell.shared.error"
local near = require "rshell.shared.near"
local types = require "rshell.repl.types"

local M = {
    name = "doc", args = "NAME", complete = "name",
    about = "what is known about a name: m.tunnel, ssh, rshell.Path",
}

local function members_of(class)
    local rows = docs.members(class)
    local width = 0
    for _, row in ipairs(rows) do width = math.max(width, #row.name) end
    for _, row in ipairs(rows) do
        io.write("  ", colour.paint("name", ("%-" .. width .. "s"):format(row.name)), "  ", row.about, "\n")
    end
end

local function about_class(class)
    local found = docs.class(class)
    io.write(colour.paint("heading", class), "\n")
    if found.doc ~= "" then io.write(found.doc, "\n") end
    members_of(class)
end

local function about_member(member)
    io.write(colour.paint("heading", member.signature), "\n")
    if member.doc ~= "" then io.write(member.doc, "\n") end
    for _, line in ipairs(member.lines) do io.write("  ", line, "\n") end
end

function M.run(_, name)
    if name == "" then err.usage ":doc: a name expected, m.tunnel" end
    local what = types.find(name)
    if what and what.member then return about_member(what.member) end
    if what and what.class then return about_class(what.class) end
    err.usage("nothing is known about '%s'%s", name, near.suffix(name, docs.names()))
end

return M
