-- rshell run FILE | - | -e CODE [ARG ...]: runs Lua.

local fail = require "rshell.cli.fail"
local report = require "rshell.cli.report"

local M = {
    name = "run",
    operands = {"FILE", "ARG..."},
    options = {{"-e", value = "CODE", key = "code", last = true}},
}

-- ---- what runs ----

local function read_file(path)
    local function cant(what, e)
        fail.usage("can't %s %s: %s", what, path, (e:gsub("^.*: ", ""):gsub("^%u", string.lower)))
    end
    local f, e = io.open(path, "rb")
    if not f then cant("open", e) end
    local data
    data, e = f:read "a"
    f:close()
    if not data then cant(e:find "directory" and "run" or "read", e) end
    return data
end

local function read_input()
    local ok, data = pcall(function()
        local input <close> = require "rshell.stdio".input()
        return input:read "a"
    end)
    if ok then return data end
    if data.kind == "cancelled" then error(data, 0) end
    fail.usage("can't read standard input: %s", data.message:gsub("^.*: ", ""))
end

local function check_text(path, data)
    if path:lower():find "%.ya?ml$" then
        fail.usage("%s: YAML playbooks are not in this version; a playbook is a Lua file, see rshell-playbook(5)", path)
    end
    local what = data:sub(1, 4) == "\27Lua" and "compiled Lua, which rshell doesn't run"
        or data:sub(1, 4) == "\127ELF" and "a program, not a Lua script"
        or data:find("\0", 1, true) and "a binary file, not a Lua script"
    if what then fail.usage("can't run %s: it is %s", path, what) end
end

--- Without a byte order mark and a first line for the system.
local function strip(data)
    return (data:gsub("^\239\187\191", ""):gsub("^#[^\n]*", ""))
end

--- What to run: {code=, chunk=, name=, file=}, and the index of argv that is arg[0].
local function source(values, argv, first, word)
    if values.code then
        return {code = values.code, chunk = "=(command line)", name = "-e"}, first - 1, word
    end
    local name = argv[first]
    if not name then fail.lacks("run", "a file expected, or - for standard input, or -e CODE") end
    if name == "-" then
        return {code = strip(read_input()), chunk = "=stdin", name = "stdin"}, first, first
    end
    local data = read_file(name)
    check_text(name, data)
    -- Our own modules' chunks are named rshell/...
    local chunk = name:find "^rshell/" and "./" .. name or name
    return {code = strip(data), chunk = "@" .. chunk, name = chunk, file = name}, first, first
end

-- ---- its surroundings ----

--- arg as lua has it: [0] is the script, what came before it has negative indexes.
local function arguments(argv, script, word, what)
    local arg = {[0] = what.file or (what.name == "stdin" and "-" or "-e")}
    for i = script + 1, #argv do arg[i - script] = argv[i] end
    for i = word - 1, 0, -1 do arg[i - word] = argv[i] end
    return arg
end

--- The script's own folder comes first.
local function search_beside(file)
    local dir = file:match "^(.*/)" or "./"
    if dir:find "[?;]" then return end
    package.path = ("%s?.lua;%s?/init.lua;%s"):format(dir, dir, package.path)
end

-- ---- running ----

local function line_of(code, number)
    local i = 0
    for line in (code .. "\n"):gmatch "(.-)\n" do
        i = i + 1
        if i == number then return line end
    end
end

--- A syntax error with its line.
local function report_syntax(what)
    local _, message = load(what.code, "=?", "t")
    local number, text = message:match "^%?:(%d+): (.*)$"
    local line = number and line_of(what.code, tonumber(number))
    local e = {kind = "parse", file = what.file, line = tonumber(number), message = message}
    if number then e.message = ("%s:%s: %s"):format(what.name, number, text) end
    if line then e.message = ("%s\n  %s | %s"):format(e.message, number, line) end
    if load("return " .. what.code, "=?", "t") then
        e.hint = "a script shows values with print(...); at the prompt, rshell -i, they show themselves"
    end
    report.failure("", require "rshell.shared.error".new(e))
    return 1
end

function M.run(values, argv, first, word)
    local what, script, zero = source(values, argv, first, word)
    local fn = load(what.code, what.chunk, "t")
    if not fn then return report_syntax(what) end
    _G.arg = arguments(argv, script, zero, what)
    if what.file then search_beside(what.file) end
    require "rshell.globals".install(what.code)
    local ok, e = xpcall(fn, report.handler, table.unpack(_G.arg))
    if ok then return 0 end
    report.failure("", report.unpack(e))
    return 1
end

return M
