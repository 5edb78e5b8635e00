-- A view of a machine: a connection that others share, and settings of its own. All objects of the API hold one.
--
--   view.conn     name host port user backend closed, facts that were asked once; shared by all views of the machine
--   view.cwd      the working directory; nil until it is asked for
--   view.env      changes to the machine's environment: name -> value, or false to unset; never modified in place
--   view.timeout  seconds for each operation, or nil;  view.umask, view.user: for what is started here
--
-- A backend is a table of the modules fs, proc, net, host and hash, with the functions of rshell.sys.*: they wait, and
-- answer `nil, text, NAME` for an expected failure.

local err = require "rshell.shared.error"
local task = require "rshell.task"

local M = {}

local LOST_SECONDS = 2 -- that the news of how a machine was lost may take
-- Seconds that the news of a limit that was reached over there may take: what can't be ended is given up after 3.
local SILENCE = 6

---@class rshell.Connection
---@field name string
---@field host string
---@field port integer?
---@field user string
---@field kind string local agent bare
---@field backend table
---@field closed boolean?
---@field cwd string? where programs start by themselves, once somebody has asked

---@class rshell.View
---@field conn rshell.Connection
---@field cwd string? nil: where programs start by themselves
---@field env table<string, string|false>
---@field timeout number?
---@field umask integer?
---@field user string?

---@param conn rshell.Connection
---@return rshell.View
function M.new(conn)
    return {conn = conn, env = {}, cwd_key = {}, env_key = {}}
end

--- A view with the same settings, as they are now in this task.
---@param v rshell.View
function M.derive(v)
    local d = M.new(v.conn)
    d.cwd, d.env = M.start_dir(v), M.env(v)
    d.timeout, d.umask, d.user = v.timeout, v.umask, v.user
    return d
end

--- Raises unless the machine can still be used.
---@param v rshell.View
function M.check(v)
    local conn = v.conn
    if not conn.closed then return conn.backend end
    local why = conn.connector and conn.connector.broken()
    local text = why and why ~= "closed" and "the connection was lost: " .. why
        or ("the machine %s was closed"):format(conn.name)
    err.raise {kind = "closed", host = conn.name, message = text}
end

--- Raises where an operation has failed since its machine is gone: that says more than what became of the operation.
---@param v rshell.View
---@param name string "ECONNRESET"
function M.check_failed(v, name)
    if err.kind_of(name) == "closed" then M.check(v) end
end

--- The error that tells why the streams of a program are closed: what happened to its machine, if anything has.
---@param v rshell.View
---@param handle table the program's
---@param e any what was raised by a stream
function M.cause(v, handle, e)
    if not err.is(e) or e.kind ~= "closed" or e.host and not e.message:find "^can't %a+: " then return e end
    local ok, why = pcall(function()
        handle:wait(LOST_SECONDS)
        M.check(v)
    end)
    return ok and e or why
end

--- What to do about a failure that the backend tells in words only.
---@param text string
function M.hint(text)
    if not text:find "^no POSIX shell answered" then return nil end
    return "the account is limited to one command or to SFTP, or its shell ends at once: see what ssh runs there"
end

--- Raises what a primitive answered.
---@param v rshell.View
---@param what string what was tried
---@param text string
---@param name string "ENOENT"
---@param more table? further fields
function M.fail(v, what, text, name, more)
    M.check_failed(v, name)
    local e = more or {}
    e.kind, e.host, e.name = err.kind_of(name), v.conn.name, name
    e.hint = e.hint or M.hint(text)
    e.message = what == "" and text or ("%s: %s"):format(what, text)
    err.raise(e)
end

--- A timeout of ours tells which machine took too long.
local function timed(v, ok, ...)
    if ok then return ... end
    local e = ...
    if err.is(e) and e.kind == "timeout" and not rawget(e, "host") then e.host = v.conn.name end
    error(e, 0)
end

--- fn(...), which raises kind timeout after so many seconds; nil is no limit.
---@param v rshell.View
---@param seconds number?
---@param fn function
function M.within(v, seconds, fn, ...)
    if not seconds then return fn(...) end
    return timed(v, pcall(task.timeout, seconds, fn, ...))
end

local NOT_DONE = "not done after %g s"

local function silent(seconds, ok, ...)
    if ok then return ... end
    local e = ...
    if err.is(e) and e.message == NOT_DONE:format(seconds + SILENCE) then
        e.message = (NOT_DONE .. ", and the machine doesn't answer"):format(seconds)
    end
    error(e, 0)
end

--- The same for what has its own limit over there, and tells more where that is reached: here the machine is silent.
---@param v rshell.View
---@param seconds number?
---@param fn function
function M.answered_within(v, seconds, fn, ...)
    if not seconds then return fn(...) end
    return silent(seconds, pcall(M.within, v, seconds + SILENCE, fn, ...))
end

--- Calls a primitive and gives its answer, `nil, text, NAME` included. Raises past the view's timeout.
---@param v rshell.View
---@param module string
---@param fn string
function M.call(v, module, fn, ...)
    return M.within(v, v.timeout, M.check(v)[module][fn], ...)
end

local function answer(v, what, first, text, name, ...)
    if first == nil and name then M.fail(v, what, text, name) end
    return first, text, name, ...
end

--- The same, but raises what fails: M.ask(v, "host", "uname").
---@param v rshell.View
---@param module string
---@param fn string
function M.ask(v, module, fn, ...)
    return answer(v, module .. "." .. fn, M.call(v, module, fn, ...))
end

-- ---- settings, and the scopes of this task that override them ----

--- The innermost scope of this task, or nil.
local function scope(key)
    return task.locals(key)
end

--- The working directory here and now for a program; nil where it starts there by itself, so that nobody has to ask.
---@param v rshell.View
---@return string?
function M.start_dir(v)
    local s = scope(v.cwd_key)
    if s then return s.value end
    return v.cwd
end

local function below(dir, text)
    return dir:sub(-1) == "/" and dir .. text or dir .. "/" .. text
end

--- The working directory here and now. A machine may have been opened with one below where programs start.
---@param v rshell.View
---@return string
function M.cwd(v)
    local dir, conn = M.start_dir(v), v.conn
    if dir and dir:sub(1, 1) == "/" then return dir end
    if not conn.cwd then conn.cwd = M.ask(v, "proc", "cwd") end
    return dir and below(conn.cwd, dir) or conn.cwd
end

--- The changes to the environment here and now; not to be modified.
---@param v rshell.View
---@return table<string, string|false>
function M.env(v)
    local s = scope(v.env_key)
    return s and s.value or v.env
end

-- A scope's value is replaced, never modified: tasks that were spawned in the scope go on with what they started with.
local function set(v, key, field, value)
    local s = scope(key)
    if s then
        task.locals()[key] = {value = value, outer = s.outer, token = s.token}
    else
        v[field] = value
    end
end

---@param v rshell.View
---@param dir string
function M.set_cwd(v, dir)
    set(v, v.cwd_key, "cwd", dir)
end

---@param v rshell.View
---@param env table<string, string|false>
function M.set_env(v, env)
    set(v, v.env_key, "env", env)
end

local scope_mt = {__name = "scope"}

--- The scopes without one of them. Those that were entered inside it, and are still open, go on.
local function without(top, token)
    if not top then return nil end
    if top.token == token then return top.outer end
    local outer = without(top.outer, token)
    if outer == top.outer then return top end
    return {value = top.value, outer = outer, token = top.token}
end

function scope_mt.close(s)
    local locals = task.locals()
    locals[s.key] = without(locals[s.key], s)
end

function scope_mt.__tostring(s) return "scope of " .. s.what end

scope_mt.__close = scope_mt.close
scope_mt.__index = scope_mt

local function enter(key, value, what)
    local s = setmetatable({key = key, what = what}, scope_mt)
    local locals = task.locals()
    locals[key] = {value = value, outer = locals[key], token = s}
    return s
end

--- Until the scope that this returns is closed, for this task and those it spawns meanwhile.
---@param v rshell.View
---@param dir string
function M.enter_cwd(v, dir)
    return enter(v.cwd_key, dir, "the working directory " .. dir)
end

---@param v rshell.View
---@param env table<string, string|false>
function M.enter_env(v, env)
    return enter(v.env_key, env, "the environment of " .. v.conn.name)
end

-- ---- the environment as a whole ----

--- The environment that the machine gave us, asked once.
---@param v rshell.View
function M.base_env(v)
    local conn = v.conn
    if not conn.base_env then conn.base_env = M.ask(v, "host", "env") end
    return conn.base_env
end

---@param v rshell.View
---@param name string
---@return string?
function M.getenv(v, name)
    local value = M.env(v)[name]
    if value == nil then value = M.base_env(v)[name] end
    return value or nil
end

local DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"

--- Where programs are searched.
---@param v rshell.View
---@return string
function M.search_path(v)
    return M.getenv(v, "PATH") or DEFAULT_PATH
end

--- True for views of one machine with the same settings.
---@param a rshell.View
---@param b rshell.View
function M.same(a, b)
    if a == b then return true end
    local usual = a.conn.cwd
    if a.conn ~= b.conn or (a.cwd or usual) ~= (b.cwd or usual) then return false end
    if a.timeout ~= b.timeout or a.umask ~= b.umask or a.user ~= b.user then return false end
    for name, value in next, a.env do
        if b.env[name] ~= value then return false end
    end
    for name in next, b.env do
        if a.env[name] == nil then return false end
    end
    return true
end

--- A path of this view: relative ones start at its working directory; nothing else is changed.
---@param v rshell.View
---@param text string
function M.absolute(v, text)
    if text:sub(1, 1) == "/" then return text end
    return below(M.cwd(v), text)
end

return M
