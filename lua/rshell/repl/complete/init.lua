-- Completion: what stands before the cursor decides who is asked (context.lua); each source gives candidates. What has
-- to be asked of a machine is asked once, in the background: a key is answered after 0.1 s with what is known by then,
-- and once more when the rest has come, if the line is still the same.
--
-- A candidate is {text=, about=, ending=}: what replaces the word, what it is in a line, and what follows it when it
-- is the only one.

local colour = require "rshell.repl.colour"
local context = require "rshell.repl.complete.context"
local editor = require "rshell.editor"
local listing = require "rshell.repl.complete.listing"
local log = require "rshell.log"
local pending = require "rshell.repl.complete.pending"
local task = require "rshell.task"
local term = require "rshell.term"

local M = {}

local BUDGET = 0.1 -- seconds

local function folds_case()
    return (editor.setting "completion-ignore-case" or "off"):lower() == "on"
end

local function starts(text, word, fold)
    if fold then return text:sub(1, #word):lower() == word:lower() end
    return text:sub(1, #word) == word
end

--- Those that begin with the word, sorted, each once.
local function matching(candidates, word, fold)
    local found, seen = {}, {}
    for _, c in ipairs(candidates) do
        if starts(c.text, word, fold) and not seen[c.text] then
            seen[c.text] = true
            found[#found + 1] = c
        end
    end
    table.sort(found, function(a, b)
        if (a.rank or 1) ~= (b.rank or 1) then return (a.rank or 1) < (b.rank or 1) end
        return a.text < b.text
    end)
    return found
end

local function common(a, b)
    local n = 0
    while n < #a and n < #b and a:byte(n + 1) == b:byte(n + 1) do n = n + 1 end
    while n > 0 and (a:byte(n + 1) or 0) & 0xc0 == 0x80 do n = n - 1 end -- no half of a character
    return a:sub(1, n)
end

--- What a line can be continued with: the candidates, where their word begins (bytes before it), and the tasks of those
--- that are still being asked, or false.
---@param session rshell.repl.Session
---@param line string
---@param at integer bytes before the cursor
---@param budget number? seconds that it may take
function M.find(session, line, at, budget)
    local asking <close> = pending.within(budget or BUDGET)
    local before = line:sub(1, at)
    local what = context.of(session, before, line:sub(at + 1))
    if not what then return {}, at, false end
    local from = at - #what.word -- a source may read another word in its place: ~ is the home folder
    local ok, candidates = pcall(what.source, session, what)
    if not ok then candidates = {} end
    return matching(candidates, what.word, folds_case()), from, asking.late[1] and asking.late or false, what
end

--- What all of them begin with.
local function prefix_of(found)
    local prefix = found[1].text
    for i = 2, #found do prefix = common(prefix, found[i].text) end
    return prefix
end

local function extend(found, from, at, after)
    local prefix = prefix_of(found)
    if #found == 1 then
        local ending = found[1].ending or ""
        if ending ~= "" and after:sub(1, #ending) ~= ending then prefix = prefix .. ending end
    end
    editor.replace(from, at, prefix)
    return prefix
end

local function list(found, late, what)
    local rows, columns = term.size()
    io.write(listing.of(found, columns or 80, (rows or 24) - 4, what and what.shown), "\n")
    if late then io.write(colour.paint("dim", "... still asking"), "\n") end
end

local following -- {task=}: waits for late answers

--- Forgets what the line before was to be continued with.
function M.forget()
    local one = following
    following = nil
    if one then one.task:cancel() end
end

--- Answers the key once more when all have answered, if nobody has typed on.
local function follow(session, line, at, late, again)
    M.forget()
    local one = {}
    following = one
    one.task = task.spawn(function()
        for _, t in ipairs(late) do pcall(t.await, t) end
        if following ~= one then return end
        following = nil
        local now, where = editor.text()
        if now == line and where == at then M.key(session, again) end
    end)
end

local function answer(session, again)
    local line, at = editor.text()
    local found, from, late, what = M.find(session, line, at)
    if late then follow(session, line, at, late, again) end
    if #found == 0 then
        if late and again then io.write(colour.paint("dim", "... still asking"), "\n") end
        return
    end
    local word, prefix = line:sub(from + 1, at), prefix_of(found)
    if #found == 1 or #prefix > #word then
        extend(found, from, at, line:sub(at + 1))
    elseif again or (editor.setting "show-all-if-ambiguous" or "off") == "on" then
        list(found, late, what)
    end
end

--- A key asked for completions: the line is continued as far as that is certain; if it isn't at all, they are listed
--- when the key comes again. Whatever goes wrong is no reason to lose the line.
---@param session rshell.repl.Session
---@param again boolean
function M.key(session, again)
    local ok, e = pcall(answer, session, again)
    if not ok then log.write("debug", "prompt", "completion: " .. tostring(e)) end
end

return M
