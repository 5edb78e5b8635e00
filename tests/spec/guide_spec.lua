-- The guides, and the manual page about playbooks: every block of Lua and shell runs, and prints what its comments say;
-- every link leads somewhere.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local beds = require "bed"
local rshell = require "rshell"

local here = rshell.here
local program = os.getenv "RSHELL" or arg[0]:gsub("[^/]*$", "") .. "../../build/rshell"
local root = here:path((arg[0]:gsub("[^/]*$", "") .. "../..")):resolve()
local guides = root / "doc/guide"
local is_root = here.id["-u"]:text() == "0"

-- ---- the machines that the guides speak of ----

local HOSTS = {"web1", "web2", "web3", "db1"}
local tmp = here:tempdir()
here.chmod("755", tmp)
local machines = {}

--- A home for who runs the guides: an ssh_config with these hosts, and a group.
local function make_home()
    local home, config = tmp / "me", {};
    (home / ".ssh"):mkdir {parents = true, mode = "700"}
    for i, name in ipairs(HOSTS) do
        local b = beds.new()
        machines[i] = b
        local lines = {
            "Host " .. name, "HostName 127.0.0.1", "Port " .. b.port, "User " .. b.user, "IdentityFile " .. b.key,
            "UserKnownHostsFile " .. b.known_hosts,
        }
        config[i] = table.concat(lines, "\n  ") .. "\n"
    end
    local text = table.concat(config) .. "Host *\n  GlobalKnownHostsFile /dev/null\n  IdentitiesOnly yes\n";
    (home / ".ssh/config"):write(text, {mode = "600"});
    (home / ".config/rshell"):mkdir {parents = true};
    (home / ".config/rshell/groups"):write "web: web[1-3]\n"
    return home
end

local sudoers
local function allow_sudo()
    if not is_root or not here:path "/etc/sudoers.d":is_dir() then return end
    sudoers = here:path("/etc/sudoers.d", machines[1].user)
    sudoers:write(("%s ALL=(ALL) NOPASSWD: ALL\n"):format(machines[1].user), {mode = "440"})
end

local me = make_home()
allow_sudo()

--- A folder with what the guides find in theirs.
local function make_work()
    local work = tmp / ("w%d"):format(math.random(1 << 40));
    (work / "site/css"):mkdir {parents = true};
    (work / "site/index.html"):write "<h1>hello</h1>\n";
    (work / "site/css/main.css"):write "h1 { color: teal }\n"
    return work
end

-- ---- pages ----

--- {language=, text=, line=} of each block between ```.
local function blocks_of(text)
    local list, open, number = {}, nil, 0
    for line in (text .. "\n"):gmatch "(.-)\n" do
        number = number + 1
        local language = line:match "^```(%a*)"
        if open and language then
            open.text = table.concat(open, "\n") .. "\n"
            list[#list + 1], open = open, nil
        elseif language then
            open = {language = language, line = number}
        elseif open then
            open[#open + 1] = line
        end
    end
    return list
end

local MARKS = {lua = "%-%-> ?(.*)$", sh = "^#> ?(.*)$"}

--- What a block says that it prints, in order: in comments, or at the prompt on the lines that aren't typed.
local function promised(block)
    local list = {}
    for line in block.text:gmatch "[^\n]+" do
        if block.language == "console" then
            if not line:find "^rsh[^>]*> " then list[#list + 1] = line end
        else
            list[#list + 1] = line:match(MARKS[block.language])
        end
    end
    return list
end

--- What is typed at the prompt.
local function typed(block)
    local lines = {}
    for line in block.text:gmatch "[^\n]+" do lines[#lines + 1] = line:match "^rsh[^>]*> (.*)$" end
    return table.concat(lines, "\n") .. "\n"
end

--- Whether each promised text comes in the output, one after the other; "..." stands for anything on a line.
local function first_missing(output, list)
    local at = 1
    for _, want in ipairs(list) do
        local pattern = want:gsub("%p", "%%%0"):gsub("%%%.%%%.%%%.", "[^\n]-")
        local _, stop = output:find(pattern, at)
        if not stop then return want end
        at = stop + 1
    end
end

local RUNNERS = {
    lua = function(file) return here[program]:bind("run", file) end,
    sh = function(file) return here.bash:bind("-eu", file) end,
    console = function(_, block) return here[program]["-i"] << typed(block) end,
}

local ENV = {
    HOME = me .. "", XDG_CONFIG_HOME = false, XDG_CACHE_HOME = false, XDG_DATA_HOME = false, XDG_STATE_HOME = false,
    SSH_AUTH_SOCK = false, PATH = program:match "^(.*)/" .. ":" .. os.getenv "PATH", NO_COLOR = "1",
}

-- A block of Lua that is typed at the prompt, whose locals are shipped with functions as a script's are.
RUNNERS.typed = function(_, block) return here[program]["-i"] << block.text end

local function run_block(t, block)
    local work = make_work()
    t.defer(function() work:delete {recursive = true} end)
    local file = (work / ("../block." .. block.language)):write(block.text)
    local runner = RUNNERS[block.typed and "typed" or block.language]
    local c = runner(file, block):with {cwd = work, env = ENV, timeout = 60, retcode = "any"}
    local code, out, errors = c:run()
    t.eq(code, 0, errors .. out)
    t.eq(errors:find("rshell:", 1, true), nil, errors)
    if block.typed then t.eq(errors, "") end
    local missing = first_missing(out, promised(block))
    t.eq(missing, nil, "in the output:\n" .. out)
end

--- A section that needs sudo is for the tests of root.
local function can_run(block)
    return is_root or not block.text:find "sudo"
end

local pages = guides // "*.md"
local playbook = root / "doc/rshell-playbook.5.scd"

--- A manual page's blocks name no language: files begin with `#!`, the rest is for the shell.
local function name_language(block)
    if block.language == "" then block.language = block.text:find "^#!" and "lua" or "sh" end
    return block
end

local function blocks_to_run(page)
    local blocks = blocks_of(page:read())
    if page == playbook then
        for _, block in ipairs(blocks) do name_language(block) end
    end
    return blocks
end

for _, page in ipairs {playbook, table.unpack(pages)} do
    for _, block in ipairs(blocks_to_run(page)) do
        if RUNNERS[block.language] then
            spec.test(("%s:%d"):format(page.name, block.line), function(t)
                if not can_run(block) then t.skip "needs root" end
                run_block(t, block)
            end)
        end
    end
end

for _, block in ipairs(blocks_of((guides / "rpc.md"):read())) do
    if block.language == "lua" then
        spec.test(("rpc.md:%d, typed"):format(block.line), function(t)
            block.typed = true
            run_block(t, block)
        end)
    end
end

-- ---- links ----

--- As GitHub makes them of headings.
local function anchors_of(text)
    local set = {}
    for head in ("\n" .. text):gmatch "\n#+ ([^\n]*)" do
        set[head:lower():gsub("[^%w%- ]", ""):gsub(" ", "-")] = true
    end
    return set
end

spec.test("every link leads somewhere", function(t)
    local count = 0
    for _, page in ipairs {root / "README.md", root / "HACKING.md", table.unpack(pages)} do
        for link in page:read():gsub("```.-```", ""):gmatch "%]%(([^)%s]+)%)" do
            if not link:find "^%a+://" then
                local name, anchor = link:match "^([^#]*)#?(.*)$"
                local target = name == "" and page or page.parent / name
                t.ok(target:exists(), ("%s: %s"):format(page.name, link))
                if anchor ~= "" then t.ok(anchors_of(target:read())[anchor], ("%s: %s"):format(page.name, link)) end
                count = count + 1
            end
        end
    end
    t.ok(count > 10)
end)

spec.test("the list has every guide, and the lines fit", function(t)
    local index = (guides / "README.md"):read()
    for _, page in ipairs(pages) do
        if page.name ~= "README.md" then t.ok(index:find("(" .. page.name .. ")", 1, true), page.name) end
    end
end)

spec.test("each kind of error has its section", function(t)
    local text = (guides / "troubleshooting.md"):read()
    local kinds = require "rshell.reference".all().aliases["rshell.ErrorKind"].values
    t.ok(#kinds > 10)
    for _, kind in ipairs(kinds) do
        t.ok(text:find("\n## " .. kind.value:match "%w+" .. "\n"), kind.value)
    end
end)

if sudoers then sudoers:delete() end
for _, b in ipairs(machines) do b:close() end
tmp:close()
spec.finish()
