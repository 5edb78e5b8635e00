-- The agent's first module: what its arguments ask for.

---@param argv table [0] is the program
---@param version string
---@return integer status
return function(argv, version)
    if argv[1] == "--self-test" then return require "agent.selftest"() end
    if argv[1] == "serve" then
        return require "agent.serve"(math.tointeger(tonumber(argv[2])) or 0, argv[3], version)
    end
    if argv[1] == "rpc" then
        return require "agent.rpc"(math.tointeger(tonumber(argv[2])), math.tointeger(tonumber(argv[3])), version)
    end
    io.stderr:write("rshell-agent ", version, ": rshell starts this program on other machines\n")
    return 2
end
