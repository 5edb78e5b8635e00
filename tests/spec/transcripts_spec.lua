-- The pages of tests/transcripts: what they say one types is typed at a terminal, what they say one sees is seen.
package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local rshell = require "rshell"

local here = rshell.here

if not pcall(here.which, here, "expect") then
    print "1..0 # SKIP no expect"
    os.exit(0)
end

local transcript = require "transcript"
local bed = require "bed".new {config = {"PasswordAuthentication yes"}}
local tmp = here:tempdir()
local program = here:path(os.getenv "RSHELL" or arg[0]:gsub("[^/]*$", "") .. "../../build/rshell"):resolve()
local pages = here:path((arg[0]:gsub("[^/]*$", "") .. "../transcripts")):resolve() // "*.md"

local HOST = [[
Host %s
  HostName 127.0.0.1
  Port %d
  User %s
  IdentityFile %s
  IdentitiesOnly yes
  NumberOfPasswordPrompts 2
  GlobalKnownHostsFile /dev/null
  UserKnownHostsFile %s
  HostKeyAlias %s
]]

--- The hosts that the pages speak of, in the home of who types: web1 to web3 and db1 are known, new1 isn't, nobody
--- answers at down1, and pw1 wants a password.
local function make_home()
    local home = tmp / "home";
    (home / ".ssh"):mkdir {parents = true, mode = "700"}
    local alias = ("[127.0.0.1]:%d"):format(bed.port)
    local config = {
        HOST:format("new1", bed.port, bed.user, bed.key, home / ".ssh/new", "new1"),
        HOST:format("down1", 1, bed.user, bed.key, bed.known_hosts, alias),
        HOST:format("pw1", bed.port, bed.user, "none", bed.known_hosts, alias),
        HOST:format("web1 web2 web3 db1", bed.port, bed.user, bed.key, bed.known_hosts, alias),
    };
    (home / ".ssh/config"):write(table.concat(config), {mode = "600"});
    (home / ".config/rshell"):mkdir {parents = true};
    (home / ".config/rshell/groups"):write "web: web[1-3]\n"
    return home
end

--- A folder with what the pages find in theirs.
local function make_work(name)
    local work = tmp / name;
    (work / "site/css"):mkdir {parents = true};
    (work / "site/index.html"):write "<h1>hello</h1>\n";
    (work / "site/css/main.css"):write "h1 { color: teal }\n"
    return work
end

local home = make_home()
local env = {
    HOME = home .. "", PATH = program.parent .. ":/usr/sbin:/usr/bin:/bin", XDG_CONFIG_HOME = false,
    XDG_STATE_HOME = false, XDG_CACHE_HOME = false, XDG_DATA_HOME = false, SSH_AUTH_SOCK = false,
}

if bed.account then (here.chpasswd << ("%s:sesame\n"):format(bed.user))() end

for _, page in ipairs(pages) do
    if page.name ~= "README.md" then
        spec.test(page.name, function(t)
            if page.name == "passwords.md" and not bed.account then t.skip "needs root: an account with a password" end
            local wrong = transcript.check(page, {env = env, cwd = make_work("w-" .. page.stem)})
            if wrong then t.fail(wrong) end
        end)
    end
end

bed:close()
tmp:close()
spec.finish()
