-- The subcommands; each is a file beside this one.

return {"exec", "help", "run"}
