-- Digests are made here.

local M = {}

function M.new() return require "rshell.sys.hash" end

return M
