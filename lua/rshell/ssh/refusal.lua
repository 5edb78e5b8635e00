-- Why a server refuses to open a channel to somewhere: its own words, as names that all else here uses.

local M = {}

-- Reasons of the protocol, where the text says nothing more.
local PROHIBITED, FAILED = 1, 2

-- What servers pass on of the C library's words.
local WORDS = {
    {"connection refused", "ECONNREFUSED"},
    {"no route to host", "EHOSTUNREACH"},
    {"network is unreachable", "ENETUNREACH"},
    {"timed out", "ETIMEDOUT"},
    {"unknown host", "EAI_NONAME"},
    {"not known", "EAI_NONAME"},
    {"no address associated", "EAI_NONAME"},
    {"no such file", "ENOENT"},
    {"permission denied", "EACCES"},
    {"administratively prohibited", "EPERM"},
    {"not allowed", "EPERM"},
}

--- Text and NAME for a refused channel.
---@param text string libssh's words, or the server's
---@param name string
function M.read(text, name)
    if name ~= "EPROTOCOL" then return text, name end
    local code, said = text:match "error %((%d+)%) (.*)$"
    said = said or text
    for _, word in ipairs(WORDS) do
        if said:lower():find(word[1], 1, true) then return said, word[2] end
    end
    if tonumber(code) == PROHIBITED then
        return "the server does not allow it (AllowTcpForwarding, PermitOpen)", "EPERM"
    end
    return said ~= "" and said or "the connection failed", tonumber(code) == FAILED and "ECONNREFUSED" or name
end

return M
