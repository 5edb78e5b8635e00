-- The modules that every connection has: each function of them, and that the guide names just these.

local folder = arg[0]:gsub("[^/]*$", "")
package.path = folder .. "../lib/?.lua;" .. package.path

local rshell = require "rshell"
local spec = require "spec"

local here = rshell.here
local conn = here:connect()
local fs, proc, net, host = conn.modules.fs, conn.modules.proc, conn.modules.net, conn.modules.host
local dir <close> = here:tempdir()
local root = tostring(dir)

local function error_of(fn, ...)
    local ok, e = pcall(fn, ...)
    return not ok and e or nil
end

spec.test("the guide names the functions that are there", function(t)
    local guide = here:path(folder .. "../../doc/guide/rpc.md"):read()
    local part = guide:match "\n## What is over there\n(.-)\n## "
    local tables = {fs = part:match "`fs` has(.-)\n| module"}
    for name, line in part:gmatch "\n| `(%l+)` | ([^\n]*)" do tables[name] = tables[name] or line end
    for _, name in ipairs {"fs", "proc", "net", "host", "hash", "json"} do
        local named = {}
        for word in tables[name]:gmatch "`([%l%d_]+)" do named[word] = true end
        for fn in pairs(conn.modules[name]) do t.ok(named[fn], name .. "." .. fn .. " is not in the guide") end
    end
    for line in tables.fs:gmatch "\n| (`[^|]*)|" do
        for fn in line:gmatch "`([%l_]+)`" do t.eq(type(fs[fn]), "function", "fs." .. fn) end
    end
end)

spec.test("fs: what paths ask", function(t)
    local file = root .. "/a.txt"
    t.eq(fs.write(file, "one\ntwo\n"), file)
    t.eq(fs.append(file, "three"), file)
    t.same({fs.read(file), fs.read(file, 3)}, {"one\ntwo\nthree", "one"})
    local lines = {}
    for line in fs.lines(file) do lines[#lines + 1] = line end
    t.same(lines, {"one", "two", "three"})
    fs.symlink(root .. "/link", "a.txt")
    t.same({fs.exists(file), fs.exists(file .. "x"), fs.is_file(file), fs.is_dir(root), fs.is_symlink(root .. "/link"),
        fs.is_socket(file), fs.is_file(file .. "/below")}, {true, false, true, true, true, false, false})
    t.same({fs.access(file, "r"), fs.readlink(root .. "/link"), fs.resolve(root .. "/link")}, {true, "a.txt", file})
    local p = dir / "a.txt"
    t.same({fs.size(file), fs.owner(file), fs.group(file), fs.mode(file), fs.mtime(file), fs.checksum(file)},
        {p:size(), p:owner(), p:group(), p:mode(), p:mtime(), p:checksum()})
    t.same(fs.stat(root .. "/link").type, "file")
    t.same(fs.lstat(root .. "/link").type, "link")
    t.ok(fs.disk(root).total > 0)
    t.same({fs.match(file, "*.txt"), fs.match(file, "*.c")}, {true, false})
    local e = error_of(fs.read, root .. "/none")
    t.same({e.kind, e.path, e.host}, {"notfound", root .. "/none", "here"})
end)

spec.test("fs: folders", function(t)
    local top = root .. "/top"
    t.eq(fs.mkdir(top .. "/in/deep", {parents = true}), top .. "/in/deep")
    fs.write(top .. "/x.c", "x")
    fs.write(top .. "/in/y.c", "y")
    t.same(fs.list(top), {top .. "/in", top .. "/x.c"})
    t.same(fs.glob(top, "**/*.c"), {top .. "/in/y.c", top .. "/x.c"})
    t.same(fs.glob(top .. "/*.c"), {top .. "/x.c"})
    local function all(...)
        local list = {}
        for path, entry in ... do list[#list + 1] = path:sub(#top + 2) .. ":" .. entry.type end
        return table.concat(list, " ")
    end
    t.eq(all(fs.walk(top)), "in:dir in/deep:dir in/y.c:file x.c:file")
    t.eq(all(fs.walk(top, {filter = "*.c"})), "in/y.c:file x.c:file")
    t.eq(all(fs.walk(top, {filter = function(path) return path:find "y%.c$" end})), "in/y.c:file")
    t.eq(all(fs.iterdir(top)), "in:dir x.c:file")
    local temp = fs.tempdir()
    t.eq(fs.is_dir(temp), true)
    t.eq(fs.delete(temp, {recursive = true}), temp)
    t.eq(error_of(fs.delete, "/").kind, "usage")
    t.eq(error_of(fs.list, top .. "/none").kind, "notfound")
end)

spec.test("fs: changes", function(t)
    local file = root .. "/f"
    t.eq(fs.touch(file, {mtime = 1000}), file)
    t.eq(fs.mtime(file), 1000)
    t.eq(fs.write(file, "content"), file)
    t.eq(fs.truncate(file, 3), file)
    t.eq(fs.read(file), "con")
    t.eq(fs.chmod(file, "600"), file)
    t.eq(fs.mode(file), 384)
    t.eq(fs.chown(file, fs.owner(file)), file)
    t.eq(fs.link(root .. "/second", file), root .. "/second")
    t.eq(fs.stat(file).nlink, 2)
    t.eq(fs.copy(file, root .. "/copy"), root .. "/copy")
    fs.mkdir(root .. "/into")
    t.eq(fs.copy(file, root .. "/into/"), root .. "/into/f")
    t.eq(fs.rename(root .. "/copy", "other"), root .. "/other")
    t.eq(fs.move(root .. "/other", root .. "/into/"), root .. "/into/other")
    t.same({fs.exists(root .. "/other"), fs.read(root .. "/into/other")}, {false, "con"})
    t.eq(fs.unlink(file), file)
    fs.mkdir(root .. "/empty")
    t.eq(fs.rmdir(root .. "/empty"), root .. "/empty")
    t.eq(error_of(fs.copy, root .. "/second", root .. "/into/f").kind, "exists")
    t.eq(error_of(fs.rename, root .. "/second", "a/b").kind, "usage")
    local open = fs.open(root .. "/opened", "w")
    open:write "written"
    open:close()
    t.eq(fs.read(root .. "/opened"), "written")
end)

spec.test("proc", function(t)
    t.same({proc.run {"sh", "-c", "echo out; echo err >&2; exit 3"}}, {3, "out\n", "err\n"})
    t.eq(select(4, proc.run {"sh", "-c", "kill -9 $$"}), "KILL")
    local p = proc.spawn({"cat"}, {stdin = "pipe"})
    p.stdin:write "through\n"
    t.eq(p.stdout:read "l", "through")
    local listed
    for _, one in ipairs(proc.list()) do listed = listed or one.pid == p.pids[1] and one.name end
    t.eq(listed, "cat")
    proc.kill(p.pids[1])
    t.eq(p:wait(20)[1].signal, "TERM")
    t.match(proc.which "sh", "/sh$")
    t.eq(proc.cwd(), conn:eval "fs.resolve('.')")
    proc.sleep(0)
    t.eq(error_of(proc.spawn, {"no-such-program"}).kind, "notfound")
    t.eq(error_of(proc.spawn, "ls").kind, "usage")
end)

spec.test("net", function(t)
    local listener = net.listen(0, "127.0.0.1")
    local port = conn:call(function(l) return l.port end, listener)
    local client = net.connect("127.0.0.1", port)
    local served = listener:accept(20)
    client:write "hello\n"
    t.eq(served:read "l", "hello")
    client:close()
    served:close()
    listener:close()
    t.eq(error_of(net.connect, "127.0.0.1", port).kind, "connect")
    t.ok(#net.resolve "localhost" > 0)
end)

spec.test("host", function(t)
    t.eq(host.facts().hostname, here:facts().hostname)
    local function has(list, name)
        for k, v in pairs(list) do
            if k == name or v == name or type(v) == "table" and v.name == name then return true end
        end
        return false
    end
    t.ok(has(host.users(), "root"), "users")
    t.ok(has(host.groups(), "root"), "groups")
    t.eq(host.user("root").uid, 0)
    t.eq(host.group("root").gid, 0)
    for _, name in ipairs {"uname", "os_release", "interfaces", "memory", "mounts", "loadavg", "env", "processes"} do
        t.eq(type(host[name]()), "table", name)
    end
    t.eq(host.pid(), conn.pid)
    t.ok(host.uptime() > 0)
end)

spec.test("misuse is a usage error, and names the function as it was called", function(t)
    for _, c in ipairs {
        {"fs.stat()", "string expected, got nil"}, {"fs.size{}", "string expected, got table"},
        {"fs.list('/', {x = 1})", "unknown option 'x'"}, {"fs.copy('/etc/passwd')", "#2 %(string expected"},
        {"fs.symlink('/x')", "#2 %(string"}, {"fs.link('/x')", "#2 %(string"}, {"fs.rename('/x')", "#2 %(string"},
        {"fs.delete('/nowhere', {x = 1})", "unknown option 'x'"}, {"fs.glob()", "#1 %(string"},
        {"fs.tempdir{}", "#1 %(string"}, {"fs.walk()", "#1 %(string"}, {"fs.read('/x', -1)", "at least 0"},
        {"fs.lines('/etc/passwd', 'q')", "expected"}, {"fs.chmod('/tmp', 'zzz')", "'zzz' is no mode"},
        {"net.connect()", "#1 %(string"}, {"net.listen('x')", "number expected"}, {"net.resolve()", "#1 %(string"},
        {"host.user{}", "#1 %(string"}, {"proc.run('ls')", "list of arguments"}, {"proc.kill('x')", "#1 %(number"},
        {"proc.run({'ls'}, {cdw = '/'})", "no option 'cdw', did you mean 'cwd'?"}, {"proc.which()", "#1 %(string"},
        {"proc.spawn({'ls'}, {timeout = 1})", "no option 'timeout'"}, {"proc.sleep('x')", "number expected"},
    } do
        local e = error_of(conn.execute, conn, c[1])
        t.eq(e and e.kind, "usage", c[1])
        t.match(e.message, "^" .. c[1]:match "^[%w.]+" .. ": .*" .. c[2])
    end
    t.eq(error_of(fs.stat, nil).message, "fs.stat: bad argument #1 (string expected, got nil)")
    t.match(error_of(fs.stat, "a\0b").message, "can't hold a NUL byte")
    t.match(error_of(function() return conn.modules.hash.sha1() end).message, "bad argument #1 to '[%a.]*sha1'")
    t.match(error_of(function() return conn.builtins.string.rep() end).message, "bad argument #1 to '[%a.]*rep'")
    t.match(error_of(conn.execute, conn, "os.execute {}").message, "bad argument #1 to 'execute'")
    t.match(error_of(conn.execute, conn, "io.popen()").message, "bad argument #1 to 'popen'")
end)

spec.test("hash and json", function(t)
    local hash, json = conn.modules.hash, conn.modules.json
    for _, name in ipairs {"md5", "sha1", "sha256", "sha512", "xxh64"} do
        t.eq(hash[name] "abc", require "rshell.sys.hash"[name] "abc", name)
    end
    t.eq(hash.new "sha1":hex(), hash.sha1 "")
    t.same(json.decode(json.encode {a = {1, 2.5, true, "x"}}), {a = {1, 2.5, true, "x"}})
end)

conn:close()
spec.finish()
