-- The subcommands, their options and the manual page say the same.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local commands = require "rshell.cli.commands"
local help = require "rshell.cli.help"
local manual = require "rshell.cli.manual"

-- The options that a text names: a set.
local function named(text)
    local names = {}
    for name in (" " .. text):gmatch "[%s%[|*(/](%-%-?%a[%w-]*)" do names[name] = true end
    return names
end

local function text_of(section)
    return table.concat(manual.paragraphs(section), "\n")
end

spec.test("the page is about these subcommands", function(t)
    local _, names = manual.sections()
    table.sort(names)
    t.same(names, commands)
end)

spec.table("a subcommand and its options", commands, function(t, name)
    local command, sections = require("rshell.cli." .. name), manual.sections()
    t.eq(command.name, name)
    t.eq(type(command.run), "function")
    local told, known = named(text_of(sections["SUBCOMMANDS/" .. name])), {}
    for _, option in ipairs(command.options) do
        for _, word in ipairs(option) do
            known[word] = true
            t.ok(told[word] or option[2] and told[option[1]], "the page doesn't tell about " .. word)
        end
        t.eq(type(option.key), "string")
    end
    for word in pairs(named(text_of(sections.OPTIONS))) do known[word] = true end
    for word in pairs(told) do t.ok(known[word], "the page tells about " .. word .. ", which is no option") end
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
            t.ok(#line < 80, line)
            t.eq(line:find "[*\\]", nil, line)
            written[#written + 1] = line
        end
    end
    t.match(written[1], "^usage: rshell ")
    t.match(help.usage(), "^usage: rshell .*\n$")
end)

spec.finish()
