-- The subcommands; each is a file beside this one.

return {"agent", "completion", "cp", "doctor", "exec", "help", "run", "tunnel"}
