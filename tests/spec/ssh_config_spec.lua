package.path = arg[0]:gsub("[^/]*$", "") .. "../lib/?.lua;" .. package.path
local spec = require "spec"
local config = require "rshell.ssh.config"
local fs = require "rshell.sys.fs"
local host = require "rshell.sys.host"
local options = require "rshell.ssh.config_options"
local proc = require "rshell.sys.proc"

local ME = host.user().name
local HOME = host.user().home
local UID = host.user().uid

local function run(argv, env)
    local r = assert(proc.run {stages = {{argv = argv, env = env}}})
    return r.exits[1].code, r.stdout, r.stderr
end

local function ssh_g(file, case)
    local argv = {"ssh", "-G", "-F", file}
    for _, o in ipairs(case.o or {}) do table.move({"-o", o}, 1, 2, #argv + 1, argv) end
    if case.user then table.move({"-l", case.user}, 1, 2, #argv + 1, argv) end
    if case.port then table.move({"-p", tostring(case.port)}, 1, 2, #argv + 1, argv) end
    argv[#argv + 1] = case.alias or "web"
    return run(argv, case.env)
end

-- What ssh prints: name -> list of values.
local function parse(out)
    local map = {}
    for name, value in out:gmatch "(%S+) ?([^\n]*)\n" do
        map[name] = map[name] or {}
        table.insert(map[name], value)
    end
    return map
end

local function evaluate(file, case)
    local given = {}
    for _, o in ipairs(case.o or {}) do
        local name, value = o:match "^(%w+)[= ](.*)$"
        given[name] = given[name] or {}
        table.insert(given[name], value)
    end
    return config.evaluate(case.alias or "web", {
        config = file, user = case.user, port = case.port, options = given, home = HOME,
    })
end

-- ---- both in one form ----

local function yes(v) return v and "yes" or "no" end
local function files(list) return #list > 0 and table.concat(list, " ") or "none" end
local function tilde(v) return (v:gsub("^~/", HOME .. "/")) end

local function each(list, fn)
    local out = {}
    for i, v in ipairs(list) do out[i] = fn(v) end
    return out
end

local function unique(list)
    local out, seen = {}, {}
    for _, v in ipairs(list) do
        if not seen[v] then out[#out + 1] = v end
        seen[v] = true
    end
    return out
end

local function split(text, separator)
    local out = {}
    for part in text:gmatch("[^" .. separator .. "]+") do out[#out + 1] = part end
    return out
end

local function sorted_env(map)
    local out = {}
    for name, value in pairs(map) do out[#out + 1] = name .. "=" .. value end
    table.sort(out)
    return out
end

local function sorted(list)
    table.sort(list)
    return list
end

local function hop(h)
    local name = h.host:find ":" and "[" .. h.host .. "]" or h.host
    return (h.user and h.user .. "@" or "") .. name .. (h.port and ":" .. h.port or "")
end

local defaults
local function default_algorithms(name)
    defaults = defaults or parse(select(2, ssh_g("/dev/null", {})))
    return split(defaults[name][1], ",")
end

local supported = {}
local function supported_algorithms(name)
    if not supported[name] then
        local _, out = run {"ssh", "-Q", name}
        supported[name] = split(out, "\n")
    end
    return supported[name]
end

local function algorithms(name)
    return function(r)
        return table.concat(config.algorithms(r[name], default_algorithms(name), supported_algorithms(name)), ",")
    end
end

-- name -> what we make of our result, what we make of theirs (a list of values, or nil)
local function first(list) return list and list[1] end
local function whole(name) return {function(r) return tostring(r[name]) end, first} end
local function bool(name)
    return {
        function(r) return yes(r[name]) end, function(l) return (l[1]:gsub("true", "yes"):gsub("false", "no")) end,
    }
end

local COMPARED = {
    hostname = whole "hostname", user = whole "user", port = whole "port", addressfamily = whole "addressfamily",
    connectionattempts = whole "connectionattempts", numberofpasswordprompts = whole "numberofpasswordprompts",
    serveraliveinterval = whole "serveraliveinterval", serveralivecountmax = whole "serveralivecountmax",
    batchmode = bool "batchmode", compression = bool "compression",
    hashknownhosts = bool "hashknownhosts", identitiesonly = bool "identitiesonly",
    passwordauthentication = bool "passwordauthentication", requiredrsasize = whole "requiredrsasize",
    pubkeyauthentication = {
        function(r) return tostring(r.pubkeyauthentication) end, function(l) return (l[1]:gsub("unbound", "true")) end,
    },
    kbdinteractiveauthentication = bool "kbdinteractiveauthentication",
    connecttimeout = {function(r) return tostring(r.connecttimeout or "none") end, first},
    bindaddress = {function(r) return r.bindaddress end, first},
    hostkeyalias = {function(r) return r.hostkeyalias end, first},
    preferredauthentications = {function(r) return r.preferredauthentications end, first},
    proxycommand = {function(r) return r.proxycommand end, first},
    identityfile = {
        function(r) return r.identityfile end,
        function(l)
            local out = {}
            for _, v in ipairs(each(l, tilde)) do
                if v ~= "none" then out[#out + 1] = v end
            end
            return out
        end,
    },
    identityagent = {
        function(r) return r.identityagent end,
        function(l)
            local v = l and l[1] or "SSH_AUTH_SOCK"
            if v == "SSH_AUTH_SOCK" then return os.getenv(v) end
            return v:find "^%$" and (os.getenv(v:sub(2)) or "none") or v
        end,
    },
    forwardagent = {
        function(r) return type(r.forwardagent) == "string" and r.forwardagent or yes(r.forwardagent) end,
        function(l)
            local v = l[1]
            return v:find "^%$" and (os.getenv(v:sub(2)) or "none") or v
        end,
    },
    userknownhostsfile = {function(r) return files(r.userknownhostsfile) end, first},
    globalknownhostsfile = {
        function(r) return files(r.globalknownhostsfile) end,
        function(l) return table.concat(each(split(l[1], " "), tilde), " ") end,
    },
    stricthostkeychecking = {
        function(r) return ({yes = "true", no = "false"})[r.stricthostkeychecking] or r.stricthostkeychecking end,
        first,
    },
    proxyjump = {
        function(r) return r.proxyjump and table.concat(each(r.proxyjump, hop), ",") end,
        function(l) return l and l[1]:gsub("ssh://", ""):gsub("/", ""):gsub('"', "") .. "" end,
    },
    setenv = {function(r) return sorted_env(r.setenv) end, function(l) return sorted(l or {}) end},
    sendenv = {function(r) return sorted(r.sendenv) end, function(l) return sorted(unique(l or {})) end},
    rekeylimit = {
        function(r) return r.rekeylimit and r.rekeylimit.bytes .. " " .. r.rekeylimit.seconds or "0 0" end, first,
    },
    ciphers = {algorithms "ciphers", first}, macs = {algorithms "macs", first},
    kexalgorithms = {algorithms "kexalgorithms", first}, hostkeyalgorithms = {algorithms "hostkeyalgorithms", first},
}

local function compare(t, r, theirs)
    for name, forms in pairs(COMPARED) do
        t.same(forms[1](r), forms[2](theirs[name]), name)
    end
end

-- ssh refuses a file that others can write to, whatever our umask is.
local function put(path, text)
    assert(fs.write(path, text, {mode = 420}))
    return path
end

-- The case's files in a folder of their own; DIR in a text stands for it.
local function prepare(t, case)
    local dir = t.tmp()
    for name, text in pairs(case.files or {}) do put(dir .. "/" .. name, (text:gsub("DIR", dir))) end
    return put(dir .. "/config", (case[1]:gsub("DIR", dir)))
end

local function check(t, case)
    local file = prepare(t, case)
    local code, out, text = ssh_g(file, case)
    local ok, r = pcall(evaluate, file, case)
    if code ~= 0 then
        t.ok(not ok, "ssh says: " .. text)
        t.eq(r.kind, case.kind or "config", tostring(r))
        if case.line then t.eq(r.line, case.line) end
        return
    end
    t.ok(ok, tostring(r))
    t.ok(not case.bad, "ssh accepts it")
    compare(t, r, parse(out))
    return r
end

-- ---- the corpus ----

local function wrapped(list)
    local out = {}
    for i, c in ipairs(list) do out[i] = type(c) == "string" and {c} or c end
    return out
end

local function cases(name, list)
    spec.table(name, wrapped(list), check)
end

cases("values", {
    "", "\n\n# nothing\n   # either\n\t\n", "Port 2222", "port 2222", "PORT 2222", "Port=2222", "Port = 2222",
    "Port\t=2222",
    "Port= 2222", "  \tPort\t2222  ", "Port 2222\r\nUser joe\r\n", "Port 2222 # comment", '"Port" 2222', "Port ssh",
    "Port +22", 'User "joe doe"', "User 'joe doe'", "User joe\\ doe", 'User "a\\"b"', "User a=b", "User = =b",
    "User joe#doe",
    "User 'a\"b'", 'User a"b c"d', "Port 1\nPort 2", "HostName other", "HostName %h.example.com", "HostName %%h",
    "HostName Other.Example.COM", "HostName 127.1", "HostName 0x7f000001", "HostName 010.1", "HostName ::0001",
    "HostName 1:0:0:2:0:0:0:3", "HostName ::FFFF:10.0.0.1", "HostName ::10.0.0.1", "HostName 1:0:2:3:4:5:6:7",
    "HostName 1.2.3.4.5", "HostName 256.1.1.1", "HostName 1::2::3", "HostName 1:2:3:4:5:6:7::",
    "HostName 64:ff9b::1.2.3.4",
    "Compression yes", "Compression NO", "BindAddress 10.0.0.1", "AddressFamily inet6", "HostKeyAlias Foo",
    "ConnectTimeout 5", "ConnectTimeout 1m30s", "ConnectTimeout none\nConnectTimeout 2H", "ConnectTimeout 0",
    "ServerAliveInterval 1h5\nServerAliveCountMax 7", "ServerAliveInterval 1w2d", "StrictHostKeyChecking no",
    "StrictHostKeyChecking off", "StrictHostKeyChecking YES", "StrictHostKeyChecking accept-new", "HashKnownHosts yes",
    "PubkeyAuthentication no\nPasswordAuthentication no", "PubkeyAuthentication unbound", "DSAAuthentication no",
    "ChallengeResponseAuthentication no\nPreferredAuthentications publickey,password", "CheckHostIP no",
    "NumberOfPasswordPrompts 1\nConnectionAttempts 4", "RekeyLimit 1G 1h", "RekeyLimit default none", "RekeyLimit 500M",
    "Protocol 2\nCipher 3des\nRSAAuthentication no\nUsePrivilegedPort no\nKeepAlive yes",
})

cases("files", {
    "IdentityFile ~/a\nIdentityFile /b\nIdentityFile ~/a", "IdentityFile none", "IdentityFile none\nIdentityFile /x",
    "IdentityFile '/a b'\nIdentitiesOnly yes", "IdentityFile2 /x", "UserKnownHostsFile none",
    "GlobalKnownHostsFile none",
    "UserKnownHostsFile ~/a \"/b c\" /d", "GlobalKnownHostsFile /a ~/b", "UserKnownHostsFile /a\nUserKnownHostsFile /b",
    "UserKnownHostsFile ~/.ssh/known_hosts.d/%k /x/%h-%n-%p-%r-%u-%i-%d-%L-%l-%C-%%",
    "HostName real\nHostKeyAlias Alias\nPort 7\nUser joe\nUserKnownHostsFile /x/%k/%h/%n/%p/%r/%C",
    "UserKnownHostsFile ${HOME}/x", "UserKnownHostsFile ~root/x ~bin", "UserKnownHostsFile ~//x",
    "UserKnownHostsFile $HOME/x",
    "IdentityAgent none", "IdentityAgent SSH_AUTH_SOCK", "IdentityAgent $HOME", "IdentityAgent ~/%h.sock",
    "IdentityAgent ${HOME}/x", "IdentityAgent /a%%b", "ForwardAgent yes", "ForwardAgent no\nForwardAgent yes",
})

cases("environment", {
    "SetEnv A=1 B=\"x y\" A=2", "SetEnv A=1\nSetEnv B=2", "SetEnv A=", "SetEnv A=b=c", "SendEnv LANG LC_*\nSendEnv X",
    "SendEnv A B* C -B*\nSendEnv -A D", "SendEnv A A",
})

cases("algorithms", {
    "Ciphers aes128-ctr", "Ciphers aes128-ctr,aes256-ctr", "Ciphers +aes128-cbc", "Ciphers -aes*",
    "Ciphers ^aes256-ctr",
    "MACs -*etm*,hmac-sha1", "MACs +hmac-md5", "KexAlgorithms ^diffie-hellman-group14-sha256", "KexAlgorithms -sntrup*",
    "HostKeyAlgorithms ssh-ed25519", "HostKeyAlgorithms +ssh-rsa", "HostKeyAlgorithms -*cert*",
    "HostKeyAlgorithms ^rsa-*",
    "HostKeyAlgorithms +ssh-dss,ssh-rsa",
})

cases("Host", {
    "Host web\nPort 1", "Host db\nPort 1", "Host w*\nPort 1", "Host w?b\nPort 1", "Host ?\nPort 1",
    "Host db web\nPort 1",
    "Host *\nPort 1", "Host * !web\nPort 1", "Host !web *\nPort 1", "Host !db *\nPort 1", "Host !db\nPort 1",
    "Host web,db\nPort 1", "Host WEB\nPort 1", "Host \"web\"\nPort 1", "Host=web\nPort 1", "Host web # no\nPort 1",
    "User a\nHost db\nUser b\nPort 1\nHost web\nUser c\nPort 2\nHost *\nPort 3\nCompression yes",
    "HostName real\nHost real\nPort 1", "Host *w*e*b*\nPort 1", "Host **\nPort 1", "Host\tweb\n\tPort\t1",
    {"Host web\nPort 1", alias = "WEB"}, {"Host WEB\nPort 1", alias = "WEB"}, {"Port 1", alias = "::1"},
    {"Port 1", alias = "10.1"}, {"Host web\nPort 1", port = 5}, {"User a", user = "b"}, {"User a", o = {"User=c"}},
    {"Host *\nPort 1\nCompression no", o = {"Compression=yes", "Port 9"}},
    {"", o = {"IdentityFile=~/x", "IdentityFile=~/y"}},
    {"Fooo bar", o = {"IgnoreUnknown=Foo*"}}, {"ProxyJump a", o = {"ProxyJump=none"}},
    {"ProxyJump a", o = {"ProxyCommand=x"}},
})

cases("Match", {
    "Match all\nPort 1", "Match !all\nPort 1", "Match host web\nPort 1", "Match host db,w*\nPort 1",
    "Match host *,!web\nPort 1",
    "Match !host web\nPort 1", "Match host WEB\nPort 1", "Match HOST web\nPort 1", "Match host=web\nPort 1",
    "Match host \"web,db\" user " .. ME .. "\nPort 1", "Match host db user " .. ME .. "\nPort 1",
    "Match user nobody\nPort 1",
    "User joe\nMatch user joe\nPort 1", "Match localuser " .. ME .. "\nPort 1", "Match !localuser " .. ME .. "\nPort 1",
    "HostName real\nMatch host real\nPort 1", "HostName real\nMatch originalhost web\nPort 1",
    "HostName real\nMatch host web\nPort 1", "HostName %h.x\nMatch host web.x\nPort 1", "Match all # no\nPort 1",
    "Match host web # no\nPort 1", "Match host web all\nPort 1", "Match canonical\nPort 1", "Match !canonical\nPort 1",
    "Match canonical all\nPort 1", "Match final\nPort 1", "Match final all\nPort 1\nHost *\nPort 2",
    "Match !final\nPort 1",
    "Match final host real\nPort 1\nHost web\nHostName real\nSendEnv A\nIdentityFile ~/x\nSetEnv B=1",
    "HostName Real\nHost real\nPort 1\nMatch final\nUser joe", "Host web\nHostName real\nMatch final host web\nPort 1",
    "Match final canonical host web\nPort 1", "Match host web\nPort 1\nMatch all\nPort 2\nUser x",
    "Match localuser \"\"\nPort 1",
    {"Match originalhost WEB\nPort 1", alias = "wEb"}, {"Match user joe\nPort 1", user = "joe"},
})

cases("Match exec", {
    "Match exec true\nPort 1", "Match exec false\nPort 1", "Match !exec false\nPort 1", "Match exec \"exit 3\"\nPort 1",
    "Match exec \"false || true\"\nPort 1", "Match exec \"test %h = web\"\nPort 1",
    "Match host web exec \"true\"\nPort 1",
    "HostName real\nMatch exec \"test %h.%n.%p.%r = real.web.22." .. ME .. "\"\nPort 1",
    "Port 7\nUser joe\nHostKeyAlias k\nMatch exec \"test %p.%r.%k.%u.%i = 7.joe.k." .. ME .. "." .. UID ..
        "\"\nUser x\nSetEnv A=1",
    "Match exec \"test %d = " .. HOME .. "\"\nPort 1", "Match exec \"test '%%' = %%\"\nPort 1",
    "Match exec \"kill -9 $$\"\nPort 1",
    "Match host db exec \"touch DIR/ran\"\nPort 1\nMatch exec \"test -e DIR/ran\"\nUser ran",
    "Match exec \"echo out; echo err >&2; cat\"\nPort 1", "Match exec 'true'\nPort 1",
})

cases("Include", {
    {"Include DIR/a\nPort 2", files = {a = "Port 1"}},
    {"Include DIR/*.conf", files = {["b.conf"] = "Port 2", ["a.conf"] = "Port 1"}},
    {"Include DIR/none\nPort 1"}, {"Include DIR/a DIR/b", files = {a = "Port 1", b = "User b\nPort 2"}},
    {"Host db\nInclude DIR/a\nHost *\nUser x", files = {a = "Port 1\nHost *\nUser y\nPort 5"}},
    {"Host web\nInclude DIR/a\nUser x", files = {a = "Host db\nPort 1\nUser y"}},
    {"Match host db\nInclude DIR/a\nUser x", files = {a = "Match all\nPort 1"}},
    {"Include DIR/a", files = {a = "Include DIR/b\nPort 1", b = "User x\nPort 2"}},
    {"Include DIR/a", files = {a = "Host web\nInclude DIR/b\nPort 1", b = "Host d*\nUser x\n"}},
    {"Include DIR/a", files = {a = "Include DIR/a"}}, {"Host db\nInclude DIR/a", files = {a = "Nonsense 1"}},
    {"Include \"DIR/a b\"", files = {["a b"] = "Port 1"}}, {"Include DIR/[ab]", files = {a = "Port 1", b = "Port 2"}},
    {"Include DIR/.* DIR/*", files = {[".x"] = "Port 1"}}, {"Include DIR/", files = {a = "Port 1"}},
    {"Include DIR/a\nMatch final\nPort 9", files = {a = "Match final\nPort 1"}}, {"Include ~/nowhere-at-all/*\nPort 1"},
    {"Include nowhere-at-all/*\nPort 1"}, {"Include", bad = true}, {'Include ""', bad = true},
    {"Include DIR/a DIR/a", files = {a = "SendEnv X\nIdentityFile /x"}},
})

cases("proxies", {
    "ProxyJump none", "ProxyJump NONE", "ProxyJump a", "ProxyJump a:22", "ProxyJump u@a", "ProxyJump u@a:2,b,c@d:3",
    "ProxyJump [::1]:33,u@[fe80::1]", "ProxyJump ssh://u@h:2", "ProxyJump ssh://u@h:2/", "ProxyJump a,ssh://u@h",
    "ProxyJump a@b@c:22",
    "ProxyJump a:ssh", "ProxyJump a # no", "ProxyJump a#b", "ProxyJump a b", "ProxyJump = a",
    "ProxyJump none\nProxyJump a",
    "ProxyJump a\nProxyJump none", "ProxyJump a\nProxyCommand x", "ProxyCommand x\nProxyJump a",
    "ProxyJump none\nProxyCommand x",
    "ProxyCommand none\nProxyJump a", "ProxyJump none\nProxyCommand none\nProxyCommand x",
    "ProxyCommand x\nProxyJump none",
    "ProxyCommand none", "ProxyCommand nc -X connect \"a b\" 'c'  d # e", "ProxyCommand = nc a",
    "ProxyCommand=nc a\nProxyCommand b",
    "Host *\nProxyJump gate\nHost gate\nProxyJump none", "ProxyJump web", "ProxyJump web:23", "ProxyJump joe@web",
    "Port 2\nProxyJump web",
    "HostName real\nProxyJump real", "ProxyJump a:", "ProxyJump ssh://u;x=y@h",
    {"ProxyJump a, b", line = 1}, {"ProxyJump ::1", line = 1}, {"ProxyJump a,", line = 1}, {"ProxyJump ,a", line = 1},
    {"ProxyJump a:0", line = 1}, {"ProxyJump ssh://a/x", line = 1}, {"ProxyJump @a", line = 1},
    {"ProxyJump a:99999", line = 1},
    {"ProxyJump a/b", line = 1}, {"ProxyJump", line = 1}, {"ProxyJump [::1", line = 1},
})

cases("IgnoreUnknown", {
    "IgnoreUnknown foo*,bar\nFooo b c d\nbar 1\nPort 1", "IgnoreUnknown UseKeychain\nUseKeychain yes",
    {"UseKeychain yes\nIgnoreUnknown UseKeychain", line = 1}, {"Host db\nIgnoreUnknown x\nHost *\nx y", line = 4},
    {"IgnoreUnknown bar\nbar", line = 2}, {"IgnoreUnknown *,!bar\nbar x", line = 2}, "IgnoreUnknown BAR\nbar x",
})

cases("bad", {
    {"Port", line = 1}, {"\nPort 0", line = 2}, {"Port 65536", line = 1}, {"Port x", line = 1}, {"Port 22#x", line = 1},
    {"Port 1 2", line = 1}, {"Port == 22", line = 1}, {"User", line = 1}, {'User ""', line = 1}, {'User "a', line = 1},
    {"User 'a", line = 1}, {"User a b", line = 1}, {"Nonsense x", line = 1}, {"Host db\nNonsense x", line = 2},
    {"Us\"e\"r b", line = 1},
    {" \f User b", line = 1}, {"Compression maybe", line = 1}, {"Compression true", line = 1},
    {"Host db\nCompression maybe", line = 2},
    {"ConnectTimeout 1.5", line = 1}, {"ConnectTimeout x", line = 1}, {"ConnectTimeout -1", line = 1},
    {"ConnectTimeout 1y", line = 1},
    {"ServerAliveCountMax -1", line = 1}, {"ServerAliveCountMax 99999999999", line = 1},
    {"StrictHostKeyChecking maybe", line = 1},
    {"SetEnv A", line = 1}, {"SendEnv A=b", line = 1}, {"UserKnownHostsFile none /x", line = 1},
    {"UserKnownHostsFile /x \"\"", line = 1},
    {"UserKnownHostsFile %x", line = 1}, {"UserKnownHostsFile /x%", line = 1},
    {"UserKnownHostsFile ${NO_SUCH_VARIABLE}", line = 1}, {"UserKnownHostsFile ${HOME", line = 1},
    {"UserKnownHostsFile ~no-such/x", line = 1},
    {"HostName %n", line = 1}, {"HostName %", line = 1}, {"IdentityAgent ${", line = 1},
    {"IdentityAgent ${}", line = 1},
    {"IdentityAgent $1x", line = 1}, {"RekeyLimit 5", line = 1}, {"RekeyLimit x", line = 1},
    {"RekeyLimit 1G 1h x", line = 1},
    {"Host", line = 1}, {'Host ""\nPort 1', line = 1}, {"Host # x", line = 1}, {"Match", line = 1},
    {"Match host", line = 1}, {"Match host #", line = 1},
    {"Match all all", line = 1}, {"Match all host web", line = 1}, {"Match host a user b all", line = 1},
    {"Match nonsense x", line = 1},
    {"Match nonsense", line = 1}, {"Match exec \"test %x\"", line = 1}, {"Match #", line = 1},
    {"AddressFamily inet5", line = 1}, {"Ciphers aes128-ctr,,", line = 1},
    {"", o = {"Host=x"}}, {"", o = {"Match=all"}}, {"", o = {"Include=/x"}}, {"", o = {"Port=x"}},
    {"", o = {"Nonsense=x"}},
    {"", alias = "a b", kind = "usage"}, {"", alias = "a;b", kind = "usage"}, {"", alias = "a$(b)", kind = "usage"},
    {"", user = "a;b", kind = "usage"}, {"", user = "a\\", kind = "usage"}, {"", user = "a -b", kind = "usage"},
})

-- ---- default files ----

-- What Debian 12 installs.
local DEBIAN = [[
Include DIR/ssh_config.d/*.conf

Host *
#   ForwardAgent no
#   ProxyCommand ssh -q -W %h:%p gateway.example.com
#   UserKnownHostsFile ~/.ssh/known_hosts.d/%k
    SendEnv LANG LC_*
    HashKnownHosts yes
    GSSAPIAuthentication yes
]]

-- What Fedora installs: the crypto policy stands in a block of the final pass.
local FEDORA = [[
# To modify the system-wide ssh configuration, create a  *.conf  file under
#  /etc/ssh/ssh_config.d/  which will be automatically included below
Include DIR/50-redhat.conf
]]

local REDHAT = [[
# The options here are in the "Match final block" to be applied as the last
Match final all
	# Follow system-wide Crypto Policy, if defined:
	Include DIR/crypto-policy

	GSSAPIAuthentication yes

# If this option is set to yes then remote X11 clients will have full access
	ForwardX11Trusted yes
]]

local POLICY = [[
Ciphers aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes128-gcm@openssh.com,aes128-ctr
MACs hmac-sha2-256-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-512
GSSAPIKexAlgorithms gss-nistp256-sha256-,gss-group14-sha256-,gss-group16-sha512-
KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,diffie-hellman-group14-sha256
PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256,ssh-ed25519,rsa-sha2-256,rsa-sha2-512
HostKeyAlgorithms ecdsa-sha2-nistp256,ssh-ed25519,rsa-sha2-256,rsa-sha2-512
CASignatureAlgorithms ecdsa-sha2-nistp256,ssh-ed25519,rsa-sha2-256,rsa-sha2-512
RequiredRSASize 2048
]]

local REDHAT_FILES = {["50-redhat.conf"] = REDHAT, ["crypto-policy"] = POLICY}

cases("defaults", {
    {DEBIAN, name = "Debian"}, {DEBIAN, name = "Debian, another name", alias = "10.0.0.1"},
    {FEDORA, name = "Fedora", files = REDHAT_FILES},
    {"Host web\nCiphers aes128-ctr\nHost *\n" .. FEDORA, name = "Fedora, with a user's own", files = REDHAT_FILES},
})

spec.test("the files of this machine", function(t)
    local code, out = run {"ssh", "-G", "web"}
    t.eq(code, 0)
    local ok, r = pcall(config.evaluate, "web", {home = HOME})
    if not ok and r.option then t.skip("it has what we refuse: " .. r.message) end
    t.ok(ok, tostring(r))
    compare(t, r, parse(out))
end)

spec.test("no files", function(t)
    local _, out = run {"ssh", "-G", "-F", "none", "web"}
    compare(t, config.evaluate("web", {config = false, home = HOME}), parse(out))
    compare(t, config.evaluate("web", {config = "none", home = HOME}), parse(out))
end)

spec.test("a file that is named must be there", function(t)
    local e = t.raises("config", config.evaluate, "web", {config = "/no/such/file"})
    t.eq(e.file, "/no/such/file")
end)

-- ---- what -G doesn't show ----

spec.test("names of keys are expanded as ssh does", function(t)
    local text = "User joe\nPort 7\nHostName real\nHostKeyAlias Ali\n" ..
        "IdentityFile ~/k-%h-%n-%p-%r-%u-%i-%k-%l-%L-%C-%%\n" ..
        "IdentityFile ${HOME}/%d\nIdentityFile ~root/x\nIdentityFile none\nIdentityFile rel\n"
    local file = prepare(t, {text})
    local _, _, shown = run {"ssh", "-v", "-F", file, "-o", "ProxyCommand=false", "web"}
    local list = {}
    for name in shown:gmatch "debug1: identity file (%S+) type" do
        if not name:find "%-cert$" then list[#list + 1] = name end
    end
    t.eq(#list, 4)
    t.same(evaluate(file, {}).identityfile, list)
end)

spec.test("ProxyCommand is expanded as ssh does", function(t)
    local dir = t.tmp()
    -- The copy of its output keeps ssh waiting until the line is written.
    local command = "echo %h %n %p %r %% \"quo ted\" '$HOME' 3>&1 >" .. dir .. "/out"
    local file = put(dir .. "/config", "HostName Real\nUser joe\nPort 7\nProxyCommand " .. command)
    run {"ssh", "-F", file, "wEb"}
    local theirs = assert(fs.read(dir .. "/out"))
    run {"sh", "-c", evaluate(file, {alias = "wEb"}).proxycommand}
    t.eq(fs.read(dir .. "/out"), theirs)
    t.match(theirs, "^real wEb 7 joe %% quo ted %$HOME\n$")
end)

spec.test("ProxyJump: its parts, and its tokens", function(t)
    local file = prepare(t, {"ProxyJump joe@a:2, \nHost *\nUser me"})
    t.raises("config", evaluate, file, {})
    file = prepare(t, {"User me\nProxyJump joe@a:2,%n-gate,%r@b,ssh://u%40x@[::1]:3/"})
    t.same(evaluate(file, {}).proxyjump, {
        {user = "joe", host = "a", port = 2}, {host = "web-gate"}, {user = "me", host = "b"},
        {user = "u@x", host = "::1", port = 3},
    })
    t.eq(evaluate(prepare(t, {"ProxyJump none"}), {}).proxyjump, nil)
end)

spec.test("%j, which OpenSSH has since 9.6", function(t)
    local file = prepare(t, {"ProxyJump a@b:2,c\nUserKnownHostsFile /x/%j"})
    t.same(evaluate(file, {}).userknownhostsfile, {"/x/a@b:2,c"})
end)

spec.test("Tag, which OpenSSH has since 9.4", function(t)
    t.eq(evaluate(prepare(t, {"Tag blue\nMatch tagged bl*\nPort 5"}), {}).port, 5)
    t.eq(evaluate(prepare(t, {"Tag red\nMatch tagged bl*\nPort 5"}), {}).port, 22)
end)

spec.test("~ is the home that is given", function(t)
    local home = t.tmp()
    assert(fs.mkdir(home .. "/.ssh"))
    put(home .. "/.ssh/config", "Include more\nIdentityFile ~/k\nUserKnownHostsFile %d/h")
    put(home .. "/.ssh/more", "Port 5\nInclude ~/third")
    put(home .. "/third", "User joe")
    local r = config.evaluate("web", {home = home})
    t.eq(r.port, 5)
    t.eq(r.user, "joe")
    t.same(r.identityfile, {home .. "/k"})
    t.same(r.userknownhostsfile, {home .. "/h"})
    t.eq(config.evaluate("web", {config = false, home = home}).identityfile[1], home .. "/.ssh/id_rsa")
end)

spec.test("where each option came from", function(t)
    local file = prepare(t, {"# one\nPort 5\nInclude DIR/more\n", files = {more = "\nCompression yes\nPort 6"}})
    local r = config.evaluate("web", {config = file, options = {BatchMode = true}})
    t.same(r.origin.port, {file = file, line = 2})
    t.same(r.origin.compression, {file = file:gsub("config$", "more"), line = 2})
    t.same(r.origin.batchmode, {option = "BatchMode"})
    t.eq(r.origin.hashknownhosts, nil)
    t.eq(r.batchmode, true)
end)

spec.test("options are given as a table", function(t)
    local r = config.evaluate("web", {config = false, options = {
        Port = 5, Compression = true, BatchMode = false, IgnoreUnknown = "Foo", Foo = "x",
        identityfile = {"/a", "'/b c'"},
    }})
    t.same(r.identityfile, {"/a", "/b c"})
    t.eq(r.port, 5)
    t.eq(r.compression, true)
    t.eq(r.batchmode, false)
    t.raises("config", config.evaluate, "web", {config = false, options = {User = "a\nPort 5"}})
    local e = t.raises("config", config.evaluate, "web", {config = false, options = {Porrt = 5}})
    t.match(tostring(e), "did you mean 'port'")
end)

spec.test("a misspelt line names what may have been meant, blocks too", function(t)
    local file = require "rshell".here:path(t.tmp(), "config")
    for word, meant in pairs {Hots = "host", Matc = "match", Includ = "include", HosName = "hostname"} do
        file:write(word .. " x\n")
        local e = t.raises("config", config.evaluate, "web", {config = tostring(file)})
        t.match(e.message, ("config:1: ssh has no option '%s', did you mean '%s'?"):format(word:lower(), meant))
    end
end)

-- ---- files that others can write to ----

local MODES = {{384}, {420}, {416}, {438}, {418}, {432}, {436}}

spec.table("permissions", MODES, function(t, c)
    local home = t.tmp()
    assert(fs.mkdir(home .. "/.ssh"))
    local file = put(home .. "/.ssh/config", "Port 5")
    local outer = put(home .. "/outer", "Include " .. file)
    assert(fs.chmod(file, c[1]))
    local code = run {"ssh", "-G", "-F", outer, "web"}
    local ok, e = pcall(config.evaluate, "web", {home = home})
    t.eq(ok, code == 0, tostring(e))
    t.eq(pcall(config.evaluate, "web", {config = outer, home = home}), code == 0)
    if ok then return end
    t.eq(e.kind, "config")
    t.eq(e.file, file)
    t.match(e.hint, "chmod")
end)

spec.test("a file of somebody else", function(t)
    if host.user().uid ~= 0 then t.skip "only root can give files away" end
    local file = prepare(t, {"Include DIR/a", files = {a = "Port 5"}})
    assert(fs.chown((file:gsub("config$", "a")), 1))
    t.eq(run {"ssh", "-G", "-F", file, "web"}, 255)
    t.raises("config", evaluate, file, {})
end)

spec.test("how deep files can be included", function(t)
    for _, depth in ipairs {16, 17} do
        local all = {}
        for i = 1, depth do all["f" .. i] = i < depth and "Include DIR/f" .. i + 1 or "Port 5" end
        local file = prepare(t, {"Include DIR/f1", files = all})
        local code = run {"ssh", "-G", "-F", file, "web"}
        t.eq(pcall(evaluate, file, {}), code == 0, depth .. " files deep")
    end
end)

-- ---- the three lists ----

local REFUSED = {
    "BindInterface eth0", "CanonicalizeHostname yes", "CanonicalizeHostname always", "CanonicalizePermittedCNAMEs a:b",
    "CertificateFile ~/x", "HostbasedAuthentication yes", "KnownHostsCommand /bin/x %H", "PKCS11Provider /x.so",
    "SmartcardDevice /x.so",
    "PermitLocalCommand yes\nLocalCommand touch x", "ProxyCommand x\nProxyUseFdpass yes", "RefuseConnection no",
    "CheckHostIP yes", "RevokedHostKeys /x", "SecurityKeyProvider /x.so", "VerifyHostKeyDNS yes",
}

spec.table("refused", wrapped(REFUSED), function(t, c)
    local text = c[1]
    local file = prepare(t, {"Host *\n" .. text .. "\n"})
    local e = t.raises("config", evaluate, file, {})
    local line = select(2, text:gsub("\n", "")) + 2
    t.eq(e.file, file)
    t.eq(e.line, line)
    t.eq(e.option, options.name(text:match "(%w+)[^\n]*$"))
    t.match(e.hint, 'transport="openssh"')
    t.match(e.message, "^" .. file:gsub("%p", "%%%0") .. ":" .. line .. ": " .. e.option)
    t.ok(pcall(evaluate, prepare(t, {"Host db\n" .. text}), {}), "it is for another host")
end)

spec.test("every refused option is tested", function(t)
    local tested = {}
    for _, text in ipairs(REFUSED) do tested[options.name(text:match "(%w+)[^\n]*$")] = true end
    for name in pairs(options.refused) do t.ok(tested[name], name) end
end)

cases("refused options that ask for nothing", {
    "CanonicalizeHostname no", "CanonicalizePermittedCNAMEs none", "CertificateFile none", "HostbasedAuthentication no",
    "KnownHostsCommand none", "PKCS11Provider none", "PermitLocalCommand yes", "LocalCommand touch x",
    "PermitLocalCommand no\nLocalCommand x",
    "ProxyUseFdpass no", "ProxyUseFdpass yes", "RevokedHostKeys none", "SecurityKeyProvider internal",
    "VerifyHostKeyDNS no",
    "VerifyHostKeyDNS ask", "RevokedHostKeys none\nRevokedHostKeys /x",
})

spec.test("every option of ssh -G is in a list, and only in one", function(t)
    for name in pairs(parse(select(2, run {"ssh", "-G", "-F", "none", "web"}))) do
        name = name:lower()
        local lists = 0
        for _, list in ipairs {"honoured", "refused", "harmless", "obsolete"} do
            if options[list][name] then lists = lists + 1 end
        end
        t.eq(lists, name == "host" and 0 or 1, name)
    end
end)

cases("harmless", {
    "ForwardX11 yes\nForwardX11Trusted yes\nXAuthLocation /x\nForwardX11Timeout 5",
    "GSSAPIAuthentication yes\nGSSAPIDelegateCredentials yes",
    "ControlMaster auto\nControlPath ~/%C\nControlPersist 10m", "VisualHostKey yes\nLogLevel DEBUG",
    "TCPKeepAlive no\nIPQoS lowdelay",
    "LocalForward 1234 localhost:22\nRemoteForward 1 a:2\nDynamicForward 1080\nExitOnForwardFailure yes",
    "AddKeysToAgent yes\nUpdateHostKeys yes\nRequestTTY force\nRemoteCommand tmux attach",
    "Tunnel yes\nTunnelDevice any:any",
    "CASignatureAlgorithms ssh-ed25519\nHostbasedAcceptedAlgorithms ssh-ed25519",
    "EscapeChar none\nFingerprintHash md5",
    "CanonicalDomains a b\nCanonicalizeMaxDots 2\nCanonicalizeFallbackLocal no", "NoHostAuthenticationForLocalhost yes",
})

-- The names that a section of the manual lists: the first cells of its table, or lines that are set off.
local function section(text, title)
    local body, names = assert(text:match("\n## " .. title .. "\n(.-)\n## ")), {}
    for row in body:gmatch "[^\n]+" do
        local cell = row:match "^| (`.-) |" or row:match "^    (.*)"
        for name in (cell or ""):gmatch "`?(%w+)`?" do names[name:lower()] = true end
    end
    return names
end

spec.table("the manual lists", {{"honoured"}, {"harmless"}, {"refused"}}, function(t, c)
    local list = c[1]
    local text = assert(fs.read(arg[0]:gsub("[^/]*$", "") .. "../../doc/ssh-config.md"))
    local names = section(text, list:sub(1, 1):upper() .. list:sub(2))
    for name in pairs(options[list]) do t.ok(names[name], name .. " is missing") end
    for name in pairs(names) do t.ok(options[list][name], name .. " is too much") end
end)

-- ---- algorithms ----

spec.table("config.algorithms", {
    {name = "none given", nil, "a b c"}, {"x,b", "b"}, {"+x", "a b c"}, {"+d,e", "a b c d"}, {"-b", "a c"}, {"-*", ""},
    {"^c", "c a b"},
    {"^d,c", "d c a b"}, {"b,b,a", "b a"}, {"*", "a b c d"}, {"x", ""},
}, function(t, c)
    t.eq(table.concat(config.algorithms(c[1], {"a", "b", "c"}, {"a", "b", "c", "d"}), " "), c[2])
end)

-- ---- broken files: one clear error, or a result ----

local SAMPLE = [[
Host web db !no
    HostName "%h.example.com"
    User = joe
    IdentityFile ~/.ssh/%r-%h
    ProxyJump a@b:2,[::1]:3 # way
Match user joe host=w*,!x originalhost web
    SetEnv A=1 B="x y"
    ConnectTimeout 1m30s
    UserKnownHostsFile ~/a '${HOME}/b' none
    Ciphers +aes128-ctr,-x
Include DIR/more
Match final all
    SendEnv LANG -L*
    RekeyLimit 1G 1h
]]

local function try(t, file, text)
    put(file, text)
    local ok, e = pcall(evaluate, file, {})
    if ok then return end
    t.ok(type(e) == "table" and (e.kind == "config" or e.kind == "usage"), tostring(e))
    t.ok(not tostring(e.message):find "%.lua:", tostring(e))
end

spec.test("truncated", function(t)
    local file = prepare(t, {SAMPLE, files = {more = "Port 7\n"}})
    local text = fs.read(file)
    for i = 0, #text, 3 do try(t, file, text:sub(1, i)) end
end)

spec.test("broken bits", function(t)
    local file = prepare(t, {SAMPLE, files = {more = "Port 7\n"}})
    local text = fs.read(file)
    for i = 1, #text do
        try(t, file, text:sub(1, i - 1) .. string.char(text:byte(i) ~ 1 << i % 8) .. text:sub(i + 1))
    end
end)

spec.test("noise", function(t)
    local file = prepare(t, {""})
    for _ = 1, 50 do
        local bytes = {}
        for i = 1, 200 do bytes[i] = string.char(math.random(0, 255)) end
        try(t, file, "User " .. table.concat(bytes))
        try(t, file, "Match " .. table.concat(bytes))
        try(t, file, table.concat(bytes))
    end
end)

spec.test("a quote that isn't closed is told, where ssh drops the line", function(t)
    local e = t.raises("config", evaluate, prepare(t, {'Port 5\n"User joe'}), {})
    t.eq(e.line, 2)
end)

spec.finish()
