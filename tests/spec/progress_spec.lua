package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local progress = require "rshell.cli.progress"

spec.table("sizes", {
    {0, "0 B"}, {999, "999 B"}, {0.4, "0 B"}, {1000, "1.0 kB"}, {1549, "1.5 kB"}, {99949, "99.9 kB"}, {99950, "100 kB"},
    {123456789, "123 MB"}, {2.5e12, "2.5 TB"}, {5e15, "5000 TB"},
}, function(t, c) t.eq(progress.size(c[1]), c[2]) end)

spec.table("times", {
    {0, "0:00"}, {0.1, "0:01"}, {59.5, "1:00"}, {3599, "59:59"}, {3661, "1:01:01"}, {1e300, "99:59:59"},
    {math.huge, "99:59:59"},
}, function(t, c) t.eq(progress.time(c[1]), c[2]) end)

spec.finish()
