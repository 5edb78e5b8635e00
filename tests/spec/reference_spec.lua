-- The reference of the Lua API, which is made of the stubs: it has every member that the program has, each with a text.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local reference = require "rshell.reference"

local all = reference.all()
local page = io.open((os.getenv "RSHELL" or "build/rshell"):gsub("[^/]*$", "") .. "doc/made/rshell-lua.7.scd")
local source = page and page:read "a"
if page then page:close() end

local program = require "rshell.members"()
local classes = {}
for class in pairs(program) do classes[#classes + 1] = {class} end
table.sort(classes, function(a, b) return a[1] < b[1] end)

local function has_text(member)
    local parts = {member.text}
    for _, list in ipairs {member.params or {}, member.returns or {}} do
        for _, value in ipairs(list) do parts[#parts + 1] = value.text end
    end
    return table.concat(parts):find "%S" ~= nil
end

spec.table("each member is there, and each function is told about", classes, function(t, class)
    for _, name in ipairs(program[class[1]]) do
        local member = reference.member(class[1], name)
        t.ok(member, name)
        if member.kind ~= "field" then t.ok(has_text(member), name .. " has no text in lua/types") end
    end
end)

spec.test("the page has every class that a program meets", function(t)
    if not source then t.skip "no scdoc, so no page" end
    for _, class in ipairs(classes) do
        t.ok(source:find("\n## " .. class[1]:gsub("^rshell%.", "") .. "\n", 1, true), class[1])
    end
    -- Types that a member has are told of, too.
    for name, class in pairs(all.classes) do
        for _, member in ipairs(class.members) do
            for type in (member.type or ""):gmatch "rshell%.[%u][%w]*" do
                local known = all.classes[type] or all.aliases[type]
                t.ok(known, ("%s.%s: no stub declares %s"):format(name, member.name, type))
            end
        end
    end
end)

spec.test("what the page says of a member", function(t)
    if not source then t.skip "no scdoc, so no page" end
    for _, want in ipairs {
        "\n*m:which*(name: string, ...: string) \\-> Path\n\tThe path of the first program found; ",
        "\n*p /* string | Path \\-> Path\n", "\n*c.argv* - string[]\n\tthe program as written",
        "\n*FG*\n\tAttached to our terminal", "\n\t*\"connect\"*: refused",
    } do
        t.ok(source:find(want, 1, true), want)
    end
    t.eq(source:find "[Nn]ot in this version", nil)
end)

-- ---- the parser ----

spec.test("types, and what follows them", function(t)
    local function param(class, name, which)
        for _, p in ipairs(reference.member(class, name).params) do
            if p.name == which then return {p.type, p.optional, p.text} end
        end
    end
    t.same(param("rshell.Stream", "read", "what"), {"rshell.ReadFormat", true, "a line by default"})
    t.same(param("rshell.Process", "kill", "signal"), {"integer | string", true, 'a number, "TERM" or "SIGTERM"'})
    t.same(param("rshell.Cluster", "each", "fn"),
        {"fun(machine: rshell.Machine, name: string): any", false, ""})
    local returns = reference.member("rshell.Runnable", "iter").returns
    t.eq(returns[1].type, 'fun(): ("out" | "err")?, string?')
    t.same(reference.member("rshell.Command", "text"), reference.member("rshell.Runnable", "text"), "of its parent")
    t.eq(reference.member("rshell.Machine", "port").optional, true)
    t.eq(reference.member("rshell.Machine", "nothing"), nil)
    t.eq(reference.member("rshell.Nothing", "name"), nil)
end)

spec.finish()
