-- The subcommands; each is a file beside this one.

return {"agent", "cp", "doctor", "exec", "help", "run", "tunnel"}
