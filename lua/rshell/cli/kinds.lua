-- What the guide to troubleshooting says about each kind of error: `rshell help KIND`.

local manual = require "rshell.cli.manual"

local M = {}

local WIDTH = 79

local function sections()
    local list, by_name, at = {}, {}, nil
    for line in manual.source "guide/troubleshooting.md":gmatch "(.-)\n" do
        local name = line:match "^## (%l+)$"
        if name then
            list[#list + 1], at = name, {}
            by_name[name] = at
        elseif at then
            at[#at + 1] = line
        end
    end
    return list, by_name
end

--- The kinds that the guide has, in its order.
---@return string[]
function M.names()
    return (sections())
end

--- Markdown without its marks.
local function plain(text)
    return (text:gsub("%[([^%]]*)%]%(([^)]*)%)", "%1"):gsub("`", ""):gsub("%*(%u[^*]*)%*", "%1"))
end

local function wrap(lines, text, first, rest)
    local layout = require "rshell.output.layout"
    for i, line in ipairs(layout.wrap(plain(text), WIDTH - #first)) do
        lines[#lines + 1] = (i == 1 and first or rest) .. line
    end
end

--- Paragraphs and lists are filled anew, blocks are left as they are.
local function filled(section)
    local lines, text, mark, literal = {}, "", "", false
    local function flush()
        if text ~= "" then wrap(lines, text, mark, (" "):rep(#mark)) end
        text, mark = "", ""
    end
    for _, line in ipairs(section) do
        if line:find "^```" then
            flush()
            literal = not literal
        elseif literal then
            lines[#lines + 1] = "    " .. line
        elseif line == "" then
            flush()
            lines[#lines + 1] = ""
        elseif line:find "^- " then
            flush()
            text, mark = line:sub(3), "- "
        else
            text = text .. " " .. line
        end
    end
    flush()
    return (table.concat(lines, "\n"):gsub("^\n+", ""):gsub("\n+$", ""))
end

--- The section about a kind; nil where there is none.
---@param kind string
---@return string?
function M.text(kind)
    local _, by_name = sections()
    if not by_name[kind] then return nil end
    local more = "The guides are in doc/guide of the source; installed in share/doc/rshell/guide."
    return ("%s\n%s\n\n%s\n"):format(manual.heading("Errors of kind " .. kind), filled(by_name[kind]), more)
end

return M
