-- FG BG TEE TF RETCODE NOHUP: `c & FG`, `FG(c)`, `c & TF{retcode=1}`.

local err = require "rshell.shared.error"
local object = require "rshell.object"
local options = require "rshell.shared.options"

local mt, make, _, test = object.class "modifier"

local M = {}

local function command() return require "rshell.command" end
local function run() return require "rshell.run" end

local RUN = {
    retcode = "integer|table|string", timeout = "number", line_timeout = "number", cwd = "any", env = "table", umask = "integer",
    user = "string", pipefail = "boolean",
}
local COLLECT = setmetatable({input = "string", max_output = "number", pty = "boolean|table"}, {__index = RUN})

local kinds = {
    FG = {fn = function(plan) return run().foreground(plan) end},
    BG = {fn = function(plan) return run().background(plan) end},
    TEE = {fn = function(plan) return run().tee(plan) end},
    TF = {fn = function(plan) return run().succeeds(plan) end},
    RETCODE = {fn = function(plan) return run().status(plan) end},
    NOHUP = {fn = function(plan, opts) return run().nohup(plan, opts) end},
}

local NOHUP = {stdout = "any", stderr = "any", append = "boolean", cwd = "any", env = "table", umask = "integer", user = "string"}

local function known(name)
    if name == "NOHUP" then return NOHUP end
    local all = {}
    for k, v in next, RUN do all[k] = v end
    if name ~= "FG" then for k, v in next, COLLECT do all[k] = v end end
    return all
end

--- c & modifier, in either order.
function M.apply(c, modifier)
    local m = test(modifier)
    if not m then err.usage("& takes FG, BG, TEE, TF, RETCODE or NOHUP, not a %s", object.type(modifier)) end
    if not command().test(c) then
        err.raise {
            kind = "usage", message = ("%s runs a command, not a %s"):format(m.name, object.type(c)),
            hint = type(c) == "boolean" and ("write not (c & %s)"):format(m.name) or nil,
        }
    end
    local opts = {}
    for k, v in next, m.opts do if command().OPTIONS[k] then opts[k] = v end end
    return kinds[m.name].fn(command().plan(c, {}, opts), m.opts)
end

function mt.__band(a, b)
    if test(a) then a, b = b, a end
    return M.apply(a, b)
end

--- FG(c) runs; FG{...} is the modifier with options.
function mt.__call(self, x)
    local m = test(self)
    if type(x) ~= "table" or getmetatable(x) then return M.apply(x, self) end
    options.check(m.name, x, known(m.name))
    return make {name = m.name, opts = x}
end

function mt.__tostring(self) return test(self).name end

for name in next, kinds do M[name] = make {name = name, opts = {}} end

return M
