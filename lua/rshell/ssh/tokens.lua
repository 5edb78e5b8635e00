-- What is replaced in values of ssh_config: %h, ${NAME}, ~. Each gives nil and a text for what can't be.

local host = require "rshell.sys.host"

local M = {}

-- One "${...}" that starts at i: its value and the place after it.
local function variable(s, i)
    local name, after = s:match("^%${([^}]*)}()", i)
    if not name then return nil, "a '${' without '}'" end
    if name == "" then return nil, "'${}' names no variable" end
    local value = os.getenv(name)
    if not value then return nil, ("the environment has no %s"):format(name) end
    return value, after
end

local function token(s, i, tokens)
    local c = s:sub(i + 1, i + 1)
    if c == "%" then return c, i + 2 end
    if c == "" then return nil, "a '%' at the end" end
    local value = tokens[c]
    if not value then return nil, ("%%%s means nothing here"):format(c) end
    return value, i + 2
end

-- Replaces what `tokens` has (nil: % is a letter like others) and, if variables is set, ${NAME}. In one go: what was
-- put in isn't looked at again.
local function expand(s, tokens, variables)
    local out, i = {}, 1
    while true do
        local at = s:find("[%%$]", i)
        if not at then
            out[#out + 1] = s:sub(i)
            return table.concat(out)
        end
        out[#out + 1] = s:sub(i, at - 1)
        local value, after = s:sub(at, at), at + 1
        if value == "%" and tokens then
            value, after = token(s, at, tokens)
        elseif variables and s:sub(at, at + 1) == "${" then
            value, after = variable(s, at)
        end
        if not value then return nil, after end
        out[#out + 1], i = value, after
    end
end

---@param s string
---@param tokens table<string, string>
---@return string? expanded
---@return string? text
function M.percent(s, tokens)
    return expand(s, tokens, false)
end

---@param s string
---@return string? expanded
---@return string? text
function M.dollar(s)
    return expand(s, nil, true)
end

--- "~/x" and "~user/x".
---@param s string
---@param home string
---@return string? expanded
---@return string? text
function M.tilde(s, home)
    local user, rest = s:match "^~([^/]*)/*(.*)$"
    if not user then return s end
    local dir = home
    if user ~= "" then
        local account = host.user(user)
        if not account then return nil, ("there is no user %s"):format(user) end
        dir = account.home
    end
    return dir .. (dir:sub(-1) == "/" and "" or "/") .. rest
end

--- A file's name: ~ first, then tokens and variables.
---@param s string
---@param home string
---@param tokens table<string, string>
---@return string? expanded
---@return string? text
function M.file(s, home, tokens)
    local path, text = M.tilde(s, home)
    if not path then return nil, text end
    return expand(path, tokens, true)
end

return M
