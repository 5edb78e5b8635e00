---@meta

---Digests and checksums. Files are hashed where they lie: `p:checksum(algorithm)`.
---@class rshell.hash
local hash = {}

---@alias rshell.HashName "md5" | "sha1" | "sha256" | "sha512" | "xxh64"

---The MD5 of a string, in hexadecimal. No signature: fit for comparing only.
---@param s string
---@return string
function hash.md5(s) end

---The SHA-1 of a string, in hexadecimal. No signature: fit for comparing only.
---@param s string
---@return string
function hash.sha1(s) end

---The SHA-256 of a string, in hexadecimal.
---@param s string
---@return string
function hash.sha256(s) end

---The SHA-512 of a string, in hexadecimal.
---@param s string
---@return string
function hash.sha512(s) end

---The XXH64 of a string with seed 0, in hexadecimal: a checksum, the fastest of all.
---@param s string
---@return string
function hash.xxh64(s) end

---A computation that is fed in pieces. Raises kind `usage` for a name that isn't known.
---@param name rshell.HashName
---@return rshell.Hash
function hash.new(name) end

---@class rshell.Hash
local Hash = {}

---Adds bytes; returns the object.
---@param s string
---@return rshell.Hash
function Hash:update(s) end

---The result so far in hexadecimal. More bytes may follow.
---@return string
function Hash:hex() end

---The result so far as bytes. More bytes may follow.
---@return string
function Hash:digest() end

return hash
