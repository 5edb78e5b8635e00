local colour = require "rshell.repl.colour"
local page = require "rshell.repl.page"

local M = {
    name = "help", args = "[NAME]", complete = "command",
    about = "tells about the prompt, or about one name",
}

local LINES = {
    {"x = 1 + 1", "Lua; an expression shows its value, _ is the last one, locals stay"},
    {"!df -h", "a program on the machine that :host has set, on this terminal; !! again"},
    {"m = ssh \"web1\"", "a machine; m.uptime() runs a program there, m:path(\"/etc\"):list() lists"},
    {"spawn(f)", "a task; it goes on while you type"},
}

local KEYS = {
    {"Tab", "completes names, programs, hosts and files of any machine; twice lists"},
    {"Ctrl-R", "searches what was typed, here and in other prompts"},
    {"Ctrl-C", "clears the line; while something runs, cancels it"},
    {"Ctrl-D", "leaves, and closes what was opened"},
}

local function overview()
    page.heading "Lines"
    page.rows(LINES)
    page.heading "Keys"
    page.rows(KEYS)
    page.heading "Commands"
    local rows = {}
    for i, command in ipairs(require "rshell.repl.commands".all()) do
        rows[i] = {(":%s %s"):format(command.name, command.args):gsub(" $", ""), command.about}
    end
    page.rows(rows)
    io.write(colour.paint("dim", ":help NAME and :doc m.tunnel say more; so does the manual page rshell(1)"), "\n")
end

local function about_command(command)
    io.write(colour.paint("name", (":%s %s"):format(command.name, command.args)), "\n")
    page.text(command.about)
    if command.more then page.text(command.more) end
end

function M.run(session, name)
    if name == "" then return overview() end
    local command = require "rshell.repl.commands".find((name:gsub("^:", "")))
    if command then return about_command(command) end
    return require "rshell.repl.commands.doc".run(session, name)
end

return M
