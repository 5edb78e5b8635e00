-- From stages to segments. Neighbours on one machine are one segment, which runs over there with kernel pipes and with
-- redirections to files over there. All else is moved by job.lua.
--
-- A segment: view, commands (stages of the plan), stages (what proc.spawn takes), and what isn't that machine's
-- business: source, sink, err_sink. A segment is `linked` when it reads what the one before it writes.

local err = require "rshell.shared.error"
local view = require "rshell.view"

local M = {}

local function native(s, e)
    return e and e.path and e.view.conn == s.view.conn
end

--- The endpoint, if its bytes must pass through here.
local function foreign(s, e)
    return e and not e.out and not native(s, e) and e or nil
end

local function splits(before, s)
    return before.view.conn ~= s.view.conn or foreign(s, s.from) or foreign(s, s.err)
        or foreign(before, before.to) or foreign(before, before.err)
end

local function environment(s)
    local env = view.env(s.view)
    if s.env then
        local merged = {}
        for name, value in next, env do merged[name] = value end
        for name, value in next, s.env do merged[name] = value end
        env = merged
    end
    return next(env) ~= nil and env or nil
end

local function file(s, e)
    return native(s, e) and {path = e.path, append = e.append} or nil
end

local function spec(s)
    return {
        argv = s.argv, other = s.other, env = environment(s),
        umask = s.umask or s.view.umask, user = s.user or s.view.user,
        cwd = s.cwd ~= nil and require "rshell.path".text(s.view, s.cwd) or view.start_dir(s.view),
        stdin = file(s, s.from), stdout = file(s, s.to), stderr = s.err and s.err.out and "out" or file(s, s.err),
    }
end

--- The segments of a plan, with the settings that hold here and now.
---@param plan table the state of a command or pipeline
---@return table[]
function M.of(plan)
    local segments, before = {}, nil
    for _, s in ipairs(plan.stages) do
        local segment = segments[#segments]
        if not before or splits(before, s) then
            segment = {view = s.view, stages = {}, commands = {}, source = foreign(s, s.from)}
            segment.linked = before and not s.from and not before.to
            segments[#segments + 1] = segment
        end
        segment.stages[#segment.stages + 1] = spec(s)
        segment.commands[#segment.commands + 1] = s
        segment.sink, segment.err_sink = foreign(s, s.to), foreign(s, s.err)
        before = s
    end
    return segments
end

--- True when one request can do all of it: start, feed, collect, wait.
function M.is_simple(segments)
    local s = segments[1]
    return not segments[2] and not s.sink and not s.err_sink and (not s.source or s.source.data ~= nil)
end

-- ---- failures ----

local STEPS = {
    cwd = function(stage, text) return ("can't enter %s: %s"):format(stage.cwd, text) end,
    user = function(stage, text, name)
        if name == "ENOTFOUND" then return ("no user '%s'"):format(stage.user), "notfound" end
        return ("can't become user '%s': %s"):format(stage.user, text), nil, "changing the user needs root"
    end,
    terminal = function(_, text) return "no terminal can be had there: " .. text end,
    interpreter = function(stage)
        return ("can't run %s: the interpreter that its first line names is not there"):format(stage.argv[1])
    end,
}

local function no_program(s, stage)
    local path = stage.env and stage.env.PATH or view.search_path(s.view)
    return ("no program '%s'%s in PATH (%s)"):format(stage.argv[1],
        stage.other and (" or '%s'"):format(stage.other) or "", path)
end

function STEPS.exec(stage, text, name, s)
    local program = stage.argv[1]
    if name == "ENOENT" and not program:find("/", 1, true) then
        local hint = program:find "%S%s+%S"
            and "a program's arguments stand apart, as in m.ls('-l'); m:sh(line) runs a line"
        return no_program(s, stage), nil, hint or nil
    end
    if name == "ENOEXEC" then
        return ("can't run %s: it is no program that the system knows"):format(program), nil,
            "a script needs a first line like #!/bin/sh, or is run as m.cmd.sh[file]"
    end
    return ("can't run %s: %s"):format(program, text)
end

local function describe(s, stage, text, name, where)
    if where.file then return ("can't open %s: %s"):format(where.file, text) end
    if STEPS[where.step] then return STEPS[where.step](stage, text, name, s) end
    return ("can't start %s: %s"):format(stage.argv[1], text)
end

--- Raises for a segment that could not be started.
---@param plan table
---@param segment table
---@param text string
---@param name string "ENOENT"
---@param where {stage: integer, step: string, file: string?}
function M.fail(plan, segment, text, name, where)
    local s, stage = segment.commands[where.stage], segment.stages[where.stage]
    view.check_failed(s.view, name)
    local message, kind, hint = describe(s, stage, text, name, where)
    err.raise {
        kind = kind or err.kind_of(name), message = message, hint = hint or view.hint(text), host = s.view.conn.name,
        name = stage.argv[1], path = where.file or where.step == "cwd" and stage.cwd or nil,
        command = require "rshell.command".line(plan.stages),
    }
end

return M
