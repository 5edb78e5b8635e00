-- Places that have a root of their own, or whatever another program leads to: container, chroot, via.

local err = require "rshell.shared.error"
local near = require "rshell.shared.near"
local object = require "rshell.object"

local M = {}

--- 126 and 127 as of a shell: what is to run in there can't, or isn't there.
local function refused(_, t)
    t:ended_with((t.exit.code == 127 or t.exit.code == 126) and "notfound" or "denied", true)
end

local function append(argv, ...)
    return table.move({...}, 1, select("#", ...), #argv + 1, argv)
end

local function check_text(who, what, value)
    if type(value) ~= "string" then err.usage("%s: %s expected, got %s", who, what, object.type(value)) end
    if value == "" or value:find "^%-" or value:find "\0" then err.usage("%s: not %s: %q", who, what, value) end
end

-- ---- containers ----

local function with_user(flag, argv, user)
    return user and append(argv, flag, user) or argv
end

local function docker(engine)
    return function(name, opts, program)
        return append(with_user("-u", {engine, "exec", "-i"}, opts.user), name, "/bin/sh", "-c", program)
    end
end

local function lxc(engine)
    return function(name, opts, program)
        local argv = with_user("--user", {engine, "exec", "-T", name}, opts.user)
        return append(argv, "--", "/bin/sh", "-c", program)
    end
end

-- How each runs a program in a container whose input is ours.
local ENGINES = {
    docker = docker "docker", podman = docker "podman", nerdctl = docker "nerdctl",
    lxc = lxc "lxc", incus = lxc "incus",
}

function ENGINES.kubectl(name, opts, program)
    if opts.user then err.usage "container: kubectl starts programs as the container's user, not as another one" end
    return {"kubectl", "exec", "-i", name, "--", "/bin/sh", "-c", program}
end

local NEEDS_SHELL = "a machine needs /bin/sh in there; a single program can be run with m.cmd"

-- What engines say, always in English: of a container or a pod that isn't there, that doesn't run or has no shell, and
-- where nobody answers for them.
local SAID = {
    {"[Nn]o such container", "notfound"}, {"no container with name", "notfound"},
    {"[Ii]s not running", "connect", "it must be started first"},
    {"container state improper", "connect", "it must be started first"},
    {"[Cc]ontainer %S+ is paused", "connect", "it must be unpaused first"},
    {"[Cc]ontainer %S+ is restarting", "connect"},
    {"completed pod", "connect", "what ran in it has ended"},
    {"[Pp]ermission denied while trying to connect", "denied", "who may talk to the engine? m:sudo() around it may"},
    {"[Cc]annot connect to", "connect", "does the engine run?"},
    {"The connection to the server .* was refused", "connect", "does the engine run?"},
    {'exec: "/bin/sh"', "notfound", NEEDS_SHELL}, {"executable file [`'\"]/bin/sh", "notfound", NEEDS_SHELL},
    {"[Nn]ot ?[Ff]ound", "notfound"},
}

local function no_container(_, t)
    for _, case in ipairs(SAID) do
        if t.said:find(case[1]) then t:ended_with(case[2], true, case[3]) end
    end
    refused(nil, t)
end

M.container = {options = {engine = "text", user = "text"}}

function M.container.place(opts, name)
    check_text("container", "a name", name)
    local engine = opts.engine
    -- An engine may be given with its path.
    local base = engine and engine:match "[^/]*$"
    local build = ENGINES[base or "docker"]
    if not build then
        err.usage("container: no engine '%s'%s", engine, near.suffix(engine, ENGINES))
    end
    local place = {what = engine or "docker", label = "in " .. name, refused = no_container}
    function place.argv(_, program)
        local argv = build(name, opts, program)
        if engine then argv[1] = engine end
        return argv, not engine and "podman" or nil
    end
    return place
end

-- ---- another root ----

M.chroot = {options = {user = "text"}}

-- The home of who we are in there; what we come with is a folder out here.
local HOME = "HOME=~%s;case $HOME in /*);;*)HOME=/;esac;export HOME;"

function M.chroot.place(opts, dir, v)
    local text = require "rshell.path".text(v, dir)
    if opts.user and not opts.user:find "^[%w_][%w_.-]*$" then
        err.usage("chroot: the name or number of an account expected, got '%s'", opts.user)
    end
    local place = {what = "chroot", label = "in " .. text, refused = refused, same_net = true}
    place.prelude = HOME:format(opts.user or "root")
    function place.argv(_, program)
        local argv = {"chroot"}
        if opts.user then argv[2] = "--userspec=" .. opts.user end
        -- Who has become root by su may still search where others do.
        return append(argv, text, "/bin/sh", "-c", program), "/usr/sbin/chroot"
    end
    return place
end

-- ---- through a program of the user's ----

M.via = {options = {}}

local function check_words(words)
    local ok = type(words) == "table" and #words > 0
    for _, word in ipairs(ok and words or {}) do
        ok = ok and type(word) == "string" and not word:find "\0"
    end
    if not ok then
        err.usage "via: a list of words, or a function that makes one of the list that it gets, expected"
    end
    return words
end

function M.via.place(_, way)
    local fn = way
    if type(way) ~= "function" then
        local words = table.move(check_words(way), 1, #way, 1, {})
        function fn(argv) return table.move(argv, 1, #argv, #words + 1, table.move(words, 1, #words, 1, {})) end
    end
    local first = check_words(fn {"/bin/sh", "-c", ":"})[1]
    local name = first:match "[^/]+$" or first
    local place = {what = name, label = "via " .. name, refused = refused}
    function place.argv(_, program) return check_words(fn {"/bin/sh", "-c", program}) end
    return place
end

return M
