-- rshell-agent --self-test: does what it is made of work on this machine? A child process, a file, digests.

local fs = require "rshell.sys.fs"
local hash = require "rshell.sys.hash"
local proc = require "rshell.sys.proc"
local task = require "rshell.task"

local function check(what, got, expected)
    if got ~= expected then error(("%s: %s expected, got %s"):format(what, expected, got), 0) end
end

local function child()
    local r = assert(proc.run {stages = {{argv = {"sh", "-c", "read x; echo $x; exit 3"}}}, input = "in\n"})
    check("output of a child", r.stdout, "in\n")
    check("status of a child", r.exits[1].code, 3)
end

local function file()
    local dir = assert(fs.mktemp_dir())
    local _ <close> = setmetatable({}, {__close = function() fs.remove(dir, {recursive = true}) end})
    local path, text = dir .. "/file", ("some bytes \0\255 "):rep(10000)
    assert(fs.write(path, text))
    check("what a file holds", assert(fs.read(path)) == text, true)
    check("checksum of a file", assert(fs.checksum(path, "sha256")), hash.sha256(text))
end

--- No module comes from the target's disk, whatever the environment says.
local function modules()
    check("ways to find a module", #package.searchers, 2)
    check("a module that isn't ours", pcall(require, "lfs"), false)
end

local function digest()
    check("digest", hash.sha256 "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    check("digest", hash.xxh64 "abc", "44bc2cf5ad770999")
end

--- Prints ok, or raises.
---@return integer status
return function()
    for _, test in ipairs {child, file, digest, modules} do task.spawn(test):await() end
    io.write "ok\n"
    return 0
end
