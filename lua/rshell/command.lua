-- Commands and pipelines: values that say what to run. Each step gives a new one; nothing runs before it is called.
--
-- The state of both is {stages, opts}; a command has one stage. No stage is modified once it is made:
--
--   view, argv, other        where, what, and a second name of the program
--   from, to, err            {data=} {path=, view=, append=} {fn=} {stream=}; err may be {out=true}
--   cwd env umask user       of this stage;  retcode: what it may exit with
--
-- opts are those of the whole: timeout line_timeout max_output pty pipefail retcode.

local arity = require "rshell.arity"
local err = require "rshell.shared.error"
local near = require "rshell.shared.near"
local object = require "rshell.object"
local options = require "rshell.shared.options"
local view = require "rshell.view"
local number = require "rshell.shared.number"
local words = require "rshell.text"

local M = {}

local mt, make, _, test = object.class "command"
local pipe_mt, make_pipe, _, test_pipe = object.class "pipeline"

---@class rshell.Command
local members = {}
local fields = {}
M.members, M.fields = members, fields

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

local function copy(t, changes)
    local c = {}
    for k, value in next, t do c[k] = value end
    for k, value in next, changes do c[k] = value end
    return c
end

local function wrap(stages, opts)
    return (stages[2] and make_pipe or make) {stages = stages, opts = opts}
end

-- ---- looks and likeness ----

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

--- The line of some stages, quoted for sh.
---@param stages table[]
---@return string
function M.line(stages)
    local lines = {}
    for i, s in ipairs(stages) do lines[i] = stage_text(s) end
    return table.concat(lines, " | ")
end

local function same(a, b, key)
    if a == b then return true end
    if type(a) ~= "table" or type(b) ~= "table" then return false end
    if key == "view" then return view.same(a, b) end
    for k, value in next, a do
        if not same(value, b[k], k) then return false end
    end
    for k in next, b do
        if a[k] == nil then return false end
    end
    return true
end

local function equal(a, b)
    return same(state_of(a), state_of(b))
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
    local s = state_of(c)
    if s ~= m.owner and not same(s, m.owner) then misused(m) end
    return m.fn(c, ...)
end

function method_mt.__index(self) misused(test_method(self)) end
function method_mt.__tostring(self) return ("method '%s' of commands"):format(test_method(self).name) end

-- ---- arguments ----

local MAX_DEPTH = 100 -- of tables in tables

local function check_text(s)
    if s:find("\0", 1, true) then err.usage("an argument can't hold a NUL byte: %q", s) end
    return s
end

local function is_plain(s)
    return not (s.from or s.to or s.err or s.cwd or s.env or s.umask or s.user)
end

--- The argv to pass on. Who gets it can't know of a second name, so the one that is there is looked up now.
local function inner_argv(s)
    if not s.other then return s.argv end
    local found = view.call(s.view, "proc", "which", {s.argv[1], s.other}, view.search_path(s.view), view.cwd(s.view))
    if not found or found:match "[^/]*$" ~= s.other then return s.argv end
    return {s.other, table.unpack(s.argv, 2)}
end

--- Under ssh the inner command is one argument, quoted for the shell over there; elsewhere its argv is appended.
local function add_command(argv, state)
    local inner = state.stages[1]
    if state.stages[2] then err.usage("a pipeline can't be an argument: %s", M.line(state.stages)) end
    if not is_plain(inner) or next(state.opts) then
        err.usage("the command `%s` has redirections or options, which an argument can't carry", M.line(state.stages))
    end
    local appended = inner_argv(inner)
    if argv[1] and argv[1]:match "[^/]*$" == "ssh" then
        argv[#argv + 1] = words.quote(table.unpack(appended))
    else
        table.move(appended, 1, #appended, #argv + 1, argv)
    end
end

local add

--- A table's values; names in it are options in the wrong place.
local function add_table(argv, v, list, depth)
    if depth >= MAX_DEPTH then err.usage "an argument is a table that holds itself" end
    for name in next, list do
        if math.type(name) ~= "integer" or name < 1 or name > #list then
            err.raise {
                kind = "usage", message = ("a table of arguments has a field '%s'"):format(tostring(name)),
                hint = "options are given with c:with{...} or c:run(args, {...})",
            }
        end
    end
    for i = 1, #list do add(argv, v, list[i], depth + 1) end
end

local function add_object(argv, v, value)
    local inner = state_of(value)
    if inner then return add_command(argv, inner) end
    if require "rshell.path".test(value) then
        argv[#argv + 1] = require "rshell.path".text(v, value)
        return
    end
    local m = test_method(value)
    if m then misused(m) end
    local machine = require "rshell.machine"
    local meant = near.suffix(argv[1], machine.members)
    err.raise {
        kind = "usage",
        message = ("an argument is a string, number, path or command, not a %s"):format(object.type(value)),
        hint = machine.test(value) and not argv[2]
            and ("machines have no method '%s'%s programs are called with a dot: m.%s(...)"):format(argv[1],
                meant ~= "" and meant or ";", argv[1]) or nil,
    }
end

function add(argv, v, value, depth)
    local t = type(value)
    if t == "string" then
        argv[#argv + 1] = check_text(value)
    elseif t == "number" then
        argv[#argv + 1] = number.text(value)
    elseif t == "table" and not getmetatable(value) then
        add_table(argv, v, value, depth)
    elseif t == "userdata" then
        add_object(argv, v, value)
    else
        err.usage("an argument is a string, number, path or command, not %s", value == nil and "nil" or "a " .. t)
    end
end

--- The stages with more arguments for the first.
local function bound(stages, ...)
    local first = stages[1]
    local argv = table.move(first.argv, 1, #first.argv, 1, {})
    for i = 1, select("#", ...) do add(argv, first.view, (select(i, ...)), 0) end
    stages = table.move(stages, 1, #stages, 1, {})
    stages[1] = copy(first, {argv = argv})
    return stages
end

-- ---- making ----

--- A command of this view.
---@param v rshell.View
---@param argv string[]
---@param other string? a second name of the program
function M.new(v, argv, other)
    return make {stages = {{view = v, argv = argv, other = other}}, opts = {}}
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
        err.usage("a program is named by a string or a path, not %s", key == nil and "nil" or "a " .. object.type(key))
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

--- The same with changes to stage i.
local function with_stage(s, i, changes)
    local stages = table.move(s.stages, 1, #s.stages, 1, {})
    stages[i] = copy(stages[i], changes)
    return wrap(stages, s.opts)
end

function members:bind(...)
    local s = check(self)
    return wrap(bound(s.stages, ...), s.opts)
end

-- ---- options ----

local OF_STAGES = {cwd = "any", env = "table", umask = "umask", user = "text"}
local OF_WHOLE = {
    retcode = "integer|table|string", timeout = "seconds", line_timeout = "seconds", pty = "boolean|table",
    max_output = "bytes", pipefail = "boolean",
}
local OPTIONS = copy(OF_STAGES, copy(OF_WHOLE, {input = "string"}))
M.OPTIONS, M.OF_STAGES = OPTIONS, OF_STAGES

local function check_retcode(who, r)
    local fine = type(r) ~= "string" or r == "any"
    for k, code in next, type(r) == "table" and r or {} do
        fine = fine and math.type(k) == "integer" and number.integer(code)
    end
    if not fine then err.usage('%s: retcode is a number, a list of numbers or "any"', who) end
end

local SIZES = {rows = "integer", cols = "integer"}

--- The size of a terminal, or another value of the option pty.
function M.check_size(who, pty)
    if type(pty) ~= "table" then return end
    for name, n in next, options.check(who, pty, SIZES) do
        if n < 1 or n > 65535 then err.usage("%s: %s is a number from 1 to 65535", who, name) end
    end
end

--- The state with options on top of those that are there.
local function changed(who, s, opts)
    opts = options.check(who, opts, OPTIONS)
    check_retcode(who, opts.retcode)
    M.check_size(who .. ": pty", opts.pty)
    local whole, stages = copy(s.opts, {}), {}
    for name in next, OF_WHOLE do
        if opts[name] ~= nil then whole[name] = opts[name] end
    end
    for i, stage in ipairs(s.stages) do
        local c = copy(stage, {})
        for name in next, OF_STAGES do
            if opts[name] ~= nil then c[name] = opts[name] end
        end
        if opts.env then c.env = require "rshell.env".changed(stage.env or {}, opts.env) end
        stages[i] = c
    end
    if opts.input then stages[1].from = {data = opts.input} end
    return {stages = stages, opts = whole}
end

function members:with(opts)
    local s = check(self)
    if opts == nil then return self end
    s = changed("with", s, opts)
    return wrap(s.stages, s.opts)
end

-- ---- redirections ----

--- Streams of ours, files, and tables that have the method.
local function has_method(x, name)
    local ok, fn = pcall(function() return x[name] end)
    return ok and type(fn) == "function"
end

--- Where bytes come from or go to: a path on the view's machine, a path object of any machine, a function, a stream.
---@param who string
---@param v rshell.View
---@param method "read"|"write" what a stream must have
---@return table
function M.endpoint(who, v, x, method)
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

--- The command with its first stage's `from`, or its last stage's `to` or `err`, elsewhere.
---@param who string
---@param field "from"|"to"|"err"
---@param append boolean?
local function redirect(who, c, field, x, append)
    local s = check(c)
    local i = field == "from" and 1 or #s.stages
    local e = M.endpoint(who, s.stages[i].view, x, field == "from" and "read" or "write")
    e.append = append
    return with_stage(s, i, {[field] = e})
end
M.redirect = redirect

function members:from(x) return redirect("from", self, "from", x) end
function members:to(x) return redirect("to", self, "to", x) end
function members:append(x) return redirect("append", self, "to", x, true) end
function members:err_to(x) return redirect("err_to", self, "err", x) end

function members:err_to_out()
    local s = check(self)
    return with_stage(s, #s.stages, {err = {out = true}})
end

-- ---- running; how is run.lua's business ----

local function runner() return require "rshell.run" end

--- What runs when this is called with these arguments: the command's state, or one that has more.
---@param who string
---@param c rshell.Command
---@param args table as of table.pack
---@param opts table?
local function plan(who, c, args, opts)
    local s = check(c)
    if args.n > 0 then s = {stages = bound(s.stages, table.unpack(args, 1, args.n)), opts = s.opts} end
    if opts ~= nil then s = changed(who, s, opts) end
    if s.opts.pty and s.stages[2] then
        local hint = 'm:sh("a | b"):with{pty=true} has one'
        err.raise {kind = "usage", message = who .. ": a pipeline has no pty", hint = hint}
    end
    return s
end
M.plan = plan

function members:run(args, opts) return runner().run(plan("run", self, {args, n = args == nil and 0 or 1}, opts)) end
function members:text(...) return runner().text(plan("text", self, table.pack(...))) end
function members:json(...) return runner().json(plan("json", self, table.pack(...))) end
function members:popen(opts) return runner().popen(plan("popen", self, {n = 0}, opts)) end
function members:lines(...) return require "rshell.loops".lines(plan("lines", self, table.pack(...))) end
function members:iter(...) return require "rshell.loops".iter(plan("iter", self, table.pack(...))) end

-- The commands whose words were bound by c.word: what c:word(...) calls has c itself for its first argument.
local bound_to = setmetatable({}, {__mode = "k"})

--- c:word(...) was meant as a method that commands don't have.
local function check_method(s, c)
    local owner = c ~= nil and bound_to[s]
    if not owner or test(c) ~= owner then return end
    local name = s.stages[1].argv[#s.stages[1].argv]
    err.raise {
        kind = "usage", message = ("commands have no method '%s'%s"):format(name, near.suffix(name, members)),
        hint = ('options are given with c:with{...}; as an argument it is c:bind("%s")'):format(name),
    }
end

local function call(self, ...)
    local s = test(self)
    if s then check_method(s, (...)) end
    return runner().output(plan("call", self, table.pack(...)))
end

-- ---- operators ----

local function least(a, b)
    if a and b then return math.min(a, b) end
    return a or b
end

--- The stages of one side of a pipe: what they may exit with is theirs.
local function side(s)
    if s.opts.retcode == nil then return s.stages end
    local stages = {}
    for i, stage in ipairs(s.stages) do stages[i] = copy(stage, {retcode = s.opts.retcode}) end
    return stages
end

local function join(x, y)
    local left, right = side(x), side(y)
    local stages = table.move(left, 1, #left, 1, {})
    table.move(right, 1, #right, #stages + 1, stages)
    local a, b = x.opts, y.opts
    return make_pipe {stages = stages, opts = {
        timeout = least(a.timeout, b.timeout), line_timeout = least(a.line_timeout, b.line_timeout),
        max_output = b.max_output, pty = a.pty or b.pty, pipefail = a.pipefail or b.pipefail,
    }}
end

local function pipe(a, b)
    local x, y = state_of(a), state_of(b)
    if x and y then return join(x, y) end
    local wrong = a
    if x then wrong = b end
    local m = test_method(wrong)
    if m then misused(m) end
    err.raise {
        kind = "usage", message = ("a pipeline is made of commands, not of a %s"):format(object.type(wrong)),
        hint = type(wrong) ~= "string" and "& binds tighter than |: write (a | b) & TF" or nil,
    }
end

local function feed(self, data)
    if not state_of(self) then err.usage("command << string: a command expected, got a %s", object.type(self)) end
    if type(data) == "number" then data = number.text(data) end
    if type(data) ~= "string" then
        err.raise {
            kind = "usage", message = ("<< takes a string, not a %s"):format(object.type(data)),
            hint = "c:from(x) reads from a path, a function or a stream",
        }
    end
    return with_stage(state_of(self), 1, {from = {data = data}})
end

local function append(self, x)
    if not state_of(self) then err.usage("command >> path: a command expected, got a %s", object.type(self)) end
    return members.append(self, x)
end

--- In C of sh; in Lua they compare, and give true or false.
local function compare()
    err.raise {
        kind = "usage", message = "< and > compare, they don't redirect",
        hint = "write c:from(path) and c:to(path), or c >> path to append",
    }
end

local function modify(a, b)
    local c, modifier = a, b
    if not state_of(a) then c, modifier = b, a end
    return require "rshell.modifiers".apply(c, modifier)
end

function fields.argv(s)
    local argv = s.stages[1].argv
    return table.move(argv, 1, #argv, 1, {})
end

function fields.machine(s) return require "rshell.machine".of(s.stages[1].view) end

local function method(self, key)
    local fn = members[key]
    return fn and make_method {name = key, fn = fn, owner = state_of(self)}
end

function mt.__index(self, key)
    if fields[key] then return fields[key](test(self)) end
    local found = method(self, key)
    if found then return found end
    local c = members.bind(self, key)
    if type(key) == "string" and key:find "^[%a_][%w_]*$" then bound_to[test(c)] = test(self) end
    return c
end

--- A pipeline has no argv to bind to: what is no member is a mistake.
function pipe_mt.__index(self, key)
    return method(self, key) or options.no_member("pipeline", key, members)
end

local function unchangeable(self, key)
    err.raise {
        kind = "usage", message = ("a %s's '%s' can't be set"):format(object.type(self), tostring(key)),
        hint = "commands don't change; c:with{...} and c:bind(...) give new ones",
    }
end

for _, t in ipairs {mt, pipe_mt} do
    t.__call, t.__bor, t.__shl, t.__shr, t.__band, t.__eq = call, pipe, feed, append, modify, equal
    t.__lt, t.__le = compare, compare
    t.__newindex = unchangeable
    t.__tostring = function(self) return M.line(state_of(self).stages) end
end

arity.strict(members)

return M
