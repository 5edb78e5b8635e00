-- What a bare machine is and what runs on it, with the functions and shapes of rshell.sys.host. Each question is one
-- script: GNU, busybox, and where Linux files are missing what BSD has.
--
-- A question: {script = sh text, or a function of the arguments; args = $1 ...; parse(out, ...) -> value, or nil and a
-- NAME, or nil, text, NAME}.
-- Scripts print sections: `S name` starts one.

local errno = require "rshell.bare.errno"

local M = {}

local FILES = {"system", "network", "accounts", "processes"}

local questions = {}
for _, name in ipairs(FILES) do
    for key, question in pairs(require("rshell.bare.host." .. name)) do questions[key] = question end
end

-- What costs no more than reading a few small files; one that can't be told is left out.
local FACTS = {"uname", "os_release", "hostname", "cpus", "memory", "loadavg", "uptime", "interfaces", "pid", "ids"}

local function mark() return ("rs%016x"):format(math.random(0)) end

local PRELUDE = "S() { echo;echo \"%s $1\";}\n"

--- The sections of what a script has printed; the newline before the next one is not part of it.
local function sections(text, sign)
    local found = {}
    local at, name = text:match("^\n" .. sign .. " (%S+)\n()")
    at, name = name, at
    while at do
        local first, last, following = text:find("\n" .. sign .. " (%S+)\n", at)
        found[name] = text:sub(at, (first or #text + 1) - 1)
        at, name = last and last + 1, following
    end
    return found
end

local function script_of(q, ...)
    return type(q.script) == "function" and q.script(...) or q.script
end

local function failed(name, text, code)
    if not code then return errno.fail(name) end
    return nil, text, code
end

--- Asks: a value, or nil, text, NAME.
local function ask(shell, q, ...)
    local sign = mark()
    local args = q.args and q.args(...) or nil
    local r, text, name = shell:run(PRELUDE:format(sign) .. script_of(q, ...), {args = args, timeout = q.timeout})
    if not r then return nil, text, name end
    local value, why, code = q.parse(sections(r.stdout, sign), ...)
    if value == nil then return failed(why or "EUNSUPPORTED", why, code) end
    return value
end

--- All facts at once. Each question has sections of its own names.
local function facts(shell)
    local sign, texts = mark(), {}
    for i, name in ipairs(FACTS) do texts[i] = "(" .. script_of(questions[name]) .. "\n)" end
    local r, text, name = shell:run(PRELUDE:format(sign) .. table.concat(texts, "\n"))
    if not r then return nil, text, name end
    local found, all = sections(r.stdout, sign), {}
    for _, key in ipairs(FACTS) do all[key == "os_release" and "os" or key] = questions[key].parse(found) end
    local ids = all.ids or {}
    all.ids, all.uid, all.gid = nil, ids.uid, ids.gid
    return all
end

--- The module for a shell.
---@param shell rshell.bare.Shell
function M.new(shell)
    local module = {facts = function() return facts(shell) end}
    for name, q in pairs(questions) do
        if name ~= "ids" then module[name] = function(...) return ask(shell, q, ...) end end
    end
    return module
end

return M
