---@meta
-- luacheck: globals cluster

---Many machines as one: `cluster("web[1-20]!web7", {limit = 64, user = "deploy"})`.
---
---What is no member is a command: `web.uptime()`, `web["ls"]["-l"]()` run on all hosts and give results. A host that
---fails never stops the others; each has exactly one result, in the cluster's order. Machines are connected when they
---are first wanted, and kept until the cluster is closed.
---@class rshell.Cluster
---@field hosts string[] the names, in the cluster's order
---@field limit integer how many at once
---@field closed boolean it was closed
---@field cmd table<string, rshell.ClusterCommand> every name is a command, those of members too
---@field [string] rshell.ClusterCommand
---@operator len: integer
local Cluster = {}

---What connecting takes (`ssh`) goes along; these are the cluster's own.
---@class rshell.ClusterOptions
---@field limit? integer how many at once, 64
---@field retries? integer how often a refused connection is tried again, 3
---@field retry_delay? number seconds before the first time, 0.5; twice as long each time, at most 30, less up to a half by chance
---@field connect? fun(name: string, options: table): rshell.Machine else `ssh`
---@field groups? table<string, any> | fun(name: string, source: string?): rshell.NodesetLike? of `@group`
---@field all? rshell.NodesetLike what `*` and `~regex` choose from

---@class rshell.BatchOptions
---@field limit? integer how many at once; holds within a batch
---@field serial? integer hosts in a batch; the next batch begins when all of one are done
---@field stop_on_error? boolean after a failure none is begun any more: the rest is skipped
---@field timeout? number seconds for each host, or each command
---@field done? fun(result: rshell.HostResult) called with each result as it is there

---A cluster of a node set, or of a list of node sets and machines. The machines of a list stay yours: they aren't closed.
---@param hosts rshell.NodesetLike | (rshell.NodesetLike | rshell.Machine)[]
---@param options? rshell.ClusterOptions
---@return rshell.Cluster
function cluster(hosts, options) end

---Calls fn(machine, name) for each host, some at once. What it returns is `value` in the host's result, what it raises `error`.
---@param fn fun(machine: rshell.Machine, name: string): any
---@param options? rshell.BatchOptions
---@return rshell.Results
function Cluster:each(fn, options) end

---Runs a command on all hosts: `web:run({"ls", "-l"}, {timeout = 5})` or `web:run("ls", "-l", {timeout = 5})`.
---A status that isn't in `retcode` is a failure.
---@param argv string[] | string
---@param ... any
---@return rshell.Results
function Cluster:run(argv, ...) end

---Runs a script with sh on all hosts. Further values are `$1`...; a last table of named values is options.
---@param script string
---@param ... any
---@return rshell.Results
function Cluster:sh(script, ...) end

---The hosts of a node set, which must be in the cluster (`*&` before it takes those that are), in the cluster's order. It
---has the same connections; closing it closes nothing.
---@param p rshell.NodesetLike
---@return rshell.Cluster
function Cluster:select(p) end

---The machine of a host; connects it if need be.
---@param name string
---@return rshell.Machine
function Cluster:machine(name) end

---Closes the machines that the cluster opened, all at once. Harmless twice.
function Cluster:close() end

---A command of all hosts. Called it runs, indexed it binds an argument.
---@class rshell.ClusterCommand
---@operator call(any): rshell.Results
---@field [any] rshell.ClusterCommand
local ClusterCommand = {}

---The same with more arguments.
---@param ... any
---@return rshell.ClusterCommand
function ClusterCommand:bind(...) end

---The same with options.
---@param options table those of commands, and limit, serial, stop_on_error
---@return rshell.ClusterCommand
function ClusterCommand:with(options) end

---What came of it, by host: `r.web1`, `r["db1:2222"]`; `r[1]` is the first. `#r` counts, `pairs` goes over hosts and
---results, `tostring` says "18 ok, 2 failed".
---@class rshell.Results
---@field ok string[] the hosts that did well
---@field failed string[] all others
---@field hosts string[] all names, in order
---@field [string] rshell.HostResult
---@field [integer] rshell.HostResult
---@operator len: integer
local Results = {}

---`for host, out in r:each() do`: what the command printed or the function returned; nil for those that failed.
---@return fun(): string?, any
function Results:each() end

---Each line with its host before it, failures too.
---@param out? { write: function } standard output
function Results:print(out) end

---Identical outputs together, `tostring` of which shows blocks as `clush -b` does: `print(r:fold())`.
---@return rshell.Block[]
function Results:fold() end

---@class rshell.Block
---@field hosts string folded
---@field names string[] the same, one by one
---@field count integer how many
---@field output string what each of them printed
---@field status string what became of them

---What came of it on one host.
---@class rshell.HostResult
---@field host string its name
---@field status "ok" | "failed" | "unreachable" | "timeout" | "cancelled" | "skipped" what became of it
---@field value? any what the function returned; a command's stdout
---@field stdout? string what the command printed
---@field stderr? string what it printed of errors
---@field code? integer its status
---@field error? any what was raised
