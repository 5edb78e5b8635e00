local colour = require "rshell.repl.colour"
local docs = require "rshell.repl.docs"
local err = require "rshell.shared.error"
local layout = require "rshell.output.layout"
local near = require "rshell.shared.near"
local page = require "rshell.repl.page"
local term = require "rshell.term"
local types = require "rshell.repl.types"

local M = {
    name = "doc", args = "NAME", complete = "name",
    about = "what is known about a name: m.tunnel, ssh, rshell.Path",
}

local function members_of(class)
    local rows = {}
    for i, member in ipairs(docs.members(class)) do rows[i] = {member.name, member.about} end
    page.rows(rows)
end

local function about_class(class)
    local found = docs.class(class)
    page.heading(class)
    if found.doc ~= "" then page.text(found.doc) end
    members_of(class)
end

--- The fields of a table of options, in a few lines.
local function about_options(class)
    local names = {}
    for i, member in ipairs(docs.members(class)) do names[i] = member.name end
    local _, columns = term.size()
    for _, line in ipairs(layout.wrap(table.concat(names, " "), math.max((columns or 80) - 8, 20))) do
        io.write("      ", colour.paint("key", line), "\n")
    end
    io.write("      ", colour.paint("dim", (":doc %s tells about each"):format(class)), "\n")
end

local function about_member(member)
    page.heading(member.signature)
    if member.doc ~= "" then page.text(member.doc) end
    for _, line in ipairs(member.lines) do
        page.text(line, 2)
        local options = line:match "^%w+: ([%w_.]+Options)%f[^%w_.]"
        if options and docs.class(options) then about_options(options) end
    end
end

function M.run(_, name)
    if name == "" then err.usage ":doc: a name expected, m.tunnel" end
    local what = types.find(name)
    if what and what.member then return about_member(what.member) end
    if what and what.class then return about_class(what.class) end
    err.usage("nothing is known about '%s'%s", name, near.suffix(name, docs.names()))
end

return M
