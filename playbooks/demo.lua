-- What rshell does, on this machine; scripts/demo runs it. It leaves nothing behind.

local function title(text)
    print("\n== " .. text)
end

title "facts"
local facts = here:facts()
print(("%s: %s %s, %d processors, %.1f GB of memory"):format(
    facts.hostname, here.os, here.arch, facts.cpus.count, facts.memory.total / 1e9))
print(("%s, at home in %s, in %s"):format(here.user, here.home, here.cwd))

title "a command is called like a function; no shell ever reads its arguments"
print(here.echo:text("$HOME; *", "it's one argument"))

title "bound arguments and pipelines are values, which run when they are called"
local shells = here.cut["-d:"]["-f7"]["/etc/passwd"] | here.sort | here.uniq["-c"] | here.sort["-rn"]
print(shells)
io.write(shells())

title "a status is an answer, or an error that says what happened"
print("is there a user nobody?", here.id["nobody"] & TF)
local code, _, err = here.ls:run "/nowhere"
io.write("ls said ", code, ": ", err)
local ok, e = pcall(here.ls, "/nowhere")
print(ok, e.kind, e.code)
print(e)

title "a folder that is gone when its block ends, and files in it"
do
    local dir <close> = here:tempdir();
    (dir / "site/css"):mkdir {parents = true};
    (dir / "site/index.html"):write "<h1>hello</h1>\n";
    (dir / "site/css/main.css"):write "h1 { color: teal }\n"
    copy(dir / "site", dir / "copy")
    for p in (dir / "copy"):walk() do print(p:relative_to(dir), p:is_file() and p:size() or "") end
    local _ <close> = here.cwd(dir)
    print(#(here.cwd // "**/*.css") .. " style sheets", here.du["-s"]["site"]:text():match "%S+$")
end

title "a folder and a variable, until the block ends"
do
    local _ <close> = here.cwd "/tmp"
    local _ <close> = here.env {GREETING = "hello"}
    print(here:sh("echo $GREETING from $PWD"):text())
end
print("and now in " .. tostring(here.cwd))

title "lines while the program runs; leaving the loop ends it"
for line in here:sh("i=0; while :; do echo tick $((i += 1)); done"):lines() do
    print(line)
    if line == "tick 3" then break end
end

title "five naps of 0.2 s side by side, and one with a deadline"
local start = rshell.now()
parallel({1, 2, 3, 4, 5}, function() here.sleep "0.2" end)
print(("%.1f s"):format(rshell.now() - start))
print(select(2, pcall(here.sleep["10"]:with {timeout = 0.1})))

title "two programs that talk through us"
local bc = here:sh("while read a b; do echo $((a * b)); done"):popen()
for n = 6, 8 do
    bc.stdin:write(n, " ", n + 1, "\n")
    print(("%d * %d = %s"):format(n, n + 1, bc.stdout:read "l"))
end
bc.stdin:close()
print("it ended with " .. bc:wait())
