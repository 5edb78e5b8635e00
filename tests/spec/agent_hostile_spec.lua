-- Targets that lie: what runs over there as an agent sends what no agent does. Its session ends with an error that says
-- why, in bounded memory, and others go on.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path

local agent = require "agent"
local log = require "rshell.log"
local programs = require "programs"
local rpc = require "rshell.rpc"
local rshell = require "rshell"
local spec = require "spec"
local wire = require "rshell.wire"

local here = rshell.here
local F = rpc.FRAME
local DATA, END = 7, 9

-- ---- agents that are scripts ----

local function frame(type, id, payload, length)
    return (">I4 B B I2 I4"):pack(length or #payload, type, 0, 0, id) .. payload
end

local HELLO = frame(F.HELLO, 0, wire.encode(nil, {protocol = 1, version = "0", pid = 1, os = "Linux", arch = "x86_64"}))

local function octal(bytes)
    return (bytes:gsub(".", function(c) return ("\\%03o"):format(c:byte()) end))
end

--- An image that says these bytes, then runs this in sh. Before it goes on it reads what is asked of it.
local function image(bytes, after)
    local script = ("#!/bin/sh\nprintf '%s'\n%s\n"):format(octal(bytes), after or "exec sleep 1000")
    return (here.gzip["-c"] << script)()
end

local function liar(bytes, after)
    local packed = image(bytes, after)
    return agent.machine("/bin/sh", {images = function() return packed end})
end

local function quietly(fn)
    log.sink(function() end)
    local ok, e = pcall(fn)
    log.sink(nil)
    if not ok then error(e, 0) end
end

local honest <close> = agent.machine()

-- ---- instead of a HELLO: the shell serves ----

spec.table("an agent that doesn't greet is none:", {
    {name = "it ends", "", "exit 3"},
    {name = "it says something else", "Welcome to this machine!\n", "exec sleep 1000"},
    {name = "a length past every limit", "\255\255\255\255\1\0\0\0\0\0\0\0"},
    {name = "a frame of an unknown type", frame(99, 0, "")},
    {name = "a HELLO that is no table", frame(F.HELLO, 0, wire.encode(nil, 5))},
    {name = "a HELLO that can't be read", frame(F.HELLO, 0, "\199\255\255")},
}, function(t, c)
    quietly(function()
        local m <close> = liar(c[1], c[2])
        t.eq(m.echo "x", "x\n")
        t.eq(m.backend, "bare")
    end)
    t.eq(honest.echo "x", "x\n")
end)

-- ---- after it: the session ends, and says why ----

local deep = ("\145"):rep(100000) .. "\1"

spec.table("an agent that breaks the protocol is left:", {
    {name = "an answer to a call that was never made", frame(F.REPLY, 77, ""), why = "never made"},
    {name = "a call", frame(F.CALL, 1, wire.encode(nil, 0, "fs.read", "/etc/shadow")), why = "nobody serves"},
    {name = "a value nested too deeply", frame(F.REPLY, 1, deep), why = "more than 200 levels"},
    {name = "a value that ends too early", frame(F.REPLY, 1, "\221\255\255\255\255"), why = ""},
    {name = "a reference of a class that nobody knows", frame(F.REPLY, 1, "\199\3\1\7\161x"), why = ""},
    {name = "the release of what wasn't given", frame(F.RELEASE, 0, wire.encode(nil, 5, 1)), why = "wasn't given"},
    {name = "bytes past the window", frame(DATA, 3, ("x"):rep(1000000)):rep(3), why = "more than it asked for"},
    {name = "streams without end", frame(END, 0x7fffffff, ""), why = "more than it asked for"},
    {name = "an answer without values", frame(F.REPLY, 1, ""), why = "no answer"},
    {name = "a failure without a name", frame(F.REPLY, 1, wire.encode(nil, nil, "some text")), why = "no answer"},
    {name = "an answer of another kind", frame(F.REPLY, 1, wire.encode(nil, 5)), why = "no answer"},
    {name = "an answer with strange fields", frame(F.REPLY, 1, wire.encode(nil, {exits = {5}})), why = "no answer"},
    {name = "no frame", "rm: cannot remove 'x': Permission denied\n", why = "rm: cannot remove"},
    {name = "a context that isn't there", (">I4 B B I2 I4"):pack(0, F.EVENT, 0, 5, 0), why = "context"},
}, function(t, c)
    -- The call that it answers is the first: it is asked before anything is sent.
    local m <close> = liar(HELLO, ("sleep 0.2; printf '%s'; exec sleep 1000"):format(octal(c[1])))
    local e = t.raises("closed", function() rshell.timeout(20, m.echo, "x") end)
    t.match(e.message, "the connection to the agent is gone: .*" .. c.why)
    t.eq(e.host, "agent")
    t.eq(honest.echo "x", "x\n")
end)

spec.test("endless output takes little memory", function(t)
    programs.bounded(t, 100, function()
        local event = octal(frame(F.EVENT, 1, wire.encode(nil, "news", ("x"):rep(1000))))
        local m <close> = liar(HELLO, ("while printf '%s'; do :; done"):format(event))
        t.raises("timeout", function() rshell.timeout(1, m.echo, "x") end)
    end)
    t.eq(honest.echo "x", "x\n")
end)

spec.finish()
