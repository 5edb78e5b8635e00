-- ssh "host": from a name to a machine. Each step of the way is a function here; what it decides comes from
-- ssh_config, from known_hosts, and from the caller's options, which win.

local auth = require "rshell.ssh.auth"
local burst = require "rshell.ssh.burst"
local config = require "rshell.ssh.config"
local connector = require "rshell.ssh.connector"
local err = require "rshell.shared.error"
local hostkey = require "rshell.ssh.hostkey"
local known = require "rshell.ssh.known_hosts"
local log = require "rshell.log.base"
local object = require "rshell.object"
local opened = require "rshell.opened"
local options = require "rshell.shared.options"
local raw = require "rshell.ssh.raw"
local task = require "rshell.task"

local M = {}

local CONNECT_SECONDS, KEEPALIVE, MISSES = 10, 15, 3
local BLOCK = 65536

local OPTIONS = {
    user = "string", port = "integer", keyfile = "string|table", password = "string|function",
    passphrase = "string|function", jump = "string|userdata", config = "string|boolean", known_hosts = "string",
    host_keys = "string", connect_timeout = "seconds", keepalive = "seconds", ciphers = "string",
    compression = "boolean", retries = "integer", retry_delay = "seconds", env = "table", cwd = "text",
    timeout = "seconds",
    agent = "boolean|string", batch = "boolean", options = "table", note = "function", forward_agent = "boolean",
    transport = "string",
}
M.OPTIONS = OPTIONS

local TRANSPORTS = {libssh = true, openssh = true}
local MODES = {strict = true, ask = true, ["accept-new"] = true, off = true}

-- ---- what was asked for ----

--- "deploy@web1:2222", "ssh://user@[::1]:22", an alias.
---@param target string
---@return string host, string? user, integer? port
function M.parse(target)
    local rest = target:match "^ssh://([^/]*)/?$" or target
    if rest:find("://", 1, true) then
        err.usage("ssh: %q: what is expected is like ssh://user@host:port, with nothing behind it", target)
    end
    local user, address = rest:match "^(.-)@([^@]*)$"
    address = address or rest
    local host, port = address:match "^%[([^%]]+)%]:?(%d*)$"
    if not host then
        host, port = address:match "^([^:]*):(%d+)$"
    end
    host = host or address
    if host == "" or host:find "[%c%s]" or host:sub(1, 1) == "-" then
        err.usage("ssh: no name of a host: %q", target)
    end
    port = port and port ~= "" and math.tointeger(tonumber(port)) or nil
    if port and (port < 1 or port > 65535) then err.usage("ssh: no port: %q", target) end
    return host, user ~= "" and user or nil, port
end

--- The text of a path object of this machine; anything else as it is.
local function file_name(option, x)
    local p = type(x) == "userdata" and require "rshell.path".test(x)
    if not p then return x end
    if p.view.conn.kind ~= "local" then
        err.usage("ssh: %s: %s is a path of %s, and one of this machine was meant", option, p.text, p.view.conn.name)
    end
    return p.text
end

--- The options, with files by name.
local function with_names(given)
    if type(given) ~= "table" then return given end
    local opts = {}
    for k, v in next, given do opts[k] = v end
    for _, k in ipairs {"keyfile", "known_hosts", "config"} do opts[k] = file_name(k, opts[k]) end
    if type(opts.keyfile) ~= "table" then return opts end
    local list = {}
    for i, x in ipairs(opts.keyfile) do
        list[i] = file_name("keyfile", x)
        if type(list[i]) ~= "string" then err.usage("ssh: keyfile: a name expected, got %s", object.type(x)) end
    end
    opts.keyfile = list
    return opts
end

--- What no type says.
local function check_values(opts)
    if opts.port and (opts.port < 1 or opts.port > 65535) then err.usage("ssh: no port: %d", opts.port) end
    if opts.retries and opts.retries < 0 then err.usage("ssh: retries is a number from 0 up, not %d", opts.retries) end
    for _, k in ipairs {"connect_timeout", "keepalive"} do
        if opts[k] == 0 then err.usage("ssh: %s is a number of seconds above 0", k) end
    end
    if opts.config == true then err.usage "ssh: config is the path of a file, or false for none" end
    if opts.cwd == "" then err.usage "ssh: cwd: a path is empty" end
    if opts.env then require "rshell.env".changed({}, opts.env) end
end

local function check_options(given)
    local opts = {}
    if type(given) == "table" and given.linger ~= nil then
        err.usage "ssh: linger: not in this version; an agent ends with its connection"
    end
    for k, v in next, options.check("ssh", with_names(given), OPTIONS) do opts[k] = v end
    check_values(opts)
    if opts.host_keys and not MODES[opts.host_keys] then
        err.usage('ssh: host_keys is "strict", "ask", "accept-new" or "off", not %q', opts.host_keys)
    end
    if opts.agent ~= nil and type(opts.agent) ~= "boolean" then
        err.usage("ssh: agent=%q: not in this version; it is true or false", opts.agent)
    end
    if opts.transport and not TRANSPORTS[opts.transport] then
        err.usage('ssh: transport is "libssh" or "openssh", not %q', opts.transport)
    end
    if opts.forward_agent and opts.transport ~= "openssh" then
        err.raise {kind = "usage", message = "ssh: forward_agent: not in this version with libssh",
            hint = 'transport="openssh" forwards the agent'}
    end
    return opts
end

local function mode_of(opts, cfg)
    if opts.host_keys then return opts.host_keys end
    local said = ({yes = "strict", no = "accept-new", off = "accept-new", ["accept-new"] = "accept-new"})
    local strict = tostring(cfg.stricthostkeychecking or "ask")
    if said[strict] then return said[strict] end
    return require "rshell.term".is_terminal(0) and "ask" or "strict"
end

--- Tells who wants to know what was decided: note(step, ...), as `rshell doctor` does.
local function note(opts, ...)
    if opts.note then opts.note(...) end
end

-- ---- the way there ----

--- A host of ssh_config or known_hosts that somebody may have meant.
local function similar(name)
    local ok, names = pcall(require "rshell.hosts".names)
    local meant = ok and require "rshell.shared.near".find(name, names)
    return meant and ("did you mean '%s'?"):format(meant)
end

-- What to do next, by kind; silent: somebody takes the connection and says nothing.
local NEXT = {
    connect = "is sshd running over there, and on this port? Port in ssh_config or -p gives another one",
    timeout = "is the machine up, and does a firewall drop what comes to this port?",
    unreachable = "there is no route: is a VPN missing, or a jump? ProxyJump in ssh_config names one",
    silent = "something else than an SSH server may listen on this port: try `nc HOST PORT`, it greets with SSH-2.0",
    name = "is the name spelled right? HostName in ssh_config gives another one",
}

local function unreachable(cfg, what, text, name)
    local kind = err.kind_of(name)
    if name == "ETIMEOUT" or name == "ETIMEDOUT" then
        kind, text = "timeout", "no answer"
    elseif kind ~= "connect" and kind ~= "unreachable" and kind ~= "timeout" then
        kind = "connect"
    end
    err.raise {
        kind = kind, name = name,
        message = ("can't connect to %s port %d: %s%s"):format(cfg.hostname, cfg.port, what, text),
        hint = tostring(name):find "^EAI_" and (similar(cfg.hostname) or NEXT.name) or NEXT[kind],
    }
end

local function pump(from, to)
    pcall(function()
        for block in function() return from:read(BLOCK) end do to:write(block) end
    end)
    pcall(to.shutdown, to)
end

--- A socket whose other end goes through two streams; libssh wants a socket of its own.
local function bridge(read, write, close)
    local ours, theirs = raw.pair()
    local up, down = task.spawn(pump, ours, write), task.spawn(pump, read, ours)
    return theirs, function()
        up:close()
        down:close()
        ours:close()
        close()
    end
end

local function through_command(cfg)
    local line = "exec " .. cfg.proxycommand
    local handle, text, name = require "rshell.sys.proc".spawn {
        argv = {"/bin/sh", "-c", line}, stdin = "pipe", stderr = "inherit",
    }
    if not handle then unreachable(cfg, "the proxy command: ", text, name) end
    return bridge(handle.stdout, handle.stdin, function()
        handle.stdin:close()
        handle.stdout:close()
        handle:stop()
        handle:release()
    end)
end

local function through_machine(cfg, jump, close)
    local conn = jump.conn
    local stream, text, name = conn.connector.connect_tcp(cfg.hostname, cfg.port)
    if not stream then unreachable(cfg, ("through %s: "):format(conn.name), text, name) end
    return bridge(stream, stream, function()
        stream:close()
        if close then close() end
    end)
end

local ANY = {inet = "0.0.0.0", inet6 = "::"}
local FAMILY = {inet = "ipv4", inet6 = "ipv6"}

--- The address of ours that BindAddress names, of the family that AddressFamily wants; nil where all is fine.
local function own_address(cfg)
    local bind, family = cfg.bindaddress, cfg.addressfamily
    if not bind or bind == "" or bind == "*" then return ANY[family] end
    local found, text, name = require "rshell.sys.net".resolve(bind)
    if not found then unreachable(cfg, ("BindAddress %s: "):format(bind), text, name) end
    for _, a in ipairs(found) do
        if not FAMILY[family] or FAMILY[family] == a.family then return a.address end
    end
    unreachable(cfg, "", ("BindAddress %s has no address of family %s"):format(bind, family), "EADDRNOTAVAIL")
end

local function direct(cfg, seconds)
    local began = task.now()
    local how = {timeout = seconds, from = own_address(cfg)}
    local stream, text, name = require "rshell.sys.net".connect(cfg.hostname, cfg.port, how)
    if not stream then unreachable(cfg, "", text, name) end
    log.trip(cfg.hostname, task.now() - began, ("TCP to port %d"):format(cfg.port))
    return stream, function() end
end

--- The jumps of ssh_config or of the option, one after the other, each through the one before.
local function hops_of(opts, cfg)
    if type(opts.jump) == "string" then
        if opts.jump == "none" then return nil end
        local hops = {}
        for hop in opts.jump:gmatch "[^,]+" do
            local host, user, port = M.parse(hop)
            hops[#hops + 1] = {host = host, user = user, port = port}
        end
        return hops
    end
    return cfg.proxyjump
end

--- The machine before ours, and a function that closes all on the way.
local function open_jumps(opts, hops)
    local on_the_way = {}
    local function close()
        for k = #on_the_way, 1, -1 do on_the_way[k]:close() end
    end
    for _, hop in ipairs(hops) do
        local more = {
            config = opts.config, jump = on_the_way[#on_the_way] or "none", host_keys = opts.host_keys,
            known_hosts = opts.known_hosts, connect_timeout = opts.connect_timeout, user = hop.user, port = hop.port,
            batch = opts.batch, transport = opts.transport,
        }
        local ok, m = pcall(M.open, hop.host, more)
        if not ok then
            close()
            error(m, 0)
        end
        on_the_way[#on_the_way + 1] = m
    end
    return on_the_way[#on_the_way], close
end

--- The way through other machines; nothing where there are none.
local function through_jumps(opts, cfg)
    local test = require "rshell.machine".test
    if type(opts.jump) == "userdata" then
        local v = test(opts.jump)
        if not v or not rawget(v.conn, "connector") then
            err.usage "ssh: jump is a name or a machine that ssh() gave"
        end
        return through_machine(cfg, v)
    end
    local hops = hops_of(opts, cfg)
    if hops and #hops > 0 then
        local last, close = open_jumps(opts, hops)
        local ok, stream, done = pcall(through_machine, cfg, test(last), close)
        if ok then return stream, done end
        close()
        error(stream, 0)
    end
end

local function open_stream(opts, cfg, seconds)
    local stream, close = through_jumps(opts, cfg)
    if stream then return stream, close end
    if cfg.proxycommand and cfg.proxycommand ~= "none" then return through_command(cfg) end
    return direct(cfg, seconds)
end

-- ---- the session ----

local function files_of(opts, cfg)
    if opts.known_hosts then return {opts.known_hosts} end
    local files = {}
    for _, list in ipairs {cfg.userknownhostsfile or {}, cfg.globalknownhostsfile or {}} do
        table.move(list, 1, #list, #files + 1, files)
    end
    return files
end

-- What libssh can, best first. AES-GCM is first where the CPU has AES, which the session decides when nothing is said.
local DEFAULTS = {
    ciphers = {
        "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr", "aes192-ctr",
        "aes128-ctr",
    },
    kexalgorithms = {
        "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521", "diffie-hellman-group18-sha512", "diffie-hellman-group16-sha512",
        "diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha256",
    },
    macs = {"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"},
    hostkeyalgorithms = {
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512",
        "rsa-sha2-256",
    },
}

--- The algorithms that ssh_config asks for, as libssh takes them; nil where it says nothing.
local function wanted(cfg, option, text)
    text = text or cfg[option]
    if not text then return nil end
    local list = config.algorithms(text, DEFAULTS[option], DEFAULTS[option])
    if #list == 0 then
        err.raise {kind = "config", message = ("%s = %s: none of these is supported"):format(option, text),
            hint = "supported are " .. table.concat(DEFAULTS[option], ",")}
    end
    return table.concat(list, ",")
end

--- Host key algorithms, those first whose keys are known: a key of another type would be taken for a changed one.
local function host_keys(cfg, files, name, port)
    local said = wanted(cfg, "hostkeyalgorithms")
    if said then return said end
    local list, types = {}, {}
    for _, t in ipairs(known.known_types(files, {name}, port)) do types[t] = true end
    types["rsa-sha2-512"], types["rsa-sha2-256"] = types["ssh-rsa"], types["ssh-rsa"]
    for _, first in ipairs {true, false} do
        for _, a in ipairs(DEFAULTS.hostkeyalgorithms) do
            if (types[a] or false) == first then list[#list + 1] = a end
        end
    end
    return table.concat(list, ",")
end

local function check_size(cfg, key)
    local bits = known.rsa_bits(key)
    if bits and bits < (cfg.requiredrsasize or 1024) then
        err.raise {
            kind = "hostkey",
            message = ("the RSA key of %s has %d bits; at least %d are required")
                :format(cfg.hostname, bits, cfg.requiredrsasize),
        }
    end
end

local function handshake(session, cfg, seconds)
    local ok, text, name = task.timeout(seconds, session.handshake, session)
    if ok then return end
    if name == "ECLOSED" or name == "ECONNRESET" then
        err.raise {kind = "connect", message = ("%s port %d closed the connection before SSH had begun: %s")
            :format(cfg.hostname, cfg.port, text), refused = true}
    end
    err.raise {kind = "protocol", message = ("no SSH with %s port %d: %s"):format(cfg.hostname, cfg.port, text)}
end

local function open_session(opts, cfg, stream, seconds)
    local name, port = cfg.hostname, cfg.port
    if cfg.hostkeyalias then name, port = cfg.hostkeyalias, 22 end -- an alias stands without its port
    local files = files_of(opts, cfg)
    local rekey = cfg.rekeylimit
    local session, text, code = raw.new(stream, {
        user = cfg.user, host = cfg.hostname, ciphers = wanted(cfg, "ciphers", opts.ciphers),
        kex = wanted(cfg, "kexalgorithms"), macs = wanted(cfg, "macs"), hostkeys = host_keys(cfg, files, name, port),
        compression = opts.compression or cfg.compression or false,
        rekey_bytes = rekey and rekey.bytes, rekey_seconds = rekey and rekey.seconds,
    })
    if not session then err.raise {kind = err.kind_of(code), message = "can't begin SSH: " .. text} end
    local ok, e = pcall(function()
        handshake(session, cfg, seconds)
        note(opts, "handshake", session)
        local type, key = session:host_key()
        check_size(cfg, key)
        local id = {
            names = {name}, port = port, type = type, key = key, files = files, mode = mode_of(opts, cfg),
            hash = cfg.hashknownhosts,
        }
        hostkey.check(id)
        note(opts, "hostkey", id)
    end)
    if ok then return session end
    session:close()
    error(e, 0)
end

--- Ends the connection when nothing has been heard for too long.
local function keep_alive(conn, session, seconds, most)
    return task.spawn(function()
        local misses = 0
        while misses < most do
            task.sleep(seconds)
            misses = session:silence() < seconds and 0 or misses + 1
            if misses > 0 and pcall(task.timeout, seconds, session.ping, session) then misses = 0 end
        end
        conn.connector.close(("no answer for %g s"):format(seconds * most))
    end)
end

local Connection = {}

--- A connection that was lost is closed for all who ask, though there is still something to close.
function Connection.__index(conn, key)
    if key == "closed" then return conn.session:broken() ~= nil end
    return Connection[key]
end

function Connection:close()
    if rawget(self, "closed") then return end
    task.shield(function()
        if self.inner then require "rshell.inside".close_all(self) end
        if package.loaded["rshell.tempdir"] and not self.session:broken() then
            pcall(require "rshell.tempdir".clear, self)
        end
        self.closed = true
        if self.kind == "agent" then self.backend:close() end
        self.alive:close()
        self.connector.close()
        self.close_way()
    end)
end

--- What SetEnv says, and what of ours SendEnv names.
local function environment(cfg)
    local env = {}
    for _, pattern in ipairs(cfg.sendenv or {}) do
        for name, value in pairs(#cfg.sendenv > 0 and require "rshell.sys.host".env() or {}) do
            if require "rshell.sys.fs".match(pattern, name) then env[name] = value end
        end
    end
    for name, value in pairs(cfg.setenv or {}) do env[name] = value end
    return env
end

function Connection:ping()
    local ok, text, name = self.session:ping()
    if ok then return end
    local why = self.session:broken()
    local message = why and "the connection was lost: " .. why or "no answer: " .. text
    err.raise {kind = err.kind_of(name), host = self.name, message = message}
end

--- The agent's, which starts with the first operation; the shell's where none is wanted.
local function choose_backend(conn, opts, cfg)
    local function notice(reason) conn.reason = reason end
    if opts.agent == false then
        conn.backend = require "rshell.bare".new(conn.connector)
        conn.backend.notice = notice
        return
    end
    local agents = require "rshell.agents"
    conn.kind = "agent"
    conn.backend = require "rshell.agent".new(conn, conn.connector, {
        images = agents.image, programs = agents.program, must = opts.agent == true, notice = notice,
        keepalive = cfg.keepalive, seconds = opts.connect_timeout,
    })
end

local function make_machine(name, opts, cfg, session, close_way, another)
    local view = require "rshell.view"
    local conn = setmetatable({
        name = name, host = cfg.hostname, port = cfg.port, user = cfg.user, kind = "bare", session = session,
        close_way = close_way,
    }, Connection)
    conn.connector = connector.new(session, {host = name, setenv = environment(cfg), another = another})
    choose_backend(conn, opts, cfg)
    local v = view.new(conn)
    conn.root = v
    conn.alive = keep_alive(conn, session, cfg.keepalive, cfg.misses)
    if opts.env then v.env = require "rshell.env".changed({}, opts.env) end
    v.cwd, v.timeout = opts.cwd, opts.timeout
    return require "rshell.machine".of(v)
end

-- ---- all of it ----

local function read_config(opts, host, user, port)
    if opts.transport == "openssh" then return require "rshell.ssh.openssh".evaluate(opts, host, user, port) end
    return config.evaluate(host, {
        user = opts.user or user, port = opts.port or port, config = opts.config, options = opts.options,
    })
end

local function evaluate(target, opts)
    local host, user, port = M.parse(target)
    local cfg = read_config(opts, host, user, port)
    cfg.user, cfg.port = opts.user or user or cfg.user, opts.port or port or cfg.port
    if opts.keyfile then
        local files = type(opts.keyfile) == "table" and opts.keyfile or {opts.keyfile}
        cfg.identityfile, cfg.identity_given = {}, true
        opts.keyfile = files
        for i, f in ipairs(files) do cfg.identityfile[i] = (f:gsub("^~/", (os.getenv "HOME" or "") .. "/")) end
    end
    cfg.identity_given = cfg.identity_given or cfg.origin and cfg.origin.identityfile ~= nil
    local interval = cfg.serveraliveinterval or 0
    cfg.keepalive = opts.keepalive or interval > 0 and interval or KEEPALIVE
    cfg.misses = not opts.keepalive and interval > 0 and math.max(1, cfg.serveralivecountmax or MISSES) or MISSES
    opts.batch = opts.batch or cfg.batchmode
    opts.retries = opts.retries or (cfg.connectionattempts or 1) - 1
    return cfg
end

-- The ways to log in. Each leaves what it has made in `made`, so that it can be closed: session, and ways, functions
-- that end what it goes through. The server has a limit for each answer; people who type a password or answer a
-- question have none.

local transports = {}

function transports.libssh(made, opts, cfg, seconds)
    local who = ("%s@%s"):format(cfg.user, cfg.hostname)
    local stream
    stream, made.ways[1] = task.timeout(seconds, open_stream, opts, cfg, seconds)
    made.connected = true
    note(opts, "connect", stream)
    made.session = open_session(opts, cfg, stream, seconds)
    local l = {session = made.session, opts = opts, config = cfg, who = who, seconds = seconds}
    auth.login(l)
    note(opts, "login", l)
end

function transports.openssh(made, opts, cfg, seconds)
    local stream
    stream, made.ways[1] = task.timeout(seconds, through_jumps, opts, cfg)
    made.session, made.ways[2] = require "rshell.ssh.openssh".log_in {
        opts = opts, cfg = cfg, seconds = seconds, strict = not opts.host_keys and mode_of(opts, cfg) == "strict",
        jump = stream,
    }
end

local function close_ways(made)
    for k = 2, 1, -1 do
        if made.ways[k] then made.ways[k]() end
    end
end

--- A session that has logged in, and a function that ends what it goes through.
local function log_in(target, opts, cfg)
    local seconds = opts.connect_timeout or cfg.connecttimeout or CONNECT_SECONDS
    local made = {ways = {}}
    local ok, e = pcall(transports[opts.transport or "libssh"], made, opts, cfg, seconds)
    if ok then return made.session, function() close_ways(made) end end
    if made.session then made.session:close() end
    task.shield(close_ways, made)
    if err.is(e) and e.kind == "timeout" and not e.name then
        e.message = ("%s port %d did not answer within %g s"):format(cfg.hostname, cfg.port, seconds)
        e.hint = e.hint or (made.connected and NEXT.silent or NEXT.timeout)
    end
    if err.is(e) then e.host = e.host or target end
    error(e, 0)
end

local function attempt(target, opts, cfg)
    local session, close_way = log_in(target, opts, cfg)
    -- One more of the same: nobody is asked anything for it.
    local keys = opts.host_keys == "off" and "off" or "strict"
    local quiet = setmetatable({batch = true, host_keys = keys}, {__index = opts})
    return make_machine(target, opts, cfg, session, close_way, function() return log_in(target, quiet, cfg) end)
end

local function worth_a_retry(e)
    return err.is(e) and (e.kind == "connect" or e.kind == "timeout" or e.kind == "unreachable")
end

local function open(target, opts)
    if type(target) ~= "string" then err.usage("ssh: the name of a host expected, got %s", object.type(target)) end
    opts = check_options(opts)
    local cfg = evaluate(target, opts)
    note(opts, "config", cfg, opts)
    local delay = opts.retry_delay or 1
    for try = 0, opts.retries or 0 do
        local ok, m = pcall(attempt, target, opts, cfg)
        if ok then return m end
        if try == (opts.retries or 0) or not worth_a_retry(m) then error(m, 0) end
        task.sleep(delay * (0.5 + math.random()))
        delay = math.min(delay * 2, 30)
    end
end

--- Connects and logs in; gives a machine.
---@param target string
---@param opts table?
function M.open(target, opts)
    return opened.add("machine", burst.within(open, target, opts), function(m) return m.closed end)
end

return M
