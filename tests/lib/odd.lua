-- What something on the way may trip over: names, bytes. And folders for it.

local M = {}

--- A folder on m that goes when the test has ended.
function M.dir(t, m)
    local dir = m:tempdir()
    t.defer(function() dir:close() end)
    return dir
end

--- Names of files.
M.names = {
    "a b", " lead", "trail ", "it's", 'say "hi"', "new\nline", "cr\rlf", "tab\t", "-n", "--", "-", "~", "~root",
    "$HOME", "`id`", "$(id)", "back\\slash", "trail\\", "*", "?", "[x]", "a;b", "a&b", "a|b", "<>", "#", "!", "%s%n",
    "{a,b}", "=", ":", "@", ",",
    "ü", "日本", "\xff\xfe", "\xc3", "\1\2\27[31m", "\127", "...", "..x", ".hidden", ("x"):rep(255),
}

--- All bytes, more than once.
M.bytes = (function()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    local once = table.concat(all)
    return once .. once:reverse() .. once
end)()

return M
