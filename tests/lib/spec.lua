-- Specs: tests in Lua that print TAP. They run under rshell, and under plain lua5.4 as far as what they test does.
--
--   package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
--   local spec = require "spec"
--
--   spec.test("adds", function(t) t.eq(1 + 1, 2) end)
--   spec.table("doubles", {{1, 2}, {name = "big", 8, 16}}, function(t, c) t.eq(2 * c[1], c[2]) end)
--   spec.finish()
--
-- A failed check ends its test. An argument of the script runs only the tests whose name contains it.

local spec = {}
local count, failed, current = 0, 0, nil
local only = arg and arg[1]

-- What ends a test early: a failed check, or a skip. Already recorded in `current` when it is thrown, so a pcall in the
-- code under test can't hide a failure.
local STOP = setmetatable({}, {__tostring = function() return "the test has ended" end})

local ESCAPES = {["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t"}

-- One line, safe for a terminal and for TAP readers; valid UTF-8 stays readable.
local function quote(s)
    local control = utf8.len(s) and "[%c]" or "[%c\128-\255]"
    local out = s:gsub('[\\"]', "\\%0"):gsub(control, function(c)
        return ESCAPES[c] or string.format("\\x%02x", c:byte())
    end)
    return '"' .. out .. '"'
end

local function by_name(a, b)
    if math.type(a) and math.type(b) then return a < b end
    return tostring(a) < tostring(b)
end

local show

local function show_table(v, depth, seen)
    if seen[v] then return "<cycle>" end
    if depth == 0 then return "{...}" end
    seen[v] = true
    local keys, out = {}, {}
    for k in next, v do keys[#keys + 1] = k end
    table.sort(keys, by_name)
    for i, k in ipairs(keys) do
        if i > 50 then
            out[i] = "... " .. #keys - 50 .. " more"
            break
        end
        local word = type(k) == "string" and k:match "^[%a_][%w_]*$"
        local value = show(v[k], depth - 1, seen)
        out[i] = k == i and value or word and k .. " = " .. value or "[" .. show(k, 1, seen) .. "] = " .. value
    end
    seen[v] = nil
    return "{" .. table.concat(out, ", ") .. "}"
end

function show(v, depth, seen)
    if type(v) == "string" then return quote(#v > 2000 and v:sub(1, 2000) .. "... " .. #v .. " bytes" or v) end
    if math.type(v) == "float" then return string.format("%.17g", v):gsub("^-?%d+$", "%0.0") .. "" end
    local mt = debug.getmetatable(v)
    if type(v) == "table" and not (mt and mt.__tostring) then return show_table(v, depth or 6, seen or {}) end
    local ok, text = pcall(tostring, v)
    return ok and text or "<" .. type(v) .. ">"
end

-- The line of the test that is running, for the reader: the first level that isn't this file.
local function place()
    local here = debug.getinfo(1, "S").source
    for level = 2, 60 do
        local info = debug.getinfo(level, "Sl")
        if not info then break end
        if info.source ~= here and info.currentline > 0 then return info.short_src .. ":" .. info.currentline end
    end
    return "?"
end

local function diag(text)
    for line in (text .. "\n"):gmatch "(.-)\n" do io.stdout:write("# ", line, "\n") end
end

local function fail(...)
    current.failures[#current.failures + 1] = table.concat({place(), ...}, "\n")
    error(STOP, 0)
end

local function expected(a, b, note)
    fail("    expected " .. show(b), "    got      " .. show(a), note and "    " .. note)
end

local function equal(a, b)
    return a == b or a ~= a and b ~= b
end

-- nil, or where two values differ: a chain of keys, the two values.
local function difference(a, b, seen)
    if type(a) ~= "table" or type(b) ~= "table" then
        if equal(a, b) then return nil end
        return "", a, b
    end
    if seen[a] == b then return nil end
    seen[a] = b
    for k, v in next, a do
        local where, x, y = difference(v, b[k], seen)
        if where then return "[" .. show(k) .. "]" .. where, x, y end
    end
    for k, v in next, b do
        if a[k] == nil then return "[" .. show(k) .. "]", nil, v end
    end
end

local t = {}

-- Each check takes an optional note, printed when it fails.

function t.ok(v, note)
    if not v then fail("    expected a true value", "    got      " .. show(v), note and "    " .. note) end
    return v
end

function t.eq(a, b, note)
    if not equal(a, b) then expected(a, b, note) end
    return a
end

function t.ne(a, b, note)
    if equal(a, b) then fail("    expected anything but " .. show(b), note and "    " .. note) end
    return a
end

-- Tables are compared by content, whatever their metatables are.
function t.same(a, b, note)
    local where, x, y = difference(a, b, {})
    if not where then return a end
    local at = where ~= "" and "    at " .. where .. ": expected " .. show(y) .. ", got " .. show(x) or nil
    expected(a, b, at and note and at .. "\n    " .. note or at or note)
end

function t.near(a, b, eps, note)
    if not (math.type(a) and math.abs(a - b) <= (eps or 1e-9)) then
        expected(a, b, note or "within " .. (eps or 1e-9))
    end
    return a
end

function t.match(s, pattern, note)
    local ok, found = pcall(string.find, s, pattern)
    if not (ok and found) then
        fail("    expected a match of " .. show(pattern), "    got      " .. show(s), note and "    " .. note)
    end
    return s
end

-- Calls fn, which must raise an error of this kind or one whose text matches this pattern; returns the error.
function t.raises(what, fn, ...)
    local got = table.pack(pcall(fn, ...))
    local err = got[2]
    if #current.failures > 0 then error(STOP, 0) end
    if got[1] then
        fail("    expected an error: " .. what, "    got      " .. show({table.unpack(got, 2, got.n)}))
    end
    local has_kind, kind = pcall(function() return err.kind end)
    if has_kind and kind == what or tostring(err):find(what) then return err end
    fail("    expected an error: " .. what,
         "    got      " .. (has_kind and kind and tostring(kind) .. ": " or "") .. tostring(err))
end

function t.fail(note)
    fail("    " .. (note or "failed"))
end

function t.skip(reason)
    current.skipped = reason or "skipped"
    error(STOP, 0)
end

function t.note(...)
    diag(table.concat({...}, " "))
end

-- A new folder of the test's own, removed after it.
function t.tmp()
    local base = os.getenv "TMPDIR" or "/tmp"
    for _ = 1, 100 do
        local dir = ("%s/spec-%s-%d"):format(base, tostring {}:match "%x+$", math.random(1000000))
        if os.execute("mkdir -m 700 '" .. dir .. "' 2>/dev/null") then
            current.tmp[#current.tmp + 1] = dir
            return dir
        end
    end
    error("no folder can be made in " .. base)
end

-- Runs fn(...) when the test has ended, last one first.
function t.defer(fn, ...)
    local args = table.pack(...)
    table.insert(current.deferred, 1, function() return fn(table.unpack(args, 1, args.n)) end)
end

local function traceback(err)
    if err == STOP then return err end
    local remote = type(err) == "table" and rawget(err, "traceback")
    return {text = tostring(err), trace = debug.traceback(nil, 2), remote = remote}
end

local function clean_up(run)
    for _, fn in ipairs(run.deferred) do
        local ok, err = pcall(fn)
        if not ok and err ~= STOP then run.failures[#run.failures + 1] = "in a deferred function: " .. tostring(err) end
    end
    for _, dir in ipairs(run.tmp) do os.execute("rm -rf '" .. dir .. "'") end
end

local function report(run)
    local name = run.name:gsub("[%c#]", " ")
    if #run.failures > 0 then
        failed = failed + 1
        io.stdout:write("not ok ", count, " - ", name, "\n")
        for _, text in ipairs(run.failures) do diag(text) end
    else
        io.stdout:write("ok ", count, " - ", name, run.skipped and " # SKIP " .. run.skipped or "", "\n")
    end
    io.stdout:flush()
end

function spec.test(name, fn)
    if only and not name:find(only, 1, true) then return end
    count = count + 1
    local run = {name = name, failures = {}, tmp = {}, deferred = {}}
    current = run
    local ok, err = xpcall(fn, traceback, t)
    if not ok and err ~= STOP then
        run.failures[#run.failures + 1] = "unexpected error: " .. err.text .. "\n" .. (err.remote or err.trace)
    end
    clean_up(run)
    report(run)
end

-- One test a case: fn(t, case). The test is called after case.name, else after the case's first field.
function spec.table(name, cases, fn)
    for i, case in ipairs(cases) do
        local label = case.name or type(case) == "table" and case[1]
        if type(label) ~= "string" then label = label == nil and tostring(i) or show(label) end
        spec.test(name .. ": " .. quote(label):sub(2, -2), function(test) return fn(test, case) end)
    end
end

spec.show = show

function spec.finish()
    io.stdout:write("1..", count, count == 0 and " # SKIP nothing to run" or "", "\n")
    io.stdout:flush()
    if package.loaded.machines then package.loaded.machines.close() end
    -- Not os.exit: what the suite has under way is closed.
    if failed > 0 then error(failed .. " of " .. count .. " failed", 0) end
end

return spec
