---@meta

---What a machine is and what runs on it. What can't be told is `nil, text, NAME`.
---@class rshell.host
local host = {}

---@class rshell.HostUname
---@field sysname string
---@field nodename string
---@field release string
---@field version string
---@field machine string

---@class rshell.HostUser
---@field name string
---@field uid integer
---@field gid integer
---@field gecos string
---@field home string
---@field shell string

---@class rshell.HostGroup
---@field name string
---@field gid integer
---@field members string[] not those whose primary group it is

---@class rshell.HostAddress
---@field family "ipv4" | "ipv6"
---@field address string
---@field prefix integer
---@field broadcast? string
---@field peer? string of a point-to-point link
---@field scope? "global" | "link" | "host" of IPv6

---@class rshell.HostInterface
---@field name string
---@field index integer
---@field mac? string
---@field mtu? integer
---@field state string the kernel's word: up, down, unknown, dormant ...
---@field flags string[] up, broadcast, loopback, running ...
---@field addresses rshell.HostAddress[]

---@class rshell.HostMemory in bytes
---@field total integer
---@field free integer
---@field available integer what programs can still get
---@field buffers integer
---@field cached integer
---@field swap_total integer
---@field swap_free integer

---@class rshell.HostMount
---@field device string
---@field path string
---@field type string
---@field options string
---@field total? integer bytes; this and what follows only with sizes = true
---@field free? integer
---@field available? integer what others than root can still use
---@field files? integer
---@field files_free? integer
---@field error? string the name of the error with which the sizes could not be told

---@class rshell.HostCpus
---@field count integer that are online
---@field usable? integer that this process may use
---@field model? string
---@field cores? integer
---@field sockets? integer

---@class rshell.HostProcess
---@field pid integer
---@field ppid integer
---@field pgid integer
---@field uid integer the effective one
---@field user string its name, or its digits
---@field name string at most 15 bytes
---@field args string argv joined by blanks; the name in brackets where there is none (kernel threads, zombies)
---@field argv string[]
---@field stat string one letter: R, S, D, Z, T, I
---@field rss integer bytes
---@field start number seconds since the epoch

---@class rshell.HostFacts
---@field uname rshell.HostUname
---@field os table<string, string>
---@field hostname string
---@field cpus rshell.HostCpus
---@field memory rshell.HostMemory
---@field loadavg number[]
---@field uptime number
---@field interfaces rshell.HostInterface[]
---@field pid integer
---@field uid integer
---@field gid integer

---What uname(2) says.
---@return rshell.HostUname
function host.uname() end

---/etc/os-release, with keys in small letters: `host.os_release().version_id`.
---@return table<string, string>? fields
---@return string? message
---@return string? name
function host.os_release() end

---The accounts of /etc/passwd, in its order.
---@return rshell.HostUser[]
function host.users() end

---An account by name or number (ourselves without); the name service is asked for what isn't in /etc/passwd.
---@param user? string | integer
---@return rshell.HostUser? account
---@return string? message
---@return string? name
function host.user(user) end

---The groups of /etc/group, in its order.
---@return rshell.HostGroup[]
function host.groups() end

---A group by name or number (our own without); the name service is asked for what isn't in /etc/group.
---@param group? string | integer
---@return rshell.HostGroup? group
---@return string? message
---@return string? name
function host.group(group) end

---The numbers of all groups of an account (ourselves without), its primary one first.
---@param user? string | integer
---@return integer[]? gids
---@return string? message
---@return string? name
function host.user_groups(user) end

---An account's home; $HOME without.
---@param user? string | integer
---@return string? path
---@return string? message
---@return string? name
function host.home(user) end

---The network interfaces with their addresses.
---@return rshell.HostInterface[]
function host.interfaces() end

---Memory and swap.
---@return rshell.HostMemory
function host.memory() end

---What is mounted. Sizes are told on request only, since a file server that is gone doesn't answer.
---@param options? {sizes?: boolean}
---@return rshell.HostMount[]
function host.mounts(options) end

---The processors.
---@return rshell.HostCpus
function host.cpus() end

---The load of the last 1, 5 and 15 minutes.
---@return number[]
function host.loadavg() end

---Seconds since the machine started.
---@return number
function host.uptime() end

---All processes that we may see.
---@return rshell.HostProcess[]
function host.processes() end

---The environment of this process.
---@return table<string, string>
function host.env() end

---The machine's name as it calls itself.
---@return string
function host.hostname() end

---The number of this process.
---@return integer
function host.pid() end

---What costs no more than reading a few small files.
---@return rshell.HostFacts
function host.facts() end

return host
