-- Logging in: the agent's keys, key files, keyboard-interactive, password, in this order, as far as the server takes
-- them.

local agent = require "rshell.ssh.agent"
local ask = require "rshell.ask"
local burst = require "rshell.ssh.burst"
local err = require "rshell.shared.error"
local fs = require "rshell.sys.fs"
local raw = require "rshell.ssh.raw"
local task = require "rshell.task"

local M = {}

local AGENT_SECONDS = 20 -- there may be somebody who has to confirm
local LOGIN_SECONDS = 120 -- and at the server, where a second factor is asked for; it gives up by itself then
local ASK_TRIES = 3

-- Keys that were decrypted, by path: a passphrase is asked for once, for all hosts.
local loaded = {}
-- Files whose passphrase is being asked for, by path.
local loading = {}

---@class rshell.ssh.Login
---@field session userdata
---@field opts table of ssh(): password, passphrase
---@field config table
---@field who string user@host, for prompts
---@field seconds number that the server may take for an answer
---@field tried string[]
---@field methods string? what the server accepts, once it has said so

local function accepts(l, method)
    return not l.methods or (("," .. l.methods .. ","):find("," .. method .. ",", 1, true) ~= nil)
end

--- Notes what was tried; true when we are in.
local function judge(l, what, verdict, text, name)
    if verdict == nil then
        err.raise {kind = err.kind_of(name), message = ("the connection broke while logging in: %s"):format(text)}
    end
    l.tried[#l.tried + 1] = what
    if verdict == "accepted" then return true end
    l.methods = l.session:methods()
    return false
end

--- One attempt. A server that doesn't answer is a timeout; people who are asked have their time.
local function attempt(l, how, ...)
    local patience = (how == "password" or how == "ask") and LOGIN_SECONDS or 0
    return task.timeout(math.max(l.seconds, patience), l.session.auth, l.session, how, ...)
end

-- ---- keys ----

local function value_of(secret, ...)
    if type(secret) == "function" then return secret(...) end
    return secret
end

local function ask_passphrase(l, path)
    for _ = 1, ASK_TRIES do
        local phrase = value_of(l.opts.passphrase, path)
        local given = phrase ~= nil
        if not given then
            if l.opts.batch or not ask.possible() then return nil, "needs a passphrase" end
            phrase = ask.line(("passphrase for key '%s': "):format(path), false)
            if phrase == nil then return nil, "no passphrase was given" end
        end
        local key = raw.load_key(path, phrase)
        if key then return key end
        if given then return nil, "the passphrase is wrong" end
    end
    return nil, "the passphrase is wrong"
end

--- The private key in this file. Several hosts that need it wait for one question.
local function load(l, path)
    while loading[path] do loading[path]:wait() end
    if loaded[path] then return loaded[path] end
    local event = task.event()
    loading[path] = event
    local ok, key, why = pcall(function()
        local key = raw.load_key(path)
        if key then return key end
        return ask_passphrase(l, path)
    end)
    loading[path] = nil
    event:notify()
    if not ok then error(key, 0) end
    loaded[path] = key
    return key, why
end

--- The public half beside a private key: type, base64; nothing where there is none.
local function public_half(path)
    local text = burst.once("public " .. path, fs.read, path .. ".pub")
    return (text or ""):match "^(%S+)%s+(%S+)"
end

--- True unless the server, asked with the public half, says that it would not take the key: then nobody is asked for a
--- passphrase in vain.
local function welcome(l, path)
    local type, base64 = public_half(path)
    local public = type and raw.public_key(type, base64)
    if not public then return true end
    local verdict = attempt(l, "offer", public)
    if verdict == "denied" then l.methods = l.session:methods() end
    return verdict ~= "denied"
end

--- The private key in this file where it needs no passphrase, nil where it does, false where there is none.
local function plain_key(path)
    if not fs.exists(path) then return false end
    return (raw.load_key(path))
end

local function try_file(l, path)
    local shown = path
    local key, why = burst.once("key " .. path, plain_key, path), nil
    if key == false then
        if l.config.identity_given then l.tried[#l.tried + 1] = shown .. " (not there)" end
        return false
    end
    if not key then
        if not loaded[path] and not welcome(l, path) then
            l.tried[#l.tried + 1] = shown
            return false
        end
        key, why = load(l, path)
    end
    if not key then
        l.tried[#l.tried + 1] = ("%s (%s)"):format(shown, why or "can't be read")
        return false
    end
    return judge(l, shown, attempt(l, "key", key))
end

--- The agent's keys that may be offered: those of the identity files first; with IdentitiesOnly, only those.
local function chosen(l, keys)
    local base64 = require "rshell.ssh.base64".encode
    local wanted, first, rest = {}, {}, {}
    for _, path in ipairs(l.config.identityfile or {}) do
        local _, blob = public_half(path)
        if blob then wanted[blob] = true end
    end
    for _, key in ipairs(keys) do
        local list = wanted[base64(key.blob)] and first or rest
        list[#list + 1] = key
    end
    if l.config.identitiesonly then return first end
    return table.move(rest, 1, #rest, #first + 1, first)
end

local function try_agent(l)
    local path = l.config.identityagent or os.getenv "SSH_AUTH_SOCK"
    if not path or path == "" or path == "none" then return false end
    local keys = agent.keys(path, math.min(AGENT_SECONDS, l.seconds))
    if not keys then
        l.tried[#l.tried + 1] = "agent (does not answer)"
        return false
    end
    keys = chosen(l, keys)
    if #keys == 0 then return false end
    -- Where it is the server that doesn't go on.
    local patience = l.opts.connect_timeout or AGENT_SECONDS
    return judge(l, ("agent (%d key%s)"):format(#keys, #keys == 1 and "" or "s"),
        task.timeout(patience + l.seconds, agent.login, l.session, path, keys, patience))
end

local function try_keys(l)
    if not accepts(l, "publickey") or l.config.pubkeyauthentication == false then return false end
    if not l.opts.keyfile and try_agent(l) then return true end
    for _, path in ipairs(l.config.identityfile or {}) do
        if not accepts(l, "publickey") then return false end
        if try_file(l, path) then return true end
    end
    return l.opts.keyfile ~= nil and not l.config.identitiesonly and accepts(l, "publickey") and try_agent(l)
end

-- ---- passwords ----

local function password(l, again)
    local secret = value_of(l.opts.password)
    if secret ~= nil then return tostring(secret), true end
    if l.opts.batch or not ask.possible() then return nil end
    local refused = again and "Permission denied, please try again.\n" or ""
    return ask.line(("%s%s's password: "):format(refused, l.who), false)
end

local function answer_all(l, questions, instruction)
    local secret = l.opts.password ~= nil and password(l)
    for i, q in ipairs(questions) do
        local answer = not q.echo and secret or nil
        if not answer then
            if l.opts.batch or not ask.possible() then return false end
            answer = ask.line(("%s%s"):format(instruction ~= "" and instruction .. "\n" or "", q.prompt), q.echo)
        end
        if not answer then return false end
        l.session:answer(i, answer)
    end
    return true
end

local function try_interactive(l)
    if not accepts(l, "keyboard-interactive") or l.config.kbdinteractiveauthentication == false then return false end
    for _ = 1, l.opts.password ~= nil and 1 or l.config.numberofpasswordprompts or ASK_TRIES do
        local verdict, text, name = attempt(l, "ask")
        while verdict == "asks" do
            local _, instruction, questions = l.session:questions()
            if not answer_all(l, questions, instruction) then return false end
            verdict, text, name = attempt(l, "ask")
        end
        if judge(l, "keyboard-interactive", verdict, text, name) then return true end
        if not accepts(l, "keyboard-interactive") or (l.opts.batch and l.opts.password == nil) then return false end
    end
    return false
end

local function try_password(l)
    if not accepts(l, "password") or l.config.passwordauthentication == false then return false end
    for try = 1, l.opts.password ~= nil and 1 or l.config.numberofpasswordprompts or ASK_TRIES do
        local secret, given = password(l, try > 1)
        if not secret then return false end
        if judge(l, "password", attempt(l, "password", secret)) then return true end
        if given or not accepts(l, "password") then return false end
    end
    return false
end

local WAYS = {
    publickey = try_keys, ["keyboard-interactive"] = try_interactive, password = try_password,
}

--- The ways in the order of PreferredAuthentications. Keys need no question first; passwords do, so that none is
--- asked for that the server wouldn't take.
local function ways(l)
    local list = {}
    local order = l.config.preferredauthentications or "publickey,keyboard-interactive,password"
    for name in (type(order) == "table" and table.concat(order, ",") or order):gmatch "[^,]+" do
        local way = WAYS[name]
        if way and way ~= try_keys then
            list[#list + 1] = function() return not l.methods and judge(l, nil, attempt(l, "none")) end
        end
        list[#list + 1] = way
    end
    return list
end

--- "KEY, password (3 times)": each once, in their order.
local function listed(tried)
    local names, times = {}, {}
    for _, what in ipairs(tried) do
        if not times[what] then names[#names + 1] = what end
        times[what] = (times[what] or 0) + 1
    end
    for i, what in ipairs(names) do
        if times[what] > 1 then names[i] = ("%s (%d times)"):format(what, times[what]) end
    end
    return table.concat(names, ", ")
end

local HINTS = {
    password = "is it the right account? User in ssh_config, or USER@HOST, names another",
    publickey = "see which key belongs there: ssh-add -l lists the agent's, keyfile= or IdentityFile names another",
}
HINTS["keyboard-interactive"] = HINTS.password

--- Logs in, or raises kind `auth` with what was tried and what the server takes.
---@param l rshell.ssh.Login
function M.login(l)
    l.tried = {}
    for _, way in ipairs(ways(l)) do
        if way(l) then return end
    end
    local tried = #l.tried > 0 and "tried " .. listed(l.tried) or "there was nothing to try"
    err.raise {
        kind = "auth",
        message = ("%s: permission denied; %s; the server takes %s"):format(l.who, tried, l.methods or "?"),
        hint = HINTS[l.tried[#l.tried]] or HINTS.publickey,
    }
end

return M
