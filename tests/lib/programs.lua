-- What specs of commands share: bytes, and whether programs still run.

local programs = {}

-- The bytes from first to last.
local function bytes(first, last)
    local out = {}
    for b = first, last do out[#out + 1] = string.char(b) end
    return table.concat(out)
end

programs.ALL_BYTES = bytes(0, 255)
programs.ALL_BUT_NUL = bytes(1, 255)

--- True while there is a process of this number. One that ended and was not reaped is none.
function programs.alive(m, pid)
    local stat = m:sh("ps -o stat= -p $1 || test $? = 1", pid):text()
    return stat ~= "" and stat:sub(1, 1) ~= "Z"
end

--- Waits until there is none. 20 s are for slow machines only.
function programs.gone(m, pid)
    for _ = 1, 400 do
        if not programs.alive(m, pid) then return true end
        require("rshell").sleep(0.05)
    end
    return false
end

--- Waits until fn gives something true, and gives it.
function programs.wait_for(fn)
    for _ = 1, 400 do
        local value = fn()
        if value then return value end
        require("rshell").sleep(0.05)
    end
end

--- Waits until no process has this word among its arguments.
function programs.none_with(m, word)
    local found = m:sh('ps -eo pid=,args= | grep -F -- "$1" | grep -v "grep\\|^ *$$ "', word)
    return programs.wait_for(function() return found:run() == 1 end)
end

--- The numbers that a program wrote into a file, one a line, once there are n of them.
function programs.pids_in(path, n)
    return programs.wait_for(function()
        local pids = {}
        for line in (path:exists() and path:read() or ""):gmatch "(%d+)\n" do pids[#pids + 1] = tonumber(line) end
        return #pids >= n and pids
    end)
end

local function file(name)
    local f <close> = assert(io.open(name))
    return f:read "a"
end

--- Runs fn, which may not make this process larger by more than so many MB. The address sanitizer keeps what is freed,
--- so there nothing is measured.
function programs.bounded(t, mb, fn)
    local function peak() return tonumber(file "/proc/self/status":match "VmHWM:%s*(%d+)") / 1024 end
    local before = peak()
    fn()
    local more = peak() - before
    t.ok(more <= mb or file "/proc/self/maps":find("libasan", 1, true), ("%.1f MB more"):format(more))
end

return programs
