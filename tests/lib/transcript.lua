-- Transcripts: pages of prose with blocks of what one sees at a terminal, each of which is typed and compared.
-- tests/transcripts/README.md says how they are written.

local rshell = require "rshell"
local read = require "rshell.repl.read"
local screen = require "screen"

local M = {}

local COLUMNS = 160
local SECONDS = 90 -- against hangs only
local PS1 = "\27[0m$ "

-- ---- pages ----

---@class tests.Line
---@field text string as it is written
---@field number integer in the file
---@field prompt string? what stands before what is typed
---@field typed string? behind it

local PROMPTS = {"^%$ ?", "^rsh[^>\n]*> ?", "^%.%.%.> ?", "^[%w.-]+ lua> ?"}

local function prompt_of(text)
    for _, pattern in ipairs(PROMPTS) do
        local prompt = text:match(pattern)
        if prompt then return prompt end
    end
end

--- The lines of all its blocks.
---@return tests.Line[]
local function lines_of(page)
    local list, number, inside = {}, 0, false
    for text in page:gmatch "([^\n]*)\n" do
        number = number + 1
        if text:find "^```" then
            inside = text == "```console"
        elseif inside then
            local prompt = prompt_of(text)
            list[#list + 1] = {
                text = text, number = number, prompt = prompt and prompt:gsub(" ?$", " "),
                typed = prompt and text:sub(#prompt + 1),
            }
        end
    end
    return list
end

--- Lines that Lua needs to be complete are typed, though no prompt stands before them.
local function join_input(list)
    local open, text
    for _, line in ipairs(list) do
        if open then
            line.more, text = line.text:match "^%s*(.*)$", text .. "\n" .. line.text
            open = not read.is_complete(text)
        elseif line.prompt and line.prompt:find "^rsh" and not line.typed:find "[<^]" then
            text = line.typed
            open = not read.is_complete(text)
        end
    end
    return list
end

-- ---- keys ----

local KEYS = {["^C"] = "\3", ["^D"] = "\4", ["^Z"] = "\26"}

--- Where the next key is named in a text: what was typed before it, the key, what it adds to the line, the rest.
local function next_key(text)
    local first, last, name, adds = text:find "<(%u[%w-]*) ?([^<>]*)>"
    local from, to, control = text:find "(%^[CDZ])"
    if from and (not first or from < first) then return text:sub(1, from - 1), control, nil, text:sub(to + 1) end
    if first then return text:sub(1, first - 1), name, adds ~= "" and adds or nil, text:sub(last + 1) end
end

local NAMED = {Tab = "\t", Up = "\27[A", Down = "\27[B", Left = "\27[D", Right = "\27[C", Esc = "\27", BS = "\127"}

local function bytes_of(key)
    local letter = key:match "^Ctrl%-(%u)$"
    return KEYS[key] or NAMED[key] or letter and string.char(letter:byte() - 64)
        or error("no such key: <" .. key .. ">", 0)
end

--- The line as one sees it.
local function shown(line)
    if line.asks then return line.before .. (line.hidden and "" or line.answer) end
    if not line.prompt then return line.text end
    return (line.text:gsub("<%u[%w-]* ?([^<>]*)>", "%1"):gsub("%^[DZ]", ""))
end

-- ---- steps ----

local function hex(s)
    return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function literal(s)
    return (s:gsub("%.%.%.", "\0"):gsub("[%^%$%.%[%]%(%)%*%+%?%{%}|\\]", "\\%0"):gsub("%z", "[^\n]*"))
end

--- The prompt that is there to be typed at, behind what is already typed there. The prompt of a shell has a mark;
--- before ours the terminal is told that pastes shall be marked.
local function waits_for(prompt, pending)
    if prompt == "$ " then return "\27\\[0m\\$ $" end
    if pending ~= "" then return "\n" .. literal(prompt .. pending) .. "$" end
    return (prompt:find "^%.%.%." and "\n" or "\27\\[\\?2004h") .. literal(prompt) .. "$"
end

local function type_line(add, line)
    local rest, ends = line.rest, true
    while true do
        local before, key, adds, after = next_key(rest)
        if not key then break end
        -- What is typed right before a Ctrl-C would be forgotten with it.
        if before ~= "" then
            add("send", before)
            add("wait", literal(before))
        end
        add("send", bytes_of(key))
        if adds then add("wait", literal(adds)) end
        rest, ends = after, after ~= "" or adds ~= nil
    end
    if ends then add("send", rest .. "\r") end
    return not ends and line.typed:find "<Tab>$" and shown(line):sub(#line.prompt + 1) or ""
end

local function steps_of(list)
    local steps, pending, before = {}, "", nil
    local function add(what, text) steps[#steps + 1] = what .. " " .. hex(text) end
    for _, line in ipairs(list) do
        line.before, line.hidden, line.answer = line.text:match "^(.-)<(%l)[a-z]* ([^<>]*)>$"
        line.hidden = line.hidden == "h"
        line.asks = line.before and not line.prompt
        if line.asks then
            add("wait", literal(line.before) .. "$")
            add("send", line.answer .. "\r")
        elseif line.more then
            add("send", line.more .. "\r")
        elseif line.prompt then
            add("wait", waits_for(line.prompt, pending))
            line.rest = line.typed:sub(#pending + 1)
            pending = type_line(add, line)
        elseif KEYS[line.text] then
            add("wait", literal(before.text) .. "\r+\n$")
            add("send", KEYS[line.text])
        end
        before = line
    end
    add("wait", waits_for("$ ", ""))
    return table.concat(steps, "\n") .. "\n"
end

-- ---- comparing ----

--- What shall be seen. A list takes the place of the line that it is for.
local function seen_of(list)
    local seen = {}
    for _, line in ipairs(list) do
        line.seen = shown(line)
        if not (line.typed and line.typed:find "<Tab>$") then seen[#seen + 1] = line end
    end
    return seen
end

local function pattern_of(text)
    return "^" .. text:gsub("%p", "%%%0"):gsub("%%%.%%%.%%%.", ".-"):gsub("%s+$", "") .. "$"
end

--- Whether the lines are what was wanted; else the first that was not found. A line of dots stands for any lines.
local function compare(want, got)
    local furthest = 1
    local function from(i, j)
        furthest = math.max(furthest, i)
        if i > #want then return j > #got end
        if want[i].seen == "..." then
            for k = j, #got + 1 do
                if from(i + 1, k) then return true end
            end
            return false
        end
        return got[j] ~= nil and got[j]:find(pattern_of(want[i].seen)) ~= nil and from(i + 1, j + 1)
    end
    if not from(1, 1) then return want[furthest] or want[#want] end
end

-- ---- driving ----

--- What came of the steps: the lines of the screen, and what was waited for in vain.
local function drive(steps, where)
    local beside = rshell.here:path(package.searchpath("transcript", package.path)):resolve()
    local c = rshell.here.expect["-f"][beside:with_suffix ".exp"][SECONDS][COLUMNS] << steps
    local env = {PS1 = PS1, TERM = "xterm", NO_COLOR = "1", LC_ALL = "C.UTF-8", ENV = false}
    for name, value in pairs(where.env) do env[name] = value end
    local said = c:with {env = env, cwd = where.cwd}()
    local never, seen = said:match "^never (%x+)\n", said:match "(%x*)\n$"
    local function decode(s) return (s:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)) end
    local lines = screen.render(decode(seen), COLUMNS)
    if not never and lines[#lines] == "$" then lines[#lines] = nil end
    return lines, never and decode(never)
end

--- Types what a page says and compares what is seen; nil, or what is wrong.
---@param file rshell.Path
---@param where {env: table<string, string|false>, cwd: rshell.Path}
---@return string?
function M.check(file, where)
    local want = join_input(lines_of(file:read()))
    local got, never = drive(steps_of(want), where)
    local wrong = compare(seen_of(want), got)
    if not wrong and not never then return nil end
    local all = table.concat(got, "\n")
    if never then all = all .. "\n-- never came: " .. ("%q"):format(never) end
    wrong = wrong or want[#want]
    return ("%s:%d: not seen: %s\n-- seen:\n%s"):format(file.name, wrong.number, wrong.seen, all)
end

return M
