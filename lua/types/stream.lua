---@meta

---A stream of bytes, with backpressure: nothing is read before it is asked for. What fails raises an error object; the end
---is no failure. One task may read while another writes.
---@class rshell.Stream
local Stream = {}

---How much to read: a number, what is there but at most so much; `{exact=n}`, n bytes, or what there is at the end; "l" a
---line without its end, "L" with it; "a" all.
---@alias rshell.ReadFormat integer | { exact: integer } | "l" | "L" | "a"

---Reads; nil at the end ("a": an empty string). A read that ends by its timeout loses nothing.
---@param what? rshell.ReadFormat a line by default
---@param timeout? number seconds
---@return string?
function Stream:read(what, timeout) end

---Iterates over what `read` gives.
---@param what? rshell.ReadFormat
---@return fun(): string?
function Stream:lines(what) end

---Writes all of it; what several tasks write is not mixed within one call.
---@param ... string | number
---@return rshell.Stream
function Stream:write(...) end

---Copies all that comes to another stream until the end, in bounded memory, and leaves that open.
---@param to rshell.Stream
---@return integer bytes
function Stream:pump(to) end

---Copies what has come to another stream, or waits for some: how many bytes, nil at the end.
---@param to rshell.Stream
---@return integer? bytes
function Stream:pass(to) end

---No more will be written: the other side reads the end. Reading goes on.
function Stream:shutdown() end

---Closes; who waits for it gets an error of kind `closed`.
function Stream:close() end
