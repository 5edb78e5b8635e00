-- What an agent may answer: a first result of the function's own kind, or nil, a text and a name. One that answers
-- something else ends its session there, instead of failing whoever trusts it.

local handles = require "rshell.agent.handles"

local M = {}

local REASONS = {timeout = true, line_timeout = true, limit = true}

-- ---- kinds ----

local function of(kind)
    return function(v) return type(v) == kind end
end

local is_string, is_table = of "string", of "table"

local function are_strings(list)
    if type(list) ~= "table" then return false end
    for _, v in ipairs(list) do
        if type(v) ~= "string" then return false end
    end
    return true
end

local function is_stat(st)
    return type(st) == "table" and math.type(st.mode) == "integer" and math.type(st.size) == "integer"
        and type(st.mtime) == "number" and type(st.type) == "string"
end

--- How a stage has ended; false where it runs on.
local function is_exit(e)
    return e == false or type(e) == "table" and (math.type(e.code) == "integer" or type(e.signal) == "string")
end

local function is_run(r)
    if type(r) ~= "table" or type(r.exits) ~= "table" or r.exits[1] == nil then return false end
    for _, e in ipairs(r.exits) do
        if not is_exit(e) then return false end
    end
    return is_string(r.stdout) and is_string(r.stderr) and (r.reason == nil or REASONS[r.reason] == true)
end

--- Where a program could not be started: its stage, and what was tried.
local function is_place(where)
    return type(where) == "table" and math.type(where.stage) == "integer"
end

-- ---- functions ----

local kinds = {
    ["fs.stat"] = is_stat, ["fs.lstat"] = is_stat, ["fs.list"] = are_strings, ["fs.glob"] = are_strings,
    ["proc.run"] = is_run,
}

local function add(kind, names)
    for name in names:gmatch "%S+" do kinds[name] = kind end
end

add(of "boolean", [[fs.access fs.append fs.chmod fs.chown fs.exists fs.link fs.mkdir fs.move fs.remove fs.rename
    fs.rmdir fs.symlink fs.touch fs.truncate fs.unlink fs.write proc.kill]])
add(is_string, [[fs.checksum fs.mktemp_dir fs.read fs.readlink fs.resolve fs.type proc.cwd proc.which host.home
    host.hostname tree.list]])
add(is_table, "fs.copy fs.disk host.env host.facts host.memory host.processes host.uname")
add(of "number", "host.pid host.uptime")
add(of "userdata", "net.connect")
add(handles.is_object, "fs.open fs.tree_copier fs.walk")
add(handles.is_process, "proc.spawn")
add(handles.is_listener, "net.listen")

kinds["context.start"] = of "number"

local places = {["proc.run"] = is_place, ["proc.spawn"] = is_place, ["context.start"] = function() return true end}

local function is_path(where) return where == nil or type(where) == "string" end

local function is_answer(name, kind, first, text, why, where)
    if first ~= nil then return kind(first) end
    return type(text) == "string" and type(why) == "string" and (places[name] or is_path)(where)
end

--- What an agent has answered to a call, if that can be; raises that it is gone otherwise.
---@param self rshell.Peer
---@param name string
function M.checked(self, name, ...)
    local kind = kinds[name]
    if not kind or is_answer(name, kind, ...) then return ... end
    self:fail(("what it answers to %s is no answer"):format(name))
    self:check()
end

return M
