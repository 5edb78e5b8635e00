-- Names of hosts: those that are written down on this machine, and those that are open.

local hosts = require "rshell.hosts"
local opened = require "rshell.opened"
local pending = require "rshell.repl.complete.pending"

local M = {}

local AGE = 10 -- seconds
local owner = {}

function M.candidates(_, what)
    local found = {}
    for _, one in ipairs(opened.list "machine") do
        found[#found + 1] = {text = one.thing.name, about = "connected", ending = what.quote}
    end
    local user = what.word:match "^[^@]+@" or ""
    for _, name in ipairs(pending.ask(owner, "hosts", AGE, hosts.names) or {}) do
        found[#found + 1] = {text = user .. name, ending = what.quote}
    end
    if not what.quote then found[#found + 1] = {text = "here", about = "this machine"} end
    return found
end

return M
