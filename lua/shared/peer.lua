-- One side of a conversation over a port (rshell.rpc): calls both ways, references to what can't be sent, streams.
--
-- A call is a frame with a number of ours; its answer has the same number. Calls start in the order in which they were
-- made, each in a task of its own. Whoever waits for an answer and is aborted cancels the call over there.
--
--   called --(CALL)--> waiting --(REPLY, RAISE)--> done
--                         |                          ^
--                         +--(aborted: CANCEL)--> given up
--
-- What a side hands out by reference is kept until the other side has released it as often as it was sent.

local err = require "rshell.shared.error"
local failure = require "rshell.shared.failure"
local rpc = require "rshell.rpc"
local task = require "rshell.task"

local M = {}

local CANCEL_SECONDS = 5 -- that the other side has to end what was cancelled
local AHEAD = 100000 -- calls that a cancel may overtake
local SKIPPED = 1000 -- numbers of calls that may be on their way behind others
local NUMBERS = 0xffffffff -- of calls, from 1 on, and again
local RELEASE_SECONDS = 0.05 -- that dropped references wait for others
local NESTED = 200 -- calls inside each other
local CLOSED = "closed" -- why, where we have done it
local FRAME, EXT = rpc.FRAME, rpc.EXT

---@class rshell.Peer
---@field port userdata
---@field why string? why nothing goes any more
local Peer = {}
Peer.__index = Peer

local function closed(self)
    local gone = self.why == CLOSED and "was closed here" or "is gone: " .. self.why
    err.raise {kind = "closed", host = self.host, message = "the connection to the agent " .. gone}
end

--- Raises kind closed when nothing goes any more.
function Peer:check()
    if self.why then closed(self) end
end

-- ---- calling ----

--- The results of a call that is done; raises what it raised.
function Peer:answer(call)
    local n = call.n
    if n == 1 then return call[1] end
    if n then return table.unpack(call, 1, n) end
    if call.raised then failure.raise(self, call.raised) end
    closed(self)
end

--- Queues a message: true, and whether who sends more should wait for room; or false and what can't be said. Where the
--- link has just broken that is nobody's error: the dispatcher is about to close us, and says why.
local function post(self, kind, id, export, ...)
    local crowded, e = self.port:send(kind, id, export, ...)
    if crowded ~= nil then return true, crowded end
    return false, not (self.why or err.is(e) and e.kind == "closed") and e or nil
end

--- As post, with what goes by reference: where nothing is sent, nothing was handed out. One may be made while another
--- is: by a finaliser.
local function hand_out(self, kind, id, ...)
    local before = self.given_n
    local sent, e = post(self, kind, id, self.export, ...)
    if not sent then
        for i = before + 1, self.given_n do self.given[i]:take_back(self) end
    end
    self.given_n = before
    return sent, e
end

--- Queues a message; true when who sends more should wait for room. What can't be said is raised.
function Peer:send(kind, id, ...)
    local sent, e = hand_out(self, kind, id, ...)
    if sent then return e end
    if e then error(e, 0) end
end

--- Notes what is handed out by the message that is being made: its take_back(self) undoes that.
function Peer:give(what)
    local n = self.given_n + 1
    self.given_n, self.given[n] = n, what
end

local function is_too_deep()
    err.usage("more than %d calls inside each other", NESTED)
end

--- Sends a call: its number, and whether who sends more should wait for room. It is known before it is sent: whatever
--- interrupts us, its answer is known.
local function say(self, call, target, name, ...)
    if self.why then closed(self) end
    local id = self.last % NUMBERS + 1
    self.last = id
    local depth = task.locals "depth"
    if depth then target = depth <= NESTED and {target, depth} or is_too_deep() end
    self.calls[id] = call
    local sent, e = hand_out(self, FRAME.CALL, id, target, name, ...)
    if not sent and e then
        self.calls[id] = nil
        if self.last == id then self.last = id - 1 end
        error(e, 0)
    end
    return id, sent and e
end

local function new_call(id)
    return {false, false, id = id, n = false, done = nil, event = nil} -- or a future: it need not grow
end

--- Sends a call: what finish waits with.
---@param target integer a reference of the other side's, 0 for its root
---@param name string|integer? a method, or an operation
function Peer:start(target, name, ...)
    local call = new_call(false)
    local id, crowded = say(self, call, target, name, ...)
    call.id = id
    if crowded then call.crowded = true end
    return call
end

--- Waits until a call is done, or somebody says wake(). Who is aborted meanwhile leaves it going on.
function Peer:await(call)
    if call.crowded then self.port:room() end
    if call.done then return end
    if call.event then return call.event:wait() end
    local events = self.events -- of calls that are done: they do for others
    local n = #events
    local event = events[n] or task.event()
    events[n] = nil
    call.event = event
    event:wait()
    if call.done then events[#events + 1] = event end
end

function Peer:wake(call)
    if call.event then call.event:notify() end
end

local function await_the_rest(call)
    call.event = call.event or task.event()
    if not call.done then call.event:wait(CANCEL_SECONDS) end
end

--- Gives up a call, and waits until it has ended over there.
function Peer:cancel(call)
    if not call.done then post(self, FRAME.CANCEL, call.id) end
    task.shield(await_the_rest, call)
    if call.n and self.discard then self.discard(table.unpack(call, 1, call.n)) end
end

--- The results of a call that was started; raises what it raised.
function Peer:finish(call)
    if not call.done then
        local ok, e
        repeat ok, e = pcall(self.await, self, call) until call.done or not ok
        if not ok then
            self:cancel(call)
            error(e, 0)
        end
    end
    return self:answer(call)
end

-- A call that waits for its answer past the reader has no table: that is made where something else comes of it.
local PAST = true

local function note(self, id)
    local call = new_call(id)
    self.calls[id] = call
    return call
end

--- What comes of a call that wasn't answered past the reader.
local function otherwise(self, id, ok, direct, e)
    local call = self.answers[id]
    self.answers[id] = nil
    if not ok and self.port:unread(id) then call = {raised = {value = direct}} end
    if not ok and not call then
        if not self.why then self:cancel(note(self, id)) end
        error(direct, 0)
    end
    self.calls[id] = nil
    if ok and direct == nil then self:fail(e) end
    return self:answer(call or {})
end

local function answered(self, id, ok, direct, ...)
    if not ok or not direct then return otherwise(self, id, ok, direct, ...) end
    self.calls[id] = nil
    return ...
end

--- Waits for the answer to a call that was sent.
local function await(self, id, crowded)
    if self.answers[id] then return otherwise(self, id, true, false) end
    if crowded then
        local call = note(self, id)
        call.crowded = true
        return self:finish(call)
    end
    return answered(self, id, pcall(self.port.answer, self.port, id))
end

--- Calls and waits for the results.
function Peer:call(target, name, ...)
    return await(self, say(self, PAST, target, name, ...))
end

--- Tells something about a reference, without an answer.
function Peer:tell(id, name, ...)
    if not self.why then self:send(FRAME.EVENT, id, name, ...) end
end

-- ---- references of ours ----

local Kept = {}
Kept.__index = Kept

function Kept:take_back(peer, count)
    self.count = self.count - (count or 1)
    if self.count == 0 then peer.kept[self.id], peer.kept_by[self.object] = nil, nil end
end

--- Keeps an object until it is released; its number. Sent once more it is the same.
function Peer:keep(object)
    local entry = self.kept_by[object]
    if not entry then
        local id = self.last_kept + 1
        entry = setmetatable({id = id, object = object, count = 0}, Kept)
        self.last_kept, self.kept_by[object], self.kept[id] = id, entry, entry
    end
    entry.count = entry.count + 1
    self:give(entry)
    return entry.id
end

function Peer:object(id)
    local entry = self.kept[id]
    return entry and entry.object
end

local function release(self, id, count)
    local entry = self.kept[id]
    if not entry or math.type(count) ~= "integer" or count < 1 or count > entry.count then
        error("a reference was released that wasn't given", 0)
    end
    entry:take_back(self, count)
end

-- ---- references of theirs ----

--- Dropped by the garbage collector, which may come at any time: only written down here.
function Peer:drop(id, count)
    self.dropped[#self.dropped + 1] = id
    self.dropped[#self.dropped + 1] = count
    self.sweep:notify()
end

local MOST = 1000 -- numbers of one message

local function sweep(self)
    while not self.why do
        if #self.dropped == 0 then self.sweep:wait() end
        task.sleep(RELEASE_SECONDS)
        local list = self.dropped
        self.dropped = {}
        for i = 1, #list, MOST do
            if self.why then return end
            local _, crowded = post(self, FRAME.RELEASE, 0, nil, table.unpack(list, i, math.min(i + MOST - 1, #list)))
            if crowded then self.port:room() end
        end
    end
end

-- ---- what comes ----

local function tell_failure(self, id, e)
    local what = failure.pack(self, e)
    local sent = pcall(self.send, self, FRAME.RAISE, id, what)
    return sent or post(self, FRAME.RAISE, id, nil, failure.plain(what))
end

--- Who can't even say that, for want of memory, lets nobody wait.
local function fail(self, id, e)
    local ok, told = pcall(tell_failure, self, id, e)
    if ok and told then return end
    self:close("an error could not be told: " .. (ok and "it can't be sent" or tostring(told)))
end

local function answer_call(self, id, ok, ...)
    self.workers[id] = nil
    if self.why then return end
    if not ok then return fail(self, id, (...)) end
    local sent, e = hand_out(self, FRAME.REPLY, id, ...)
    if not sent and e then fail(self, id, e) end
end

--- One that was cancelled may be interrupted anywhere: others say how its call has ended.
local function reply(self, id, ...)
    local worker = self.workers[id]
    if not worker.spent then return answer_call(self, id, ...) end
    worker.outcome = table.pack(...)
end

local function prepared(prepare, serve, ...)
    prepare()
    return serve(...)
end

local function refuse(self, id)
    answer_call(self, id, false, err.new {kind = "cancelled", message = "cancelled"})
end

--- The task's locals for a call that stands so deep in others; false where that is no depth.
local function go_down(self, depth)
    if math.type(depth) ~= "integer" or depth < 0 or depth > NESTED then return false end
    local locals = self.reader.locals
    for k in next, locals do locals[k] = nil end
    locals.depth = depth + 1
    return true
end

--- Notes that a call has come. Those that are made while another one is being written have later numbers, and come
--- first: numbers that they skip are of calls that are still to come.
local function arrive(self, id)
    if id == self.latest + 1 then
        self.latest = id
        return
    elseif self.skipped[id] then
        self.skipped[id], self.skipped_n = nil, self.skipped_n - 1
        return
    end
    local n = (id - self.latest) % NUMBERS - 1
    if n < 0 or n >= AHEAD then return end
    if n + self.skipped_n > SKIPPED then self.skipped, self.skipped_n, self.early = {}, 0, {} end -- nobody's any more
    n = math.min(n, SKIPPED)
    for i = 1, n do self.skipped[(id - 1 - i) % NUMBERS + 1] = true end
    self.skipped_n, self.latest = self.skipped_n + n, id
end

--- Whether a call of this number is still to come.
local function is_awaited(self, id)
    local n = (id - self.latest) % NUMBERS
    return self.skipped[id] or n > 0 and n <= AHEAD
end

local handlers = {}
local hire

--- Answers a call; what its arguments still lack, prepare fetches.
handlers[FRAME.CALL] = function(self, id, target, ...)
    if not self.serve then error("a call came that nobody serves", 0) end
    if self.workers[id] then error("a call came with the number of another one", 0) end
    local prepare = self.prepare
    self.prepare = nil
    arrive(self, id)
    if self.early[id] then
        self.early[id] = nil
        return refuse(self, id)
    end
    self.workers[id] = self.reader
    self.spare = self.spare or hire(self)
    self.port:pass()
    local depth = 0
    if type(target) == "table" then target, depth = target[1], target[2] end
    if not go_down(self, depth) then
        return reply(self, id, false, err.new {kind = "usage", message = "a call that is nested too deeply"})
    end
    if prepare then return reply(self, id, xpcall(prepared, failure.note, prepare, self.serve, target, ...)) end
    reply(self, id, xpcall(self.serve, failure.note, target, ...))
end

--- Ends a worker, and says what has become of its call.
local function bury(self, id, worker)
    pcall(worker.task.await, worker.task)
    if self.why then return end
    if self.reader == worker then self.reader = hire(self) end
    local outcome = worker.outcome
    if not outcome then return refuse(self, id) end
    answer_call(self, id, table.unpack(outcome, 1, outcome.n))
end

handlers[FRAME.CANCEL] = function(self, id)
    local worker = self.workers[id]
    if worker and not worker.spent then
        worker.spent = true
        worker.task:cancel()
        task.spawn(bury, self, id, worker)
    elseif not worker and self.serve and is_awaited(self, id) then
        self.early[id] = true -- it has overtaken a call that is long
    end
end

local function call_of(self, id)
    local call = self.calls[id]
    if not call then error("an answer came to a call that was never made", 0) end
    self.calls[id] = nil
    if call ~= PAST then return call end
    call = {}
    self.answers[id] = call
    self.port:answered(id)
    return call
end

--- Its answer is there, or none will be.
local function done(call)
    call.done = true
    if call.event then call.event:notify() end
    if not call.n and call.future then call.future:fail() end
end

handlers[FRAME.REPLY] = function(self, id, ...)
    local call, n = call_of(self, id), select("#", ...)
    call.n, call[1], call[2] = n, ...
    if n > 2 then table.move({...}, 3, n, 3, call) end
    done(call)
end

handlers[FRAME.RAISE] = function(self, id, e)
    local call = call_of(self, id)
    call.raised = e or {}
    done(call)
end

handlers[FRAME.RELEASE] = function(self, _, ...)
    for i = 1, select("#", ...), 2 do release(self, select(i, ...)) end
end

handlers[FRAME.EVENT] = function(self, id, name, ...)
    if self.on_event then self.on_event(id, name, ...) end
end

handlers[FRAME.HELLO] = function(self, _, hello)
    if type(hello) ~= "table" then error("no HELLO that could be read", 0) end
    self.hello = hello
    self.greeted:notify()
end

handlers[FRAME.BYE] = function(_, _, why)
    error(type(why) == "string" and why or "the other side has ended", 0)
end

local function take(self, kind, id, ...)
    local handler = handlers[kind]
    if not handler then error(("a frame of type %d came, which has no place here"):format(kind), 0) end
    handler(self, id, ...)
end

-- ---- who reads ----

-- Messages are read by one worker at a time, which answers a call at once where that doesn't wait. While it waits, the
-- spare one reads in its place, and becomes the reader; who comes back then is the spare, or goes where there is one. A
-- task that was cancelled is of no more use.

local function stand_by(self, worker)
    self.spare = worker
    self.port:stand_by()
    self.spare, self.reader = nil, worker
end

local function work(self, worker)
    worker.locals = task.locals()
    while not worker.spent do
        if self.reader ~= worker then
            if self.spare and self.spare ~= worker then return end
            stand_by(self, worker)
        end
        repeat take(self, self.port:next(self.import)) until self.reader ~= worker or worker.spent
    end
end

local NO_MEMORY = "not enough memory" -- as Lua says it

--- Whether only one message is lost, for want of memory: a call is answered with that, an answer is that error.
local function survives(self, e)
    if e ~= NO_MEMORY then return false end
    self.prepare = nil
    local kind, id = self.port:lost()
    if kind == FRAME.CALL and self.serve then
        arrive(self, id)
        fail(self, id, e)
    elseif (kind == FRAME.REPLY or kind == FRAME.RAISE) and self.calls[id] then
        handlers[FRAME.RAISE](self, id, {value = e})
    else
        return false
    end
    return true
end

local function run(self, worker)
    local ok, e
    repeat ok, e = pcall(work, self, worker) until not survives(self, e)
    if ok or self.why or worker.spent then return end
    self:fail(e)
end

function hire(self)
    local worker = {}
    worker.task = task.spawn(run, self, worker)
    return worker
end

-- ---- life ----

--- Ends it since something came that is not to be.
function Peer:fail(e)
    local why = self.farewell or err.is(e) and e.message or tostring(e)
    self:close(self.explain and self.explain(why) or why)
end

--- Fails everybody who waits; why says what has happened.
---@param why string
function Peer:close(why)
    if self.why then return end
    self.why = why
    self.port:close()
    for id, call in pairs(self.calls) do
        self.calls[id] = nil
        if call ~= PAST then done(call) end
    end
    for _, worker in pairs(self.workers) do worker.task:cancel() end
    self.sweep:notify()
    self.greeted:notify()
    self.gone:notify()
    if self.on_close then self.on_close(why) end
end

--- Ends this context, and waits until the other side has.
---@param seconds number
function Peer:leave(seconds)
    local stop = task.now() + seconds
    if not self.why then post(self, FRAME.BYE, 0) end
    while not self.why and task.now() < stop do
        self.gone:wait(math.max(0, stop - task.now())) -- less than none would be for ever
    end
    self:close(CLOSED)
end

--- Tells the other side of ourselves.
---@param hello table
function Peer:greet(hello)
    post(self, FRAME.HELLO, 0, nil, hello)
end

--- What the other side has said of itself; raises when it ends instead.
---@param seconds number?
function Peer:greeting(seconds)
    local stop = seconds and task.now() + seconds
    while not self.hello do
        self:check()
        local left = stop and stop - task.now()
        if left and left <= 0 then
            err.raise {kind = "timeout", host = self.host, message = "the agent did not answer"}
        end
        self.greeted:wait(left)
    end
    return self.hello
end

--- how: serve(target, name, ...) answers calls; export(peer, value) gives an ext and its values for what goes by
--- reference; import(peer, ext, ...) makes a value of these; on_event(id, name, ...), on_close(why); discard(...) gets
--- the results that nobody waits for any more; explain(why) may wait, and says more of how the link ended; host, for
--- errors.
---@param port userdata
---@param how table
---@return rshell.Peer
function M.new(port, how)
    local self = setmetatable({
        port = port, serve = how.serve, on_event = how.on_event, on_close = how.on_close, host = how.host,
        discard = how.discard, explain = how.explain,
        calls = {}, answers = {}, last = 0, events = {}, workers = {}, latest = 0, early = {}, skipped = {},
        skipped_n = 0, kept = {}, kept_by = {}, last_kept = 0, given = {}, given_n = 0, told = {}, dropped = {},
        sweep = task.event(), greeted = task.event(), gone = task.event(),
    }, Peer)
    function self.export(value)
        return how.export(self, value)
    end
    function self.import(ext, ...)
        return how.import(self, ext, ...)
    end
    self.reader = hire(self)
    task.spawn(sweep, self)
    return self
end

M.EXT, M.Peer = EXT, Peer

return M
