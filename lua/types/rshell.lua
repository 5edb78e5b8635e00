---@meta

---The module "rshell"; scripts and the prompt have it as a global. Its parts are loaded when they are first named.
---@class rshell
---@field here rshell.Machine the local machine
---@field localhost rshell.Machine the same
---@field nodeset rshell.nodeset names as web[1-20]!web7
---@field output rshell.output tables, progress and widths for what a script prints
---@field FG rshell.Modifier `c & FG`: attached to our terminal; true
---@field BG rshell.Modifier `c & BG`: in the background; a future
---@field TEE rshell.Modifier `c & TEE`: shows what is printed, and keeps it; a result
---@field TF rshell.Modifier `c & TF`: true or false
---@field RETCODE rshell.Modifier `c & RETCODE`: the status
---@field NOHUP rshell.Modifier `c & NOHUP`: outlives us; the pid
---@field inventory any not in this version
---@field playbook any not in this version
---@field serve any not in this version
---@field join any not in this version
rshell = {}

---@class rshell.SshOptions
---@field user? string the account; else as ssh_config says, or ours
---@field port? integer 22, or as ssh_config says
---@field keyfile? string | rshell.Path | (string | rshell.Path)[] private keys to try, in place of those of ssh_config
---@field password? string | fun(): string a function is called when it is needed
---@field passphrase? string | fun(path: string): string called when a key needs it
---@field jump? string | rshell.Machine "a,b", or a machine that ssh gave
---@field config? string | rshell.Path | false another ssh_config, or none
---@field known_hosts? string | rshell.Path the file of known keys
---@field host_keys? "strict" | "ask" | "accept-new" | "off" of a host key that isn't known: it is refused, asked about, remembered, taken
---@field connect_timeout? number seconds; 10, and 30 for the shell over there to start the agent
---@field keepalive? number seconds; 15
---@field ciphers? string as Ciphers of ssh_config
---@field compression? boolean of what goes over the link
---@field agent? boolean false: its shell and tools serve; true: no agent is an error. Else an agent where one can run
---@field retries? integer how often a refused connection is tried again
---@field retry_delay? number seconds; 1, doubled at each try
---@field env? table<string, string | number | false> variables that programs get besides; false unsets
---@field cwd? string where programs and relative paths start, in place of the home folder
---@field timeout? number seconds for each operation
---@field batch? boolean asks nothing at the terminal
---@field options? table<string, string> as -o of ssh
---@field transport? "libssh" | "openssh" libssh unless openssh is given: the system's ssh program, with all that it knows
---@field forward_agent? boolean programs over there may use our SSH agent; with transport="openssh"

---Connects and logs in. The target is a name of ssh_config, "user@host:port" or "ssh://user@[::1]:22".
---@param target string
---@param options? rshell.SshOptions
---@return rshell.Machine
function rshell.ssh(target, options) end

---The same function.
---@param target string
---@param options? rshell.SshOptions
---@return rshell.Machine
function rshell.SshMachine(target, options) end

---Many machines as one.
---@param hosts rshell.NodesetLike
---@param options? rshell.ClusterOptions
---@return rshell.Cluster
function rshell.cluster(hosts, options) end

---Copies a file or a tree between any two machines. Strings are paths of this one. Links stay links.
---@param src rshell.AnyPath
---@param dst rshell.AnyPath the final name; with a slash at its end the folder it goes into
---@param options? rshell.CopyOptions
---@return rshell.CopyResult
function rshell.copy(src, dst, options) end

---Starts a task: fn runs at the next turn, beside us.
---@param fn function
---@param ... any
---@return rshell.Task
function rshell.spawn(fn, ...) end

---Calls fn(item, index) for each item of an array, each in a task of its own.
---@generic T, R
---@param list T[]
---@param fn fun(item: T, index: integer): R?
---@param options? rshell.ParallelOptions
---@return table results in order, with their number in `n`: what fn returned first, or the error that it raised
---@return table<integer, any> errors those that failed, by index
function rshell.parallel(list, fn, options) end

---Waits so many seconds; other tasks go on.
---@param seconds number
function rshell.sleep(seconds) end

---Monotonic seconds.
---@return number
function rshell.now() end

---Waits for the first that is done: it, and its index.
---@param list rshell.Task[]
---@param timeout? number
---@return rshell.Task
---@return integer
function rshell.select(list, timeout) end

---Calls fn; past its time what it waits for raises kind `timeout`. Code that computes and never waits isn't interrupted
---on this machine; what conn:call ships is.
---@param seconds number
---@param fn function
---@param ... any
---@return any ...
function rshell.timeout(seconds, fn, ...) end

---A function that starts fn, of another machine or our own, and gives a future.
---@param fn function
---@return fun(...: any): rshell.Async
function rshell.async(fn) end

---A reference to an object that exposes only these names, for who is handed it on another machine; `writable` ones may be
---assigned. All else raises kind `denied`.
---@param object any
---@param names string[]
---@param writable? string[]
---@return userdata
function rshell.restrict(object, names, writable) end

---A class's name, or Lua's type.
---@param value any
---@return string
function rshell.type(value) end

---Words quoted for sh, joined by blanks.
---@param ... string
---@return string
function rshell.quote(...) end

---The words of a line, as sh would split a simple command; nil, text, "EPARSE" for a quote that isn't closed.
---@param text string
---@return string[]? words
---@return string? message
---@return string? name
function rshell.split(text) end

---The names of the globals below.
---@return string[]
function rshell.globals() end

---The names of all members of this module.
---@return string[]
function rshell.names() end

here, ssh, cluster, copy, inventory = rshell.here, rshell.ssh, rshell.cluster, rshell.copy, rshell.inventory
spawn, parallel, sleep = rshell.spawn, rshell.parallel, rshell.sleep

---What follows the script's name; [0] is the script.
---@type string[]
arg = {}

---m:deploy() as a function.
---@param machine rshell.Machine
---@return rshell.DeployedServer
function rshell.DeployedServer(machine) end

---m:connect() as a function.
---@param machine rshell.Machine
---@param options? rshell.ConnectOptions
---@return rshell.RpcConnection
function rshell.classic_connect(machine, options) end

---Deploys to several machines at once. If one fails all are closed and its error is raised, unless partial is true.
---@param machines rshell.Machine[]
---@param options? { partial?: boolean }
---@return rshell.MultiServerDeployment
function rshell.MultiServerDeployment(machines, options) end

---Places to call functions in, by name.
---@return rshell.Endpoints
function rshell.endpoints() end
