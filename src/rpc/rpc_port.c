#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/task.h"
#include "loop/task_error.h"
#include "rpc/port.h"
#include "rpc/rpc_lua.h"
#include "sys/stream.h"
#include "wire/codec.h"
#include "wire/value.h"

#define PORT "rshell.rpc.Port"

enum { SCRATCH = 256 * 1024 }; /* bytes that are kept for the next message */

/* Its link's object is user value 1, so that it lives as long. */
typedef struct lport {
    rs_port *p; /* NULL once closed */
    rs_buf scratch;
    rs_buf *to;          /* where a message is being written; NULL while none is */
    rs_message *message; /* those that are being decoded, the innermost first */
    bool reading;        /* a task reads, or deals with what it has read; until it says pass() */
} lport;

static lport *port_of(lua_State *L)
{
    return rs_rpc_self(L, PORT);
}

static lport *check_port(lua_State *L)
{
    lport *lp = port_of(L);
    if (!lp->p)
        rs_error_raise(L, RS_ECLOSED, "the port");
    return lp;
}

/* link:port(context, controller) */
int rs_lport_new(lua_State *L)
{
    rs_link *k = rs_llink_check(L, 1);
    uint16_t context = rs_llink_context(L, 2);
    lport *lp = lua_newuserdatauv(L, sizeof *lp, 1);
    *lp = (lport){0};
    rs_buf_init(&lp->scratch, 0);
    luaL_setmetatable(L, PORT);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    lp->p = rs_port_new(k, context, lua_toboolean(L, 3));
    if (!lp->p)
        return luaL_error(L, "not enough memory");
    return 1;
}

/* ---- messages ---- */

enum { PARTS = 2 * RS_CODEC_ASIDES + 1 };

/* The values from index 5 on, in lp->to and where they are. Gives the number of parts. */
static int encode(lua_State *L, lport *lp, struct iovec parts[PARTS])
{
    rs_codec_aside asides[RS_CODEC_ASIDES];
    int n, nparts = 0;
    rs_buf_clear(lp->to);
    int err = rs_codec_encode_aside(L, 5, lua_gettop(L), lua_isnil(L, 4) ? 0 : 4, lp->to, asides, &n);
    if (err) {
        rs_error_push(L, rs_err_kind(err == RS_ELIMIT ? RS_EUSAGE : err), "%s", lua_tostring(L, -1));
        lua_error(L);
    }
    char *at = (char *)rs_buf_data(lp->to), *end = at + rs_buf_len(lp->to);
    for (int i = 0; i < n; i++) {
        char *next = (char *)rs_buf_data(lp->to) + asides[i].at;
        parts[nparts++] = (struct iovec){at, (size_t)(next - at)};
        parts[nparts++] = (struct iovec){(char *)asides[i].bytes, asides[i].n};
        at = next;
    }
    parts[nparts++] = (struct iovec){at, (size_t)(end - at)};
    return nparts;
}

/* The hook may have closed the port meanwhile. */
static int send_protected(lua_State *L)
{
    lport *lp = lua_touserdata(L, 1);
    if (!lp->p)
        return rs_error_raise(L, RS_ECLOSED, "the port");
    uint8_t type = (uint8_t)luaL_checkinteger(L, 2);
    uint32_t id = (uint32_t)luaL_checkinteger(L, 3);
    if (lua_gettop(L) < 4)
        lua_settop(L, 4);
    struct iovec parts[PARTS];
    int n = encode(L, lp, parts);
    int err = lp->p ? rs_port_send_parts(lp->p, type, id, parts, n) : RS_ECLOSED;
    if (err)
        return rs_error_raise(L, err, "can't send");
    lua_pushboolean(L, !rs_port_room(lp->p));
    return 1;
}

/* port:send(type, id, export, values...): queued at once; true when who sends more should wait for room, else false. nil and
 * an error where nothing was sent.
 *
 * In a buffer of its own where another message is being written: its hook, or a task that runs while the hook waits, sends too. */
static int l_send(lua_State *L)
{
    lport *lp = port_of(L);
    luaL_checkstack(L, 2, "too many values");
    int n = lua_gettop(L);
    rs_buf spare, *outer = lp->to;
    rs_buf_init(&spare, 0);
    lp->to = outer ? &spare : &lp->scratch;
    lua_pushvalue(L, 1); /* it stays while its values go */
    lua_pushcfunction(L, send_protected);
    lua_rotate(L, 1, 2);
    int status = lua_pcall(L, n, 1, 0);
    rs_buf *used = lp->to;
    lp->to = outer;
    if (used == &spare || rs_buf_len(used) > SCRATCH)
        rs_buf_fini(used);
    if (status == LUA_OK)
        return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

static int has_room(lua_State *L, int status, lua_KContext ctx)
{
    (void)L, (void)status, (void)ctx;
    return 0;
}

/* port:room(): waits until what was sent has gone out, or until nothing will any more */
static int l_room(lua_State *L)
{
    lport *lp = port_of(L);
    if (!lp->p || rs_port_room(lp->p))
        return 0;
    rs_wait *w = lua_newuserdatauv(L, sizeof *w, 0);
    rs_port_await_room(lp->p, w);
    return rs_task_wait(L, w, 0, has_room);
}

/* While a message is being decoded others may be: an interrupt in the code that makes a value lets the loop turn. The owner of
 * each is the coroutine that reads it; what it finds of its own when it reads the next one was left by an error. */
static void keep_message(lua_State *L, lport *lp, rs_message *m)
{
    m->owner = L;
    m->next = lp->message;
    lp->message = m;
}

static void drop_message(lport *lp)
{
    rs_message *m = lp->message;
    lp->message = m->next;
    rs_message_free(m);
}

static void drop_own(lua_State *L, lport *lp)
{
    while (lp->message && lp->message->owner == L)
        drop_message(lp);
}

/* This one, and what others have left above it. */
static void drop_upto(lport *lp, const rs_message *m)
{
    while (lp->message != m)
        drop_message(lp);
    drop_message(lp);
}

/* Pushes type, id and the values. */
static int take_message(lua_State *L, lport *lp)
{
    int count, top = lua_gettop(L);
    rs_message *m = lp->message;
    lua_pushinteger(L, m->type);
    lua_pushinteger(L, m->id);
    int err = rs_codec_decode(L, m->data, m->len, lua_isnil(L, 2) ? 0 : 2, &count);
    if (err) {
        rs_error_push(L, rs_err_kind(err), "%s", lua_tostring(L, -1));
        return lua_error(L);
    }
    drop_upto(lp, m);
    return lua_gettop(L) - top;
}

/* port:lost(): type and id of the message that next() could not read: it raised that memory is short */
static int l_lost(lua_State *L)
{
    lport *lp = port_of(L);
    if (!lp->message || lp->message->owner != L)
        return 0;
    lua_pushinteger(L, lp->message->type);
    lua_pushinteger(L, lp->message->id);
    return 2;
}

static int next_on(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    rs_wait *w = (rs_wait *)ctx;
    lport *lp = lua_touserdata(L, 1);
    drop_own(L, lp);
    for (;;) {
        if (!lp->p)
            return rs_error_raise(L, RS_ECLOSED, NULL);
        rs_message *m = rs_port_take(lp->p);
        if (m) {
            keep_message(L, lp, m);
            return take_message(L, lp);
        }
        const char *why = rs_port_why(lp->p);
        if (*why) {
            rs_error_push(L, "closed", "%s", why);
            return lua_error(L);
        }
        if (!w)
            w = lua_newuserdatauv(L, sizeof *w, 0);
        if (rs_port_await(lp->p, w))
            return rs_error_raise(L, RS_EUSAGE, "another task reads from this port");
        if (!rs_task_wait_here(L, w, -1))
            return rs_task_wait(L, w, (lua_KContext)w, next_on);
    }
}

/* port:next(import): waits for a message: type, id, values; raises when none will come */
static int l_next(lua_State *L)
{
    lport *lp = check_port(L);
    lua_settop(L, 2);
    lp->reading = true;
    if (rs_task_goes_on(L))
        return next_on(L, LUA_OK, 0);
    rs_wait *w = lua_newuserdatauv(L, sizeof *w, 0);
    rs_wait_init(w, NULL, NULL);
    w->done = true;
    return rs_task_wait(L, w, (lua_KContext)w, next_on);
}

/* ---- answers ---- */

static int answer_on(lua_State *L, int status, lua_KContext ctx);

static int await_answer(lua_State *L, lport *lp, rs_answer *a, uint32_t id, bool by_reader)
{
    rs_port_expect(lp->p, a, id, by_reader);
    return rs_task_wait(L, &a->wait, (lua_KContext)a, answer_on);
}

/* What needs the import hook is left to the reader: who waits for an answer may be aborted amid the hook's code. */
static int take_answer(lua_State *L, lport *lp, rs_answer *a, rs_message *m)
{
    int count, top = lua_gettop(L);
    keep_message(L, lp, m);
    lua_pushboolean(L, 1);
    int err = rs_codec_decode_plain(L, m->data, m->len, &count);
    if (err == RS_EUSAGE) {
        lua_settop(L, top);
        lp->message = m->next;
        rs_port_return(lp->p, m);
        return await_answer(L, lp, a, a->id, true);
    }
    drop_upto(lp, m);
    if (err) {
        lua_pushnil(L);
        lua_replace(L, top + 1);
    }
    return lua_gettop(L) - top;
}

static int answer_on(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    lport *lp = lua_touserdata(L, 1);
    rs_message *m = lp->p ? rs_port_answer(lp->p, (rs_answer *)ctx) : NULL;
    if (m)
        return take_answer(L, lp, (rs_answer *)ctx, m);
    lua_pushboolean(L, 0);
    return 1;
}

/* port:answer(id): waits for the answer to a call. true and its values, past the reader; false when the reader has got it
 * instead (see answered()), or none will come; nil and why it is none. */
static int l_answer(lua_State *L)
{
    lport *lp = port_of(L);
    uint32_t id = (uint32_t)luaL_checkinteger(L, 2);
    if (!lp->p) {
        lua_pushboolean(L, 0);
        return 1;
    }
    rs_answer *a = lua_newuserdatauv(L, sizeof *a, 0);
    return await_answer(L, lp, a, id, false);
}

/* port:answered(id): wakes who waits there: the reader has got it */
static int l_answered(lua_State *L)
{
    lport *lp = port_of(L);
    uint32_t id = (uint32_t)luaL_checkinteger(L, 2);
    if (lp->p)
        rs_port_answered(lp->p, id);
    return 0;
}

/* port:unread(id): whether answer() has failed since there was no memory for what has come */
static int l_unread(lua_State *L)
{
    lport *lp = port_of(L);
    rs_message *m = lp->message;
    bool unread = m && m->owner == L && m->type == RS_FRAME_REPLY && m->id == luaL_checkinteger(L, 2);
    if (unread)
        drop_message(lp);
    lua_pushboolean(L, unread);
    return 1;
}

/* ---- who stands by ---- */

static int stand_by_on(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    rs_wait *w = (rs_wait *)ctx;
    lport *lp = lua_touserdata(L, 1);
    for (;;) {
        if (!lp->p || *rs_port_why(lp->p) || (rs_port_pending(lp->p) && !lp->reading))
            return 0;
        if (rs_port_stand_by(lp->p, w))
            return rs_error_raise(L, RS_EUSAGE, "another task stands by at this port");
        if (!rs_task_wait_here(L, w, -1))
            return rs_task_wait(L, w, ctx, stand_by_on);
    }
}

/* port:pass(): who has read a message may be held up by it: the one who stands by reads what follows */
static int l_pass(lua_State *L)
{
    lport *lp = port_of(L);
    lp->reading = false;
    if (lp->p)
        rs_port_call_spare(lp->p);
    return 0;
}

/* port:stand_by(): waits until there is a message that nobody reads, or none will come */
static int l_stand_by(lua_State *L)
{
    check_port(L);
    rs_wait *w = lua_newuserdatauv(L, sizeof *w, 0);
    return stand_by_on(L, LUA_OK, (lua_KContext)w);
}

/* ---- streams ---- */

/* port:open([peer]): a stream to the other side, and its number there; its failures tell the peer's host and end */
static int l_open(lua_State *L)
{
    lport *lp = check_port(L);
    lua_settop(L, 2);
    uint32_t id;
    rs_stream *s = rs_port_open(lp->p, &id);
    if (!s)
        return luaL_error(L, "not enough memory");
    rs_lstream_push(L, s);
    rs_lstream_set_host(L, -1, 2);
    lua_pushinteger(L, id);
    return 2;
}

/* port:claim(id [, drain [, peer]]): the stream that the other side gave this number; nil where it has not */
static int l_claim(lua_State *L)
{
    lport *lp = check_port(L);
    lua_settop(L, 4);
    lua_Integer id = luaL_checkinteger(L, 2);
    rs_stream *s = id > 0 && id <= UINT32_MAX ? rs_port_claim(lp->p, (uint32_t)id) : NULL;
    if (!s)
        return 0;
    rs_lstream_push(L, s);
    rs_lstream_set_host(L, -1, 4);
    if (lua_toboolean(L, 3))
        rs_lstream_drain(L, -1);
    return 1;
}

/* port:widen(id): the other side may send more at once on this stream */
static int l_widen(lua_State *L)
{
    lport *lp = port_of(L);
    if (lp->p)
        rs_port_widen(lp->p, (uint32_t)luaL_checkinteger(L, 2));
    return 0;
}

/* port:fail(id, NAME): the reader of a stream of ours gets this error */
static int l_fail(lua_State *L)
{
    lport *lp = port_of(L);
    const char *name = luaL_checkstring(L, 3);
    if (lp->p)
        rs_port_fail(lp->p, (uint32_t)luaL_checkinteger(L, 2), name);
    return 0;
}

static int l_port_close(lua_State *L)
{
    lport *lp = port_of(L);
    rs_port *p = lp->p;
    lp->p = NULL;
    rs_port_free(p);
    return 0;
}

static int l_port_gc(lua_State *L)
{
    lport *lp = port_of(L);
    while (lp->message)
        drop_message(lp);
    rs_buf_fini(&lp->scratch);
    return l_port_close(L);
}

static const luaL_Reg methods[] = {
    {"answer", l_answer},     {"answered", l_answered}, {"unread", l_unread}, {"pass", l_pass},
    {"stand_by", l_stand_by}, {"send", l_send},         {"room", l_room},     {"next", l_next},
    {"lost", l_lost},         {"open", l_open},         {"claim", l_claim},   {"fail", l_fail},
    {"widen", l_widen},       {"close", l_port_close},  {"__gc", l_port_gc},  {NULL, NULL},
};

void rs_lport_register(lua_State *L)
{
    rs_rpc_class(L, PORT, methods);
}
