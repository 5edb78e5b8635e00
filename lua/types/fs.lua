---@meta

---Files of one machine: what the methods of paths stand on, each a call. An expected failure is `nil, text, NAME`, with the
---path that failed as a fourth value where it isn't the one that was given; wrong arguments raise. Names and data are bytes;
---a path with NUL in it is `EUSAGE`. Relative paths start where the process stands.
---@class rshell.fs
local fs = {}

---@alias rshell.FsType "file" | "dir" | "link" | "socket" | "fifo" | "block" | "char" | "unknown"

---Mode bits, or a string as chmod takes it: "644", "u+rwX,g-w". For something new, clauses change what is usual less the umask.
---@alias rshell.FsMode integer | string

---@class rshell.FsStat
---@field size integer
---@field mode integer the lower twelve bits
---@field type rshell.FsType
---@field uid integer
---@field gid integer
---@field owner string the number where the account has no name
---@field group string
---@field mtime number seconds, as all times
---@field atime number
---@field ctime number
---@field ino integer
---@field nlink integer
---@field dev integer
---@field target? string of a link that wasn't followed

---What is known of what a path leads to.
---@param path string
---@return rshell.FsStat? stat of what a link leads to
---@return string? text
---@return string? name
function fs.stat(path) end

---As stat, of the link itself.
---@param path string
---@return rshell.FsStat? stat of the link itself
---@return string? text
---@return string? name
function fs.lstat(path) end

---@class rshell.FsTypeOptions
---@field follow? boolean tell of what a link leads to

---The cheapest question about a file.
---@param path string
---@param opts? rshell.FsTypeOptions
---@return rshell.FsType?
---@return string? text
---@return string? name
function fs.type(path, opts) end

---A link that leads nowhere doesn't exist.
---@param path string
---@return boolean?
---@return string? text
---@return string? name
function fs.exists(path) end

---Whether the account may use it like this.
---@param path string
---@param how? string letters of r, w and x; f (the default): is it there
---@return boolean?
---@return string? text
---@return string? name
function fs.access(path, how) end

---Where a link leads.
---@param path string
---@return string? target
---@return string? text
---@return string? name
function fs.readlink(path) end

---Where a path really is, without links and dots.
---@param path string
---@return string? path absolute, without links and dots
---@return string? text
---@return string? name
function fs.resolve(path) end

---@class rshell.FsDisk in bytes
---@field total integer
---@field free integer
---@field available integer what this account can get

---How large the file system of a path is, and what is free.
---@param path string
---@return rshell.FsDisk? disk the file system that it is on
---@return string? text
---@return string? name
function fs.disk(path) end

---A digest of what is in a file.
---@param path string
---@param algo? "md5" | "sha1" | "sha256" | "sha512" | "xxh64" sha256
---@return string? digest in hexadecimal digits
---@return string? text
---@return string? name
function fs.checksum(path, algo) end

---@class rshell.FsListOptions
---@field stat? boolean lstat of each too

---What is in a folder.
---@param path string
---@param opts? rshell.FsListOptions
---@return string[]? names sorted by byte
---@return rshell.FsStat[]|string|nil stats in the same order; or the error's text
---@return string? name
function fs.list(path, opts) end

---`* ? [a-z] [!x] \x`, and `**` as a part of its own for any number of folders. A leading dot must be written; `**` follows no
---links. Nothing found, also for want of rights, is an empty array.
---@param root string
---@param pattern string absolute ones don't start at root
---@param opts? rshell.FsListOptions
---@return string[]? paths sorted by byte
---@return rshell.FsStat[]|string|nil stats in the same order; or the error's text
---@return string? name
function fs.glob(root, pattern, opts) end

---Whether a path is what a pattern means; looks at no file. A relative pattern is matched with the path's last parts.
---@param pattern string
---@param path string
---@return boolean?
---@return string? text
---@return string? name
function fs.match(pattern, path) end

---@class rshell.FsWalkOptions
---@field filter? string what to give: a pattern for its name
---@field dirs? boolean | string false: give no folders (they are entered all the same); a pattern: enter those only
---@field depth? integer 1: the children only
---@field stat? boolean lstat of each too
---@field block? integer how many to give at once, 1000

---What is in a tree: parents before children, the entries of a folder sorted by byte. Links are not followed.
---@param path string
---@param opts? rshell.FsWalkOptions
---@return rshell.Walker?
---@return string? text
---@return string? name
function fs.walk(path, opts) end

---The same, and the first entries with it: a small tree is one call.
---@param path string
---@param opts? rshell.FsWalkOptions
---@return rshell.FsEntry[]? block
---@return rshell.Walker|string|nil walker nil when that was all and every folder could be read; or the error's text
---@return string? name
function fs.walk_start(path, opts) end

---@class rshell.Walker
local walker = {}

---@class rshell.FsEntry
---@field path string
---@field type rshell.FsType
---@field stat? rshell.FsStat

---The next entries; may be none when finding them takes long.
---@return rshell.FsEntry[]? block nil at the end
---@return string? text
---@return string? name
function walker:next() end

---@class rshell.FsWalkError
---@field path string
---@field text string
---@field name string

---The folders that could not be read up to now.
---@return rshell.FsWalkError[]
function walker:errors() end

---@return true
---Ends the walk. Harmless twice.
function walker:close() end

---@class rshell.FsReadOptions
---@field n? integer at most so many bytes
---@field offset? integer

---What is in a file.
---@param path string
---@param opts? rshell.FsReadOptions
---@return string? data
---@return string? text
---@return string? name
function fs.read(path, opts) end

---@class rshell.FsMakeOptions
---@field mode? rshell.FsMode exactly this, whatever the umask is
---@field umask? integer in place of the process's

---@class rshell.FsWriteOptions: rshell.FsMakeOptions
---@field atomic? boolean false: write over the old file
---@field sync? boolean return when it is on the disk

---Replaces a file as a whole, through links too; owner, group, mode and extended attributes stay. What can't be replaced but
---written (a device, a file in a folder of somebody else) is written over.
---@param path string
---@param data string
---@param opts? rshell.FsWriteOptions
---@return true?
---@return string? text
---@return string? name
function fs.write(path, data, opts) end

---@class rshell.FsAppendOptions: rshell.FsMakeOptions
---@field sync? boolean return when it is on the disk

---Adds to the end of a file, or makes it.
---@param path string
---@param data string
---@param opts? rshell.FsAppendOptions
---@return true?
---@return string? text
---@return string? name
function fs.append(path, data, opts) end

---Opens a file.
---@param path string
---@param mode? string as in io.open, "r"; x or wx: it must not be there
---@param opts? rshell.FsMakeOptions
---@return rshell.File?
---@return string? text
---@return string? name
function fs.open(path, mode, opts) end

---@class rshell.File
local file = {}

---The next of it.
---@param what? integer | "l" | "L" | "a" so many bytes, a line without or with its end, the rest; "l"
---@return string? data nil at the end of the file
---@return string? text
---@return string? name
function file:read(what) end

---Iterates over what `read` gives.
---@param what? integer | "l" | "L" | "a"
---@return fun(): string?
function file:lines(what) end

---Writes where the file stands.
---@param data string
---@return true?
---@return string? text
---@return string? name
function file:write(data) end

---Moves to a place, and tells it.
---@param whence? "set" | "cur" | "end" cur
---@param offset? integer 0
---@return integer? place from the start
---@return string? text
---@return string? name
function file:seek(whence, offset) end

---Cuts the file, or fills it up with zero bytes.
---@param size? integer 0
---@return true?
---@return string? text
---@return string? name
function file:truncate(size) end

---Returns when what was written is on the disk.
---@return true?
---@return string? text
---@return string? name
function file:sync() end

---Closes it. Harmless twice.
---@return true?
---@return string? text
---@return string? name
function file:close() end

---@class rshell.FsTouchOptions: rshell.FsMakeOptions
---@field mtime? number now

---Makes an empty file, or sets the time of one.
---@param path string
---@param opts? rshell.FsTouchOptions
---@return true?
---@return string? text
---@return string? name
function fs.touch(path, opts) end

---Cuts a file, or fills it up with zero bytes.
---@param path string
---@param size? integer 0
---@return true?
---@return string? text
---@return string? name
function fs.truncate(path, size) end

---@class rshell.FsMkdirOptions: rshell.FsMakeOptions
---@field parents? boolean make what is missing on the way, with the usual mode
---@field exist_ok? boolean a folder that is there is fine

---Makes a folder.
---@param path string
---@param opts? rshell.FsMkdirOptions
---@return true?
---@return string? text
---@return string? name
function fs.mkdir(path, opts) end

---@class rshell.FsMktempOptions
---@field dir? string $TMPDIR where that is a folder that can be used, or /tmp

---A new folder that nobody else can enter.
---@param prefix? string of its name, "rshell-"
---@param opts? rshell.FsMktempOptions
---@return string? path
---@return string? text
---@return string? name
function fs.mktemp_dir(prefix, opts) end

---Deletes a file or a link.
---@param path string
---@return true?
---@return string? text
---@return string? name
function fs.unlink(path) end

---Deletes an empty folder.
---@param path string
---@return true?
---@return string? text
---@return string? name
function fs.rmdir(path) end

---@class rshell.FsRemoveOptions
---@field recursive? boolean folders too, with all that is in them
---@field missing_ok? boolean

---Follows no link. Goes on after a failure and tells the first.
---@param path string
---@param opts? rshell.FsRemoveOptions
---@return true?
---@return string? text
---@return string? name
---@return string? path
function fs.remove(path, opts) end

---@class rshell.FsChmodOptions
---@field recursive? boolean links in the tree are left alone
---@field umask? integer for clauses without a class, the process's

---Sets permissions.
---@param path string
---@param mode rshell.FsMode
---@param opts? rshell.FsChmodOptions
---@return true?
---@return string? text
---@return string? name
---@return string? path
function fs.chmod(path, mode, opts) end

---@class rshell.FsChownOptions
---@field recursive? boolean links in the tree are changed themselves
---@field follow? boolean false: path itself, also when it is a link

---Sets owner and group.
---@param path string
---@param user? string | integer name or id; nil leaves it
---@param group? string | integer
---@param opts? rshell.FsChownOptions
---@return true?
---@return string? text
---@return string? name
---@return string? path
function fs.chown(path, user, group, opts) end

---Makes a link.
---@param target string
---@param path string what is made
---@return true?
---@return string? text
---@return string? name
function fs.symlink(target, path) end

---Another name of a file.
---@param target string
---@param path string what is made
---@return true?
---@return string? text
---@return string? name
function fs.link(target, path) end

---Gives a file or folder another name.
---@param from string
---@param to string
---@return true?
---@return string? text
---@return string? name
function fs.rename(from, to) end

---The same, also across file systems. A folder takes the place of an empty one only.
---@param from string
---@param to string
---@return true?
---@return string? text
---@return string? name
---@return string? path
function fs.move(from, to) end

---@class rshell.FsCopied
---@field files integer copied, also links and the like, but not folders
---@field bytes integer
---@field skipped integer unchanged
---@field deleted integer

---@class rshell.FsCopyOptions
---@field override? boolean replace files, merge folders; else what is there is `EEXIST`

---A file or a tree, with modes, times, extended attributes, as root with owners; links stay links, holes holes.
---@param from string
---@param to string the final name
---@param opts? rshell.FsCopyOptions
---@return rshell.FsCopied?
---@return string? text
---@return string? name
---@return string? path
function fs.copy(from, to, opts) end

---@class rshell.FsTreeCopierOptions
---@field checksum? boolean a file is unchanged when its content is, not its size and time
---@field delete? boolean remove what isn't in the source
---@field preserve? boolean false: no times, owners and attributes, modes less the umask

---Makes a tree like another, or a file; what is unchanged isn't copied.
---@param from string
---@param to string the final name
---@param opts? rshell.FsTreeCopierOptions
---@return rshell.Copier?
---@return string? text
---@return string? name
---@return string? path
function fs.tree_copier(from, to, opts) end

---@class rshell.Copier
local copier = {}

---@class rshell.FsCopying: rshell.FsCopied
---@field done boolean

---Works for a tenth of a second.
---@return rshell.FsCopying? state up to now
---@return string? text
---@return string? name
---@return string? path
function copier:next() end

---@return true
---Ends the copy; what has not got its name goes. Harmless twice.
function copier:close() end

return fs
