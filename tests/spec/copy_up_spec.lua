-- The copies of copy_spec.lua from here to a machine that has nothing but a shell.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
require "machines".use "up"
dofile((arg[0]:gsub("[^/]*$", "copy_spec.lua")))
