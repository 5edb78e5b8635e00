-- A place behind a machine, through that machine's own ssh client: its keys, its configuration, its known hosts.

local err = require "rshell.shared.error"
local object = require "rshell.object"
local shell = require "rshell.bare.shell"

local M = {
    options = {
        user = "text", port = "integer", keyfile = "text|table", password = "string|function", jump = "text",
        config = "string|boolean", known_hosts = "text", host_keys = "string", connect_timeout = "seconds",
        ciphers = "text", compression = "boolean", forward_agent = "boolean",
    },
}

local HOST_KEYS = {strict = "yes", ["accept-new"] = "accept-new", off = "no"}

-- What ssh says, always in English.
local SAID = {
    {"Host key verification failed", "hostkey", 'host_keys="accept-new" trusts hosts that nobody has seen before'},
    {"Permission denied", "auth"},
    {"Too many authentication failures", "auth"},
    {"[Cc]onnection timed out", "timeout"},
    {"No route to host", "unreachable"},
    {"Network is unreachable", "unreachable"},
}

local function refused(_, t)
    for _, case in ipairs(SAID) do
        if t.said:find(case[1]) then t:ended_with(case[2], true, case[3]) end
    end
    t:ended_with("connect", true)
end

local function yes(flag) return flag and "yes" or "no" end

--- As ssh_config has them: {name, value}, where a value is wanted.
local function settings(opts)
    local asks = opts.password ~= nil
    local host_keys = opts.host_keys and (HOST_KEYS[opts.host_keys]
        or err.usage('ssh: host_keys is "strict", "accept-new" or "off" here, not %q', opts.host_keys))
    return {
        -- A master that stays would be left behind.
        {"ControlMaster", "no"}, {"EscapeChar", "none"}, {"BatchMode", yes(not asks)},
        {"NumberOfPasswordPrompts", asks and 1}, {"PreferredAuthentications", asks and "password,keyboard-interactive"},
        -- Who is asked for a password could be asked to trust a key, too.
        {"StrictHostKeyChecking", host_keys or asks and "yes"}, {"UserKnownHostsFile", opts.known_hosts},
        {"ConnectTimeout", opts.connect_timeout and math.max(1, math.ceil(opts.connect_timeout))},
        {"Ciphers", opts.ciphers}, {"Compression", opts.compression ~= nil and yes(opts.compression)},
        {"ForwardAgent", opts.forward_agent ~= nil and yes(opts.forward_agent)},
    }
end

local FLAGS = {{"-l", "user"}, {"-p", "port"}, {"-J", "jump"}}

local function words(opts, target)
    local argv = {"ssh", "-T"}
    local function add(flag, value)
        if value then table.move({flag, tostring(value)}, 1, 2, #argv + 1, argv) end
    end
    for _, s in ipairs(settings(opts)) do add("-o", s[2] and s[1] .. "=" .. tostring(s[2])) end
    for _, flag in ipairs(FLAGS) do add(flag[1], opts[flag[2]]) end
    if opts.config ~= true then add("-F", opts.config == false and "none" or opts.config) end
    for _, file in ipairs(type(opts.keyfile) == "table" and opts.keyfile or {opts.keyfile}) do add("-i", file) end
    return table.move({"--", target}, 1, 2, #argv + 1, argv)
end

function M.place(opts, target)
    if type(target) ~= "string" then
        err.usage("ssh: the name of a host expected, got %s", object.type(target))
    end
    local host, user, port = require "rshell.ssh.connect".parse(target)
    opts = setmetatable({user = opts.user or user, port = opts.port or port}, {__index = opts})
    local place = {
        what = "ssh " .. host, label = "to " .. host, password = opts.password, terminal = opts.password ~= nil,
        address = host, port = opts.port or 22, refused = refused,
    }
    local argv = words(opts, host)
    function place.argv(_, program)
        return table.move({shell.line(program)}, 1, 1, #argv + 1, table.move(argv, 1, #argv, 1, {}))
    end
    return place
end

return M
