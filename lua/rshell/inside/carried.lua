-- Agents inside a machine that has an agent itself: that one starts them, gives them its own program, so that nothing
-- crosses the network twice, and passes their frames on.
--
--   held --(program, image, attach)--> "agent": the context's process      else it says why not, and ends

local boot = require "rshell.agent.boot"
local shell = require "rshell.bare.shell"

local M = {}

local FIRST_SECONDS = 2 -- that the answer to a start waits for words; nobody can end it meanwhile

---@class rshell.inside.Held a program that the agent over there has started, and talks to for us
---@field peer rshell.Peer
---@field object table the agent's reference to it
---@field image integer? the size of the program that the agent itself is
local Held = {}
Held.__index = Held

--- What it has said at first came with the answer to its start, if it has said something by then.
function Held:next(seconds)
    local news = self.first
    self.first = nil
    if news and (news.out ~= "" or news.err ~= "" or news.runs or news.ended) then return news end
    return self.object:hear(seconds)
end

function Held:write(text) self.object:write(text) end

--- Without an answer.
function Held:tell(name, ...)
    if not self.peer.why then self.peer:start(self.object.id, name, ...) end
end

function Held:wait(seconds)
    local exits = self.object:wait(seconds)
    return exits and exits[1]
end

function Held:close() self:tell "close" end

--- Starts a program: it, or nil, text, NAME, where.
---@param p rshell.Peer
---@param spec rshell.ProcSpec
---@param word string that ends what it says at first
function M.start(p, spec, word)
    local object, news, image, where = p:call(0, "context.spawn", spec, word, FIRST_SECONDS)
    if not object then return nil, news, image, where end
    return setmetatable({peer = p, object = object, first = news, image = image}, Held)
end

--- Makes what has been started an agent, as rshell.agent.boot.try does: what how.begin gave, or nil and its words.
---@param held rshell.inside.Held
---@param how table
---@param same boolean whether it is to have the very program of the agent that has started it
function M.try(held, how, same)
    local p, nonce = held.peer, ("rs%016x"):format(math.random(0))
    same = same and held.image ~= nil
    local number = p.link:context(p.context)
    held:tell("write", shell.code(boot.program {
        nonce = nonce, arch = how.arch, skip = how.skip, args = number, raw = same or how.raw,
        size = same and held.image or #how.image,
    }) .. "\n")
    if same then held:tell "feed" else held:tell("write", how.image) end
    local call = p:start(held.object.id, "attach", number, nonce)
    local begun = how.begin {link = p.link, context = number, close = function() held:close() end}
    local ok, words, said = pcall(p.finish, p, call)
    if ok and words == "agent" then return begun end
    begun:close "it has not started"
    if not ok then error(words, 0) end
    return nil, words or "noise " .. (said and said:match "([^\r\n]+)%s*$" or "nothing was said")
end

return M
