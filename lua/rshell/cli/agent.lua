-- rshell agent [--json]: the agents that are embedded.

local agents = require "rshell.agents"
local fail = require "rshell.cli.fail"

local M = {name = "agent", operands = {}, options = {{"--json", key = "json"}}}

local function as_json(list)
    local json = require "rshell.sys.json"
    io.write(json.encode(json.array(list), {sort = true}), "\n")
end

local function as_lines(list)
    for _, a in ipairs(list) do
        io.write(("%-8s %-5s %8d %8d %s\n"):format(a.arch, a.libc, a.size, a.wire, a.sha256))
    end
end

function M.run(values, argv, first)
    if argv[first] then fail.usage("agent takes no arguments, got '%s'", argv[first]) end
    local list = agents.list()
    if values.json then as_json(list) else as_lines(list) end
    if #list == 0 then io.stderr:write "rshell: no agent is embedded in this build\n" end
    return 0
end

return M
