-- Is it the machine that it says it is? known_hosts decides; a changed key is refused in every mode but "off".

local ask = require "rshell.ask"
local err = require "rshell.shared.error"
local known = require "rshell.ssh.known_hosts"

local M = {}

---@class rshell.ssh.Identity
---@field names string[] the name that known_hosts has it by, and its address
---@field port integer
---@field type string
---@field key string base64
---@field files string[] user's files first
---@field mode string strict ask accept-new off
---@field hash boolean

local function shown(id)
    return id.port == 22 and id.names[1] or ("[%s]:%d"):format(id.names[1], id.port)
end

local function refuse(id, message, hint, more)
    local e = more or {}
    e.kind, e.message, e.hint = "hostkey", message, hint
    e.fingerprint = known.fingerprint(id.key)
    err.raise(e)
end

local function add(id)
    local ok, text = known.add(id.files[1], id.names[1], id.port, id.type, id.key, {hash = id.hash})
    if not ok then refuse(id, ("can't note the key of %s in %s: %s"):format(shown(id), id.files[1], text)) end
end

local function changed(id, entry)
    local what = ("the key of %s has changed: %s %s, but %s:%d has %s %s"):format(shown(id), id.type,
        known.fingerprint(id.key), entry.file, entry.line, entry.type, known.fingerprint(entry.key))
    local hint = "somebody may be in between. If the machine was set up anew: ssh-keygen -R '%s' -f '%s'"
    refuse(id, what, hint:format(shown(id), entry.file), {file = entry.file, line = entry.line})
end

--- Asks until somebody has decided; who pastes the fingerprint agrees with it.
local function agrees(question, fingerprint)
    repeat
        local answer = ask.now(question, true)
        if not answer then return false end
        local word = answer:match "^%s*(.-)%s*$"
        if word:lower() == "yes" or word:lower() == "y" or word == fingerprint then return true end
        question = "Please type yes, no or the fingerprint: "
    until word:lower() == "no" or word:lower() == "n"
    return false
end

local function ask_user(id)
    local fingerprint = known.fingerprint(id.key)
    local question = ("The key of %s is not known: %s %s\nConnect and remember it (yes/no)? ")
        :format(shown(id), id.type, fingerprint)
    return ask.alone(function()
        -- Somebody else may have asked in the meantime.
        if known.check(id.files, id.names, id.port, id.type, id.key) == "ok" then return true end
        if not agrees(question, fingerprint) then return false end
        add(id)
        return true
    end)
end

--- Raises kind `hostkey` unless the key may be trusted.
---@param id rshell.ssh.Identity
function M.check(id)
    if id.mode == "off" then return end
    local verdict, entry = known.check(id.files, id.names, id.port, id.type, id.key)
    if verdict == "ok" then return end
    if verdict == "revoked" then
        refuse(id, ("the key of %s was revoked (%s:%d)"):format(shown(id), entry.file, entry.line), nil,
            {file = entry.file, line = entry.line})
    end
    if verdict == "changed" then changed(id, entry) end
    if id.mode == "accept-new" then return add(id) end
    if id.mode == "ask" and ask.possible() and ask_user(id) then return end
    refuse(id, ("the key of %s is not known: %s %s"):format(shown(id), id.type, known.fingerprint(id.key)),
        ('check the fingerprint, then add it: ssh-keyscan -p %d %s, or host_keys="accept-new" '
            .. "(-o StrictHostKeyChecking=accept-new)"):format(id.port, id.names[1]))
end

return M
