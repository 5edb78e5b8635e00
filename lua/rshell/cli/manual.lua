-- The manual pages as --help shows them: their sources, cut into sections, stripped of their marks and filled anew.

local color = require "rshell.output.color"
local layout = require "rshell.output.layout"

local M = {}

local WIDTH = 79

-- ---- sources ----

local function read_all(path)
    local f <close> = assert(io.open(path, "rb"))
    return f:read "a"
end

--- The source of a file of doc/: in the program, or in the source tree beside lua/.
---@param name string
---@return string
function M.source(name)
    local ok, pages = pcall(require, "rshell.doc.pages")
    if ok then return pages[name:match "[^/]*$"] end
    local _, path = package.searchers[2] "rshell.cli"
    return read_all((path:gsub("lua/rshell/cli%.lua$", "doc/" .. name)))
end

--- The page's sections by title.
---@param page string "rshell-exec"; the program's own without
---@return table<string, string>
function M.sections(page)
    local sections, title = {}, nil
    local text = M.source((page or "rshell") .. ".1.scd")
    text = text:gsub("@connection@\n", function() return M.source "connection.scd" end)
    for line in text:gmatch "(.-)\n" do
        local head = line:match "^# (.*)"
        if head then
            title = head
            sections[title] = ""
        elseif title and line:sub(1, 1) ~= ";" then
            sections[title] = sections[title] .. line .. "\n"
        end
    end
    return sections
end

-- ---- text ----

--- Without the marks of bold and underlined words; an underscore within a word is itself.
local function plain(text)
    local escaped, i = {}, 0
    text = text:gsub("\\(.)", function(c)
        escaped[#escaped + 1] = c
        return "\0"
    end)
    text = text:gsub("%*([^*]+)%*", "%1"):gsub("%f[%w_]_(%S.-)_%f[^%w_]", "%1")
    return (text:gsub("%z", function()
        i = i + 1
        return escaped[i]
    end))
end

--- The paragraphs of a section: text without marks, or what stands between ``` with them, as it is.
---@param section string
---@return {text: string, literal: boolean}[]
function M.paragraphs(section)
    local all = {}
    for p in (section .. "\n\n"):gmatch "\n*(.-)\n\n" do
        local inner = p:match "^```\n(.*)\n```$"
        if p ~= "" then all[#all + 1] = {text = inner or plain(p), literal = inner ~= nil} end
    end
    return all
end

local function add_words(lines, line, margin)
    for word in line:gmatch "%S+" do
        local last = lines[#lines]
        if last and layout.width(last) + 1 + layout.width(word) <= WIDTH then
            lines[#lines] = last:find "%S" and last .. " " .. word or last .. word
        else
            lines[#lines + 1] = margin .. word
        end
    end
end

--- A paragraph with lines that fit a terminal. A line joins the one before, unless that ends in ++ or their indents
--- differ.
---@param paragraph string
---@param margin string
---@return string
function M.fill(paragraph, margin)
    local lines, before, broken = {}, nil, false
    for line in (paragraph .. "\n"):gmatch "(.-)\n" do
        local tabs = line:match "^\t*"
        local indent = margin .. ("    "):rep(#tabs)
        if broken or tabs ~= before then lines[#lines + 1] = indent end
        broken, before = line:find "%+%+$" ~= nil, tabs
        add_words(lines, line:gsub("%+%+$", ""), indent)
    end
    return table.concat(lines, "\n")
end

--- A section as text, its paragraphs behind each other; entries of a list without a line between them.
---@param section string
---@param margin string
---@return string
function M.text(section, margin)
    local parts, was_entry = {}, false
    for i, p in ipairs(M.paragraphs(section)) do
        local is_entry = p.text:find "\n\t" ~= nil
        if i > 1 then parts[#parts + 1] = is_entry and was_entry and "\n" or "\n\n" end
        was_entry = is_entry
        parts[#parts + 1] = p.literal and (margin .. p.text:gsub("\n", "\n" .. margin)) or M.fill(p.text, margin)
    end
    return table.concat(parts)
end

-- ---- what is in a page ----

--- What NAME says behind the dash.
---@param page string?
---@return string
function M.about(page)
    local about = M.paragraphs(M.sections(page).NAME)[1].text:gsub("^.- %- ", "")
    return about
end

--- The entries of a list: for each its head ("-H, --hosts HOSTS") and its text, on one line.
---@param section string?
---@return {head: string, text: string}[]
function M.entries(section)
    local all = {}
    for _, p in ipairs(M.paragraphs(section or "")) do
        local head, text = p.text:match "^([^\n]*)\n(\t.*)$"
        if head then all[#all + 1] = {head = head, text = (text:gsub("%s+", " "):gsub("^ ", ""))} end
    end
    return all
end

--- A heading of what is shown on standard output.
---@param title string
function M.heading(title)
    return color.paint("title", title, 1)
end

return M
