-- A connection's other end: a process with a Lua state of its own, for the controller's functions and their variables.

local batch = require "agent.batch"
local importer = require "agent.importer"
local output = require "agent.output"
local own = require "rshell.agent.own"
local rpc = require "rshell.rpc"
local task = require "rshell.task"
local values = require "rshell.shared.values"
local world = require "agent.world"

-- ---- what the controller can ask for ----

local function parse_error(message)
    local file, line, text = message:match "^(.-):(%d+): (.*)$"
    require "rshell.shared.error".raise {
        kind = "parse", message = message, file = file, line = line and math.tointeger(line), text = text,
    }
end

--- Text only: a chunk that was compiled elsewhere can break Lua.
local function compile(text, name, env)
    local chunk, message = load(text, name, "t", env)
    return chunk or parse_error(message)
end

local function functions(w, import)
    local root = {}

    function root.eval(text) return compile("return " .. text, "=eval", w.namespace)() end
    function root.execute(text) return compile(text, "=execute", w.namespace)() end
    function root.call(fn, ...) return fn(...) end
    function root.give(...) return ... end
    function root.namespace() return values.ref(w.namespace), values.ref(w.builtins) end
    function root.ping() end
    batch.install(root)
    root.import, root.provide, root.take = import.ask, import.provide, import.take
    return root
end

-- ---- its life ----

local ENDED = "the other side has ended" -- as a link and a BYE without words say it; it is no failure

---@param context integer
---@param memory integer bytes of its heap; 0 for no limit
---@param version string
return function(context, memory, version)
    own.limit(memory)
    local link = rpc.link(own.streams())
    local ended = task.event()
    local w = world.new()
    local self, root
    self = values.peer(link:port(context, false), {
        serve = function(name, ...)
            local f = root[name] or error(("no function %q"):format(tostring(name)), 0)
            return f(...)
        end,
        unpack = require "agent.functions".unpack, namespace = w.namespace, promise = batch.promise,
        on_close = function() ended:notify() end,
    })
    local import = importer.new(self, w)
    root = functions(w, import)
    self.memory, self.modules, self.builtins = memory, import.loaded, w.builtins
    self.described[getmetatable(w.namespace)] = false -- what it inherits are no methods of it
    output.install(self, link, w.builtins)
    world.fill(w, import, function(why) self:close(why) end)
    self.port:send(rpc.FRAME.HELLO, 0, nil, {protocol = 1, version = version, lua = rpc.LUA, pid = own.pid()})
    while not self.why do ended:wait() end
    link:close()
    if self.why ~= ENDED then io.stderr:write(self.why, "\n") end -- the last line is what its waiters are told
    return 0
end
