std = "lua54"
max_line_length = 120
codes = true
unused_args = false
cache = false

-- What a script that `rshell run` starts finds without require.
local script = {
    "here", "ssh", "cluster", "inventory", "spawn", "parallel", "sleep", "copy", "rshell",
    "FG", "BG", "TEE", "TF", "RETCODE", "NOHUP",
}

files["playbooks"] = {read_globals = script}
files["tests/spec"] = {read_globals = script}
files["tests/bench"] = {read_globals = script}
files["scripts"] = {read_globals = script}
-- Declarations for the language server: nothing in them runs.
files["lua/types"] = {ignore = {"1..", "2.."}, max_line_length = false}
