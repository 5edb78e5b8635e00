-- An agent's life: it greets, answers calls of the primitives until its link ends, and ends what it has started.

local exports = require "agent.exports"
local garbage = require "agent.garbage"
local own = require "rshell.agent.own"
local peer = require "rshell.shared.peer"
local rpc = require "rshell.rpc"
local task = require "rshell.task"

local ENDED = "the other side has ended" -- as a link says it; it is no failure
local MODULES = {fs = true, proc = true, net = true, host = true, hash = true}

-- ---- what can be called ----

--- "fs.stat": the functions of the modules, each looked for once.
local function functions(contexts, trees)
    return setmetatable({}, {
        __index = function(t, name)
            local module, fn = tostring(name):match "^(%l+)%.([%l_%d]+)$"
            local f = MODULES[module] and require("rshell.sys." .. module)[fn] or module == "context" and contexts[fn]
                or module == "tree" and trees(fn)
            if type(f) ~= "function" then error(("no function %q"):format(tostring(name)), 0) end
            t[name] = f
            return f
        end,
    })
end

local function method(self, target, name, ...)
    local object = self:object(target)
    if not object then error("a reference that isn't there", 0) end
    return object[name](object, ...)
end

-- ---- its life ----

local function hello(version)
    local uname = require "rshell.sys.host".uname()
    return {protocol = 1, lua = rpc.LUA, version = version, pid = own.pid(), os = uname.sysname, arch = uname.machine}
end

--- The controller's wishes: how long it may be silent, and how we look in a list of processes.
local function obey(link, said)
    if said.protocol ~= 1 then error("the controller speaks another version of the protocol", 0) end
    if type(said.keepalive) == "number" then link:keepalive(said.keepalive) end
    own.title("rshell-agent " .. tostring(said.who or ""))
end

---@param context integer
---@param file string? our image's name, where it could not be removed before
---@param version string
---@return integer status
return function(context, file, version)
    if file and file ~= "" then require "rshell.sys.fs".remove(file) end
    local link = rpc.link(own.streams())
    local ended = task.event()
    local self
    local root = functions(require "agent.contexts".new(link, context), function(fn)
        local f = require "agent.trees"[fn]
        return f and function(...) return f(self, ...) end
    end)
    self = peer.new(link:port(context, false), {
        serve = function(target, name, ...) -- 0 is the root; others are objects that were handed out
            if target == 0 then return garbage.after(root[name](...)) end
            return garbage.after(method(self, target, name, ...))
        end,
        export = exports.export, import = exports.import,
        on_close = function() ended:notify() end,
    })
    self:greet(hello(version))
    local ok, e = pcall(function() obey(link, self:greeting()) end)
    while ok and not self.why do ended:wait() end
    link:close()
    local why = self.why or tostring(e)
    if why ~= ENDED then io.stderr:write("rshell-agent: ", why, "\n") end
    return 0
end
