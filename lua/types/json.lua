---@meta

---JSON. Integers stay integers, floats floats, bytes that aren't UTF-8 are an error unless they are replaced.
---@class rshell.json
---@field null lightuserdata what null is: not nil, so that it can lie in tables
local json = {}

---@class rshell.JsonEncodeOptions
---@field indent? integer | string | boolean blanks for each level, or how many; true is 2; without, all is on one line
---@field sort? boolean names in the order of their bytes
---@field invalid? "error" | "replace" bytes that aren't UTF-8: raise (the default), or write U+FFFD

---@class rshell.JsonDecodeOptions
---@field invalid? "error" | "replace" escapes of half a surrogate pair: an error (the default), or U+FFFD

---A value as JSON. A table with `[1]` is an array, one without an object; an empty one is `{}` unless it is marked.
---Raises kind `usage`, with the place, for what has no form in JSON (functions, NaN, holes) and past 200 levels.
---@param value any
---@param options? rshell.JsonEncodeOptions
---@return string
function json.encode(value, options) end

---The value of a JSON text; null is `json.null`, arrays are marked. What is wrong is told as
---`nil, "line 1 column 5: expected , or }, not 'x'", "EPARSE"`.
---@param text string
---@param options? rshell.JsonDecodeOptions
---@return any value
---@return string? message
---@return string? name
function json.decode(text, options) end

---Marks a table as an array, so that it is `[]` when it is empty. Raises when it has a metatable of its own.
---@param t? table a new one without
---@return table
function json.array(t) end

return json
