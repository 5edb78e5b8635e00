-- What ssh_config says about a host: the values that `ssh -G` would print. doc/ssh-config.md tells which options are
-- honoured.

local address = require "rshell.ssh.address"
local burst = require "rshell.ssh.burst"
local err = require "rshell.shared.error"
local fs = require "rshell.sys.fs"
local hash = require "rshell.sys.hash"
local host = require "rshell.sys.host"
local near = require "rshell.shared.near"
local options = require "rshell.ssh.config_options"
local pattern = require "rshell.ssh.pattern"
local tokens = require "rshell.ssh.tokens"
local values = require "rshell.ssh.config_values"
local words = require "rshell.ssh.words"

local M = {}

local MAX_DEPTH = 16
local SYSTEM_DIR = "/etc/ssh"
local HINT = 'use transport="openssh" for this host'

-- ---- errors ----

-- "file:line: ", from where a line was read or a value was set.
local function place(at)
    if not at or not at.file then return "ssh options: " end
    return at.line and ("%s:%d: "):format(at.file, at.line) or at.file .. ": "
end

local function fail(at, option, hint, fmt, ...)
    err.raise {
        kind = "config", message = place(at) .. fmt:format(...), file = at and at.file, line = at and at.line,
        option = option, hint = hint,
    }
end

local function bad(at, fmt, ...)
    fail(at, nil, nil, fmt, ...)
end

-- ---- tokens ----

local function current_user(s)
    return s.values.user or s.me.name
end

local function nodename(s)
    s.node = s.node or host.hostname()
    return s.node
end

-- The tokens of Match exec and of file names. `target` is the host as far as it is known.
local function all_tokens(s, target, alias)
    local node, port, user = nodename(s), tostring(s.values.port or 22), current_user(s)
    return {
        C = hash.sha1(node .. target .. port .. user), L = node:match "^[^.]*", d = s.home, h = target,
        i = tostring(s.me.uid), j = s.jump or "", k = s.values.hostkeyalias or alias, l = node, n = s.alias, p = port,
        r = user, u = s.me.name,
    }
end

local function checked(s, option, value, text)
    if not value then fail(s.origin[option], option, nil, "%s: %s", option, text) end
    return value
end

-- HostName in its present state; the alias where it isn't set.
local function target(s)
    if s.final or not s.values.hostname then return s.host end
    return checked(s, "hostname", tokens.percent(s.values.hostname, {h = s.host}))
end

-- ---- Match ----

local function succeeds(s, at, command)
    local expanded, text = tokens.percent(command, all_tokens(s, target(s), target(s)))
    if not expanded then bad(at, "Match exec: %s", text) end
    local run = require "rshell.sys.proc".run
    local r, reason = run {stages = {{argv = {"/bin/sh", "-c", expanded}}}}
    if not r then bad(at, "Match exec: %s", reason) end
    local exit = r.exits[1]
    if not exit.code then bad(at, "Match exec: ended by signal %s", exit.signal) end
    return exit.code == 0
end

local criteria = {
    host = function(s, _, arg) return pattern.hosts(target(s), arg) end,
    originalhost = function(s, _, arg) return pattern.hosts(s.alias, arg) end,
    user = function(s, _, arg) return pattern.list(current_user(s), arg) end,
    localuser = function(s, _, arg) return pattern.list(s.me.name, arg) end,
    tagged = function(s, _, arg) return pattern.list(s.values.tag or "", arg) end,
    exec = succeeds,
}

local function again(s, name)
    if name == "final" then s.wants_final = true end
    return s.final
end

-- Takes the next word off the line. Its rest is nil at the end.
local function take(line)
    if not line.rest then return nil end
    local word
    word, line.rest = words.first(line.rest)
    if word and word ~= "" and word:sub(1, 1) ~= "#" then return word end
    line.rest = nil
    return nil
end

-- One criterion: whether it holds. When an earlier one didn't, no command is run for it.
local function criterion(s, at, line, name, skip)
    if name == "canonical" or name == "final" then return again(s, name) end
    local arg = take(line)
    if not arg then bad(at, "Match %s needs an argument", name) end
    local test = criteria[name]
    if not test then fail(at, "match", HINT, "Match %s is not known%s", name, near.suffix(name, criteria)) end
    if name == "exec" and skip then return false end
    return test(s, at, arg) == true
end

local function match_all(at, line, count)
    if count > 1 or take(line) then bad(at, "Match all stands alone, or after canonical or final") end
end

local function match(s, at, text, never)
    local line, holds, count = {rest = text}, true, 0
    for word in take, line do
        local bang, name = word:lower():match "^(!?)(.*)$"
        if name == "all" then
            match_all(at, line, count)
            return holds and bang == ""
        end
        count = count + 1
        local yes = criterion(s, at, line, name, never or not holds)
        if yes == (bang == "!") then holds = false end
    end
    if count == 0 then bad(at, "Match needs a criterion") end
    return holds
end

local function match_host(s, at, patterns)
    local found = false
    for _, p in ipairs(patterns) do
        if p == "" then bad(at, "Host: a pattern is empty") end
        local negated = p:sub(1, 1) == "!"
        if pattern.match(s.host, negated and p:sub(2) or p) then
            if negated then return false end
            found = true
        end
    end
    return found
end

-- ---- lines ----

local function definition(name)
    return options.honoured[name] or options.refused[name] or options.harmless[name] or options.obsolete[name]
end

-- The value of a line, or nil and what is wrong with it.
local function read_value(at, option, opt, args, raw)
    if opt.raw then return opt.raw((raw:gsub("^[ \t\r\n=]+", ""))) end
    if opt.words then return opt.words(args) end
    if args[1] == "" then bad(at, "%s: its argument is empty", option) end
    if #args > 1 then bad(at, "%s: '%s' is too much", option, args[2]) end
    if opt.add then return args end
    return opt.read(args[1])
end

local function add(s, at, option, opt, value)
    s.values[option] = s.values[option] or {}
    s.origin[option] = s.origin[option] or at
    local text = opt.add(s.values[option], value)
    if text then bad(at, "%s: %s", option, text) end
end

local function set(s, at, option, value)
    if s.values[option] ~= nil or value == values.NONE then return end
    -- A jump and a command exclude each other; the first one that is set counts.
    if option == "proxyjump" then
        if s.values.proxycommand ~= nil then return end
        if value ~= "none" then s.values.proxycommand = "none" end
    end
    s.values[option], s.origin[option] = value, at
end

local function assign(s, at, option, opt, args, raw, active)
    local value, text = read_value(at, option, opt, args, raw)
    if value == nil then bad(at, "%s: %s", option, text) end
    if not active then return end
    if opt.add then add(s, at, option, opt, value) else set(s, at, option, value) end
end

local function unknown(s, at, option)
    local ignored = s.values.ignoreunknown
    if ignored and pattern.list(option, ignored:lower()) then return end
    fail(at, option, nil, "ssh has no option '%s'%s", option, near.suffix(option, s.known()))
end

-- Keyword, what follows it, and the words of that; nothing for a line without any.
local function split(at, text)
    local line = words.trim(text)
    local keyword, rest = words.first(line)
    if keyword == "" and rest then keyword, rest = words.first(rest) end
    if not keyword then bad(at, "a quote is not closed") end
    if keyword == "" or keyword:sub(1, 1) == "#" then return nil end
    rest = rest and rest:gsub("^[ \t\r\n]+", "")
    if not rest or rest == "" then bad(at, "%s: an argument is missing", keyword) end
    local args = words.split(rest)
    if not args then bad(at, "a quote is not closed") end
    return keyword, rest, args
end

local include

local blocks = {
    host = function(s, at, file, args) return match_host(s, at, args) and not file.never end,
    match = function(s, at, file, _, rest) return match(s, at, rest, file.never) and not file.never end,
    include = function(s, at, file, args)
        include(s, at, file, args)
        return file.active
    end,
}

-- `file` is nil for an option that is given by name.
local function process(s, at, file, text)
    local keyword, rest, args = split(at, text)
    if not keyword then return end
    local option = options.name(keyword)
    local block = blocks[option]
    if block then
        if not file then bad(at, "%s can't be given as an option", keyword) end
        file.active = block(s, at, file, args, rest)
        return
    end
    local opt = definition(option)
    if not opt then return unknown(s, at, option) end
    if not (opt.read or opt.words or opt.raw or opt.add) then return end
    if not args[1] and not opt.raw then bad(at, "%s: an argument is missing", keyword) end
    assign(s, at, option, opt, args, rest, not file or file.active)
end

-- ---- files ----

-- True when nobody but the owner is in the group.
local function is_private(gid, uid)
    local me, group = host.user(uid), host.group(gid)
    if not me or not group then return false end
    for _, name in ipairs(group.members) do
        if name ~= me.name then return false end
    end
    for _, user in ipairs(host.users()) do
        if user.gid == gid and user.uid ~= uid then return false end
    end
    return true
end

local function check_permissions(s, path)
    local st = burst.once("permissions " .. path, fs.stat, path)
    if not st then return end
    local owner = st.uid == 0 or st.uid == s.me.uid
    local safe = st.mode & 2 == 0 and (st.mode & 16 == 0 or is_private(st.gid, st.uid))
    if owner and safe then return end
    fail({file = path}, nil, ("chmod go-w %s, and it must be yours or root's"):format(path),
         "others can write to this file, or own it")
end

-- The text of a file; nil where there is none. A folder is an empty file, as for ssh.
local function content(s, file)
    local text, reason, name = burst.once("config " .. file.path, fs.read, file.path)
    if name == "EISDIR" then return "" end
    if name == "ENOENT" or name == "ENOTDIR" then return nil end
    if not text then bad({file = file.path}, "%s", reason) end
    if file.check then check_permissions(s, file.path) end
    return text
end

-- file: path; user: its relative Includes start in ~/.ssh; check: others must not be able to write to it;
-- never: it stands in a block that doesn't apply; active: whether the present block applies.
local function read_file(s, file)
    local text = content(s, file)
    if not text then return false end
    local line = 0
    for row in (text .. "\n"):gmatch "(.-)\n" do
        line = line + 1
        process(s, {file = file.path, line = line}, file, row)
    end
    return true
end

local function include_pattern(s, at, file, name)
    if name == "" then bad(at, "Include: a name is empty") end
    if name:sub(1, 1) == "/" then return name end
    if name:sub(1, 1) == "~" then
        if not file.user then bad(at, "Include: only a user's own file may start a name with ~") end
        local path, text = tokens.tilde(name, s.home)
        if not path then bad(at, "Include: %s", text) end
        return path
    end
    return (file.user and s.home .. "/.ssh" or SYSTEM_DIR) .. "/" .. name
end

-- Blocks of the included file end with it.
function include(s, at, file, args)
    if file.depth >= MAX_DEPTH then bad(at, "Include: more than %d files deep", MAX_DEPTH) end
    for _, name in ipairs(args) do
        local paths, text = fs.glob("/", include_pattern(s, at, file, name))
        if not paths then bad(at, "Include %s: %s", name, text) end
        for _, path in ipairs(paths) do
            read_file(s, {
                path = path, user = file.user, check = true, depth = file.depth + 1, active = file.active,
                never = file.never or not file.active,
            })
        end
    end
end

local function root(path, user, check)
    return {path = path, user = user, check = check, never = false, active = true, depth = 0}
end

local function read_files(s)
    local config = s.config
    if config == false or config and config:lower() == "none" then return end
    if not config then
        read_file(s, root(s.home .. "/.ssh/config", true, true))
        read_file(s, root(SYSTEM_DIR .. "/ssh_config", false, false))
    elseif not read_file(s, root(config, true, false)) then
        bad({file = config}, "there is no such file")
    end
end

-- ---- options that are given by name ----

local function as_text(value)
    if type(value) == "boolean" then return value and "yes" or "no" end
    return tostring(value)
end

local function give(s, name, value)
    local text = name .. "=" .. as_text(value)
    if text:find "[\n%z]" then bad(nil, "%s: a value has no line breaks", name) end
    process(s, {option = name}, nil, text)
end

-- What is unknown is ignored from the start: a table has no order.
local function before(a, b)
    local x, y = a:lower() == "ignoreunknown", b:lower() == "ignoreunknown"
    if x ~= y then return x end
    return a < b
end

local function read_options(s, given)
    local names = {}
    for name in pairs(given) do names[#names + 1] = name end
    table.sort(names, before)
    for _, name in ipairs(names) do
        local value = given[name]
        for _, v in ipairs(type(value) == "table" and value or {value}) do give(s, name, v) end
        if value == false then give(s, name, value) end
    end
end

-- ---- the result ----

local function refuse(s)
    local names = {}
    for name, opt in pairs(options.refused) do
        local value = s.values[name]
        local means_something = not opt.with or s.values[opt.with]
        if value ~= nil and means_something and not opt.fine(value) then names[#names + 1] = name end
    end
    table.sort(names)
    local name = names[1]
    if not name then return end
    fail(s.origin[name], name, HINT, "%s is not supported: it %s", name, options.refused[name].why)
end

local function expand_list(s, r, option, expand)
    for i, name in ipairs(r[option]) do r[option][i] = checked(s, option, expand(name)) end
end

local function expand_files(s, r, all)
    local function file(name) return tokens.file(name, s.home, all) end
    local function tilde(name) return tokens.tilde(name, s.home) end
    expand_list(s, r, "identityfile", file)
    expand_list(s, r, "userknownhostsfile", file)
    expand_list(s, r, "globalknownhostsfile", tilde)
    for _, option in ipairs {"identityagent", "forwardagent"} do
        if type(r[option]) == "string" then r[option] = checked(s, option, file(r[option])) end
    end
end

local function identities(s)
    local list = {}
    if not s.values.identityfile then
        for i, name in ipairs(options.identities) do list[i] = "~/.ssh/" .. name end
        return list
    end
    for _, name in ipairs(s.values.identityfile) do
        if name:lower() ~= "none" then list[#list + 1] = name end
    end
    return list
end

-- "$NAME" is a variable that names the socket.
local function socket(value)
    local variable = type(value) == "string" and value:match "^%$([%w_]+)$"
    if variable then return os.getenv(variable) or "none" end
    if value == nil or value == "SSH_AUTH_SOCK" then return os.getenv "SSH_AUTH_SOCK" end
    return value
end

-- What ssh puts into the command it makes of a jump, and into ProxyCommand.
local function proxy_tokens(s, r)
    return {h = r.hostname, k = r.hostkeyalias or s.alias, n = s.alias, p = tostring(r.port), r = r.user}
end

local function same(a, b)
    return a == nil or a == b
end

local function jumps(s, r)
    local list = s.values.proxyjump
    if not list or list == "none" then return nil end
    local known, out = proxy_tokens(s, r), {}
    for i, hop in ipairs(list) do
        out[i] = {user = hop.user, port = hop.port}
        for _, field in ipairs {"host", "user"} do
            out[i][field] = hop[field] and checked(s, "proxyjump", tokens.percent(hop[field], known))
        end
    end
    local last = out[#out]
    if last.host == r.hostname and same(last.user, r.user) and (last.port or 22) == r.port then
        fail(s.origin.proxyjump, "proxyjump", nil, "the way to %s leads through itself", r.hostname)
    end
    return out
end

local function jump_text(list)
    if type(list) ~= "table" then return "" end
    local out = {}
    for i, hop in ipairs(list) do
        out[i] = (hop.user and hop.user .. "@" or "") .. hop.host .. (hop.port and ":" .. hop.port or "")
    end
    return table.concat(out, ",")
end

local function copy(value)
    return type(value) == "table" and table.move(value, 1, #value, 1, {}) or value
end

local function with_defaults(s)
    if s.values.hostkeyalias then s.values.hostkeyalias = s.values.hostkeyalias:lower() end
    local r = {origin = s.origin, alias = s.alias, sendenv = {}, setenv = {}}
    for name, value in pairs(options.defaults) do r[name] = copy(value) end
    for name in pairs(options.honoured) do
        if s.values[name] ~= nil then r[name] = s.values[name] end
    end
    r.hostname, r.user, r.identityfile = s.host, current_user(s), identities(s)
    return r
end

local function finish(s)
    local r = with_defaults(s)
    s.jump = jump_text(r.proxyjump)
    expand_files(s, r, all_tokens(s, r.hostname, s.alias))
    r.identityagent, r.forwardagent = socket(r.identityagent), socket(r.forwardagent)
    r.proxyjump = jumps(s, r)
    local command = r.proxycommand or "none"
    r.proxycommand = nil
    if command:lower() ~= "none" then
        r.proxycommand = checked(s, "proxycommand", tokens.percent(command, proxy_tokens(s, r)))
    end
    return r
end

-- ---- the evaluation ----

-- A name is put into commands (Match exec, ProxyCommand): ssh takes none that a shell would read otherwise.
local function check_host(name)
    if name == "" or name:find "^%-" or name:find "['`\"$\\;&<>|(){}%s%c]" then
        err.usage("'%s' is no name of a host", name)
    end
end

local function check_user(name)
    if name == "" or name:find "^%-" or name:find "['`\";&<>|(){}%c]" or name:find "%s%-" or name:find "\\$" then
        err.usage("'%s' is no name of a user", name)
    end
end

local function known_names()
    local names = {"host", "match", "include"}
    for _, list in ipairs {options.honoured, options.refused, options.harmless} do
        for name in pairs(list) do names[#names + 1] = name end
    end
    return names
end

-- alias: as given. host: what Host is compared with, and at the end where to connect. values, origin: what was set,
-- and where.
local function new_state(alias, opts)
    local s = {
        alias = alias, host = alias, config = opts.config, home = opts.home or host.home(), me = host.user(),
        values = {user = opts.user, port = opts.port}, origin = {}, known = known_names, final = false,
    }
    if not s.me then
        local uid = host.facts().uid
        s.me = {uid = uid, name = tostring(uid)}
    end
    return s
end

local function use_hostname(s)
    local name = target(s)
    s.host = address.normal(name) or name:lower()
end

---@class rshell.SshConfigOptions
---@field user string?
---@field port integer?
---@field config string|false|nil a file in place of the usual ones; false for none
---@field options table<string, any>? as with -o: {Compression = "yes"}; a list gives an option several times
---@field home string?

--- What the configuration says about a host. May wait; raises kind config. The result has the honoured options by
--- their names in small letters, `alias`, and `origin`: for each that was set, the file and the line. identityagent is
--- a path, or "none" when none shall be asked.
---@param alias string
---@param opts rshell.SshConfigOptions?
---@return table
function M.evaluate(alias, opts)
    opts = opts or {}
    check_host(alias)
    if opts.user then check_user(opts.user) end
    local s = new_state(alias, opts)
    read_options(s, opts.options or {})
    read_files(s)
    use_hostname(s)
    if s.wants_final then
        s.final = true
        read_files(s)
    end
    refuse(s)
    return finish(s)
end

--- Raises kind config for what can be right for no host: options that ssh doesn't know or that have no such value, and
--- a file that can't be read.
---@param opts rshell.SshConfigOptions
function M.check(opts)
    local s = new_state("", opts)
    read_options(s, opts.options or {})
    local file = opts.config
    if not file or file:lower() == "none" then return end
    if not content(s, root(file, true, false)) then bad({file = file}, "there is no such file") end
end

-- ---- algorithms ----

local function add_matching(into, list, names)
    for _, wanted in ipairs(names) do
        for _, name in ipairs(list) do
            if not into[name] and pattern.match(name, wanted) then
                into[name] = true
                into[#into + 1] = name
            end
        end
    end
end

local function names_of(text)
    local names = {}
    for name in text:gmatch "[^,]+" do names[#names + 1] = name end
    return names
end

local function removed(defaults, hidden)
    local out = {}
    for _, name in ipairs(defaults) do
        if pattern.list(name, hidden) == nil then out[#out + 1] = name end
    end
    return out
end

--- Applies "+a,b", "-a*", "^a" or "a,b" to a default list. What is not supported is left out; the result may be empty.
---@param text string?
---@param defaults string[]
---@param supported string[]? defaults
---@return string[]
function M.algorithms(text, defaults, supported)
    if not text then return defaults end
    local how, rest = text:match "^([-+^]?)(.*)$"
    if how == "-" then return removed(defaults, rest) end
    local out = {}
    if how == "+" then add_matching(out, defaults, {"*"}) end
    add_matching(out, supported or defaults, names_of(rest))
    if how == "^" then add_matching(out, defaults, {"*"}) end
    return table.move(out, 1, #out, 1, {})
end

return M
