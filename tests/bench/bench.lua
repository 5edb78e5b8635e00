-- Benchmarks: commands timed in turn, A B C A B C ..., so that a machine whose speed drifts slows them all; what is
-- printed is medians, and ratios to the first.

local rshell = require "rshell"

local M = {}

local function median(list)
    local sorted = table.move(list, 1, #list, 1, {})
    table.sort(sorted)
    return sorted[(#sorted + 1) // 2]
end

--- One line a case: medians, and their ratios to the first. With `rate`, scale is how much was done in that time.
local function report(title, cases, lists, unit, scale, rate)
    local first = median(lists[1])
    for i, case in ipairs(cases) do
        local m = median(lists[i])
        local shown = rate and scale / m or m * scale
        print(("%-34s %-28s %10.2f %-10s %6.2f x"):format(title, case[1], shown, unit, rate and first / m or m / first))
    end
    io.stdout:flush()
end

--- cases: array of {name, fn}; each fn is called once a round, after one that isn't counted, and gives its figure, or
--- nil to have its wall time taken. unit and scale shape what is printed; with rate it is scale by figure.
---@param title string
---@param rounds integer
---@param cases table[]
---@param unit string
---@param scale number
---@param rate boolean?
function M.compare(title, rounds, cases, unit, scale, rate)
    local lists = {}
    for i = 1, #cases do lists[i] = {} end
    for round = 0, rounds do
        for i, case in ipairs(cases) do
            local before = rshell.now()
            local figure = case[2]() or rshell.now() - before
            if round > 0 then lists[i][round] = figure end
        end
    end
    report(title, cases, lists, unit, scale, rate)
end

--- The same for figures that were taken elsewhere: for each case tables of lists by name.
function M.report(title, cases, figures, name, unit, scale)
    local lists = {}
    for i = 1, #cases do lists[i] = figures[i][name] end
    report(title, cases, lists, unit, scale)
end

--- The program, or nil with a line that says it is left out.
function M.have(name)
    local ok, path = pcall(here.which, here, name)
    if ok then return path end
    print(("%-34s %-28s not installed"):format("", name))
end

--- Writes how everybody, ssh and what is built on it too, comes to the server of a bed.
function M.ssh_config(bed, path, more)
    here:path(path):write(([[
Host *
    User %s
    Port %d
    IdentityFile %s
    IdentitiesOnly yes
    UserKnownHostsFile %s
    GlobalKnownHostsFile /dev/null
    BatchMode yes
    %s
]]):format(bed.user, bed.port, bed.key, bed.known_hosts, more or ""))
end

return M
