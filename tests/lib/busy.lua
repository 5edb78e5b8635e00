-- Everything that can be under way on a machine at once, for those who then break something.
--
--   local work = busy.start(m, dir, folder)   -- dir is over there, and its content the user's own; folder is here
--   work.tasks                                -- by what they do; none of them ends by itself
--   work.kept                                 -- the pid of a program that is to outlive us
--   work.stopped = true                       -- what is done again and again is not begun anew
--   busy.whole(dir)                           -- whether what was being written there is old or new, and nothing else

local rshell = require "rshell"

local M = {}

local SIZE = 300000
local STUBBORN = "trap '' TERM HUP INT PIPE; echo ready; while :; do sleep 1000; done"

--- Runs fn again and again, and leaves others room.
local function again(work, fn)
    while not work.stopped do
        fn()
        rshell.sleep(0.05)
    end
end

--- A tree over here to be copied.
local function make_tree(folder)
    for i = 1, 30 do (folder / ("f" .. i)):write(("x"):rep(20000)) end
    return folder
end

local ops = {}

function ops.command(m, _, work) m.sleep "1000" end

function ops.stubborn(m, _, work) m:sh(STUBBORN)() end

function ops.commands(m, _, work)
    again(work, function() m.echo "x" end)
end

function ops.pipeline(m)
    (m.yes | m.cat | m:sh "sleep 1000")()
end

function ops.terminal(m, _, work) m.sleep:with {pty = true} "1000" end

function ops.output(m)
    for _ in m:sh "while :; do echo line; sleep 0.01; done":lines() do end
end

function ops.background(m, _, work) m:sh "sleep 1000 & sleep 1000"() end

--- Whole with one letter or the other, at every time.
function ops.write(m, dir, work)
    local p, n = m:path(dir, "atomic"), 0
    again(work, function()
        n = n + 1
        p:write((n % 2 == 0 and "a" or "b"):rep(SIZE))
    end)
end

function ops.upload(m, dir, work)
    local from, n = make_tree(work.folder / "tree"), 0
    again(work, function()
        n = n + 1
        m:upload(from, dir .. "/up" .. n)
        m:path(dir, "up" .. n):delete {recursive = true}
    end)
end

function ops.download(m, dir, work)
    make_tree(m:path(dir, "down"):mkdir {exist_ok = true})
    local n = 0
    again(work, function()
        n = n + 1
        m:download(dir .. "/down", work.folder / ("down" .. n))
    end)
end

--- Where it breaks, who is connected sees an end.
function ops.tunnel(m, _, work)
    local l <close> = m:listen(0)
    local t <close> = m:tunnel(0, l.port)
    local s <close> = rshell.here:connect_sock(t.lport)
    local far <close> = l:accept()
    rshell.spawn(pcall, function() again(work, function() far:write(("x"):rep(10000)) end) end)
    repeat until not s:read(100000)
    m:ping()
    again(work, function() m:path "/":stat() end)
end

function ops.listener(m, dir)
    local l <close> = m:listen(dir .. "/socket")
    l:accept()
end

function ops.port(m)
    local l <close> = m:listen(0)
    l:accept()
end

function ops.tempdir(m, _, work)
    local kept <close> = m:tempdir();
    (kept / "file"):write "some"
    again(work, function()
        local d <close> = m:tempdir();
        (d / "sub"):mkdir()
    end)
end

function ops.session(m)
    local s <close> = m:session()
    s:run "sleep 1000"
end

local CONTEXT = [[
    fs.tempdir()
    net.listen(0)
    proc.spawn({"sh", "-c", "trap '' TERM HUP; sleep 1000; :"}):wait()]]

function ops.context(m)
    local conn <close> = m:connect()
    conn:execute(CONTEXT)
end

function ops.loop(m)
    local conn <close> = m:connect()
    conn:execute "while true do end"
end

function ops.list(m, _, work)
    again(work, function() m:path "/usr/bin":list {stat = true} end)
end

function ops.walk(m, _, work)
    again(work, function()
        for _ in m:path "/usr/bin":walk() do end
    end)
end

---@param m rshell.Machine
---@param dir string
---@param folder rshell.Path
function M.start(m, dir, folder)
    (folder / "tree"):mkdir {exist_ok = true}
    local work = {folder = folder, kept = rshell.NOHUP(m.sleep["1000"]), tasks = {}}
    for name, fn in pairs(ops) do
        work.tasks[name] = rshell.spawn(fn, m, dir, work)
    end
    return work
end

---@param dir rshell.Path
function M.whole(dir)
    local text = (dir / "atomic"):exists() and (dir / "atomic"):read() or ("a"):rep(SIZE)
    local letter = text:sub(1, 1)
    return (letter == "a" or letter == "b") and text == letter:rep(SIZE)
end

return M
