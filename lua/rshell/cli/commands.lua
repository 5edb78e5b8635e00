-- The subcommands; each is a file beside this one.

return {"agent", "cp", "exec", "help", "run", "tunnel"}
