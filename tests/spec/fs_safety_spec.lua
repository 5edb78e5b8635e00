-- What fs promises when somebody else is at work in the same place, when rights or space are short, and when it is
-- killed.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local fs = require "rshell.sys.fs"

local RSHELL = os.getenv "RSHELL" or arg[-1]

local function sh(command)
    local p = assert(io.popen(command, "r"))
    local out = p:read "a"
    return p:close() and out
end

local function fails(t, name, path, got, text, err, where)
    t.eq(got, nil)
    t.eq(err, name, text)
    t.eq(where, path)
end

local function ok(t, got, text, name, where)
    if got == nil then t.fail(("%s (%s) %s"):format(text, name, where or "")) end
    return got
end

local ROOT = fs.stat("/proc/self").uid == 0

local function need_root(t)
    if not ROOT then t.skip "only root can do this" end
end

local function need(t, command)
    if not os.execute(("command -v %s >/dev/null"):format(command)) then t.skip("there is no " .. command) end
end

-- A program for another process: file is its name, `fs` is there, and so are fails and ok as functions that raise.
local PRELUDE = [[
local fs = require "rshell.sys.fs"
local function eq(a, b) if a ~= b then error(("expected %s, got %s"):format(b, a), 2) end end
local function fails(name, got, text, err, where)
    if got ~= nil or err ~= name then error(("expected %s, got %s %s"):format(name, got, err), 2) end
    return where
end
local function ok(got, text, name, where)
    if got == nil then error(("%s %s %s"):format(text, name, where), 2) end
    return got
end
]]

local function program(t, code)
    local dir = t.tmp()
    ok(t, fs.chmod(dir, 493))
    ok(t, fs.write(dir .. "/program.lua", PRELUDE .. code, {mode = 420}))
    return ("'%s' run '%s/program.lua'"):format(RSHELL, dir)
end

-- Runs code in a process without root's rights: as another account, or as ours when that isn't root. Its folder for
-- temporary files is writable for it.
local function without_rights(t, code)
    local prefix = ""
    if ROOT then
        need(t, "setpriv")
        prefix = "setpriv --reuid=65534 --regid=65534 --clear-groups "
        if not os.execute(("%s '%s' run /dev/null >/dev/null 2>&1"):format(prefix, RSHELL)) then
            t.skip "another account can't run rshell here"
        end
    end
    local out = sh(prefix .. program(t, code .. "\nprint 'passed'") .. " 2>&1; true")
    t.eq(out, "passed\n")
end

-- Runs the program in the background until the test is over; returns how to end it.
local function in_background(t, code)
    local dir = t.tmp()
    local command = program(t, ("local STOP = %q\n"):format(dir .. "/stop") .. code)
    assert(os.execute(("{ %s 2>&1; echo ended; } >%s/out &"):format(command, dir)))
    local function stop()
        ok(t, fs.write(dir .. "/stop", ""))
        for _ = 1, 100 do
            local out = fs.read(dir .. "/out")
            if out and out:find "ended" then return out end
            os.execute "sleep 0.1"
        end
        t.fail "the program in the background doesn't end"
    end
    t.defer(stop)
    return stop
end

-- Trees deeper than any path may be long

local DEEP = 10000

-- A chain of folders called d, with a file at its end.
local function deep_tree(t, dir, n)
    local step = ("/d"):rep(100)
    local path = dir
    for _ = 1, n // 100 do path = path .. step end
    ok(t, fs.mkdir(path, {parents = true}))
    ok(t, fs.write(path .. "/file", "deep"))
    return path
end

spec.test("10,000 folders deep: every path works", function(t)
    local dir = t.tmp()
    local path = deep_tree(t, dir, DEEP)
    t.ok(#path > 2 * DEEP)
    local f = path .. "/file"
    t.eq(fs.stat(f).size, 4)
    t.eq(fs.exists(f), true)
    t.eq(fs.exists(path .. "/nothing"), false)
    t.eq(fs.access(f, "r"), true)
    t.eq(fs.read(f), "deep")
    ok(t, fs.append(f, "er"))
    ok(t, fs.write(f, "deepest"))
    t.same(fs.list(path), {"file"})
    ok(t, fs.rename(f, path .. "/f"))
    ok(t, fs.symlink("f", path .. "/l"))
    t.eq(fs.readlink(path .. "/l"), "f")
    t.eq(fs.read(path .. "/l"), "deepest")
    ok(t, fs.write(path .. "/l", "linked"))
    t.eq(fs.type(path .. "/l"), "link")
    t.eq(fs.resolve(path .. "/l"), fs.resolve(dir) .. path:sub(#dir + 1) .. "/f")
    ok(t, fs.copy(path .. "/f", path .. "/g"))
    ok(t, fs.link(path .. "/f", path .. "/h"))
    ok(t, fs.chmod(path .. "/f", 256))
    ok(t, fs.touch(path .. "/f", {mtime = 5}))
    t.eq(fs.checksum(path .. "/g"), fs.checksum(path .. "/f"))
    t.ok(fs.disk(path))
    t.same(fs.glob(path, "*"), {path .. "/f", path .. "/g", path .. "/h", path .. "/l"})
    ok(t, fs.unlink(path .. "/h"))
    ok(t, fs.truncate(path .. "/g"))
    ok(t, fs.mkdir(path .. "/x"))
    ok(t, fs.rmdir(path .. "/x"))
    ok(t, fs.remove(dir .. "/d", {recursive = true}))
    t.same(fs.list(dir), {})
end)

-- Not as deep, since it makes the tree three times; but longer than any path may be, and than the stack of descriptors.
spec.test("3,000 folders deep: everything that goes through trees works", function(t)
    local dir = t.tmp()
    ok(t, fs.mkdir(dir .. "/a"))
    deep_tree(t, dir .. "/a", 3000)
    local n, w = 0, fs.walk(dir .. "/a", {block = 500})
    while true do
        local block = w:next()
        if not block then break end
        n = n + #block
    end
    t.eq(n, 3001)
    t.eq(#fs.glob(dir, "**/file"), 1)
    ok(t, fs.chmod(dir .. "/a", "go-rwx", {recursive = true}))
    ok(t, fs.chown(dir .. "/a", fs.stat(dir).uid, nil, {recursive = true}))
    t.eq(ok(t, fs.copy(dir .. "/a", dir .. "/b")).files, 1)
    t.eq(#fs.glob(dir .. "/b", "**/file"), 1)
    local c = ok(t, fs.tree_copier(dir .. "/a", dir .. "/b"))
    local got
    repeat got = ok(t, c:next()) until got.done
    t.eq(got.skipped, 1)
    ok(t, fs.remove(dir .. "/a", {recursive = true}))
    ok(t, fs.remove(dir .. "/b", {recursive = true}))
    t.same(fs.list(dir), {})
end)

-- Somebody else at work

-- Swaps the folder `dir` and a link to `outside` as fast as it can.
local SWAP = [[
    local dir, outside = %q, %q
    while not fs.exists(STOP) do
        for _ = 1, 50 do
            if fs.rename(dir, dir .. ".away") then
                fs.symlink(outside, dir)
                fs.unlink(dir)
                fs.rename(dir .. ".away", dir)
            end
        end
    end
]]

local function outside_tree(t)
    local outside = t.tmp()
    for i = 1, 20 do
        ok(t, fs.mkdir(("%s/%d/sub"):format(outside, i), {parents = true}))
        ok(t, fs.write(("%s/%d/sub/file"):format(outside, i), "precious", {mode = 420}))
    end
    return outside
end

local function inside_tree(t, dir)
    for i = 1, 20 do
        ok(t, fs.mkdir(("%s/%d/sub"):format(dir, i), {parents = true, exist_ok = true}))
        ok(t, fs.write(("%s/%d/sub/file"):format(dir, i), "mine"))
    end
end

local function check_outside(t, outside)
    t.eq(#fs.glob(outside, "*/sub/file"), 20)
    for i = 1, 20 do
        local p = ("%s/%d/sub/file"):format(outside, i)
        t.eq(fs.read(p), "precious")
        t.eq(fs.stat(p).mode, 420)
    end
end

spec.test("remove never leaves the tree, whatever is swapped meanwhile", function(t)
    local dir, outside = t.tmp(), outside_tree(t)
    local victim = dir .. "/tree/swapped"
    ok(t, fs.mkdir(victim, {parents = true}))
    local stop = in_background(t, SWAP:format(victim, outside))
    local removed, refused = 0, 0
    local stop_at = os.time() + 4
    repeat
        ok(t, fs.mkdir(victim .. "/x", {parents = true, exist_ok = true}) or true)
        for i = 1, 20 do
            -- Perhaps into the other tree: then it makes nothing there that isn't there already.
            fs.mkdir(("%s/x/%d/sub"):format(victim, i), {parents = true})
        end
        if fs.remove(dir .. "/tree", {recursive = true}) then removed = removed + 1 else refused = refused + 1 end
    until os.time() >= stop_at
    t.eq(stop(), "ended\n")
    fs.remove(outside .. "/x", {recursive = true})
    t.note(removed, " times removed, ", refused, " times something was in the way")
    check_outside(t, outside)
    t.eq(#fs.list(outside), 20)
end)

spec.test("chmod, chown and copy never leave the tree either", function(t)
    local dir, outside = t.tmp(), outside_tree(t)
    local victim = dir .. "/tree/swapped"
    inside_tree(t, victim)
    local stop = in_background(t, SWAP:format(victim, outside))
    local stop_at = os.time() + 3
    repeat
        fs.chmod(dir .. "/tree", "go-rwx", {recursive = true})
        fs.chown(dir .. "/tree", fs.stat(dir).uid, ROOT and 12345 or nil, {recursive = true})
        fs.copy(dir .. "/tree", dir .. "/copy", {override = true})
    until os.time() >= stop_at
    t.eq(stop(), "ended\n")
    check_outside(t, outside)
    if ROOT then t.eq(fs.stat(outside .. "/1/sub/file").gid, fs.stat(outside).gid) end
    for _, path in ipairs(fs.glob(dir .. "/copy", "**/file")) do t.eq(fs.read(path), "mine") end
end)

spec.test("a copy into a place that is swapped lands nowhere else", function(t)
    local dir, outside = t.tmp(), outside_tree(t)
    inside_tree(t, dir .. "/from/swapped")
    ok(t, fs.mkdir(dir .. "/to/swapped", {parents = true}))
    local stop = in_background(t, SWAP:format(dir .. "/to/swapped", outside))
    local stop_at = os.time() + 3
    repeat
        fs.copy(dir .. "/from", dir .. "/to", {override = true})
    until os.time() >= stop_at
    t.eq(stop(), "ended\n")
    check_outside(t, outside)
end)

spec.test("a tree that is moved away while it is gone through", function(t)
    -- Deep enough that the way back goes through "..".
    local dir = t.tmp()
    deep_tree(t, dir .. "/a", 3000)
    for i = 1, 100 do ok(t, fs.write(("%s/a/%d"):format(dir, i), "")) end
    local w, n = ok(t, fs.walk(dir .. "/a", {block = 100})), 0
    while n < 2500 do n = n + #w:next() end
    local middle = dir .. "/a" .. ("/d"):rep(2000)
    ok(t, fs.mkdir(dir .. "/other"))
    ok(t, fs.rename(middle, dir .. "/other/d"))
    local got, text, name
    repeat got, text, name = w:next() until not got
    t.eq(name, "ESTALE", text)
    t.eq(w:next(), nil)
    ok(t, fs.remove(dir .. "/other", {recursive = true}))
    ok(t, fs.remove(dir .. "/a", {recursive = true}))
end)

spec.test("readers see the old file or the new one", function(t)
    local f = t.tmp() .. "/f"
    local old, new = ("o"):rep(100000), ("n"):rep(150000)
    ok(t, fs.write(f, old))
    local stop = in_background(t, ([[
        local f = %q
        while not fs.exists(STOP) do
            ok(fs.write(f, ("n"):rep(150000)))
            ok(fs.write(f, ("o"):rep(100000)))
        end
    ]]):format(f))
    for i = 1, 2000 do
        local data = fs.read(f)
        if data ~= old and data ~= new then t.fail("half a file at " .. i) end
    end
    t.eq(stop(), "ended\n")
    t.eq(#fs.list(f:match "^(.*)/"), 1)
end)

-- Several tasks

spec.test("a handle that one task waits on", function(t)
    local has, task = pcall(require, "rshell.task")
    if not has then t.skip "there are no tasks in this Lua" end
    local p = t.tmp() .. "/p"
    assert(os.execute("mkfifo " .. p))
    local f, g = ok(t, fs.open(p, "r+")), ok(t, fs.open(p, "r+"))
    local reading = task.spawn(function() return f:read(1) end)
    task.sleep(0.05)
    t.raises("another task", f.read, f, 1)
    t.raises("another task", f.write, f, "x")
    reading:cancel()
    t.eq(pcall(reading.await, reading), false)
    t.eq(f:close(), true) -- what still reads has the file to itself
    t.raises("closed", f.read, f)
    ok(t, g:write "x")
    g:close()

    local w = ok(t, fs.walk("/usr/include"))
    local walking = task.spawn(function() return w:next() end)
    task.sleep(0)
    local got, err = pcall(w.next, w)
    t.ok(got or tostring(err):find "another task")
    w:close()
    t.ok(#walking:await() > 0)
end)

-- Killed

-- Copies over and over, and is killed again and again; after each kill what stands under a final name is whole. Returns
-- how many temporary files were left.
local function killed(t, again)
    local dir = t.tmp()
    local from, to = dir .. "/from", dir .. "/to"
    ok(t, fs.mkdir(from))
    for i = 1, 10 do ok(t, fs.write(("%s/%d"):format(from, i), (i .. "\n"):rep(1000000))) end
    local command = program(t, ("local from, to = %q, %q\nwhile true do\n"):format(from, to) .. again .. "\nend")
    local whole, left = 0, 0
    for round = 1, 20 do
        local kill = "{ %s & } 2>%s/err; p=$!; sleep %.3f; kill -9 $p; wait $p 2>/dev/null"
        os.execute(kill:format(command, dir, 0.04 + round * 0.007))
        t.eq(fs.read(dir .. "/err"), "")
        for _, p in ipairs(fs.glob(to, "*")) do
            t.eq(fs.checksum(p), fs.checksum(from .. "/" .. p:match "[^/]*$"), p)
            whole = whole + 1
        end
        left = left + #fs.glob(dir, "**/.rshell-*")
        ok(t, fs.remove(to, {recursive = true, missing_ok = true}))
    end
    t.note(whole, " whole files after 20 kills")
    return left
end

spec.test("a kill leaves no half file and no temporary one", function(t)
    t.eq(killed(t, "ok(fs.copy(from, to)) ok(fs.remove(to, {recursive = true}))"), 0)
end)

spec.test("a kill while files are replaced leaves no half file", function(t)
    -- Between two calls of the system the new file has a name of its own: no kill should hit that but now and then.
    t.ok(killed(t, "ok(fs.copy(from, to, {override = true}))") < 3)
end)

-- Rights

spec.test("owner and group of a replaced file stay", function(t)
    need_root(t)
    local f = t.tmp() .. "/f"
    ok(t, fs.write(f, "1", {mode = 2541})) -- 4755
    ok(t, fs.chown(f, 12345, 23456))
    ok(t, fs.chmod(f, 2541))
    ok(t, fs.write(f, "2"))
    local s = fs.stat(f)
    t.same({s.uid, s.gid, s.mode, s.owner, s.group}, {12345, 23456, 2541, "12345", "23456"})
end)

spec.test("chown", function(t)
    need_root(t)
    local dir = t.tmp()
    ok(t, fs.mkdir(dir .. "/d/e", {parents = true}))
    ok(t, fs.write(dir .. "/d/e/f", ""))
    ok(t, fs.write(dir .. "/outside", ""))
    ok(t, fs.symlink(dir .. "/outside", dir .. "/d/l"))
    ok(t, fs.symlink("d", dir .. "/dl"))
    local function ids(p)
        local s = fs.lstat(dir .. "/" .. p)
        return s.uid .. ":" .. s.gid
    end
    ok(t, fs.chown(dir .. "/d", 1234, nil))
    t.eq(ids "d", "1234:0")
    ok(t, fs.chown(dir .. "/d", nil, 4321))
    t.eq(ids "d", "1234:4321")
    ok(t, fs.chown(dir .. "/d", "root", "root", {recursive = true}))
    t.eq(ids "d", "0:0")
    ok(t, fs.chown(dir .. "/d", "1234", 4321, {recursive = true}))
    t.eq(ids "d/e/f", "1234:4321")
    t.eq(ids "d/l", "1234:4321")
    t.eq(ids "outside", "0:0")
    ok(t, fs.chown(dir .. "/d/l", 7, 7))
    t.eq(ids "outside", "7:7")
    t.eq(ids "d/l", "1234:4321")
    ok(t, fs.chown(dir .. "/d/l", 8, 8, {follow = false}))
    t.eq(ids "d/l", "8:8")
    ok(t, fs.chown(dir .. "/dl", 9, 9, {recursive = true}))
    t.eq(ids "d", "9:9")
    t.eq(ids "d/e", "1234:4321")
    ok(t, fs.chown(dir .. "/d", nil, nil))
    fails(t, "ENOTFOUND", nil, fs.chown(dir .. "/d", "no such user"))
    fails(t, "ENOTFOUND", nil, fs.chown(dir .. "/d", nil, "no such group"))
    fails(t, "ENOENT", nil, fs.chown(dir .. "/none", 0))
    t.raises("not an id", fs.chown, dir, -1)
end)

spec.test("copies give away owners with root's rights", function(t)
    need_root(t)
    local dir = t.tmp()
    ok(t, fs.mkdir(dir .. "/a"))
    ok(t, fs.write(dir .. "/a/f", ""))
    ok(t, fs.symlink("f", dir .. "/a/l"))
    ok(t, fs.chown(dir .. "/a", 123, 456, {recursive = true}))
    ok(t, fs.chmod(dir .. "/a/f", 2541))
    ok(t, fs.copy(dir .. "/a", dir .. "/b"))
    for _, name in ipairs {"", "/f", "/l"} do
        local s = fs.lstat(dir .. "/b" .. name)
        t.same({s.uid, s.gid}, {123, 456})
    end
    t.eq(fs.stat(dir .. "/b/f").mode, 2541)
end)

spec.test("without rights: reading", function(t)
    local dir = t.tmp()
    ok(t, fs.chmod(dir, 493))
    for _, name in ipairs {"a", "closed", "z"} do
        ok(t, fs.mkdir(dir .. "/" .. name))
        ok(t, fs.write(dir .. "/" .. name .. "/f", "x", {mode = 420}))
    end
    ok(t, fs.chmod(dir .. "/a", 493))
    ok(t, fs.chmod(dir .. "/z", 473)) -- 0731: x only, for all but us
    if not ROOT then ok(t, fs.chmod(dir .. "/z", 64)) end
    ok(t, fs.chmod(dir .. "/closed", 0))
    t.defer(fs.chmod, dir .. "/closed", 448)
    t.defer(fs.chmod, dir .. "/z", 448)
    without_rights(t, ("local dir = %q"):format(dir) .. [[
        fails("EACCES", fs.stat(dir .. "/closed/f"))
        fails("EACCES", fs.exists(dir .. "/closed/f"))
        fails("EACCES", fs.list(dir .. "/closed"))
        fails("EACCES", fs.walk(dir .. "/closed"))
        fails("EACCES", fs.read(dir .. "/closed/f"))
        fails("EACCES", fs.resolve(dir .. "/closed/f"))
        eq(fs.access(dir .. "/closed", "r"), false)
        eq(fs.access(dir .. "/closed/f", "f"), false)
        local w, out = ok(fs.walk(dir)), {}
        for _, e in ipairs(w:next()) do out[#out + 1] = e.path:sub(#dir + 2) end
        eq(table.concat(out, " "), "a a/f closed z")
        eq(w:next(), nil)
        local errors = w:errors()
        eq(#errors, 2)
        eq(errors[1].path, dir .. "/closed")
        eq(errors[1].name, "EACCES")
        eq(errors[2].path, dir .. "/z")
        local first, rest = fs.walk_start(dir)
        eq(#first, 4)
        eq(rest:next(), nil)
        eq(#rest:errors(), 2)
        eq(table.concat(fs.glob(dir, "**/f")), dir .. "/a/f" .. dir .. "/z/f") -- z can't be listed, but f be asked for
        eq(table.concat(fs.glob(dir, "*/*")), dir .. "/a/f")
        eq(#fs.glob(dir .. "/closed", "*"), 0)
    ]])
end)

spec.test("without rights: writing", function(t)
    local dir = t.tmp()
    ok(t, fs.chmod(dir, 493))
    ok(t, fs.write(dir .. "/mine", "old content", {mode = 384}))
    ok(t, fs.write(dir .. "/all", "old content", {mode = 438}))
    ok(t, fs.mkdir(dir .. "/open", {mode = 511}))
    ok(t, fs.write(dir .. "/open/all", "old content", {mode = 438}))
    ok(t, fs.write(dir .. "/open/mine", "old content", {mode = 420}))
    if not ROOT then
        ok(t, fs.chmod(dir .. "/mine", 256))
        ok(t, fs.chmod(dir, 320))
        t.defer(fs.chmod, dir, 448)
    end
    local all, open = fs.stat(dir .. "/all").ino, fs.stat(dir .. "/open/all").ino
    without_rights(t, ("local dir, root = %q, %s"):format(dir, ROOT) .. [[
        fails("EACCES", fs.write(dir .. "/mine", "x"))
        fails("EACCES", fs.append(dir .. "/mine", "x"))
        fails("EACCES", fs.write(dir .. "/new", "x"))
        ok(fs.write(dir .. "/all", "new")) -- no temporary file in this folder: in place
        if root then
            fails("EPERM", fs.chmod(dir .. "/all", 0))
            fails("EPERM", fs.chown(dir .. "/all", 65534))
            fails("EPERM", fs.write(dir .. "/all", "newer", {mode = 448}))
            ok(fs.write(dir .. "/open/all", "new")) -- replacing it would change its owner
            fails("EACCES", fs.write(dir .. "/open/mine", "x"))
        end
        fails("EACCES", fs.mkdir(dir .. "/new"))
        fails("EACCES", fs.mkdir(dir .. "/new/x", {parents = true}))
        fails("EACCES", fs.copy(dir .. "/all", dir .. "/new"))
        fails("EACCES", fs.rename(dir .. "/all", dir .. "/new"))
        fails("EACCES", fs.symlink("x", dir .. "/new"))
        fails("EACCES", fs.remove(dir .. "/all"))
    ]])
    t.match(fs.read(dir .. "/all"), "^newe?r?$")
    t.eq(fs.stat(dir .. "/all").ino, all)
    t.eq(fs.stat(dir .. "/open/all").ino, open)
    t.eq(fs.read(dir .. "/mine"), "old content")
    t.same(fs.list(dir), {"all", "mine", "open"})
    t.same(fs.list(dir .. "/open"), {"all", "mine"})
end)

spec.test("without rights: a tree that can be removed in part", function(t)
    local dir = t.tmp()
    ok(t, fs.chmod(dir, 511))
    without_rights(t, ("local dir = %q .. '/tree'"):format(dir) .. [[
        for _, name in ipairs {"a", "b", "c"} do
            ok(fs.mkdir(dir .. "/" .. name, {parents = true}))
            ok(fs.write(dir .. "/" .. name .. "/f", ""))
        end
        ok(fs.mkdir(dir .. "/empty", {mode = 0}))
        ok(fs.chmod(dir .. "/b", 320)) -- 0500
        eq(fails("EACCES", fs.remove(dir, {recursive = true})), dir .. "/b/f")
        eq(table.concat(fs.list(dir), " "), "b") -- the rest has gone, also the folder that can't be read but is empty
        ok(fs.chmod(dir .. "/b", 448))
        ok(fs.remove(dir, {recursive = true}))
        ok(fs.mkdir(dir .. "/x/y", {parents = true}))
        ok(fs.write(dir .. "/x/y/f", ""))
        ok(fs.copy(dir .. "/x", dir .. "/z"))
        ok(fs.chmod(dir, 0, {recursive = true})) -- rights that are taken on the way back
        fails("EACCES", fs.stat(dir .. "/x"))
        ok(fs.chmod(dir, "u=rwX", {recursive = true})) -- and given on the way in
        ok(fs.remove(dir, {recursive = true}))
    ]])
end)

spec.test("a stranger's link in a shared folder is no way to write elsewhere", function(t)
    need_root(t)
    local dir = t.tmp()
    ok(t, fs.chmod(dir, 493))
    ok(t, fs.mkdir(dir .. "/shared", {mode = 1023})) -- 1777
    ok(t, fs.write(dir .. "/target", "precious"))
    ok(t, fs.symlink(dir .. "/target", dir .. "/shared/theirs"))
    ok(t, fs.symlink(dir .. "/target", dir .. "/shared/ours"))
    ok(t, fs.chown(dir .. "/shared/theirs", 65534, 65534, {follow = false}))
    fails(t, "EACCES", nil, fs.write(dir .. "/shared/theirs", "x"))
    t.eq(fs.read(dir .. "/target"), "precious")
    ok(t, fs.write(dir .. "/shared/ours", "x"))
end)

-- Extended attributes

spec.test("ACLs and attributes of a replaced file stay", function(t)
    need(t, "setfattr")
    need(t, "setfacl")
    local dir = t.tmp()
    local f = dir .. "/f"
    ok(t, fs.write(f, "1", {mode = 416}))
    local set = "{ setfattr -n user.note -v kept %s && setfacl -m u:12345:r %s; } 2>/dev/null"
    if not os.execute(set:format(f, f)) then
        t.skip "this file system has no attributes or ACLs"
    end
    local function acl(p) return sh("getfacl -cpn " .. p) end
    local function note(p) return sh("getfattr --only-values -n user.note " .. p .. " 2>/dev/null") end
    local before = acl(f)
    t.match(before, "user:12345:r")
    local ino = fs.stat(f).ino
    ok(t, fs.write(f, "2"))
    t.ne(fs.stat(f).ino, ino)
    t.eq(acl(f), before)
    t.eq(note(f), "kept")
    ok(t, fs.copy(f, dir .. "/g"))
    t.eq(acl(dir .. "/g"), before)
    t.eq(note(dir .. "/g"), "kept")
    ok(t, fs.write(f, "3", {mode = 448}))
    t.eq(fs.stat(f).mode, 448)
    t.match(acl(f), "user:12345:r%-%-[%s#]") -- still there, and without effect

    -- A folder's default ACL is for what is made in it, not for what is replaced or copied.
    ok(t, fs.mkdir(dir .. "/d"))
    ok(t, fs.write(dir .. "/d/old", "1", {mode = 416}))
    assert(os.execute(("setfacl -d -m u:777:rwx,o::r %s/d"):format(dir)))
    before = acl(dir .. "/d/old")
    ok(t, fs.write(dir .. "/d/old", "2"))
    t.eq(acl(dir .. "/d/old"), before)
    ok(t, fs.write(dir .. "/d/new", ""))
    t.match(acl(dir .. "/d/new"), "user:777:rw")
    assert(os.execute(("touch %s/d/touched"):format(dir)))
    t.eq(acl(dir .. "/d/new"), acl(dir .. "/d/touched"))
    ok(t, fs.write(dir .. "/d/masked", "", {umask = 63}))
    t.match(acl(dir .. "/d/masked"), "user:777:rw")
    ok(t, fs.write(dir .. "/plain", "", {mode = 416}))
    ok(t, fs.copy(dir .. "/plain", dir .. "/d/copy"))
    t.eq(acl(dir .. "/d/copy"), acl(dir .. "/plain"))
    ok(t, fs.copy(dir .. "/d", dir .. "/e"))
    t.eq(acl(dir .. "/e"), acl(dir .. "/d"))
    t.eq(acl(dir .. "/e/new"), acl(dir .. "/d/new"))
end)

-- File systems of our own

-- Runs code in a process that has a file system of 256 KB at `small`, where nobody else sees it.
local function on_small_disk(t, code)
    need(t, "unshare")
    local flags = ROOT and "-m" or "-rm"
    local small = t.tmp()
    local mount = ("unshare %s sh -c 'mount -t tmpfs -o size=256k tmpfs %s && %%s'"):format(flags, small)
    if not os.execute(mount:format "true" .. " 2>/dev/null") then t.skip "no file system can be mounted here" end
    local command = program(t, ("local small = %q\n"):format(small) .. code .. "\nprint 'passed'")
    t.eq(sh(mount:format(command:gsub("'", "")) .. " 2>&1; true"), "passed\n")
end

spec.test("a full disk leaves the old file whole, and nothing else", function(t)
    on_small_disk(t, [[
        local old = ("old"):rep(50000)
        local f = small .. "/f"
        ok(fs.write(f, old))
        fails("ENOSPC", fs.write(f, ("n"):rep(200000)))
        assert(fs.read(f) == old)
        fails("ENOSPC", fs.write(f, ("n"):rep(400000), {atomic = false})) -- noticed before anything is written
        assert(fs.read(f) == old)
        fails("ENOSPC", fs.write(small .. "/new", ("n"):rep(200000)))
        eq(fails("ENOSPC", fs.copy(f, small .. "/copy")), small .. "/copy")
        ok(fs.mkdir(small .. "/d"))
        ok(fs.write(small .. "/d/a", "small"))
        ok(fs.symlink(f, small .. "/d/l"))
        ok(fs.link(f, small .. "/d/z"))
        eq(fails("ENOSPC", fs.copy(small .. "/d", small .. "/e")), small .. "/e/z")
        eq(table.concat(fs.list(small), " "), "d e f")
        eq(table.concat(fs.list(small .. "/e"), " "), "a l")
        fails("ENOSPC", fs.append(f, ("n"):rep(200000)))
        ok(fs.remove(small .. "/e", {recursive = true}))
        fails("ENOSPC", ok(fs.open(small .. "/g", "w")):write(("n"):rep(400000)))
        local d = ok(fs.disk(small))
        eq(d.total, 262144)
    ]])
end)

spec.test("moves to another file system", function(t)
    local dir = t.tmp()
    on_small_disk(t, ("local dir = %q"):format(dir) .. [[
        ok(fs.mkdir(small .. "/tree/sub", {parents = true}))
        ok(fs.write(small .. "/tree/sub/f", "x", {mode = 384}))
        ok(fs.touch(small .. "/tree/sub/f", {mtime = 1000.5}))
        ok(fs.symlink("sub", small .. "/tree/l"))
        fails("EXDEV", fs.rename(small .. "/tree", dir .. "/tree"))
        ok(fs.move(small .. "/tree", dir .. "/tree"))
        eq(#fs.list(small), 0)
        eq(fs.stat(dir .. "/tree/sub/f").mtime, 1000.5)
        eq(fs.stat(dir .. "/tree/sub/f").mode, 384)
        eq(fs.readlink(dir .. "/tree/l"), "sub")
        ok(fs.write(small .. "/f", "new"))
        ok(fs.write(dir .. "/f", "old"))
        fails("EISDIR", fs.move(small .. "/f", dir .. "/tree"))
        ok(fs.move(small .. "/f", dir .. "/f"))
        eq(fs.read(dir .. "/f"), "new")
        eq(#fs.list(small), 0)
        ok(fs.mkdir(small .. "/d/e", {parents = true}))
        fails("ENOTDIR", fs.move(small .. "/d", dir .. "/f"))
        fails("ENOTEMPTY", fs.move(small .. "/d", dir .. "/tree"))
        ok(fs.mkdir(dir .. "/empty"))
        ok(fs.move(small .. "/d", dir .. "/empty"))
        ok(fs.exists(dir .. "/empty/e"))
        -- Too great for the small one: nothing is left of the attempt, and the source is whole.
        ok(fs.write(dir .. "/tree/big", ("x"):rep(300000)))
        fails("ENOSPC", fs.move(dir .. "/tree", small .. "/tree"))
        eq(#fs.list(small), 0)
        eq(fs.stat(dir .. "/tree/big").size, 300000)
        eq(table.concat(fs.list(dir), " "), "empty f tree")
        fails("ENOENT", fs.move(dir .. "/none", small .. "/x"))
    ]])
end)

spec.test("without /proc", function(t)
    local bare = ("unshare %s sh -c 'mount -t tmpfs tmpfs /proc && \"%s\" run /dev/null' 2>&1")
        :format(ROOT and "-m" or "-rm", RSHELL)
    if sh(bare) ~= "" then t.skip "this rshell (with sanitizers, say) needs /proc itself" end
    on_small_disk(t, [[
        local d = small .. "/d"
        ok(fs.mkdir(d .. "/sub", {parents = true}))
        assert(os.execute("mkfifo " .. d .. "/p"))
        assert(os.execute "mount -t tmpfs tmpfs /proc")
        eq(#fs.list "/proc", 0)
        ok(fs.write(d .. "/f", "new", {mode = 416}))
        ok(fs.write(d .. "/f", "replaced"))
        eq(fs.read(d .. "/f"), "replaced")
        eq(fs.stat(d .. "/f").mode, 416)
        ok(fs.write(d .. "/g", "x", {umask = 0}))
        eq(fs.stat(d .. "/g").mode, 438)
        ok(fs.write(d .. "/h", "x", {mode = "u=rw,go="}))
        eq(fs.stat(d .. "/h").mode, 384)
        ok(fs.symlink("f", d .. "/l"))
        ok(fs.chmod(d, "go-rwx", {recursive = true}))
        eq(fs.stat(d .. "/sub").mode, 448)
        eq(fs.stat(d .. "/f").mode, 384)
        eq(ok(fs.copy(d, small .. "/e")).files, 5)
        eq(fs.stat(small .. "/e/f").mode, 384)
        eq(fs.resolve(d .. "/l"), fs.resolve(d) .. "/f")
        eq(#fs.list(d), 6)
        ok(fs.remove(d, {recursive = true}))
    ]])
end)

spec.test("a file that is a mount point is written in place", function(t)
    on_small_disk(t, [[
        ok(fs.write(small .. "/a", "a"))
        ok(fs.write(small .. "/b", "b"))
        assert(os.execute(("mount --bind %s/a %s/b"):format(small, small)))
        ok(fs.write(small .. "/b", "new"))
        eq(fs.read(small .. "/a"), "new")
        eq(table.concat(fs.list(small), " "), "a b")
    ]])
end)

spec.finish()
