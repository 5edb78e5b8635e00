---@meta

---A deployed server: what starts connections on one machine. Closed or dropped with `<close>`, it ends all of them.
---@class rshell.DeployedServer
---@field pid integer the agent's process over there
---@field machine rshell.Machine
---@field closed boolean
local DeployedServer = {}

---@class rshell.ConnectOptions
---@field memory? number bytes that its heap may hold; 512 MiB

---A connection: a process of its own over there, with its own variables. It starts in the machine view's directory, with its
---environment, umask and timeout.
---@param options? rshell.ConnectOptions
---@return rshell.RpcConnection
function DeployedServer:connect(options) end

---The same.
---@param options? rshell.ConnectOptions
---@return rshell.RpcConnection
function DeployedServer:classic_connect(options) end

---Ends every connection. Harmless twice.
function DeployedServer:close() end

---Code, variables and objects in a process on another machine. What came from there and goes by reference is a proxy: it
---is used as if it were here.
---@class rshell.RpcConnection
---@field modules any `conn.modules.fs.stat("/etc/passwd")`: require over there; a module missing there is found here and sent
---@field namespace any the variables over there
---@field builtins any what its code finds without asking
---@field pid integer
---@field machine rshell.Machine
---@field closed boolean
local RpcConnection = {}

---The values of an expression.
---@param text string
---@return any ...
function RpcConnection:eval(text) end

---Runs statements; what they return.
---@param text string
---@return any ...
function RpcConnection:execute(text) end

---Ships a function with its upvalues, and calls it over there.
---@param fn function
---@param ... any
---@return any ...
function RpcConnection:call(fn, ...) end

---The shipped function, to be called many times.
---@param fn function
---@return function
function RpcConnection:teleport(fn) end

---The same as call, without waiting.
---@param fn function
---@param ... any
---@return rshell.Async
function RpcConnection:async(fn, ...) end

---fn(b) makes calls without waiting for any; what they give can be arguments of later ones. All of it is one round trip.
---@param fn fun(b: rshell.Batch): any ...
---@return any ... what fn returns, with the values of promises
function RpcConnection:batch(fn) end

---v, to go by reference although it is a plain table.
---@param v any
---@return any
function RpcConnection:ref(v) end

---What a proxy stands for, by value, in one transfer.
---@param proxy any
---@return any
function RpcConnection:copy(proxy) end

---A view whose calls (eval, execute, call, async, batch, teleport) are interrupted over there after so many seconds. What
---is done with proxies has the time of the machine's view: `m:with{timeout = 5}:connect()`.
---@param options { timeout: number }
---@return rshell.RpcConnection
function RpcConnection:with(options) end

---What `require` over there finds first: a file, a table of functions, or a function that gives the module.
---@param name string
---@param source string | rshell.Path | table | fun(name: string): any
---@return rshell.RpcConnection self
function RpcConnection:provide(name, source) end

---Where its output goes: a function, a stream or a path for each; nil is our own.
---@param to? { stdout?: any, stderr?: any }
---@return rshell.RpcConnection self
function RpcConnection:stdio(to) end

---Seconds for one round trip.
---@return number
function RpcConnection:ping() end

---A prompt over there, until the end of the input.
function RpcConnection:interact() end

---Ends its process. Harmless twice.
function RpcConnection:close() end

---Servers on several machines. `d[1]` is one, `#d` is their number.
---@class rshell.MultiServerDeployment
---@field errors table<string, any> with partial=true: what is wrong where none stands, by the machine's name
---@field [integer] rshell.DeployedServer
local MultiServerDeployment = {}

---A connection to each, in order, as so many results.
---@param options? rshell.ConnectOptions
---@return rshell.RpcConnection ...
function MultiServerDeployment:connect_all(options) end

---Those that connect_all has made; it is called where it wasn't.
---@return rshell.RpcConnection[]
function MultiServerDeployment:connections() end

---Closes every server. Harmless twice.
function MultiServerDeployment:close() end

---Places to call functions in, by name.
---@class rshell.Endpoints
local Endpoints = {}

---Connects when it is first called.
---@param name string
---@param target rshell.Machine | string | rshell.DeployedServer | rshell.RpcConnection
---@return rshell.Endpoints self
function Endpoints:add(name, target) end

---Forgets a place; the connection that was made for it is closed.
---@param name string
---@return rshell.Endpoints self
function Endpoints:remove(name) end

---Whether there is one of this name.
---@param name string
---@return boolean
function Endpoints:exists(name) end

---Ships a function and calls it there.
---@param name string
---@param fn function
---@param ... any
---@return any ...
function Endpoints:call(name, fn, ...) end

---`{name = {fn, ...}, ...}`, all at the same time: the first result of each, by name. When some fail, one error with
---`.results` and `.errors` is raised.
---@param calls table<string, table>
---@return table<string, any>
function Endpoints:multicall(calls) end

---Closes the connections that were made for it.
function Endpoints:close() end

---A call under way, of `conn:async` and `rshell.async`.
---@class rshell.Async
---@field error any what it failed with; nil while it goes on
local Async = {}

---Its results; raises its error. Past its time it raises kind `timeout`, and the call goes on.
---@param seconds? number
---@return any ...
function Async:await(seconds) end

---True when it is done.
---@return boolean
function Async:ready() end

---Calls fn with this future when it is done, at once where it is.
---@param fn fun(future: rshell.Async)
---@return rshell.Async self
function Async:on(fn) end

---Ends the call, over there too.
function Async:cancel() end

---What the function of `conn:batch` gets. Its calls run over there in their order; what they give are promises, which can be
---arguments of later calls, indexed, and called. One that fails fails those that name it.
---@class rshell.Batch
---@field modules any
---@field namespace any
local Batch = {}

---As `conn:call`.
---@param fn function
---@param ... any
---@return any promise
function Batch:call(fn, ...) end

---As `conn:eval`.
---@param text string
---@return any promise
function Batch:eval(text) end

---As `conn:execute`.
---@param text string
---@return any promise
function Batch:execute(text) end
