#include "rpc/rpc.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/task.h"
#include "loop/task_error.h"
#include "rpc/link.h"
#include "rpc/port.h"
#include "sys/stream.h"
#include "wire/codec.h"
#include "wire/value.h"

#define LINK "rshell.rpc.Link"
#define PORT "rshell.rpc.Port"

enum { SCRATCH = 256 * 1024 }; /* bytes that are kept for the next message */

typedef struct llink {
    rs_link *k; /* NULL once closed */
} llink;

/* Its link's object is user value 1, so that it lives as long. */
typedef struct lport {
    rs_port *p; /* NULL once closed */
    rs_buf scratch;
    bool encoding;
    rs_message *message; /* the one that is being decoded */
} lport;

static rs_link *check_link(lua_State *L, int i)
{
    llink *ll = luaL_checkudata(L, i, LINK);
    if (!ll->k)
        rs_error_raise(L, RS_ECLOSED, "the link");
    return ll->k;
}

static lport *check_port(lua_State *L, int i)
{
    lport *lp = luaL_checkudata(L, i, PORT);
    if (!lp->p)
        rs_error_raise(L, RS_ECLOSED, "the port");
    return lp;
}

/* ---- links ---- */

/* link(in, out): over two streams, which it takes; they may be the same one. nil for in: what it reads comes with input() */
static int l_link(lua_State *L)
{
    bool same = lua_rawequal(L, 1, 2);
    llink *ll = lua_newuserdatauv(L, sizeof *ll, 0);
    ll->k = NULL;
    luaL_setmetatable(L, LINK);
    rs_stream *in = lua_isnil(L, 1) ? NULL : rs_lstream_take(L, 1);
    rs_stream *out = same ? in : rs_lstream_take(L, 2);
    ll->k = rs_link_new(rs_task_loop(L), in, out);
    if (!ll->k)
        return luaL_error(L, "not enough memory");
    return 1;
}

/* link:input(stream) */
static int l_input(lua_State *L)
{
    rs_link *k = check_link(L, 1);
    rs_link_set_in(k, rs_lstream_take(L, 2));
    return 0;
}

/* link:keepalive(seconds) */
static int l_keepalive(lua_State *L)
{
    rs_link_keepalive(check_link(L, 1), luaL_checknumber(L, 2));
    return 0;
}

/* link:why(): why nothing goes any more, or nil */
static int l_why(lua_State *L)
{
    llink *ll = luaL_checkudata(L, 1, LINK);
    const char *why = ll->k ? rs_link_why(ll->k) : "closed";
    if (!*why)
        return 0;
    lua_pushstring(L, why);
    return 1;
}

static int l_link_close(lua_State *L)
{
    llink *ll = luaL_checkudata(L, 1, LINK);
    rs_link *k = ll->k;
    ll->k = NULL;
    rs_link_free(k);
    return 0;
}

static uint16_t check_context(lua_State *L, int i)
{
    lua_Integer n = luaL_checkinteger(L, i);
    luaL_argcheck(L, n >= 0 && n <= UINT16_MAX, i, "not the number of a context");
    return (uint16_t)n;
}

/* link:port(context, controller) */
static int l_port(lua_State *L)
{
    rs_link *k = check_link(L, 1);
    uint16_t context = check_context(L, 2);
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

/* The values from index 5 on, in lp->scratch. */
static void encode(lua_State *L, lport *lp)
{
    if (lp->encoding)
        luaL_error(L, "a message was sent while another one was being made");
    lp->encoding = true;
    rs_buf_clear(&lp->scratch);
    int err = rs_codec_encode(L, 5, lua_gettop(L), lua_isnil(L, 4) ? 0 : 4, &lp->scratch);
    lp->encoding = false;
    if (!err)
        return;
    rs_error_push(L, rs_err_kind(err == RS_ELIMIT ? RS_EUSAGE : err), "%s", lua_tostring(L, -1));
    lua_error(L);
}

static int encode_protected(lua_State *L)
{
    encode(L, luaL_checkudata(L, 1, PORT));
    return 0;
}

/* port:send(type, id, export, values...): queued at once; true when who sends more should wait for room */
static int l_send(lua_State *L)
{
    lport *lp = check_port(L, 1);
    uint8_t type = (uint8_t)luaL_checkinteger(L, 2);
    uint32_t id = (uint32_t)luaL_checkinteger(L, 3);
    int n = lua_gettop(L);
    luaL_checkstack(L, n + 2, "too many values");
    if (n < 4)
        lua_settop(L, n = 4);
    lua_pushcfunction(L, encode_protected);
    for (int i = 1; i <= n; i++)
        lua_pushvalue(L, i);
    if (lua_pcall(L, n, 0, 0)) {
        lp->encoding = false;
        return lua_error(L);
    }
    int err = lp->p ? rs_port_send(lp->p, type, id, rs_buf_data(&lp->scratch), rs_buf_len(&lp->scratch)) : RS_ECLOSED;
    if (rs_buf_len(&lp->scratch) > SCRATCH)
        rs_buf_fini(&lp->scratch);
    if (err)
        return rs_error_raise(L, err, "can't send");
    lua_pushboolean(L, !rs_port_room(lp->p));
    return 1;
}

static int has_room(lua_State *L, int status, lua_KContext ctx)
{
    (void)L, (void)status, (void)ctx;
    return 0;
}

/* port:room(): waits until what was sent has gone out, or until nothing will any more */
static int l_room(lua_State *L)
{
    lport *lp = luaL_checkudata(L, 1, PORT);
    if (!lp->p || rs_port_room(lp->p))
        return 0;
    rs_wait *w = lua_newuserdatauv(L, sizeof *w, 0);
    rs_port_await_room(lp->p, w);
    return rs_task_wait(L, w, 0, has_room);
}

static void drop_message(lport *lp)
{
    free(lp->message);
    lp->message = NULL;
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
    drop_message(lp);
    return lua_gettop(L) - top;
}

static int next_on(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    rs_wait *w = (rs_wait *)ctx;
    lport *lp = luaL_checkudata(L, 1, PORT);
    drop_message(lp);
    for (;;) {
        if (!lp->p)
            return rs_error_raise(L, RS_ECLOSED, NULL);
        lp->message = rs_port_take(lp->p);
        if (lp->message)
            return take_message(L, lp);
        const char *why = rs_port_why(lp->p);
        if (*why) {
            rs_error_push(L, "closed", "%s", why);
            return lua_error(L);
        }
        if (rs_port_await(lp->p, w))
            return rs_error_raise(L, RS_EUSAGE, "another task reads from this port");
        if (!rs_task_wait_here(L, w, -1))
            return rs_task_wait(L, w, ctx, next_on);
    }
}

/* port:next(import): waits for a message: type, id, values; raises when none will come */
static int l_next(lua_State *L)
{
    check_port(L, 1);
    lua_settop(L, 2);
    rs_wait *w = lua_newuserdatauv(L, sizeof *w, 0);
    w->done = true;
    rs_task_check(L);
    return rs_task_wait(L, w, (lua_KContext)w, next_on);
}

/* ---- streams ---- */

/* port:open(): a stream to the other side, and its number there */
static int l_open(lua_State *L)
{
    lport *lp = check_port(L, 1);
    uint32_t id;
    rs_stream *s = rs_port_open(lp->p, &id);
    if (!s)
        return luaL_error(L, "not enough memory");
    rs_lstream_push(L, s);
    lua_pushinteger(L, id);
    return 2;
}

/* port:claim(id [, drain]): the stream that the other side gave this number; nil where it has not */
static int l_claim(lua_State *L)
{
    lport *lp = check_port(L, 1);
    lua_Integer id = luaL_checkinteger(L, 2);
    rs_stream *s = id > 0 && id <= UINT32_MAX ? rs_port_claim(lp->p, (uint32_t)id) : NULL;
    if (!s)
        return 0;
    rs_lstream_push(L, s);
    if (lua_toboolean(L, 3))
        rs_lstream_drain(L, -1);
    return 1;
}

/* port:fail(id, NAME): the reader of a stream of ours gets this error */
static int l_fail(lua_State *L)
{
    lport *lp = luaL_checkudata(L, 1, PORT);
    const char *name = luaL_checkstring(L, 3);
    if (lp->p)
        rs_port_fail(lp->p, (uint32_t)luaL_checkinteger(L, 2), name);
    return 0;
}

static int l_port_close(lua_State *L)
{
    lport *lp = luaL_checkudata(L, 1, PORT);
    rs_port *p = lp->p;
    lp->p = NULL;
    rs_port_free(p);
    return 0;
}

static int l_port_gc(lua_State *L)
{
    lport *lp = luaL_checkudata(L, 1, PORT);
    drop_message(lp);
    rs_buf_fini(&lp->scratch);
    return l_port_close(L);
}

static const luaL_Reg link_methods[] = {
    {"input", l_input},      {"port", l_port},       {"keepalive", l_keepalive}, {"why", l_why},
    {"close", l_link_close}, {"__gc", l_link_close}, {"__close", l_link_close},  {NULL, NULL},
};

static const luaL_Reg port_methods[] = {
    {"send", l_send}, {"room", l_room},        {"next", l_next},    {"open", l_open}, {"claim", l_claim},
    {"fail", l_fail}, {"close", l_port_close}, {"__gc", l_port_gc}, {NULL, NULL},
};

static void add_class(lua_State *L, const char *name, const luaL_Reg *methods)
{
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

typedef struct constant {
    const char *name;
    int value;
} constant;

static const constant frames[] = {
    {"HELLO", RS_FRAME_HELLO}, {"CALL", RS_FRAME_CALL},       {"REPLY", RS_FRAME_REPLY},
    {"RAISE", RS_FRAME_RAISE}, {"CANCEL", RS_FRAME_CANCEL},   {"EVENT", RS_FRAME_EVENT},
    {"BYE", RS_FRAME_BYE},     {"RELEASE", RS_FRAME_RELEASE}, {NULL, 0},
};

static const constant exts[] = {
    {"MINE", RS_EXT_MINE},
    {"YOURS", RS_EXT_YOURS},
    {"FUNCTION", RS_EXT_FUNCTION},
    {"PROMISE", RS_EXT_PROMISE},
    {"ERROR", RS_EXT_ERROR},
    {NULL, 0},
};

static void add_constants(lua_State *L, const char *name, const constant *list)
{
    lua_newtable(L);
    for (; list->name; list++) {
        lua_pushinteger(L, list->value);
        lua_setfield(L, -2, list->name);
    }
    lua_setfield(L, -2, name);
}

int luaopen_rs_rpc(lua_State *L)
{
    static const luaL_Reg functions[] = {{"link", l_link}, {NULL, NULL}};
    rs_lstream_register(L);
    add_class(L, LINK, link_methods);
    add_class(L, PORT, port_methods);
    luaL_newlib(L, functions);
    add_constants(L, "FRAME", frames);
    add_constants(L, "EXT", exts);
    lua_pushliteral(L, LUA_RELEASE);
    lua_setfield(L, -2, "LUA");
    return 1;
}
