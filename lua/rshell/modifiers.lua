-- FG BG TEE TF RETCODE NOHUP: `c & FG`, `FG(c)`, `c & TF{retcode=1}`.

local command = require "rshell.command"
local err = require "rshell.shared.error"
local object = require "rshell.object"
local options = require "rshell.shared.options"

local mt, make, _, test = object.class "modifier"

local M = {}

local function run(verb)
    return function(plan) return require "rshell.run"[verb](plan) end
end

local KINDS = {
    FG = {run = run "foreground"}, BG = {run = run "background"}, TEE = {run = run "tee"}, TF = {run = run "succeeds"},
    RETCODE = {run = run "status"}, NOHUP = {run = run "nohup"},
}

-- What makes no sense: nobody sees the output of FG, and nobody waits for what NOHUP starts.
local NONE = {
    FG = {line_timeout = true, max_output = true, pty = true},
    NOHUP = {
        line_timeout = true, max_output = true, pty = true, timeout = true, retcode = true, pipefail = true,
        input = true,
    },
}

local function known_options(name)
    local known = name == "NOHUP" and {stdout = "any", stderr = "any", append = "boolean"} or {}
    for option, types in next, command.OPTIONS do
        if not (NONE[name] and NONE[name][option]) then known[option] = types end
    end
    return known
end

--- The command with what NOHUP{stdout=, stderr=, append=} says, and the other options.
local function redirected(c, opts)
    local rest = {}
    for name, value in next, opts do
        if command.OPTIONS[name] then rest[name] = value end
    end
    if opts.stdout ~= nil then c = command.redirect("NOHUP: stdout", c, "to", opts.stdout, opts.append) end
    if opts.stderr ~= nil then c = command.redirect("NOHUP: stderr", c, "err", opts.stderr, opts.append) end
    return c, rest
end

--- c & modifier, in either order.
function M.apply(c, modifier)
    local m = test(modifier)
    if not m then err.usage("& takes FG, BG, TEE, TF, RETCODE or NOHUP, not a %s", object.type(modifier)) end
    if not command.test(c) then
        err.raise {
            kind = "usage", message = ("%s runs a command, not a %s"):format(m.name, object.type(c)),
            hint = type(c) == "boolean" and ("write not (c & %s)"):format(m.name) or nil,
        }
    end
    local opts
    c, opts = redirected(c, m.opts)
    local plan = command.plan(m.name, c, {n = 0}, opts)
    for name in next, NONE[m.name] or {} do
        if plan.opts[name] ~= nil then err.usage("%s: the option '%s' can't be kept", m.name, name) end
    end
    return KINDS[m.name].run(plan)
end

function mt.__band(a, b)
    if test(a) then a, b = b, a end
    return M.apply(a, b)
end

local function with(name, opts)
    return make {name = name, opts = options.check(name, opts, known_options(name))}
end

--- FG(c) runs, and so does FG(c, {...}); FG{...} is the modifier with options.
function mt.__call(self, x, opts)
    local m = test(self)
    if type(x) == "table" and not getmetatable(x) then return with(m.name, x) end
    return M.apply(x, opts ~= nil and with(m.name, opts) or self)
end

function mt.__tostring(self) return test(self).name end

for name in next, KINDS do M[name] = make {name = name, opts = {}} end

return M
