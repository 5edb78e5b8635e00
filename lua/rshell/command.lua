-- Commands and pipelines: values that say what to run. Each step gives a new one; nothing runs before it is called.
--
-- A command's state: view, argv, other (a second name of the program), opts, and where its streams go: from, to, err.
-- A pipeline's state: stages (states of commands), opts.
--
-- from:  {data=} {path=, view=} {fn=} {stream=}
-- to:    {path=, view=, append=} {fn=} {stream=};  err: the same, or {out=true}

local err = require "rshell.shared.error"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local view = require "rshell.view"
local words = require "rshell.text"

local M = {}

local mt, make, _, test = object.class "command"
local pipe_mt, make_pipe, _, test_pipe = object.class "pipeline"

---@class rshell.Command
local members = {}
M.members = members

--- The state of a command or a pipeline, or nil.
local function state_of(c)
    return test(c) or test_pipe(c)
end
M.test = state_of

local function check(c)
    local s = state_of(c)
    if s then return s end
    err.usage("a command expected, got %s; methods are called with a colon", object.type(c))
end

-- ---- methods as objects: `docker["run"]` is the method, and whoever meant an argument is told so ----

local method_mt, make_method, _, test_method = object.class "method"

local function misused(m)
    err.raise {
        kind = "usage", message = ("'%s' is a method of commands, and was used without its command"):format(m.name),
        hint = ('to pass it as an argument write c:bind("%s") or c[{"%s"}]'):format(m.name, m.name),
    }
end

function method_mt.__call(self, c, ...)
    local m = test_method(self)
    if not state_of(c) then misused(m) end
    return m.fn(c, ...)
end

function method_mt.__index(self) misused(test_method(self)) end
function method_mt.__tostring(self) return ("method '%s' of commands"):format(test_method(self).name) end

-- ---- arguments ----

local function number_text(n)
    return math.type(n) == "integer" and ("%d"):format(n) or tostring(n)
end

local function check_text(s)
    if s:find("\0", 1, true) then err.usage("an argument can't hold a NUL byte: %q", s) end
    return s
end

--- Under ssh the inner command is one argument, quoted for the shell over there; elsewhere its argv is appended.
local function add_command(argv, inner)
    if inner.stages then err.usage "a pipeline can't be an argument" end
    if inner.from or inner.to or inner.err or next(inner.opts) then
        err.usage("the command '%s' has redirections or options, which an argument can't carry",
            words.quote(table.unpack(inner.argv)))
    end
    local program = argv[1] and argv[1]:match "[^/]*$"
    if program == "ssh" then
        argv[#argv + 1] = words.quote(table.unpack(inner.argv))
    else
        table.move(inner.argv, 1, #inner.argv, #argv + 1, argv)
    end
end

local add

local function add_object(argv, v, value)
    local inner = state_of(value)
    if inner then return add_command(argv, inner) end
    local path = require "rshell.path".test(value)
    if path then
        argv[#argv + 1] = require "rshell.path".text(v, value)
        return
    end
    local m = test_method(value)
    if m then misused(m) end
    err.usage("an argument is a string, number, path or command, not a %s", object.type(value))
end

function add(argv, v, value)
    local t = type(value)
    if t == "string" then
        argv[#argv + 1] = check_text(value)
    elseif t == "number" then
        argv[#argv + 1] = number_text(value)
    elseif t == "table" and not getmetatable(value) then
        for i = 1, #value do add(argv, v, value[i]) end
    elseif t == "userdata" then
        add_object(argv, v, value)
    else
        err.usage("an argument is a string, number, path or command, not %s", value == nil and "nil" or "a " .. t)
    end
end

local function bound(argv, v, ...)
    argv = table.move(argv, 1, #argv, 1, {})
    for i = 1, select("#", ...) do add(argv, v, (select(i, ...))) end
    return argv
end

-- ---- making ----

local function copy(s, changes)
    local c = {}
    for k, value in next, s do c[k] = value end
    for k, value in next, changes do c[k] = value end
    return c
end

--- A command of this view.
---@param v rshell.View
---@param argv string[]
---@param other string? a second name of the program
function M.new(v, argv, other)
    return make {view = v, argv = argv, other = other, opts = {}}
end

--- m[key]: a program by name or path. `_` in a name falls back to `-`.
---@param v rshell.View
function M.from_key(v, key)
    local name
    if type(key) == "string" then
        name = check_text(key)
    elseif require "rshell.path".test(key) then
        name = require "rshell.path".text(v, key)
    else
        err.usage("a program is named by a string or a path, not a %s", object.type(key))
    end
    if name == "" then err.usage "the name of a program is empty" end
    local other = name:find("_", 1, true) and not name:find("/", 1, true) and name:gsub("_", "-") or nil
    return M.new(v, {name}, other)
end

local names_mt, make_names, names_state = object.class "commands"

--- m.cmd: every name is a command.
function M.namespace(v) return make_names(v) end

function names_mt.__index(self, key) return M.from_key(names_state(self), key) end
function names_mt.__tostring(self) return ("commands of %s"):format(names_state(self).conn.name) end

local function stages_of(s) return s.stages or {s} end

--- The same pipeline or command with another first (i = 1) or last (i = -1) stage.
local function with_stage(s, i, changes)
    if not s.stages then return make(copy(s, changes)) end
    local stages = table.move(s.stages, 1, #s.stages, 1, {})
    i = i < 0 and #stages or i
    stages[i] = copy(stages[i], changes)
    return make_pipe(copy(s, {stages = stages}))
end

function members:bind(...)
    local s = check(self)
    local first = stages_of(s)[1]
    return with_stage(s, 1, {argv = bound(first.argv, first.view, ...)})
end

-- ---- options ----

M.OPTIONS = {
    retcode = "integer|table|string", timeout = "number", line_timeout = "number", cwd = "any", env = "table", input = "string",
    umask = "integer", user = "string", pty = "boolean|table", max_output = "number", pipefail = "boolean",
}

local function check_retcode(who, r)
    if type(r) == "string" and r ~= "any" then err.usage("%s: retcode is a number, a list or \"any\"", who) end
    for _, code in ipairs(type(r) == "table" and r or {}) do
        if math.type(code) ~= "integer" then err.usage("%s: retcode is a number, a list or \"any\"", who) end
    end
end

--- Options that were checked, on top of those that are there.
local function merge(who, old, new)
    options.check(who, new, M.OPTIONS)
    if new == nil then return old end
    check_retcode(who, new.retcode)
    local opts = copy(old, new)
    if new.env then opts.env = require "rshell.env".changed(old.env or {}, new.env) end
    return opts
end
M.merge = merge

members["with"] = function(self, opts)
    local s = check(self)
    local merged = merge("with", s.opts, opts)
    return s.stages and make_pipe(copy(s, {opts = merged})) or make(copy(s, {opts = merged}))
end

-- ---- redirections ----

--- Streams of ours, files, and tables that have the method.
local function has_method(x, name)
    local ok, fn = pcall(function() return x[name] end)
    return ok and type(fn) == "function"
end

--- Where bytes come from or go to: a path on the command's machine, a path object of any machine, a function, or a stream.
local function endpoint(who, v, x, method)
    if type(x) == "string" then
        return {path = require "rshell.path".text(v, x), view = v}
    elseif type(x) == "function" then
        return {fn = x}
    end
    local p = require "rshell.path".test(x)
    if p then return {path = p.text, view = p.view} end
    if has_method(x, method) then return {stream = x} end
    err.usage("%s: a path, function or stream expected, got %s", who, object.type(x))
end

function members:from(x)
    local s = check(self)
    return with_stage(s, 1, {from = endpoint("from", stages_of(s)[1].view, x, "read")})
end

function members:to(x)
    local s = check(self)
    return with_stage(s, -1, {to = endpoint("to", s.view or s.stages[#s.stages].view, x, "write")})
end

function members:append(x)
    local s = check(self)
    local to = endpoint("append", s.view or s.stages[#s.stages].view, x, "write")
    to.append = true
    return with_stage(s, -1, {to = to})
end

function members:err_to(x)
    local s = check(self)
    return with_stage(s, -1, {err = endpoint("err_to", s.view or s.stages[#s.stages].view, x, "write")})
end

function members:err_to_out() return with_stage(check(self), -1, {err = {out = true}}) end

-- ---- running; how is run.lua's business ----

local function runner() return require "rshell.run" end

--- What runs when this is called with these arguments: a list of stages and the options.
local function plan(self, args, opts)
    local s = check(self)
    local stages = table.move(stages_of(s), 1, #stages_of(s), 1, {})
    if #args > 0 then stages[1] = copy(stages[1], {argv = bound(stages[1].argv, stages[1].view, table.unpack(args))}) end
    return {stages = stages, opts = opts and merge("run", s.opts, opts) or s.opts, text = M.text_of(self)}
end
M.plan = plan

local function arguments(args)
    if args == nil then return {} end
    if type(args) == "table" and not getmetatable(args) then return args end
    return {args}
end

function members:run(args, opts) return runner().run(plan(self, arguments(args), opts)) end
function members:text(...) return runner().text(plan(self, {...})) end
function members:json(...) return runner().json(plan(self, {...})) end
function members:popen(opts) return runner().popen(plan(self, {}, opts)) end
function members:lines(...) return runner().lines(plan(self, {...})) end
function members:iter(...) return runner().iter(plan(self, {...})) end

local function call(self, ...) return runner().output(plan(self, {...})) end

-- ---- operators and looks ----

local function pipe(a, b)
    local x, y = state_of(a), state_of(b)
    if not x or not y then
        local wrong = x and b or a
        err.raise {
            kind = "usage", message = ("a pipeline is made of commands, not of a %s"):format(object.type(wrong)),
            hint = "& binds tighter than |: write (a | b) & TF",
        }
    end
    local stages = table.move(stages_of(x), 1, #stages_of(x), 1, {})
    table.move(stages_of(y), 1, #stages_of(y), #stages + 1, stages)
    local opts = copy(x.stages and x.opts or {}, y.stages and y.opts or {})
    return make_pipe {stages = stages, opts = opts}
end

local function feed(self, data)
    local s = check(self)
    if type(data) == "number" then data = number_text(data) end
    if type(data) ~= "string" then err.usage("<< takes a string, not a %s", object.type(data)) end
    return with_stage(s, 1, {from = {data = data}})
end

local function modify(a, b)
    local c, modifier = a, b
    if not state_of(a) then c, modifier = b, a end
    return require "rshell.modifiers".apply(c, modifier)
end

local function redirection(sign, to)
    if not to then return "" end
    if to.out then return " 2>&1" end
    if not to.path then return "" end
    return (" %s%s %s"):format(sign, to.append and ">" or "", words.quote(to.path))
end

local function stage_text(s)
    local line = words.quote(table.unpack(s.argv))
    if s.from and s.from.path then line = line .. " < " .. words.quote(s.from.path) end
    return line .. redirection(">", s.to) .. redirection("2>", s.err)
end

--- The line, quoted for sh.
function M.text_of(c)
    local lines = {}
    for i, s in ipairs(stages_of(state_of(c))) do lines[i] = stage_text(s) end
    return table.concat(lines, " | ")
end

local function equal(a, b)
    local x, y = state_of(a), state_of(b)
    if not x or not y or M.text_of(a) ~= M.text_of(b) then return false end
    local p, q = stages_of(x), stages_of(y)
    for i = 1, #p do if p[i].view.conn ~= q[i].view.conn then return false end end
    return true
end

local methods = {}
for name, fn in next, members do methods[name] = make_method {name = name, fn = fn} end

function mt.__index(self, key)
    local s = test(self)
    if key == "argv" then return table.move(s.argv, 1, #s.argv, 1, {}) end
    if key == "machine" then return require "rshell.machine".of(s.view) end
    local method = type(key) == "string" and methods[key]
    if method then return method end
    return members.bind(self, key)
end

--- A pipeline has no argv to bind to: what is no member is a mistake.
function pipe_mt.__index(self, key)
    local method = type(key) == "string" and methods[key]
    if method then return method end
    options.no_member(object.type(self), key, methods)
end

for _, t in ipairs {mt, pipe_mt} do
    t.__call, t.__bor, t.__shl, t.__shr, t.__band, t.__eq = call, pipe, feed, members.append, modify, equal
    t.__tostring = M.text_of
end

return M
