---@meta

---The module "rshell"; a script has it as a global. Its parts are loaded when they are first named.
---@class rshell
---@field here rshell.Machine the local machine
---@field localhost rshell.Machine the same
---@field nodeset rshell.nodeset
---@field FG rshell.Modifier
---@field BG rshell.Modifier
---@field TEE rshell.Modifier
---@field TF rshell.Modifier
---@field RETCODE rshell.Modifier
---@field NOHUP rshell.Modifier
rshell = {}

---@class rshell.SshOptions
---@field user? string
---@field port? integer
---@field keyfile? string | string[]
---@field password? string | fun(): string
---@field passphrase? string | fun(path: string): string called when a key needs it
---@field jump? string | rshell.Machine "a,b", or a machine that ssh gave
---@field config? string | false another ssh_config, or none
---@field known_hosts? string
---@field host_keys? "strict" | "ask" | "accept-new" | "off"
---@field connect_timeout? number seconds; 10
---@field keepalive? number seconds; 15
---@field ciphers? string
---@field compression? boolean
---@field agent? false
---@field retries? integer
---@field retry_delay? number seconds; 1, doubled at each try
---@field env? table<string, string | number | false>
---@field cwd? string
---@field timeout? number for each operation
---@field batch? boolean asks nothing at the terminal
---@field options? table<string, string> as -o of ssh

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
---@return string[]?
function rshell.split(text) end

here = rshell.here
ssh = rshell.ssh
cluster = rshell.cluster
FG, BG, TEE, TF, RETCODE, NOHUP = rshell.FG, rshell.BG, rshell.TEE, rshell.TF, rshell.RETCODE, rshell.NOHUP

---What is raised.
---@class rshell.Error
---@field kind "process" | "connect" | "auth" | "hostkey" | "unreachable" | "timeout" | "cancelled" | "closed" | "remote" | "protocol" | "notfound" | "exists" | "denied" | "io" | "usage" | "parse" | "config"
---@field message string one line
---@field host? string the machine's name
---@field hint? string what to do next
---@field code? integer of a process
---@field signal? string "KILL"
---@field stdout? string
---@field stderr? string
---@field command? string
---@field path? string
---@field name? string "ENOENT", or what was looked for
---@field file? string
---@field line? integer
---@field traceback? string
