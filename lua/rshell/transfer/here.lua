-- Trees of this machine, for copies in one stream.

local blocks = require "rshell.shared.blocks"
local sys = require "rshell.sys.tree"

return require "rshell.transfer.native".new {
    far = false, list = sys.list, source = blocks.source, sink = blocks.sink,
}
