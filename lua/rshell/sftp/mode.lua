-- Modes as chmod takes them, worked out here: SFTP sets numbers only.

local WHO = {u = tonumber("4700", 8), g = tonumber("2070", 8), o = tonumber("1007", 8)}
local ALL = tonumber("7777", 8)
local EXECUTABLE = tonumber("111", 8)
local PERMISSIONS = {
    r = tonumber("444", 8), w = tonumber("222", 8), x = EXECUTABLE, s = tonumber("6000", 8), t = tonumber("1000", 8),
}
local SHIFT = {u = 6, g = 3, o = 0}

--- What the letters after an operator stand for.
local function bits_of(letters, mode, is_dir)
    local bits = 0
    for c in letters:gmatch "." do
        if c == "X" then
            if is_dir or mode & EXECUTABLE ~= 0 then bits = bits | EXECUTABLE end
        elseif SHIFT[c] then
            local three = mode >> SHIFT[c] & 7
            bits = bits | three << 6 | three << 3 | three
        else
            bits = bits | PERMISSIONS[c]
        end
    end
    return bits
end

local function apply(mode, clause, umask, is_dir)
    local who, rest = clause:match "^([ugoa]*)(.*)$"
    local mask = 0
    for c in who:gmatch "." do mask = mask | (WHO[c] or ALL) end
    if who == "" then mask = ALL & ~umask end
    for op, letters in rest:gmatch "([-+=])([rwxXstugo]*)" do
        local bits = bits_of(letters, mode, is_dir) & mask
        if op == "+" then
            mode = mode | bits
        elseif op == "-" then
            mode = mode & ~bits
        else
            mode = mode & ~mask | bits
        end
    end
    return mode
end

--- The mode that a number or a string makes of another mode.
---@param what integer|string
---@param mode integer
---@param umask integer for clauses without a class
---@param is_dir boolean?
---@return integer
return function(what, mode, umask, is_dir)
    if type(what) == "number" then return what end
    if what:find "^[0-7]+$" then return (tonumber(what, 8)) end
    for clause in (what .. ","):gmatch "(.-)," do mode = apply(mode, clause, umask, is_dir) end
    return mode
end
