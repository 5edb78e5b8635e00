-- What those who come from Python, Plumbum, Fabric or sh call what is called otherwise here.

return {
    as_uri = "uri", basename = "name", cd = "at", cp = "copy", download_file = "download", exec = "sh", execute = "sh",
    ext = "suffix", extension = "suffix", filename = "name", forward = "tunnel", get = "download", getenv = "get",
    gid = "stat", hash = "checksum", isdir = "is_dir", isfile = "is_file", islink = "is_symlink", listdir = "list",
    makedirs = "mkdir", md5 = "checksum", mv = "move", put = "upload", read_bytes = "read", read_text = "read",
    readlines = "lines", remove = "delete", result = "wait", returncode = "code", rm = "delete", rmtree = "delete",
    run = "sh", sha256 = "checksum", shell = "sh", system = "sh", terminate = "kill", uid = "stat",
    upload_file = "upload", with_cwd = "with", with_env = "with", write_bytes = "write", write_text = "write",
}
