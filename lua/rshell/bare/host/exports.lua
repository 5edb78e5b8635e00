-- What `export -p` prints, of any shell: lines `export NAME='value'`, quoted so that sh would read it again; a value
-- may go over several lines.

local ESCAPES = {a = "\a", b = "\b", e = "\27", E = "\27", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v"}

local READ = {}

--- In single quotes everything is itself.
READ["'"] = function(text, at)
    local stop = text:find("'", at, true) or #text + 1
    return text:sub(at, stop - 1), stop + 1
end

READ['"'] = function(text, at)
    local out = {}
    while at <= #text do
        local c = text:sub(at, at)
        if c == '"' then break end
        if c == "\\" and text:find('^["$`\\]', at + 1) then
            at = at + 1
            c = text:sub(at, at)
        end
        out[#out + 1] = c
        at = at + 1
    end
    return table.concat(out), at + 1
end

--- One escape of $'...': what it stands for, and where the next byte is.
local function escape(text, at)
    local octal = text:match("^[0-7][0-7]?[0-7]?", at)
    if octal then return string.char(tonumber(octal, 8) & 255), at + #octal end
    local hex = text:match("^x(%x%x?)", at)
    if hex then return string.char(tonumber(hex, 16)), at + 1 + #hex end
    local c = text:sub(at, at)
    return ESCAPES[c] or c, at + 1
end

READ["$'"] = function(text, at)
    local out = {}
    while at <= #text do
        local c = text:sub(at, at)
        if c == "'" then break end
        if c == "\\" then
            c, at = escape(text, at + 1)
        else
            at = at + 1
        end
        out[#out + 1] = c
    end
    return table.concat(out), at + 1
end

--- A word: pieces in different quotes, up to the end of the line.
local function word(text, at)
    local out = {}
    while at <= #text and text:sub(at, at) ~= "\n" do
        local piece
        local sign = text:sub(at, at + 1) == "$'" and "$'" or text:sub(at, at)
        if READ[sign] then
            piece, at = READ[sign](text, at + #sign)
        elseif sign == "\\" then
            piece, at = text:sub(at + 1, at + 1), at + 2
        else
            piece, at = sign, at + 1
        end
        out[#out + 1] = piece
    end
    return table.concat(out), at + 1
end

--- A table of the variables; those that have no value are not in the environment.
---@param text string
return function(text)
    local env, at = {}, 1
    while at <= #text do
        local name, value = text:match("^%l+[ %-%l]* ([%a_][%w_]*)=()", at)
        if name then
            env[name], at = word(text, value)
        else
            at = (text:find("\n", at, true) or #text) + 1
        end
    end
    return env
end
