---@meta

---A machine: its members below, and every other name is a command: `m.ls`, `m["/usr/bin/ls"]`, `m[path]`.
---@class rshell.Machine
---@field name string as given
---@field host string the address it stands for
---@field port? integer
---@field user string
---@field uname string "Linux"
---@field os string "linux"
---@field arch string "x86_64"
---@field home string
---@field cwd rshell.Workdir
---@field env rshell.Environment
---@field cmd table<string, rshell.Command> every name is a command, also those of members
---@field python rshell.Command python3 over there, else python
---@field backend string "local" or "bare"
---@field closed boolean
---@field [string | rshell.Path] rshell.Command
local Machine = {}

---The path of the first program found; raises kind `notfound`.
---@param name string
---@param ... string
---@return rshell.Path
function Machine:which(name, ...) end

---A path. Parts are joined, an absolute part starts anew; relative ones start at `m.cwd`.
---@param ... string | rshell.Path
---@return rshell.Path
function Machine:path(...) end

---A command that runs a script with sh; further values are $1...
---@param script string
---@param ... any
---@return rshell.Command
function Machine:sh(script, ...) end

---A view with another working directory: same connection, own settings.
---@param dir string | rshell.Path
---@return rshell.Machine
function Machine:at(dir) end

---@class rshell.ViewOptions
---@field env? table<string, string | number | false>
---@field cwd? string | rshell.Path
---@field timeout? number seconds for each operation
---@field umask? integer
---@field user? string for what is started

---A view with other settings.
---@param options rshell.ViewOptions
---@return rshell.Machine
function Machine:with(options) end

---A shell that keeps its state.
---@return rshell.Session
function Machine:session() end

---A path that is deleted when it is closed.
---@return rshell.TempDir
function Machine:tempdir() end

---Copies a file or tree of this side to that machine.
---@param src string | rshell.Path
---@param dst string | rshell.Path
---@param options? rshell.CopyOptions
---@return rshell.CopyResult
function Machine:upload(src, dst, options) end

---Copies a file or tree of that machine to this side.
---@param src string | rshell.Path
---@param dst string | rshell.Path
---@param options? rshell.CopyOptions
---@return rshell.CopyResult
function Machine:download(src, dst, options) end

---A stream to a port or a unix socket over there.
---@param where integer | string
---@param host? string
---@return rshell.Stream
function Machine:connect_sock(where, host) end

---A listener over there.
---@param where integer | string a port, 0 for a free one, or a path
---@param host? string
---@return rshell.MachineListener
function Machine:listen(where, host) end

---A tunnel: the first is where one connects, the second where it leads.
---@param lport integer | string
---@param dport integer | string
---@param options? rshell.TunnelOptions
---@return rshell.Tunnel
function Machine:tunnel(lport, dport, options) end

---@return rshell.ProcessInfo[]
function Machine:list_processes() end

---Processes whose command line matches a Lua pattern.
---@param pattern string
---@return rshell.ProcessInfo[]
function Machine:pgrep(pattern) end

---@return rshell.HostFacts
function Machine:facts() end

---Seconds for one round trip.
---@return number
function Machine:ping() end

---Closes the connection; `here` and views close nothing.
function Machine:close() end

---A machine as another account of it. Not in this version: raises `usage`.
---@param ... any
function Machine:sudo(...) end

---A machine as another account of it. Not in this version: raises `usage`.
---@param ... any
function Machine:su(...) end

---A machine as another account of it. Not in this version: raises `usage`.
---@param ... any
function Machine:doas(...) end

---A container of it, as a machine. Not in this version: raises `usage`.
---@param ... any
function Machine:container(...) end

---A folder of it, as a machine. Not in this version: raises `usage`.
---@param ... any
function Machine:chroot(...) end

---A machine behind a connector. Not in this version: raises `usage`.
---@param ... any
function Machine:via(...) end

---A machine behind it. Not in this version: raises `usage`.
---@param ... any
function Machine:ssh(...) end

---A server for RPC. Not in this version: raises `usage`.
---@param ... any
function Machine:deploy(...) end

---An RPC connection. Not in this version: raises `usage`.
---@param ... any
function Machine:connect(...) end
