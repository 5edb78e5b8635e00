-- rshell cp [-r] SRC... DST: files and trees to, from and between machines.

local err = require "rshell.shared.error"
local fail = require "rshell.cli.fail"
local json = require "rshell.output.json"
local progress = require "rshell.output.progress"
local remote = require "rshell.cli.remote"
local report = require "rshell.cli.report"
local task = require "rshell.task"
local units = require "rshell.output.units"

local LIMIT = 16 -- hosts at once

local M = {
    name = "cp",
    operands = {"SRC...", "DST"},
    options = remote.with {
        {"-r", "-R", "--recursive", key = "recursive"},
        {"-H", "--hosts", value = "HOSTS", key = "hosts", list = true},
        {"--checksum", key = "checksum"},
        {"--delete", key = "delete"},
        {"--resume", key = "resume"},
        {"--no-preserve", key = "no_preserve"},
        {"--keep", value = "WHAT", key = "keep"},
        {"--limit", value = "N", key = "limit", number = true},
        {"-q", "--quiet", key = "quiet"},
        {"--json", key = "json"},
    },
    others = { -- of scp, rsync and clush
        ["-P"] = "-p PORT", ["-w"] = "-H HOSTS", ["-a"] = "--keep all", ["-g"] = "-H @GROUP",
    },
    anywhere = true,
}

-- ---- operands ----

--- The host and the path of [user@]host:path; nil for a path of this machine. An empty host stands for those of -H.
local function split(word)
    local host, path = word:match "^(%[[^%]]*%]):(.*)$"
    if not host then host, path = word:match "^([^/]-@%[[^%]]*%]):(.*)$" end
    -- Brackets of a node set may hold no slash or colon either.
    if not host then host, path = word:match "^([^/:]*):(.*)$" end
    return host, path
end

--- user@web[1-3] as user@web1, user@web2, user@web3.
local function expand(host)
    local user, set = host:match "^(.*@)(.*)$"
    set = set or host
    if set:match "^%[[%x:.%%]+%]$" and set:find(":", 1, true) then return {host} end -- an address
    local names = remote.names(set)
    for i, name in ipairs(names) do names[i] = (user or "") .. name end
    return names
end

--- {word=, path=, hosts=}; hosts is nil for this machine.
local function operand(word, hosts)
    local host, path = split(word)
    if not host then return {word = word, path = word} end
    if host == "" then
        if not hosts then fail.usage("cp: '%s' has no host, and there is no -H", word) end
        return {word = word, path = path, hosts = hosts}
    end
    return {word = word, path = path, hosts = expand(host)}
end

local function operands(values, argv, first)
    local words = table.move(argv, first, #argv, 1, {})
    if #words < 2 then fail.lacks("cp", "SRC... and DST expected") end
    local hosts = values.hosts and remote.hosts("cp", values.hosts)
    local list, is_used = {}, false
    for i, word in ipairs(words) do
        list[i] = operand(word, hosts)
        is_used = is_used or list[i].hosts == hosts and hosts ~= nil
    end
    -- -H and nothing that says where: to those hosts.
    if hosts and not is_used then
        for _, o in ipairs(list) do
            if o.hosts then fail.usage("cp: with -H, ':PATH' is a path of its hosts; '%s' names one", o.word) end
        end
        list[#list].hosts = hosts
    end
    local dst = table.remove(list)
    return list, dst
end

-- ---- machines ----

--- The machine of a host, connected once; nil is this one.
local function machine(run, host)
    if not host then return require "rshell".here end
    run.machines[host] = run.machines[host] or task.spawn(require "rshell".ssh, host, run.options)
    return run.machines[host]:await()
end

local function close_all(run)
    for _, t in pairs(run.machines) do
        local ok, m = pcall(t.await, t)
        if ok then m:close() end
    end
end

--- A path as people write it: nothing and ~ are the home folder.
local function path_on(m, path, is_here)
    if path == "" and not is_here then return m:path(m.cwd) end
    if not is_here and (path == "~" or path:find "^~/") then path = m.home .. path:sub(2) end
    return m:path(path)
end

-- ---- one copy ----

--- What a source is called where it comes to, without its folders.
local function name_of(path)
    local name = path.name
    if name == "" or name == "." or name == ".." then name = path:resolve().name end
    return name
end

--- dst is a folder that things go into, or a name.
local function place(job, src, dst, word)
    local suffix = job.many and "." .. (job.src_host:match "[^@]*$") or ""
    if job.into or word:sub(-1) == "/" or word == "" or dst:is_dir() then return dst / (name_of(src) .. suffix) end
    if suffix ~= "" then return dst:with_name(dst.name .. suffix) end
    return dst
end

local function copy_one(run, job)
    local from, to = machine(run, job.src_host), machine(run, job.dst_host)
    local src = path_on(from, job.src.path, not job.src_host)
    local dst = path_on(to, job.dst.path, not job.dst_host)
    if not run.values.recursive and not src:is_symlink() and src:is_dir() then
        err.raise {kind = "usage", host = from.name, path = src .. "", message = src .. " is a folder: -r copies trees"}
    end
    local final = place(job, src, dst, job.dst.path)
    if job.into and not dst:is_dir() then
        err.raise {kind = "notfound", host = to.name, path = dst .. "", message = dst .. " is not a folder"}
    end
    local r = require "rshell".copy(src, final, {
        checksum = run.values.checksum, delete = run.values.delete, resume = run.values.resume,
        preserve = run.keep or not run.values.no_preserve,
        progress = function(state) job.files, job.bytes, job.total = state.files, state.bytes, state.total end,
    })
    job.files, job.bytes, job.skipped, job.done = r.files, r.bytes, r.skipped, true
end

-- ---- all of them ----

--- A job for each pair of a source's host and a destination's.
local function jobs_of(sources, dst)
    local jobs = {}
    for _, src in ipairs(sources) do
        for _, from in ipairs(src.hosts or {false}) do
            for _, to in ipairs(dst.hosts or {false}) do
                jobs[#jobs + 1] = {
                    src = src, dst = dst, src_host = from or nil, dst_host = to or nil, into = #sources > 1,
                    many = from and #src.hosts > 1, files = 0, bytes = 0,
                }
            end
        end
    end
    return jobs
end

local function sum(jobs, field)
    local n = 0
    for _, job in ipairs(jobs) do n = n + (job[field] or 0) end
    return n
end

--- What is known to come; nil before all know it.
local function total(jobs)
    local n = 0
    for _, job in ipairs(jobs) do
        if job.done then n = n + job.bytes elseif job.total then n = n + job.total else return nil end
    end
    return n
end

local function line_of(jobs, amount)
    local line = amount:text(sum(jobs, "bytes"), total(jobs))
    if #jobs == 1 then return line end
    return ("%s  %d of %d done"):format(line, sum(jobs, "ended"), #jobs)
end

local function tell(job, e)
    if err.is(e) and not rawget(e, "host") then e.host = job.src_host or job.dst_host end
    report.failure("", e)
end

--- A copy as an object.
local function write_json(job, e)
    json.write {
        src = job.src.path, src_host = job.src_host, dst = job.dst.path, dst_host = job.dst_host,
        status = job.done and "ok" or "failed", files = job.done and job.files or nil,
        bytes = job.done and job.bytes or nil, skipped = job.skipped,
        error = e and (err.is(e) and e.message or tostring(e)) or nil,
        kind = err.is(e) and e.kind or nil,
    }
end

--- What was copied in all; what failed has copied nothing.
local function tell_all(jobs, seconds)
    local done = {}
    for _, job in ipairs(jobs) do
        if job.done then done[#done + 1] = job end
    end
    local files, bytes, skipped = sum(done, "files"), sum(done, "bytes"), sum(done, "skipped")
    local line = ("%d file%s, %s in %.1f s (%s/s)"):format(files, files == 1 and "" or "s", units.size(bytes),
        seconds, units.size(bytes / math.max(seconds, 1e-3)))
    if skipped > 0 then line = ("%s; %d unchanged"):format(line, skipped) end
    io.stderr:write(line, "\n")
end

local function run_jobs(run, jobs)
    local started, failed = task.now(), 0
    local amount = progress.amount(units.size)
    local line <close> = progress.line(function() return line_of(jobs, amount) end)
    require "rshell".parallel(jobs, function(job)
        local ok, e = pcall(copy_one, run, job)
        job.ended = 1
        if not ok and err.is(e) and e.kind == "cancelled" then error(e, 0) end
        if run.values.json then write_json(job, not ok and e) end
        if ok then return end
        failed = failed + 1
        tell(job, e)
    end, {limit = remote.limit(run.values, LIMIT)})
    line:close()
    if failed < #jobs and not run.values.quiet and not run.values.json and require "rshell.term".is_terminal(2) then
        tell_all(jobs, task.now() - started)
    end
    if failed > 0 and #jobs > 1 then io.stderr:write(("rshell: %d of %d copies failed\n"):format(failed, #jobs)) end
    return failed == 0 and 0 or 1
end

local KEPT = {"owner", "links", "xattrs", "acls"}

--- What --keep names, as copies take it; nil without.
local function kept(values)
    if not values.keep then return nil end
    if values.no_preserve then fail.usage "cp: --keep and --no-preserve exclude each other" end
    local keep, known = {}, {all = true}
    for _, name in ipairs(KEPT) do known[name] = true end
    for name in (values.keep .. ","):gmatch "([^,]*)," do
        if not known[name] then fail.usage("cp: --keep %s: owner, links, xattrs, acls or all", values.keep) end
        for _, each in ipairs(name == "all" and KEPT or {name}) do keep[each] = true end
    end
    return keep
end

function M.run(values, argv, first)
    local sources, dst = operands(values, argv, first)
    local run = {values = values, options = remote.options(values), machines = {}, keep = kept(values)}
    if run.keep then run.options.agent = true end -- nobody else can
    run.options.batch = values.hosts ~= nil or nil
    local _ <close> = setmetatable({}, {__close = function() close_all(run) end})
    return run_jobs(run, jobs_of(sources, dst))
end

return M
