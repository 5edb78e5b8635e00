-- What rshell does, on this machine. scripts/demo runs it.

local function title(text)
    print("\n== " .. text)
end

title "a command is called like a function; no shell ever reads its arguments"
print(here.echo:text("$HOME; *", "it's one argument"))

title "bound arguments, pipelines"
local shells = here.cut["-d:"]["-f7"]["/etc/passwd"] | here.sort | here.uniq["-c"] | here.sort["-rn"]
print(shells)
io.write(shells())

title "exit codes and errors"
local code, _, err = here.ls:run "/nowhere"
io.write(code, " ", err)
print(here["false"] & TF)
local _, e = pcall(here.ls, "/nowhere")
print(e.kind, e.code)

title "a folder and a variable, until the block ends"
do
    local _ <close> = here.cwd "/tmp"
    local _ <close> = here.env {GREETING = "hello"}
    print(here:sh("echo $GREETING from $PWD"):text())
end

title "lines while the program runs; leaving the loop ends it"
local seen = 0
for line in here:sh("i=0; while :; do echo tick $((i += 1)); done"):lines() do
    print(line)
    seen = seen + 1
    if seen == 3 then break end
end

title "five naps of 0.2 s side by side, and one with a deadline"
local start = rshell.now()
parallel({1, 2, 3, 4, 5}, function() here.sleep "0.2" end)
print(string.format("%.1f s", rshell.now() - start))
print(select(2, pcall(rshell.timeout, 0.1, here.sleep, 10)).kind)
