-- The bare backend: a machine that has /bin/sh and standard tools, reached through a connector. Same modules and
-- answers as rshell.sys.*, so that all above is written once.
--
-- A connector is a table of functions; each waits, and answers `nil, text, NAME` for an expected failure:
--
--   exec(line, opts)   runs a command line in the login shell over there; opts.pty = {term=, rows=, cols=}. A channel:
--                      .stdin .stdout .stderr   streams: read, write, lines, close
--                      :wait([seconds])         {code=} or {signal=}, {} where nobody knows, or nil, text, "ETIMEOUT"
--                      :exit()                  the same, or false while it runs
--                      :signal(name)            true, or nil, text, NAME
--                      :resize(rows, cols), :close() drops it at once
--                      .unread   its user's, or nil: where closing a stream does not reach the program, it is called
--                      when something was printed for that stream and somebody waits for the end; its argument is a
--                      function that tells whether that has happened again
--   connect_tcp(host, port), connect_unix(path)   a stream to there
--   listen(port or path, host)   optional: a listener over there, as rshell.sys.net has them (port 0: a free one; no
--                      host: 127.0.0.1; "*": every address), or nil, text, NAME, hint
--   host               the machine's name, for errors
--   broken()           why the connection is gone, or nil
--   plain              optional: true where /bin/sh gets the line, so that no other shell has to understand it
--   no_shell()         optional: why nothing but an agent can serve there
--   try(connector, how)  optional: starts an agent in place of rshell.agent.boot.try
--   longest            optional: bytes that a line may have where a server's end is the price of more
--   full()             optional: true while exec would have to wait for its turn
--   subsystem(name)    optional: a channel to that subsystem, as of exec

local M = {}

--- The backend over a connector.
---@param connector table
function M.new(connector)
    local shell = require "rshell.bare.shell".new(connector)
    return setmetatable({connector = connector, shell = shell, only_sftp = false, sftp = {}}, {
        __index = function(t, name)
            t[name] = require("rshell.bare." .. name).new(shell)
            if connector.subsystem then t[name] = require "rshell.sftp.fallback".wrap(t, name, t[name]) end
            return t[name]
        end,
    })
end

return M
