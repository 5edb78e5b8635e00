-- What ssh() was told, as arguments of the ssh program. Options of ours come before all else, since ssh takes the first
-- value of each; what they leave open is ssh_config's to say.

local err = require "rshell.shared.error"

local M = {}

local STRICT = {strict = "yes", ask = "ask", ["accept-new"] = "accept-new", off = "no"}

local function usage(what, value, why)
    err.usage('ssh: %s %q can\'t be given to ssh (transport="openssh"): %s', what, value, why)
end

local function home(path)
    return (path:gsub("^~/", (os.getenv "HOME" or "") .. "/"))
end

--- A file's name where ssh looks for % and ${.
local function plain(what, path)
    if path:find("${", 1, true) then usage(what, path, "ssh would read '${' as a variable") end
    if path:find "[%c]" then usage(what, path, "it has control characters") end
    return (home(path):gsub("%%", "%%%%"))
end

--- The same as a word of an option.
local function quoted(what, path)
    if path:find '["\\]' then usage(what, path, "ssh has no way to quote it") end
    return '"' .. plain(what, path) .. '"'
end

local function whole_seconds(n)
    return math.max(1, math.ceil(n))
end

local function text_of(value)
    if type(value) == "boolean" then return value and "yes" or "no" end
    return tostring(value)
end

local Args = {}
Args.__index = Args

function Args:add(...)
    for _, word in ipairs {...} do self[#self + 1] = word end
end

function Args:option(name, value)
    if value ~= nil then self:add("-o", name .. "=" .. text_of(value)) end
end

local function host_keys(a, opts)
    if not opts.host_keys then
        if opts.known_hosts then
            a:option("UserKnownHostsFile", quoted("known_hosts", opts.known_hosts))
            a:option("GlobalKnownHostsFile", "/dev/null")
        end
        return
    end
    a:option("StrictHostKeyChecking", STRICT[opts.host_keys])
    local off = opts.host_keys == "off"
    if not off and not opts.known_hosts then return end
    a:option("UserKnownHostsFile", off and "/dev/null" or quoted("known_hosts", opts.known_hosts))
    a:option("GlobalKnownHostsFile", "/dev/null")
end

local function who_we_are(a, opts)
    local files = opts.keyfile
    for _, path in ipairs(type(files) == "table" and files or {files}) do a:add("-i", plain("keyfile", path)) end
    if opts.password ~= nil then a:option("NumberOfPasswordPrompts", 1) end
    if opts.batch and opts.password == nil and opts.passphrase == nil then a:option("BatchMode", true) end
    a:option("ForwardAgent", opts.forward_agent)
end

local function further(a, given)
    for name, value in pairs(given or {}) do
        for _, one in ipairs(type(value) == "table" and value or {value}) do
            local text = text_of(one)
            if text:find "[\n%z]" then err.usage("ssh: option %s: a value has no line breaks", name) end
            a:add("-o", name .. "=" .. text)
        end
        if value == false then a:add("-o", name .. "=no") end
    end
end

--- What says which connection it is. `way` is a command that the connection goes through, or nil.
---@param opts table of ssh()
---@param host string
---@param user string?
---@param port integer?
---@param way string?
---@return string[]
function M.of(opts, host, user, port, way)
    local a = setmetatable({}, Args)
    if opts.config ~= nil then a:add("-F", opts.config == false and "none" or home(opts.config)) end
    a:option("User", opts.user or user)
    a:option("Port", opts.port or port)
    if way then a:option("ProxyCommand", way) end
    if opts.jump == "none" then a:option("ProxyJump", "none") end
    host_keys(a, opts)
    who_we_are(a, opts)
    if opts.connect_timeout then a:option("ConnectTimeout", whole_seconds(opts.connect_timeout)) end
    if opts.keepalive then
        a:option("ServerAliveInterval", whole_seconds(opts.keepalive))
        a:option("ServerAliveCountMax", 3)
    end
    a:option("Compression", opts.compression)
    a:option("Ciphers", opts.ciphers)
    further(a, opts.options)
    a:add("--", host)
    return setmetatable(a, nil)
end

--- What makes it a master that does nothing of its own. `known` are the options of `ssh -G`.
---@param socket string
---@param known table<string, any>
---@param strict boolean nobody can be asked about a key
---@return string[]
function M.master(socket, known, strict)
    local a = setmetatable({}, Args)
    a:add("-M", "-N", "-T", "-S", socket)
    a:option("ControlPersist", false)
    a:option("ClearAllForwardings", true)
    a:option("EscapeChar", "none")
    a:option("LogLevel", "INFO")
    if known.forkafterauthentication then a:option("ForkAfterAuthentication", false) end
    if strict then a:option("StrictHostKeyChecking", "yes") end
    return setmetatable(a, nil)
end

return M
