-- Places that are another account of the same machine: sudo, su, doas.

local err = require "rshell.shared.error"
local shell = require "rshell.bare.shell"

local M = {}

local OPTIONS = {user = "text", password = "string|function"}
local WITH_LOGIN = {user = "text", password = "string|function", login = "boolean"}

--- Who ends without a question doesn't let us; after an answer it hasn't liked it, or us.
local function refused(_, t)
    t:ended_with(t.asked and "auth" or "denied")
end

local function account(name, opts)
    if opts.user and (opts.user == "" or opts.user:find "^%-") then
        err.usage("%s: not the name of an account: %q", name, opts.user)
    end
    return {
        what = name, label = "as " .. (opts.user or "root"), password = opts.password, same_net = true,
        refused = refused,
    }
end

--- In words without a dollar sign: sudo -i escapes all that a login shell may take for something else, but that.
local function without_dollars(program)
    local coded = program:gsub("[^%w _./:=,+@%%-]", function(c) return ("\\0%03o"):format(c:byte()) end)
    return ('eval "`printf %%b \'%s\'`"'):format(coded)
end

-- sudo reads a password from its input when it has printed its prompt, and never when it needs none.
M.sudo = {options = WITH_LOGIN}

function M.sudo.place(opts)
    local place = account("sudo", opts)
    place.prompt, place.may_want_terminal = true, true
    function place.argv(_, program, how)
        local argv = {"sudo", "-S", "-p", how.prompt}
        if opts.login then
            argv[#argv + 1] = "-i"
            program = without_dollars(program)
        end
        if opts.user then table.move({"-u", opts.user}, 1, 2, #argv + 1, argv) end
        return table.move({"--", "/bin/sh", "-c", program}, 1, 4, #argv + 1, argv)
    end
    return place
end

-- Some su's and every doas ask at a terminal only. The account may have a shell that lets nobody in, as those of
-- services do: only a login is one with its own shell.
M.su = {options = WITH_LOGIN}

function M.su.place(opts)
    local place = account("su", opts)
    place.terminal = true
    function place.argv(_, program)
        local user = opts.user or "root"
        if opts.login then return {"su", "-l", "-c", shell.line(program), user} end
        return {"su", "-s", "/bin/sh", "-c", program, user}
    end
    return place
end

M.doas = {options = OPTIONS}

function M.doas.place(opts)
    local place = account("doas", opts)
    place.terminal = true
    function place.argv(_, program)
        local argv = {"doas"}
        if opts.user then argv = {"doas", "-u", opts.user} end
        return table.move({"/bin/sh", "-c", program}, 1, 3, #argv + 1, argv)
    end
    return place
end

return M
