-- The subcommands, their options and the manual pages say the same.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local commands = require "rshell.cli.commands"
local common = require "rshell.cli.common"
local help = require "rshell.cli.help"
local layout = require "rshell.output.layout"
local manual = require "rshell.cli.manual"

-- The options that a text names: a set.
local function named(text)
    local names = {}
    for name in (" " .. text):gmatch "[%s%[|*(/](%-%-?%a[%w-]*)" do names[name] = true end
    return names
end

local function text_of(section)
    return manual.text(section or "", "")
end

--- Each option of a table has an entry in the list, with all its names and its value, and the list has no others.
local function check_options(t, options, section)
    local entries, found = manual.entries(section), {}
    for _, entry in ipairs(entries) do found[entry.head] = entry end
    for _, option in ipairs(options) do
        local head = table.concat(option, ", ") .. (option.value and " " .. option.value or "")
        t.ok(found[head], "the page has no entry: " .. head)
        t.match(found[head].text, "%.$")
        found[head] = nil
    end
    t.eq((next(found)), nil, "the page tells about an option that is none")
end

spec.test("the program's page lists the subcommands as their pages name them", function(t)
    local entries, names = manual.entries(manual.sections().SUBCOMMANDS), {}
    for i, entry in ipairs(entries) do
        names[i] = entry.head
        t.eq(entry.text, manual.about("rshell-" .. entry.head):gsub("^%l", string.upper) .. ".")
    end
    t.same(names, commands)
    check_options(t, common.TOP, manual.sections().OPTIONS)
end)

local cases = {}
for i, name in ipairs(commands) do cases[i] = {name} end

spec.table("a subcommand and its options", cases, function(t, case)
    local name = case[1]
    local command, sections = require("rshell.cli." .. name), manual.sections("rshell-" .. name)
    t.eq(command.name, name)
    t.eq(type(command.run), "function")
    t.eq(type(command.operands), "table")
    check_options(t, command.options, sections.OPTIONS)
    local known = {}
    for _, options in ipairs {command.options, common.TOP} do
        for _, option in ipairs(options) do
            t.eq(type(option.key), "string")
            for _, word in ipairs(option) do known[word] = true end
        end
    end
    for title, section in pairs(sections) do
        for word in pairs(title ~= "EXAMPLES" and named(text_of(section)) or {}) do
            t.ok(known[word], "the page tells about " .. word .. ", which is no option")
        end
    end
    t.match(sections["SEE ALSO"], "%*rshell%*%(1%)")
end)

spec.test("what is shown fits a terminal and has no marks", function(t)
    local written = {}
    local stdout = io.output()
    t.defer(io.output, stdout)
    local path = t.tmp() .. "/help"
    for _, name in ipairs {false, table.unpack(commands)} do
        local f = assert(io.open(path, "w"))
        io.output(f)
        help.show(name or nil)
        io.output(stdout)
        f:close()
        for line in io.lines(path) do
            t.ok(layout.width(line) < 80, line)
            t.eq(line:find "[*\\@]%f[^@]%f[^w]", nil, line)
            t.eq(line:find "%f[%w_]_%S", nil, line)
            written[#written + 1] = line
        end
    end
    t.match(written[1], "^usage: rshell ")
    t.match(help.usage(), "^usage: rshell .*\n$")
end)

spec.test("kinds of errors", function(t)
    local kinds = require "rshell.cli.kinds"
    local known = require "rshell.reference".all().aliases["rshell.ErrorKind"].values
    t.eq(#kinds.names(), #known)
    local listed = text_of(manual.sections "rshell-help".DESCRIPTION)
    for _, kind in ipairs(known) do
        local name = kind.value:match "%w+"
        local text = kinds.text(name)
        t.match(text, "^Errors of kind " .. name .. "\n%u")
        t.match(listed, "%f[%w]" .. name .. "%f[%W]")
        for line in text:gmatch "[^\n]+" do
            t.ok(layout.width(line) < 80 or line:find "^    ", line)
            t.eq(line:find("](", 1, true), nil)
        end
    end
    t.eq(kinds.text "nothing", nil)
end)

spec.test("paragraphs, lists and blocks", function(t)
    local section = "*bold* and _some_thing_ x_y\nmore\n\n```\n*as* _it_ is\n  so\n```\n\n"
        .. "*-a* _B_\n\tabout\n\ta\n\n*-b*\n\tb\n"
    t.eq(manual.text(section, "  "), table.concat({
        "  bold and some_thing x_y more", "", "  *as* _it_ is", "    so", "", "  -a B", "      about a", "  -b",
        "      b",
    }, "\n"))
    t.same(manual.entries(section), {{head = "-a B", text = "about a"}, {head = "-b", text = "b"}})
end)

spec.finish()
