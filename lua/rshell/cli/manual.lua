-- The manual page as --help shows it: its source, cut into sections, stripped of its marks and filled anew.

local M = {}

local WIDTH = 79

local function read_all(path)
    local f <close> = assert(io.open(path, "rb"))
    return f:read "a"
end

--- The page's source: in the program, or in the source tree beside lua/.
local function source()
    local ok, text = pcall(require, "rshell.doc.manual")
    if ok then return text end
    local _, path = package.searchers[2] "rshell.cli"
    return read_all((path:gsub("lua/rshell/cli%.lua$", "doc/rshell.1.scd")))
end

--- Without the marks of bold and underlined words; an underscore within a word is itself.
local function plain(text)
    local escaped, i = {}, 0
    text = text:gsub("\\(.)", function(c)
        escaped[#escaped + 1] = c
        return "\0"
    end)
    text = text:gsub("%*([^*]+)%*", "%1"):gsub("%f[%w_]_([^_]+)_%f[^%w_]", "%1"):gsub("_(%.[^_]+)_", "%1")
    return (text:gsub("%z", function()
        i = i + 1
        return escaped[i]
    end))
end

--- The page's sections by title, subsections by "TITLE/subtitle"; names lists the subsections in order.
---@return table<string, string> sections
---@return string[] names
function M.sections()
    local sections, names, title, at = {}, {}, "", nil
    for line in source():gmatch "(.-)\n" do
        local major, minor = line:match "^# (.*)", line:match "^## (.*)"
        if major or minor then
            title = major or title
            at = minor and title .. "/" .. minor or title
            sections[at] = ""
            if minor then names[#names + 1] = minor end
        elseif at and line:sub(1, 1) ~= ";" then
            sections[at] = sections[at] .. line .. "\n"
        end
    end
    return sections, names
end

--- The paragraphs of a section.
---@param section string
---@return string[]
function M.paragraphs(section)
    local all = {}
    for p in (plain(section) .. "\n\n"):gmatch "\n*(.-)\n\n" do
        if p ~= "" then all[#all + 1] = p end
    end
    return all
end

local function add_words(lines, line, margin)
    for word in line:gmatch "%S+" do
        local last = lines[#lines]
        if last and #last + 1 + #word <= WIDTH then
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

return M
