-- A batch: calls that name results of earlier ones, which may not be there yet. They run in their order; one that names
-- what has failed fails with the same error.

local err = require "rshell.shared.error"
local failure = require "rshell.shared.failure"
local object = require "rshell.object"
local operations = require "rshell.shared.operations"
local task = require "rshell.task"

local M = {}

local _, make, _, promised = object.class "rshell.Promise"

--- For rshell.shared.values: what came as PROMISE.
function M.promise(batch, step, ...)
    return make {batch = batch, step = step, path = {...}}
end

local function value_of(batches, p)
    local outcome = batches[p.batch][p.step]
    if not outcome[1] then error(outcome[2], 0) end
    local value = outcome[2]
    for _, key in ipairs(p.path) do value = value[key] end
    return value
end

--- The value, with those of promises in their places.
local function filled(batches, value, seen)
    local p = promised(value)
    if p then return value_of(batches, p) end
    if type(value) ~= "table" or seen[value] or debug.getmetatable(value) then return value end
    seen[value] = true
    for k, v in next, value do
        local new = filled(batches, v, seen)
        if not rawequal(new, v) then value[k] = new end
    end
    return value
end

local function all_filled(batches, ...)
    local list, seen = table.pack(...), {}
    for i = 1, list.n do list[i] = filled(batches, list[i], seen) end
    return table.unpack(list, 1, list.n)
end

local function imported(name, module, searched)
    if module ~= nil then return module end
    err.raise {
        kind = "notfound", name = name, message = ("no module '%s' here: %s"):format(name, searched or "nowhere"),
    }
end

local function apply(root, target, name, ...)
    if target ~= 0 then return operations.apply(target, name, ...) end
    if name == "import" then return imported((...), root.import(...)) end
    return root[name](...)
end

local function await_turn(batch, step)
    while batch.done < step - 1 do batch.event:wait() end
end

--- Adds what the controller calls: step and collect.
function M.install(root)
    local batches = {}

    --- The call of this number, of a target (0 is the root).
    function root.step(id, step, ...)
        local batch = batches[id]
        if not batch then
            batch = {done = 0, event = task.event()}
            batches[id] = batch
        end
        await_turn(batch, step)
        local outcome = table.pack(xpcall(function(...)
            return apply(root, all_filled(batches, ...))
        end, failure.note, ...))
        batch[step], batch.done = outcome, step
        batch.event:notify()
        if not outcome[1] then error(outcome[2], 0) end
    end

    --- The values of promises, when all steps have ended. The batch is forgotten.
    function root.collect(id, steps, ...)
        local batch = batches[id]
        local values = table.pack(pcall(function(...)
            await_turn(batch, steps + 1)
            return all_filled(batches, ...)
        end, ...))
        batches[id] = nil
        if not values[1] then error(values[2], 0) end
        return table.unpack(values, 2, values.n)
    end
end

return M
