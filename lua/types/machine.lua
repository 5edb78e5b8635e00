---@meta

---A machine: its members below, and every other name is a command: `m.ls`, `m["/usr/bin/ls"]`, `m[path]`.
---@class rshell.Machine
---@field name string as given
---@field host string the address it stands for
---@field port? integer of SSH
---@field user string the account
---@field uname string "Linux"
---@field os string "linux"
---@field arch string "x86_64"
---@field home string the account's home folder
---@field cwd rshell.Workdir the working directory
---@field env rshell.Environment the environment
---@field cmd table<string, rshell.Command> every name is a command, also those of members
---@field python rshell.Command python3 over there, else python
---@field backend string "local", "agent" or "bare"
---@field closed boolean its connection is gone, or was closed
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
---@field umask? integer | string a number, or octal: "027"
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

---All processes over there.
---@return rshell.ProcessInfo[]
function Machine:list_processes() end

---Processes whose command line matches a Lua pattern.
---@param pattern string
---@return rshell.ProcessInfo[]
function Machine:pgrep(pattern) end

---What there is to know about it, in one round trip.
---@return rshell.HostFacts
function Machine:facts() end

---Seconds for one round trip.
---@return number
function Machine:ping() end

---Closes the connection; `here` and views close nothing.
function Machine:close() end

---What all machines inside take.
---@class rshell.InsideOptions
---@field env? table<string, string | number | false>
---@field cwd? string
---@field timeout? number seconds for each operation
---@field agent? boolean true: no agent in there is an error; false: none is wanted

---@class rshell.AccountOptions: rshell.InsideOptions
---@field user? string root by default
---@field password? string | fun(prompt: string): string called when it is asked for; without, it is asked for at the terminal

---@class rshell.LoginOptions: rshell.AccountOptions
---@field login? boolean as sudo -i and su -l: the account's own start-up files and home

---This machine as another account. Raises kind `auth` at once where the password is wrong, or missing.
---@param options? rshell.LoginOptions
---@return rshell.Machine
function Machine:sudo(options) end

---The same with su.
---@param options? rshell.LoginOptions
---@return rshell.Machine
function Machine:su(options) end

---The same with doas.
---@param options? rshell.AccountOptions
---@return rshell.Machine
function Machine:doas(options) end

---@class rshell.ContainerOptions: rshell.InsideOptions
---@field engine? string docker (podman where that isn't there), podman, nerdctl, kubectl, lxc, incus; also with its path
---@field user? string

---A running container on it.
---@param name string
---@param options? rshell.ContainerOptions
---@return rshell.Machine
function Machine:container(name, options) end

---@class rshell.ChrootOptions: rshell.InsideOptions
---@field user? string root by default

---A folder of it as the root of a machine.
---@param dir string | rshell.Path
---@param options? rshell.ChrootOptions
---@return rshell.Machine
function Machine:chroot(dir, options) end

---Where a program of yours leads: words that come before the program to run, or a function that gets its words and returns
---those to run in their place.
---@param way string[] | fun(argv: string[]): string[]
---@param options? rshell.InsideOptions
---@return rshell.Machine
function Machine:via(way, options) end

---@class rshell.InsideSshOptions: rshell.InsideOptions
---@field user? string
---@field port? integer
---@field keyfile? string | string[] files of this machine, as all below
---@field password? string | fun(prompt: string): string
---@field jump? string
---@field config? string | false
---@field known_hosts? string
---@field host_keys? "strict" | "accept-new" | "off"
---@field connect_timeout? number seconds
---@field ciphers? string
---@field compression? boolean
---@field forward_agent? boolean

---A host behind it, with this machine's own ssh client.
---@param target string
---@param options? rshell.InsideSshOptions
---@return rshell.Machine
function Machine:ssh(target, options) end

---A server for RPC on this machine.
---@return rshell.DeployedServer
function Machine:deploy() end

---A server and a connection; closing the connection closes both.
---@param options? rshell.ConnectOptions
---@return rshell.RpcConnection
function Machine:connect(options) end
