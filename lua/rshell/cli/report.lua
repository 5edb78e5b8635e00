-- How an error that nobody caught is told on stderr.

local color = require "rshell.output.color"
local err = require "rshell.shared.error"
local text = require "rshell.text"

local M = {verbose = 0}

-- Kinds whose causes are mostly outside of the program: the guide tells of them.
local IN_GUIDE = {auth = true, config = true, connect = true, hostkey = true, protocol = true, unreachable = true}

local function is_ours(frame)
    return frame:find "^%s*rshell/" or frame:find "^%s*%[C%]:" or frame:find "^%s*%(%.%.%.tail"
end

--- Of a traceback that has crossed machines, which is in sections: ours, the last one.
local function our_part(trace)
    return trace:match "^.*\n(here:\n.*)$" or trace
end

--- "FILE:LINE" of the first frame of a traceback that is not in our own modules.
---@param trace string?
---@return string?
function M.place(trace)
    for frame in our_part(trace or ""):gmatch "\n(\t[^\n]*)" do
        local place = not is_ours(frame) and frame:match "^\t(.-:%d+): "
        if place then return place end
    end
end

--- A traceback as -v shows it; -vv shows our own frames too.
local function shown(trace)
    if M.verbose >= 2 then return trace end
    local away = trace:find "^on " ~= nil
    local left = trace:gsub("\n([^\n]*)", function(frame)
        if frame:byte() ~= 9 then
            away = frame:find "^on " ~= nil
        elseif is_ours(frame) or away and frame:find "^\tagent/" then
            return ""
        end
    end)
    return (left:gsub("\nhere:$", "")) -- nothing of ours is in it
end

local function describe(e)
    if type(e) == "string" or err.is(e) then return tostring(e) end
    local ok, s = pcall(tostring, e)
    if not ok then return ("an error that is a %s and can't be printed"):format(type(e)) end
    local mt = debug.getmetatable(e)
    if type(mt) == "table" and mt.__tostring then return s end
    if e == nil then return "an error that is nil" end
    if type(e) == "table" then s = require "rshell.repl.pretty".value(e):gsub("\27%[[%d;]*m", "") end
    return ("an error that is a %s: %s"):format(type(e), s)
end

--- `m.uname()` calls what m.uname is, a text: names of members are no programs.
local function member_hint(said)
    local name = said:match "attempt to call a %l+ value %(field '([%w_]+)'%)"
    if not name or not require "rshell.machine".fields[name] then return nil end
    return ("  hint: %s is a member of machines; m.cmd.%s is the program"):format(name, name)
end

--- The lines for an error and its traceback. What failed on another machine always comes with where it did.
---@param e any
---@param trace string?
---@return string
function M.lines(e, trace)
    local lines = {describe(e)}
    lines[2] = member_hint(lines[1])
    if err.is(e) then
        trace = rawget(e, "traceback") or trace
        local place = M.place(trace)
        if place then lines[#lines + 1] = "  at " .. place end
        if IN_GUIDE[e.kind] then lines[#lines + 1] = "  more: rshell help " .. e.kind end
    end
    local remote = err.is(e) and (e.kind == "remote" or trace and trace:find "^on ")
    if trace and (M.verbose >= 1 or remote) then lines[#lines + 1] = shown(trace) end
    return text.escape(table.concat(lines, "\n"))
end

--- Writes it; what was asked for (a signal, a cancel) is no news.
---@param what string "" or what failed
---@param e any
---@param trace string?
function M.failure(what, e, trace)
    if err.is(e) and e.kind == "cancelled" then return end
    io.stdout:flush()
    io.stderr:write(color.paint("error", "rshell:", 2), " ", what, M.lines(e, trace), "\n")
end

--- A message handler for xpcall: keeps the error and where it was raised.
function M.handler(e)
    return {value = e, trace = debug.traceback(nil, 2)}
end

--- What xpcall with that handler gave; an error for want of memory comes without.
---@return any e, string? trace
function M.unpack(caught)
    if type(caught) == "string" then return caught end
    return caught.value, caught.trace
end

return M
