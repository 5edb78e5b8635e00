-- A plan as rshell.sys.tree.unpacker takes it: its steps in their order.

local tree = require "rshell.tree"

local M = {}

local THERE, EXECUTABLE = 1, 2
local ANY_EXECUTES = tonumber("0111", 8)

--- A step with all that its entry is to have.
local function add(steps, what, e, flags, text)
    local owner = e.owner or {}
    steps[#steps + 1] = tree.step(what, e.rel, flags, text, e.mode, e.seconds, e.ns, owner.uid, owner.gid, e.attributes)
end

local function flags_of(e)
    local there = e.old and e.old.type ~= "dir" and THERE or 0
    return there | (e.st.mode & ANY_EXECUTES ~= 0 and EXECUTABLE or 0)
end

local function add_names(steps, what, list)
    for _, rel in ipairs(list) do steps[#steps + 1] = tree.step(what, rel) end
end

local function is_empty(e)
    return not (e.mode or e.ns or e.owner or e.attributes)
end

--- Folders get what they are to have when all has come.
local function add_rest(steps, p)
    for _, e in ipairs(p.links) do add(steps, "h", e, flags_of(e), e.of) end
    add_names(steps, "g", p.gone)
    for _, list in ipairs {p.make, p.attrs} do
        for _, e in ipairs(list) do
            if not is_empty(e) then add(steps, "a", e) end
        end
    end
end

--- The files of a plan in their order: what an unpacker counts.
function M.files(p)
    local files = {}
    for _, e in ipairs(p.send) do
        if e.st.type == "file" then files[#files + 1] = e end
    end
    return files
end

---@param p table of rshell.transfer.plan
---@return string
function M.encode(p)
    local steps = {tree.owners(p.users or "", p.groups or "")}
    add_names(steps, "c", p.clear)
    for i = #p.make, 1, -1 do
        local e = p.make[i]
        steps[#steps + 1] = tree.step("d", e.rel, nil, nil, e.mode)
    end
    for _, e in ipairs(p.send) do
        if e.st.type == "link" then add(steps, "l", e, flags_of(e), e.st.target) end
    end
    for _, e in ipairs(M.files(p)) do
        local mode = e.mode
        e.mode = mode or e.old and e.old.type == "file" and e.old.mode or nil
        add(steps, "f", e, flags_of(e), e.partial)
        e.mode = mode
    end
    add_rest(steps, p)
    return table.concat(steps)
end

return M
