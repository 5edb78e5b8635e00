-- What ssh printed when it gave up, as an error of ours.

local M = {}

-- The first that is found in a line decides; with the hint, if any.
local SIGNS = {
    {"host key .* revoked", "hostkey"},
    {"remote host identification has changed", "hostkey"},
    {"host key verification failed", "hostkey"},
    {"host key is known for", "hostkey"},
    {"permission denied", "auth"},
    {"too many authentication failures", "auth"},
    {"bad configuration option", "config"},
    {"terminating, %d+ bad", "config"},
    {"bad owner or permissions", "config"},
    {"can't open user config file", "config"},
    {"could not resolve", "connect"},
    {"connection refused", "connect"},
    {"no route to host", "unreachable"},
    {"network is unreachable", "unreachable"},
    {"timed out", "timeout"},
    {"timeout, server", "timeout"},
    {"unable to negotiate", "protocol"},
    {"no matching", "protocol"},
    {"bad remote protocol", "protocol"},
    {"banner line contains invalid", "protocol"},
    {"connection closed", "connect"},
    {"connection reset", "connect"},
    {"kex_exchange_identification", "connect"},
}

local HINTS = {
    auth = "see which key belongs there: ssh-add -l lists the agent's, keyfile= or IdentityFile names another",
    hostkey = 'check the fingerprint, then add it: ssh-keyscan shows the key, or host_keys="accept-new"',
}

local CHANGED = "somebody may be in between. If the machine was set up anew: ssh-keygen -R removes the old key"

local function sign_of(lines)
    for _, sign in ipairs(SIGNS) do
        for k = #lines, 1, -1 do
            if lines[k]:lower():find(sign[1]) then return sign[2], lines[k] end
        end
    end
end

--- Where the key stands that doesn't fit.
local function offending(lines)
    for _, line in ipairs(lines) do
        local file, at = line:match "^Offending .- key in (.-):(%d+)"
        if file then return file, math.tointeger(tonumber(at)) end
    end
end

local function changed(lines)
    for _, line in ipairs(lines) do
        if line:find "IDENTIFICATION HAS CHANGED" then return true end
    end
end

--- The fields of an error.
---@param lines string[] what ssh printed
---@param note string? what we know of it ourselves
function M.of(lines, note)
    local kind, line = sign_of(lines)
    local said = (line or lines[#lines] or "it said nothing"):gsub("^ssh: ", ""):gsub("%s+$", "")
    local e = {kind = kind or "connect", message = "ssh: " .. said .. (note and "; " .. note or "")}
    e.hint = HINTS[e.kind]
    if e.kind == "hostkey" then
        e.file, e.line = offending(lines)
        if changed(lines) then
            e.message = ("ssh: the key of the host has changed (%s:%d)"):format(e.file or "known_hosts", e.line or 0)
            e.hint = CHANGED
        end
    end
    return e
end

return M
