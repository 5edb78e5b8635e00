-- The keys of hosts that are known, in the files that ssh keeps them in.
--
-- A line is  [@marker] names type key [comment].  Names are a list of patterns, or one name hashed with a salt of its
-- own:  |1|salt|HMAC-SHA1(salt, name)  A port other than 22 belongs to the name: [host]:port

local base64 = require "rshell.ssh.base64"
local burst = require "rshell.ssh.burst"
local err = require "rshell.shared.error"
local fs = require "rshell.sys.fs"
local hash = require "rshell.sys.hash"
local pattern = require "rshell.ssh.pattern"

local M = {}

---@class rshell.KnownHost
---@field file string
---@field line integer
---@field marker "@revoked"|"@cert-authority"|nil
---@field type string
---@field key string Base64

-- ---- hashed names ----

local INNER, OUTER = 0x3636363636363636, 0x5c5c5c5c5c5c5c5c
local BLOCK = "<I8I8I8I8I8I8I8I8"

-- A block of HMAC's key, each byte changed in the same way.
local function mask(key, with)
    local a, b, c, d, e, f, g, h = BLOCK:unpack(key)
    return BLOCK:pack(a ~ with, b ~ with, c ~ with, d ~ with, e ~ with, f ~ with, g ~ with, h ~ with)
end

local function sha1(s)
    return hash.new "sha1":update(s):digest()
end

--- The HMAC of text with SHA-1, as bytes.
---@param key string
---@param text string
---@return string
function M.hmac(key, text)
    if #key > 64 then key = sha1(key) end
    key = key .. ("\0"):rep(64 - #key)
    return sha1(mask(key, OUTER) .. sha1(mask(key, INNER) .. text))
end

local function hashed_name(salt, name)
    return ("|1|%s|%s"):format(base64.encode(salt), base64.encode(M.hmac(salt, name)))
end

-- ---- parsing ----

-- The type that a key carries inside; nil for what is no key.
local function inner_type(key)
    local blob = base64.decode(key)
    if not blob or #blob < 4 then return nil end
    local ok, name = pcall(string.unpack, ">s4", blob)
    return ok and name or nil
end

local MARKERS = {["@revoked"] = true, ["@cert-authority"] = true}

-- The marker (or nil), the names, and the rest of a line; nothing for what is no entry.
local function split(text)
    local names, rest = text:match "^[ \t]*([^ \t#][^ \t]*)[ \t]+(.*)$"
    if not names or names:byte() ~= 64 then return nil, names, rest end
    if not MARKERS[names] then return nil end
    return names, rest:match "^([^ \t]+)[ \t]+(.*)$"
end

local function add_names(index, entry, names)
    if names:byte() == 124 then
        entry.salt, entry.hash = names:match "^|1|([^|]+)|([^|]+)$"
        if entry.salt then table.insert(index.hashed, entry) end
    elseif names:find "[*?!]" then
        entry.names = names
        table.insert(index.patterns, entry)
    else
        for name in names:lower():gmatch "[^,]+" do
            local list = index.plain[name]
            if not list then
                list = {}
                index.plain[name] = list
            end
            list[#list + 1] = entry
        end
    end
end

-- What can be told without a name, once for all names. A key is looked at only when its line is wanted.
local function parse(file, text)
    local index = {plain = {}, patterns = {}, hashed = {}, found = {}}
    local n = 0
    for line in text:gmatch "([^\n]*)\n?" do
        n = n + 1
        local marker, names, rest = split(line)
        if names then add_names(index, {file = file, line = n, marker = marker, rest = rest}, names) end
    end
    return index
end

-- ---- files ----

-- By file: what was parsed, and what the file was then.
local cache = {}

local function state_of(st)
    return ("%d %d %d %.9f %.9f"):format(st.dev, st.ino, st.size, st.mtime, st.ctime)
end

local MISSING = {ENOENT = true, ENOTDIR = true}

local function unreadable(file, text, name)
    err.raise {
        kind = err.kind_of(name), name = name, file = file,
        message = ("can't read the known hosts in %s: %s"):format(file, text),
    }
end

local function load_now(file)
    local st, text, name = fs.stat(file)
    if not st then
        if MISSING[name] then return nil end
        unreadable(file, text, name)
    end
    local old = cache[file]
    local state = state_of(st)
    if old and old.state == state then return old end
    local content, why, what = fs.read(file)
    if not content then unreadable(file, why, what) end
    local index = parse(file, content)
    index.state = state
    cache[file] = index
    return index
end

-- The parsed file; nil where there is none. One that is there and can't be read might forbid a key: that is an error.
local function load(file)
    return burst.once("known hosts " .. file, load_now, file)
end

local function forget(file)
    burst.forget("known hosts " .. file)
end

-- ---- looking up ----

local function matches_hash(entry, name)
    if entry.salt_bytes == nil then entry.salt_bytes = base64.decode(entry.salt) or false end
    if not entry.salt_bytes then return false end
    return base64.encode(M.hmac(entry.salt_bytes, name)) == entry.hash
end

-- Reads the type and the key of an entry that is wanted, once; false for a line that is malformed.
local function complete(entry)
    if entry.good == nil then
        local type, key = entry.rest:match "^([^ \t]+)[ \t]+([^ \t\r]+)"
        entry.good = type ~= nil and inner_type(key) == type
        entry.type, entry.key = type, key
    end
    return entry.good
end

local function find(index, name)
    local list = {table.unpack(index.plain[name] or {})}
    for _, e in ipairs(index.patterns) do
        if pattern.hosts(name, e.names) then list[#list + 1] = e end
    end
    for _, e in ipairs(index.hashed) do
        if matches_hash(e, name) then list[#list + 1] = e end
    end
    local good = {}
    for _, e in ipairs(list) do
        if complete(e) then good[#good + 1] = e end
    end
    return good
end

local function find_once(index, name)
    local found = index.found[name]
    if not found then
        found = find(index, name)
        index.found[name] = found
    end
    return found
end

local function written(name, port)
    name = name:lower()
    return port and port ~= 22 and ("[%s]:%d"):format(name, port) or name
end

local function by_line(a, b)
    return a.line < b.line
end

local function public(e)
    return {file = e.file, line = e.line, marker = e.marker, type = e.type, key = e.key}
end

--- The entries for any of the names, in the order of files and lines. For a HostKeyAlias give no port: it stands alone.
---@param files string[]
---@param names string[] a host's name and its address
---@param port integer?
---@return rshell.KnownHost[]
function M.lookup(files, names, port)
    local result = {}
    for _, file in ipairs(files) do
        local index = load(file)
        local some, seen = {}, {}
        for _, name in ipairs(index and names or {}) do
            for _, e in ipairs(find_once(index, written(name, port))) do
                if not seen[e] then some[#some + 1] = e end
                seen[e] = true
            end
        end
        table.sort(some, by_line)
        for _, e in ipairs(some) do result[#result + 1] = public(e) end
    end
    return result
end

local function types_of(entries)
    local types = {}
    for _, e in ipairs(entries) do
        if not e.marker and not types[e.type] then
            types[e.type] = true
            types[#types + 1] = e.type
        end
    end
    return table.move(types, 1, #types, 1, {})
end

--- The types of the keys that are known: those to ask a server for.
---@return string[]
function M.known_types(files, names, port)
    return types_of(M.lookup(files, names, port))
end

-- The entry with this key among those with this marker.
local function with_key(entries, marker, type, key)
    for _, e in ipairs(entries) do
        if e.marker == marker and e.type == type and e.key == key then return e end
    end
    return nil
end

-- The entry that contradicts a key: one of its type if there is any, else the first.
local function other_key(entries, type)
    local first
    for _, e in ipairs(entries) do
        if not e.marker then
            if e.type == type then return e end
            first = first or e
        end
    end
    return first
end

local function judge(files, names, port, type, key)
    local entries = M.lookup(files, names, port)
    local types = types_of(entries)
    local revoked = with_key(entries, "@revoked", type, key)
    if revoked then return "revoked", revoked, types end
    local known = with_key(entries, nil, type, key)
    if known then return "ok", known, types end
    local old = other_key(entries, type)
    if old then return "changed", old, types end
    if port and port ~= 22 then
        local verdict, entry = judge(files, names, nil, type, key)
        if verdict == "ok" or verdict == "revoked" then return verdict, entry, types end
    end
    return "unknown", nil, types
end

--- Judges a key. A key of a type that isn't known is "changed" too when another type is: else whoever stands in between
--- would only have to offer the other type. A host on an unusual port is "ok" as well when its key is known without the
--- port, as for ssh.
---@param files string[]
---@param names string[]
---@param port integer?
---@param type string "ssh-ed25519"
---@param key string Base64
---@return "ok"|"unknown"|"changed"|"revoked" verdict
---@return rshell.KnownHost? entry the one that says so
---@return string[] types that are known
function M.check(files, names, port, type, key)
    local verdict, entry, types = judge(files, names, port, type, key)
    if verdict == "ok" then return verdict, entry, types end
    -- Whoever says no looks at what is in the files now.
    for _, file in ipairs(files) do forget(file) end
    return judge(files, names, port, type, key)
end

-- ---- adding ----

local function random(n)
    local bytes, text = fs.read("/dev/urandom", {n = n})
    if not bytes or #bytes ~= n then err.raise {kind = "io", message = "no random bytes: " .. (text or "too few")} end
    return bytes
end

-- A name with a pattern's letters would vouch for other hosts, too.
local function check_name(name)
    if name == "" or name:find "[%s%c*?!,|#@]" then err.usage("'%s' can't be the name of a known host", name) end
end

local function check_key(type, key)
    if inner_type(key) ~= type then err.usage("not a key of type %s: '%s'", type, key) end
end

local function directory(file)
    local dir = file:match "^(.*)/[^/]*$"
    if not dir or dir == "" or fs.exists(dir) then return true end
    return fs.mkdir(dir, {mode = 448, exist_ok = true})
end

--- Adds a key to a file, which is made when it is missing; `hash` hides the name. Nil and a text when it can't be
--- written, or not be read: what is in it must not be harmed.
---@param file string
---@param name string
---@param port integer?
---@param type string
---@param key string Base64
---@param opts {hash: boolean?}?
---@return true?
---@return string? text
---@return string? name
function M.add(file, name, port, type, key, opts)
    check_name(name)
    check_key(type, key)
    local old, text, reason = fs.read(file)
    if not old and not MISSING[reason] then return nil, text, reason end
    name = written(name, port)
    if opts and opts.hash then name = hashed_name(random(20), name) end
    local line = ("%s %s %s\n"):format(name, type, key)
    if old and old:find "[^\n]$" then line = "\n" .. line end
    local ok, why, what = directory(file)
    if not ok then return nil, why, what end
    cache[file] = nil
    forget(file)
    -- One write at the end of the file: others may add to it at the same time. A file that is there keeps its mode.
    return fs.append(file, line, not old and {mode = 384} or nil)
end

--- How many bits an RSA key has; nil for what is none.
---@param key string Base64
---@return integer?
function M.rsa_bits(key)
    local ok, type, _, n = pcall(string.unpack, ">s4s4s4", base64.decode(key) or "")
    if not ok or type ~= "ssh-rsa" then return nil end
    n = n:gsub("^\0+", "")
    local bits, top = 8 * #n, n:byte() or 0
    while bits > 0 and top < 128 do bits, top = bits - 1, top << 1 end
    return bits
end

--- As ssh-keygen -l prints it; nil for what is no Base64.
---@param key string Base64
---@return string?
function M.fingerprint(key)
    local blob = base64.decode(key)
    if not blob then return nil end
    return "SHA256:" .. base64.encode(hash.new "sha256":update(blob):digest()):gsub("=+$", "")
end

return M
