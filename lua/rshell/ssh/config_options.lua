-- Every option of ssh_config that OpenSSH knows, and what we make of it. doc/ssh-config.md shows the same lists.

local values = require "rshell.ssh.config_values"

local M = {}

local word, flag, integer = values.word, values.flag, values.integer

--- Honoured. `read` takes one word, `words` all of them, `raw` the rest of the line as it stands. `add` adds to a list.
---@type table<string, {read: function?, words: function?, raw: function?, add: function?}>
M.honoured = {
    addressfamily = {read = values.choice {any = "any", inet = "inet", inet6 = "inet6"}},
    batchmode = {read = flag},
    bindaddress = {read = word},
    ciphers = {read = values.algorithms},
    compression = {read = values.strict_flag},
    connectionattempts = {read = integer},
    connecttimeout = {read = values.time},
    forwardagent = {read = values.flag_or_socket},
    globalknownhostsfile = {words = values.files},
    hashknownhosts = {read = flag},
    hostkeyalgorithms = {read = values.algorithms},
    hostkeyalias = {read = word},
    hostname = {read = word},
    identitiesonly = {read = flag},
    identityagent = {read = values.socket},
    identityfile = {add = values.add_identity},
    ignoreunknown = {read = word},
    kbdinteractiveauthentication = {read = flag},
    kexalgorithms = {read = values.algorithms},
    macs = {read = values.algorithms},
    numberofpasswordprompts = {read = integer},
    passwordauthentication = {read = flag},
    permitlocalcommand = {read = flag},
    port = {read = values.port},
    preferredauthentications = {read = word},
    proxycommand = {raw = word},
    proxyjump = {raw = values.jump},
    pubkeyacceptedalgorithms = {read = values.algorithms},
    pubkeyauthentication = {read = values.choice {
        yes = true, ["true"] = true, no = false, ["false"] = false, unbound = true, ["host-bound"] = true,
    }},
    rekeylimit = {words = values.rekey},
    requiredrsasize = {read = integer},
    sendenv = {words = values.check_sendenv, add = values.add_sendenv},
    serveralivecountmax = {read = integer},
    serveraliveinterval = {read = values.time},
    setenv = {words = values.setenv},
    stricthostkeychecking = {read = values.choice {
        yes = "yes", ["true"] = "yes", no = "no", ["false"] = "no", off = "no", ask = "ask",
        ["accept-new"] = "accept-new",
    }},
    tag = {read = word},
    user = {read = word},
    userknownhostsfile = {words = values.files},
}

-- Whether a value is one of these.
local function is(...)
    local set = {}
    for _, v in ipairs {...} do set[v] = true end
    return function(value)
        if type(value) == "string" then value = value:lower() end
        return set[value]
    end
end

local none, no = is "none", is(false)

--- They restrict or redirect what is trusted, or run what we don't run. `fine` says which values ask for nothing; `why`
--- ends a sentence that begins with "it"; `with` names the option without which it means nothing.
---@type table<string, {read: function?, raw: function?, words: function?, fine: function, why: string, with: string?}>
M.refused = {
    bindinterface = {read = word, fine = is(), why = "confines the connection to an interface"},
    canonicalizehostname = {
        read = values.choice {yes = true, ["true"] = true, no = false, ["false"] = false, always = true}, fine = no,
        why = "lets the name service say which machine is meant",
    },
    canonicalizepermittedcnames = {
        words = function(words) return words[1] end, fine = none,
        why = "lets the name service say which machine is meant",
    },
    certificatefile = {read = word, fine = none, why = "logs in with a certificate"},
    checkhostip = {read = flag, fine = no, why = "trusts addresses besides names"},
    hostbasedauthentication = {read = flag, fine = no, why = "logs in with this machine's key"},
    knownhostscommand = {raw = word, fine = none, why = "says which host keys are trusted"},
    localcommand = {
        raw = word, fine = none, why = "runs a command here after connecting", with = "permitlocalcommand",
    },
    pkcs11provider = {read = word, fine = none, why = "takes keys from a token"},
    proxyusefdpass = {
        read = flag, fine = no, why = "takes the connection from another program", with = "proxycommand",
    },
    refuseconnection = {raw = word, fine = is(), why = "forbids to connect"},
    revokedhostkeys = {read = word, fine = none, why = "names keys that must not be trusted"},
    securitykeyprovider = {
        read = word, fine = is("none", "internal"), why = "names a library for keys in hardware",
    },
    verifyhostkeydns = {
        read = values.choice {yes = true, ["true"] = true, no = false, ["false"] = false, ask = "ask"},
        fine = is(false, "ask"), why = "trusts keys that are published in the name service",
    },
}
-- They add comforts, further methods, or things we have in our own way, and nothing is less safe without them. What
-- limits certificates of hosts is among them: we trust none.
local harmless = [[
    addkeystoagent canonicaldomains canonicalizefallbacklocal canonicalizemaxdots casignaturealgorithms channeltimeout
    clearallforwardings
    controlmaster controlpath controlpersist dynamicforward enableescapecommandline enablesshkeysign escapechar
    exitonforwardfailure fingerprinthash forkafterauthentication forwardx11 forwardx11timeout forwardx11trusted
    gatewayports gssapiauthentication gssapiclientidentity gssapidelegatecredentials gssapikexalgorithms
    gssapikeyexchange gssapirenewalforcesrekey gssapiserveridentity gssapitrustdns hostbasedacceptedalgorithms ipqos
    kbdinteractivedevices localforward loglevel logverbose nohostauthenticationforlocalhost
    obscurekeystroketiming permitremoteopen remotecommand remoteforward requesttty sessiontype stdinnull
    streamlocalbindmask streamlocalbindunlink syslogfacility tcpkeepalive tunnel tunneldevice updatehostkeys
    versionaddendum visualhostkey warnweakcrypto xauthlocation
]]

-- What ssh itself no longer heeds.
local obsolete = [[
    afstokenpassing blacklistedhostkeys cipher compressionlevel fallbacktorsh globalknownhostsfile2
    kerberosauthentication kerberostgtpassing protocol rhostsauthentication rhostsrsaauthentication rsaauthentication
    useblacklistedkeys useprivilegedport userknownhostsfile2 useroaming usersh
]]

local ALIASES = {
    challengeresponseauthentication = "kbdinteractiveauthentication", dsaauthentication = "pubkeyauthentication",
    hostbasedkeytypes = "hostbasedacceptedalgorithms", identityfile2 = "identityfile", keepalive = "tcpkeepalive",
    protocolkeepalives = "serveraliveinterval", pubkeyacceptedkeytypes = "pubkeyacceptedalgorithms",
    setuptimeout = "serveraliveinterval", skeyauthentication = "kbdinteractiveauthentication",
    smartcarddevice = "pkcs11provider", tisauthentication = "kbdinteractiveauthentication",
}

M.harmless, M.obsolete = {}, {}
for name in harmless:gmatch "%S+" do M.harmless[name] = {} end
for name in obsolete:gmatch "%S+" do M.obsolete[name] = {} end

--- The name under which an option is kept.
---@param name string
function M.name(name)
    name = name:lower()
    return ALIASES[name] or name
end

--- Where ssh looks for keys when no file is named, in ~/.ssh.
M.identities = {"id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_xmss", "id_dsa"}

--- What an option is when nobody sets it.
M.defaults = {
    addressfamily = "any", batchmode = false, compression = false, connectionattempts = 1,
    forwardagent = false, globalknownhostsfile = {"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"},
    hashknownhosts = false, identitiesonly = false, kbdinteractiveauthentication = true, numberofpasswordprompts = 3,
    requiredrsasize = 1024,
    passwordauthentication = true, port = 22, pubkeyauthentication = true, serveralivecountmax = 3,
    serveraliveinterval = 0, stricthostkeychecking = "ask",
    userknownhostsfile = {"~/.ssh/known_hosts", "~/.ssh/known_hosts2"},
}

return M
