-- The subcommands; each is a file beside this one.

return {"agent", "exec", "help", "run"}
