-- The files of the bare backend against rshell.sys.fs: both do the same to trees that are alike; their answers must be
-- the same, and what is in the trees then. And each is one round trip.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local bare = require "bare"
local sys = require "rshell.sys.fs"

local NAMES = {
    " ", "-rf", "--", "$HOME", "`id`", "a;b", "a'b", 'a"b', "a\\b", "*", "[a]", "?", "...", "\n", "a\nb", "b\n",
    "\n\n", "%s%n", "\xff\xfe",
    "\xc3\xa4", ("x"):rep(255), "\27[31m", "!a", "(", "{a,b}", "~", "#a", ".h", "..h",
    "a|b", "S1 2|",
}

local function ok(got, text, name, where)
    if got == nil then error(("%s (%s) %s"):format(text, name, where or ""), 2) end
    return got
end

--- Files, folders, links of all sorts, with modes and times of their own.
local function make_tree(root)
    ok(sys.mkdir(root))
    for _, name in ipairs(NAMES) do ok(sys.write(root .. "/" .. name, name, {mode = "640"})) end
    ok(sys.mkdir(root .. "/d/e/f", {parents = true}))
    ok(sys.write(root .. "/d/x\ny", ("data\0\n"):rep(1000) .. "\n\n", {mode = "4755"}))
    ok(sys.write(root .. "/d/e/b.c", ""))
    ok(sys.mkdir(root .. "/empty", {mode = "2750"}))
    for path, target in pairs {
        link = "d", ["file-link"] = "d/x\ny", dead = "no/where\n", loop = "loop", ["d/up"] = "..", [" l"] = "-rf",
    } do
        ok(sys.symlink(target, root .. "/" .. path))
    end
    os.execute(("mkfifo '%s/fifo'"):format(root))
    ok(sys.link(root .. "/*", root .. "/hard"))
    local walker, list = ok(sys.walk(root)), {}
    for block in function() return walker:next() end do table.move(block, 1, #block, #list + 1, list) end
    for i = #list, 1, -1 do
        if list[i].type ~= "link" then ok(sys.touch(list[i].path, {mtime = 1000000000 + i + 0.25})) end
    end
    ok(sys.touch(root, {mtime = 1000000000}))
end

-- What two trees can't have in common.
local APART = {ino = true, ctime = true, atime = true}

-- The tools of busybox know whole seconds only, and a chmod of theirs takes the set-id bits of folders away.
local coarse = false

local function roughly(stat)
    if math.type(stat.mtime) == "float" then stat.mtime = math.floor(stat.mtime) end
    if stat.type == "dir" and stat.mode then stat.mode = stat.mode & 1023 end
end

local function plain(v, root, depth)
    if type(v) == "string" then
        local start, stop = v:find(root, 1, true)
        return start and v:sub(1, start - 1) .. "ROOT" .. v:sub(stop + 1) or v
    end
    if type(v) ~= "table" then return v end
    local out = {}
    for k, x in pairs(v) do
        if not APART[k] then out[k] = plain(x, root, (depth or 0) + 1) end
    end
    -- What has just been made or changed has the time of now.
    if type(out.mtime) == "number" and out.mtime > 1500000000 then out.mtime = "now" end
    if out.type == "dir" then out.size = nil end
    if coarse then roughly(out) end
    return out
end

local function content(root)
    local list, walker = {}, ok(sys.walk(root, {stat = true}))
    for block in function() return walker:next() end do
        for _, e in ipairs(block) do
            e.data = e.type == "file" and sys.read(e.path) or nil
            list[#list + 1] = plain(e, root)
        end
    end
    return list
end

local function all_of(walker, ...)
    if not walker then return nil, ... end
    local list = {}
    for block in function() return walker:next() end do table.move(block, 1, #block, #list + 1, list) end
    return list, walker:errors()
end

-- ---- what is asked ----

local ASK = {}
local PATHS = {
    "", "d", "d/x\ny", "link",
    "link/e", "file-link", "dead", "loop", "loop/a", "fifo", "nope", "nope/a", "d/x\ny/a", "dead/a",
    "empty", "d/up", ("y"):rep(256), ("y"):rep(256) .. "/a", " l", "d/../d",
}
for _, name in ipairs(NAMES) do PATHS[#PATHS + 1] = name end

for _, fn in ipairs {"stat", "lstat", "type", "exists", "readlink", "resolve", "list"} do
    ASK[fn] = function(fs, p) return fs[fn](p) end
end
ASK["type of what is followed"] = function(fs, p) return fs.type(p, {follow = true}) end
ASK["access"] = function(fs, p) return fs.access(p, "rw") end
ASK["list with stat"] = function(fs, p) return fs.list(p, {stat = true}) end
ASK["read"] = function(fs, p) return p:find "/fifo$" and "" or fs.read(p) end
ASK["read a part"] = function(fs, p) return p:find "/fifo$" and "" or fs.read(p, {offset = 3, n = 4}) end
ASK["checksum"] = function(fs, p) return p:find "/fifo$" and "" or fs.checksum(p, "md5") end
ASK["walk"] = function(fs, p) return all_of(fs.walk(p, {stat = true})) end

local FEW = {[""] = true, d = true, link = true, ["d/x\ny"] = true, dead = true, nope = true, loop = true, empty = true}

local ROOT_ASK = {
    glob = function(fs, root)
        local got = {}
        for _, pattern in ipairs {
            "*", "**", "**/", "*/", "d/*", "*/e/*", "**/*.c", ".*", "?", "[!a-z]*", "\\*",
            "\\[a\\]", "link/*", "**/up/*", "d/**/f",
            "a*b", "*\n", "nope/*", "", ".", "./d", "[a", "d/e/../*", "..?*",
        } do
            got[#got + 1] = {pattern, fs.glob(root, pattern), select(2, fs.glob(root, pattern, {stat = true}))}
        end
        return got
    end,
    ["walk: options"] = function(fs, root)
        return {
            all_of(fs.walk(root, {depth = 1})), all_of(fs.walk(root, {depth = 2, dirs = false})),
            all_of(fs.walk(root, {filter = "*.c"})), all_of(fs.walk(root, {dirs = "d"})),
        }
    end,
}

-- ---- what is done ----

local function each(root, fn, ...)
    local got = {}
    for _, name in ipairs {...} do got[#got + 1] = table.pack(fn(root .. "/" .. name)) end
    return got
end

local ODD = {"-rf", "d", "b\n", "link", "file-link", "dead", "loop", "nope", "nope/a", "*/a", "d/x\ny", "empty"}

local function on_odd(fn)
    return function(fs, root)
        return each(root, function(p) return fn(fs, p, root) end, table.unpack(ODD))
    end
end

local DO = {
    write = on_odd(function(fs, p) return fs.write(p, "new\n\0\n") end),
    ["write: mode"] = on_odd(function(fs, p) return fs.write(p, "", {mode = "u=rwx,g+w"}) end),
    ["write: umask"] = on_odd(function(fs, p) return fs.write(p, "1", {umask = 7}) end),
    ["write: not atomic"] = on_odd(function(fs, p)
        return fs.write(p, "longer than it was before", {atomic = false})
    end),
    append = on_odd(function(fs, p) return fs.append(p, "more", {mode = "600"}) end),
    touch = on_odd(function(fs, p) return fs.touch(p, {mtime = 1234567890}) end),
    ["touch: now"] = on_odd(function(fs, p) return fs.touch(p) end),
    truncate = on_odd(function(fs, p) return fs.truncate(p, 3) end),
    mkdir = on_odd(function(fs, p) return fs.mkdir(p, {exist_ok = true}) end),
    ["mkdir: parents"] = on_odd(function(fs, p) return fs.mkdir(p .. "/1/2", {parents = true, mode = "u=rwx,go="}) end),
    unlink = on_odd(function(fs, p) return fs.unlink(p) end),
    rmdir = on_odd(function(fs, p) return fs.rmdir(p) end),
    remove = on_odd(function(fs, p) return fs.remove(p, {recursive = true}) end),
    ["remove: missing"] = on_odd(function(fs, p) return fs.remove(p, {missing_ok = true}) end),
    chmod = on_odd(function(fs, p) return fs.chmod(p, "u=rwx,g=u-w,o+X") end),
    ["chmod: recursive"] = on_odd(function(fs, p) return fs.chmod(p, 448, {recursive = true}) end),
    symlink = on_odd(function(fs, p) return fs.symlink("-t\n", p) end),
    link = on_odd(function(fs, p, root) return fs.link(p, root .. "/of-" .. p:match "[^/]*$") end),
    rename = on_odd(function(fs, p) return fs.rename(p, p .. ".2") end),
    ["rename: onto"] = on_odd(function(fs, p, root) return fs.rename(root .. "/a'b", p) end),
    ["move: a folder onto"] = on_odd(function(fs, p, root) return fs.move(root .. "/d/e", p) end),
    ["chown"] = on_odd(function(fs, p) return fs.chown(p, 12, 34, {recursive = true}) end),
    ["copy of all"] = function(fs, root) return fs.copy(root .. "/d", root .. "/new") end,
    ["copy onto"] = on_odd(function(fs, p, root) return fs.copy(root .. "/a'b", p) end),
    ["copy over"] = on_odd(function(fs, p, root) return (fs.copy(root .. "/a'b", p, {override = true})) end),
    ["copy of each"] = on_odd(function(fs, p, root) return fs.copy(p, root .. "/empty/c") end),
    ["open"] = function(fs, root)
        local f = assert(fs.open(root .. "/new", "x", {mode = "600"}))
        local got = {f:write "one\ntwo\n\nthree", f:seek(), f:seek("set", 4), f:write "TWO", f:close()}
        f = assert(fs.open(root .. "/new"))
        local read = {f:read(2), f:read "L", f:seek("cur", 1), f:read "l", f:read "l", f:read "a", f:read(1) or "end"}
        table.move(read, 1, #read, #got + 1, got)
        f:close()
        return got, each(root, function(p) return select(3, fs.open(p, "x")) end, "d", "*", "dead", "nope/a"),
            each(root, function(p) return select(3, fs.open(p, "r")) end, "d", "nope", "dead", "loop")
    end,
}

-- ---- the shells ----

local SHELLS = {
    {"dash", "/bin/dash", {sh = "/bin/dash"}}, {"bash", "/bin/bash", {sh = "/bin/bash"}},
    {"mksh", "/bin/mksh", {sh = "/bin/mksh"}}, {"busybox", "ash", {busybox = true}},
}

local function keys(t)
    local list = {}
    for k in pairs(t) do list[#list + 1] = k end
    table.sort(list)
    return list
end

--- The answer without what differs between the trees. Texts of failures are for people.
local function answer(root, ...)
    local got = table.pack(...)
    if got[1] == nil and got[3] then return {name = got[3]} end
    return plain({table.unpack(got, 1, got.n)}, root)
end

for _, shell in ipairs(SHELLS) do
    local function fs_of()
        local connector = bare.connector(shell[2], shell[3])
        return require "rshell.bare".new(connector).fs, connector
    end

    for _, name in ipairs(keys(ASK)) do
        spec.test(shell[1] .. ": " .. name, function(t)
            local fs, connector = fs_of()
            local root = t.tmp() .. "/r"
            make_tree(root)
            for _, path in ipairs(PATHS) do
                local p = path == "" and root or root .. "/" .. path
                if name ~= "walk" and name ~= "list with stat" or FEW[path] then
                    local before = connector.count
                    local got = answer(root, ASK[name](fs, p))
                    t.same(got, answer(root, ASK[name](sys, p)), ("%s %q"):format(name, path))
                    if not path:find "fifo" then t.eq(connector.count - before, 1, "round trips") end
                end
            end
        end)
    end

    for _, name in ipairs(keys(ROOT_ASK)) do
        spec.test(shell[1] .. ": " .. name, function(t)
            local root = t.tmp() .. "/r"
            make_tree(root)
            t.same(plain(ROOT_ASK[name](fs_of(), root), root), plain(ROOT_ASK[name](sys, root), root))
        end)
    end

    for _, name in ipairs(keys(DO)) do
        spec.test(shell[1] .. ": " .. name, function(t)
            coarse = shell[1] == "busybox"
            t.defer(function() coarse = false end)
            local dir = t.tmp()
            local a, b = dir .. "/a", dir .. "/b"
            make_tree(a)
            make_tree(b)
            local function names(list)
                for _, got in ipairs(type(list) == "table" and list or {}) do
                    if type(got) == "table" and got[3] then got[2], got[4], got.n = nil, nil, nil end
                end
                return list
            end
            t.same(plain(names {DO[name](fs_of(), a)}, a), plain(names {DO[name](sys, b)}, b))
            t.same(content(a), content(b))
        end)
    end
end

spec.finish()
