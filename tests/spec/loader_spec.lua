-- How require finds the modules of rshell itself.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"

spec.test("a chunk is named after its module, embedded or not", function(t)
    local loader = package.searchers[2]("rshell.shared.error")
    t.eq(debug.getinfo(loader, "S").source, "@rshell/shared/error.lua")
end)

spec.test("files in package.path can't pose as ours", function(t)
    local dir = t.tmp()
    t.ok(os.execute("mkdir -p " .. dir .. "/rshell/shared"))
    local f <close> = assert(io.open(dir .. "/rshell/shared/error.lua", "w"))
    f:write "return 'posed'"
    f:close()
    local loaded, path = package.loaded["rshell.shared.error"], package.path
    t.defer(function() package.loaded["rshell.shared.error"], package.path = loaded, path end)
    package.loaded["rshell.shared.error"] = nil
    package.path = dir .. "/?.lua"
    t.ne(require "rshell.shared.error", "posed")
    package.path = dir .. "/rshell/shared/error.lua"
    t.raises("no module 'rshell.nowhere'", require, "rshell.nowhere")
end)

spec.test("package.preload comes first", function(t)
    package.preload["rshell.shared.of_a_test"] = function() return "preloaded" end
    t.eq(require "rshell.shared.of_a_test", "preloaded")
end)

spec.test("a module that isn't there says so", function(t)
    t.raises("no module 'rshell.nowhere' in this version of rshell", require, "rshell.nowhere")
    local err = t.raises("not found", require, "rshellish")
    t.eq(err:find "in this version", nil)
end)

spec.test("a C module finds the Lua API in the program", function(t)
    local ok, cjson = pcall(require, "cjson")
    if not ok then t.skip "lua-cjson isn't installed" end
    t.eq(cjson.encode {1, 2}, "[1,2]")
end)

-- Tables that few use are made when they are used.
spec.test("loading a module is little work: every start and every connection waits for it", function(t)
    local root = arg[0]:gsub("[^/]*$", "") .. "../../lua/"
    local list = here:sh("cd \"$1\" && find rshell shared -name '*.lua'", root)()
    local steps = 0
    for file in list:gmatch "[^\n]+" do
        local module = file:gsub("^shared", "rshell/shared"):gsub("/init%.lua$", ""):gsub("%.lua$", ""):gsub("/", ".")
        local before = steps
        debug.sethook(function() steps = steps + 100 end, "", 100)
        local ok = pcall(require, module)
        debug.sethook()
        t.ok(ok and steps - before < 20000, ("%s: %d instructions"):format(module, steps - before))
    end
    t.ok(steps > 1000)
end)

spec.test("what speaks SFTP is loaded where nothing else is there", function(t)
    local code = "require 'rshell.sftp.fallback' "
        .. "print(package.loaded['rshell.sftp.client'], package.loaded['rshell.sftp.fs'])"
    t.eq(here[os.getenv "RSHELL"]["-e"][code](), "nil\tnil\n")
end)

spec.finish()
