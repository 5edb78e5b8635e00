---@meta

---A place on one machine. Values: nothing changes a path. Besides the operators below, `p // "*.c"` gives what a pattern
---finds. Methods raise what fails, with `kind`, `host` and `path`; each is one round trip.
---@class rshell.Path
---@field name string the last part; "" of /
---@field stem string the name without its last suffix
---@field suffix string ".gz" of a.tar.gz, "" where there is none
---@field suffixes string[] {".tar", ".gz"} of a.tar.gz
---@field parent rshell.Path the folder it is in; / of /
---@field dirname rshell.Path the same
---@field parts string[] the first is "/"
---@field root string "/"
---@field machine rshell.Machine
---@field uri string file:///x here, ssh://user@host:port/x there
---@operator div(string | rshell.Path): rshell.Path
---@operator concat(string | number | rshell.Path): string
---@operator idiv(string): rshell.Path[]
local path = {}

---Where a path is expected: a string that starts at m.cwd, or a path of the same machine.
---@alias rshell.AnyPath string | rshell.Path

-- Pure

---A path below it.
---@param ... rshell.AnyPath an absolute one starts anew
---@return rshell.Path
function path:join(...) end

---A folder above it.
---@param n? integer folders up, 1; it stops at the root
---@return rshell.Path
function path:up(n) end

---Another name in the same folder.
---@param name string
---@return rshell.Path
function path:with_name(name) end

---The same name with another suffix.
---@param suffix string ".txt" in place of the last one, "" for none
---@return rshell.Path
function path:with_suffix(suffix) end

---What leads here from a folder above; "." for the same.
---@param base rshell.AnyPath
---@return string
function path:relative_to(base) end

---True: every path is.
---@return true
function path:is_absolute() end

---Whether the path is what a pattern means; looks at no file.
---@param pattern string for the name; with slashes for the last parts; absolute for the whole
---@return boolean
function path:match(pattern) end

-- Ask

---False for a link that leads nowhere.
---@return boolean
function path:exists() end

---A file, or a link that leads to one.
---@return boolean
function path:is_file() end

---A folder, or a link that leads to one.
---@return boolean
function path:is_dir() end

---True also when the link leads nowhere.
---@return boolean
function path:is_symlink() end

---A unix socket, or a link that leads to one.
---@return boolean
function path:is_socket() end

---What is known of what it leads to. A path of a listing with `stat` has the link's own here, as a table that can be called
---for the method: `x.stat.size`, `x:stat().size`.
---@return rshell.FsStat
function path:stat() end

---The same of the link itself.
---@return rshell.FsStat stat of the link itself
function path:lstat() end

---Its size in bytes.
---@return integer bytes
function path:size() end

---Whether the account may use it like this.
---@param how? string letters of r, w and x; f (the default): is it there
---@return boolean
function path:access(how) end

---Where a link leads.
---@return string target as it is written
function path:readlink() end

---Where it really is.
---@return rshell.Path path without links and dots
function path:resolve() end

---The name of who owns it.
---@return string
function path:owner() end

---The name of its group.
---@return string
function path:group() end

---Its permissions.
---@return integer bits the lower twelve
function path:mode() end

---When it was written last.
---@return number seconds
function path:mtime() end

---A digest of what is in the file.
---@param algo? "md5" | "sha1" | "sha256" | "sha512" | "xxh64" sha256
---@return string digits
function path:checksum(algo) end

-- List

---@class rshell.PathListOptions
---@field stat? boolean each path has `.stat`

---What is in the folder.
---@param opts? rshell.PathListOptions
---@return rshell.Path[] paths sorted by byte
function path:list(opts) end

---What below the folder matches a pattern; `p // pattern` is the same.
---@param pattern string `*`, `?`, `[a-z]`, `[!x]`, `**`; a leading dot must be written
---@param opts? rshell.PathListOptions
---@return rshell.Path[] paths sorted by byte
function path:glob(pattern, opts) end

---Iterates over what is in the folder, in blocks.
---@return fun(): rshell.Path?
function path:iterdir() end

---@class rshell.PathWalkOptions
---@field filter? string | fun(p: rshell.Path): boolean what is given
---@field dirs? boolean | string | fun(p: rshell.Path): boolean false: no folders are given; else which are entered
---@field depth? integer 1: the children
---@field stat? boolean each path has `.stat`

---Parents before children, a folder's entries sorted by byte. Links are not entered. Folders that can't be listed are raised
---at the end.
---@param opts? rshell.PathWalkOptions
---@return fun(): rshell.Path?
function path:walk(opts) end

-- Read and write

---What is in the file, as bytes.
---@param n? integer at most so many bytes
---@return string
function path:read(n) end

---Iterates over the lines of the file.
---@param format? "l" | "L" without (the default) or with the line's end
---@return fun(): string?
function path:lines(format) end

---@class rshell.PathWriteOptions
---@field mode? rshell.FsMode exactly this
---@field atomic? boolean false: write over the old file

---Replaces what is in the file, or makes it. A reader sees the old or the new, nothing between; owner and mode stay.
---@param data string | number
---@param opts? rshell.PathWriteOptions
---@return rshell.Path self
function path:write(data, opts) end

---@class rshell.PathMakeOptions
---@field mode? rshell.FsMode exactly this

---Adds to the end of the file, or makes it.
---@param data string | number
---@param opts? rshell.PathMakeOptions
---@return rshell.Path self
function path:append(data, opts) end

---Opens the file, for reads and writes of parts.
---@param mode? string as in io.open, "r"; x or wx: it must not be there
---@param opts? rshell.PathMakeOptions
---@return rshell.OpenFile
function path:open(mode, opts) end

---@class rshell.PathTouchOptions: rshell.PathMakeOptions
---@field mtime? number now

---Makes an empty file, or sets the time of one.
---@param opts? rshell.PathTouchOptions
---@return rshell.Path self
function path:touch(opts) end

---Cuts the file, or fills it up with zero bytes.
---@param size? integer 0
---@return rshell.Path self
function path:truncate(size) end

-- Change

---@class rshell.PathMkdirOptions: rshell.PathMakeOptions
---@field parents? boolean make what is missing on the way
---@field exist_ok? boolean a folder that is there is fine

---Makes a folder.
---@param opts? rshell.PathMkdirOptions
---@return rshell.Path self
function path:mkdir(opts) end

---@class rshell.PathDeleteOptions
---@field recursive? boolean folders too, with all that is in them
---@field missing_ok? boolean

---Deletes it; a link, not what it leads to.
---@param opts? rshell.PathDeleteOptions
---@return rshell.Path self
function path:delete(opts) end

---Deletes a file or a link.
---@return rshell.Path self
function path:unlink() end

---Deletes an empty folder.
---@return rshell.Path self
function path:rmdir() end

---@class rshell.PathCopyOptions
---@field override? boolean replace files, merge folders; else what is there raises `exists`

---A file or a tree, also to another machine.
---@param dst rshell.AnyPath the final name; with a slash at its end the folder it goes into
---@param opts? rshell.PathCopyOptions
---@return rshell.Path path the new one
function path:copy(dst, opts) end

---Moves a file or a tree, also to another machine.
---@param dst rshell.AnyPath the final name; with a slash at its end the folder it goes into
---@return rshell.Path path the new one
function path:move(dst) end

---Gives it another name in its folder.
---@param name string in the same folder
---@return rshell.Path path the new one
function path:rename(name) end

---@class rshell.PathRecursive
---@field recursive? boolean

---Sets the permissions.
---@param mode rshell.FsMode
---@param opts? rshell.PathRecursive
---@return rshell.Path self
function path:chmod(mode, opts) end

---Sets owner and group.
---@param user? string | integer nil leaves it
---@param group? string | integer
---@param opts? rshell.PathRecursive
---@return rshell.Path self
function path:chown(user, group, opts) end

---Makes this path a link.
---@param target string | rshell.Path kept as it is written
---@return rshell.Path self
function path:symlink(target) end

---Makes this path another name of a file.
---@param target rshell.AnyPath
---@return rshell.Path self
function path:link(target) end

---An open file of any machine; closes with `<close>`. Every failure raises.
---@class rshell.OpenFile
local file = {}

---The next of it.
---@param what? integer | "l" | "L" | "a" so many bytes, a line without or with its end, the rest; "l"
---@return string? data nil at the end
function file:read(what) end

---Iterates over what `read` gives.
---@param what? integer | "l" | "L" | "a"
---@return fun(): string?
function file:lines(what) end

---Writes where the file stands.
---@param ... string | number
---@return rshell.OpenFile self
function file:write(...) end

---Moves to a place, and tells it.
---@param whence? "set" | "cur" | "end" cur
---@param offset? integer 0
---@return integer place from the start
function file:seek(whence, offset) end

---Cuts the file, or fills it up with zero bytes.
---@param size? integer 0
---@return rshell.OpenFile self
function file:truncate(size) end

---Returns when what was written is on the disk.
---@return rshell.OpenFile self
function file:sync() end

---Closes it; what can't be written raises. Harmless twice.
function file:close() end
