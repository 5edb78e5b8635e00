#include <errno.h>
#include <stddef.h>

#include "base/err.h"
#include "loop/task.h"
#include "loop/task_error.h"
#include "rpc/relay.h"
#include "rpc/rpc_lua.h"
#include "sys/stream.h"

#define LINK "rshell.rpc.Link"

typedef struct llink {
    rs_link *k;      /* NULL once closed */
    rs_relay *relay; /* NULL until somebody wants one */
    uint16_t self;   /* our own context, where there is a relay */
    uint16_t last;   /* the last number that was given to a context */
} llink;

rs_link *rs_llink_check(lua_State *L, int i)
{
    llink *ll = luaL_checkudata(L, i, LINK);
    if (!ll->k)
        rs_error_raise(L, RS_ECLOSED, "the link");
    return ll->k;
}

uint16_t rs_llink_context(lua_State *L, int i)
{
    lua_Integer n = luaL_checkinteger(L, i);
    luaL_argcheck(L, n >= 0 && n <= UINT16_MAX, i, "not the number of a context");
    return (uint16_t)n;
}

/* link(in, out): over two streams, which it takes; they may be the same one. nil for in: what it reads comes with input() */
int rs_llink_new(lua_State *L)
{
    bool same = lua_rawequal(L, 1, 2);
    llink *ll = lua_newuserdatauv(L, sizeof *ll, 0);
    *ll = (llink){0};
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
    rs_link *k = rs_llink_check(L, 1);
    rs_link_join(k, rs_lstream_take(L, 2), NULL);
    return 0;
}

/* link:keepalive(seconds) */
static int l_keepalive(lua_State *L)
{
    rs_link_keepalive(rs_llink_check(L, 1), luaL_checknumber(L, 2));
    return 0;
}

/* link:flush(): sends what it can now, without waiting for the end of this turn */
static int l_flush(lua_State *L)
{
    rs_link_flush(rs_llink_check(L, 1));
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
    rs_relay *relay = ll->relay;
    ll->k = NULL;
    ll->relay = NULL;
    rs_relay_free(relay);
    rs_link_free(k);
    return 0;
}

/* ---- contexts ---- */

/* link:context(parent): the number of a new context that `parent` will start; its frames may be sent at once */
static int l_context(lua_State *L)
{
    rs_link *k = rs_llink_check(L, 1);
    uint16_t parent = rs_llink_context(L, 2);
    llink *ll = lua_touserdata(L, 1);
    for (int i = 0; i <= UINT16_MAX; i++) {
        if (++ll->last == 0 || rs_link_has(k, ll->last))
            continue;
        int err = rs_link_send(k, rs_link_lane(RS_FRAME_ROUTE), RS_FRAME_ROUTE, ll->last, parent, NULL, 0);
        if (err)
            return rs_error_raise(L, err, "can't send");
        lua_pushinteger(L, ll->last);
        return 1;
    }
    return luaL_error(L, "too many contexts");
}

/* link:relay(self): other contexts may be started by us */
static int l_relay(lua_State *L)
{
    rs_link *k = rs_llink_check(L, 1);
    uint16_t self = rs_llink_context(L, 2);
    llink *ll = lua_touserdata(L, 1);
    if (!ll->relay)
        ll->relay = rs_relay_new(rs_task_loop(L), k, self);
    if (!ll->relay)
        return luaL_error(L, "not enough memory");
    return 0;
}

static rs_relay *check_relay(lua_State *L)
{
    rs_llink_check(L, 1);
    llink *ll = lua_touserdata(L, 1);
    if (!ll->relay)
        luaL_error(L, "this link passes nothing on");
    return ll->relay;
}

/* link:attach(context, in, out [, pid]): the process that stands behind it, whose streams are taken; or nil, text, NAME. pid is
 * that of one that runs code. */
static int l_attach(lua_State *L)
{
    rs_relay *r = check_relay(L);
    uint16_t context = rs_llink_context(L, 2);
    pid_t pid = (pid_t)luaL_optinteger(L, 5, 0);
    rs_stream *in = rs_lstream_take(L, 3), *out = rs_lstream_take(L, 4);
    int err = rs_relay_attach(r, context, in, out, pid);
    if (err)
        return rs_error_edge(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

static int l_ended(lua_State *L);

static int ended_on(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    llink *ll = lua_touserdata(L, 1);
    uint16_t context;
    const char *why;
    if (!ll->relay)
        return 0;
    if (!rs_relay_ended(ll->relay, &context, &why)) /* it was finished meanwhile */
        return l_ended(L);
    lua_pushinteger(L, context);
    lua_pushstring(L, why);
    return 2;
}

/* link:ended(): waits until a process that was attached is gone, or a BYE has come for its context: context, why. Nothing when
 * the link is closed. */
static int l_ended(lua_State *L)
{
    rs_relay *r = check_relay(L);
    lua_settop(L, 1);
    rs_wait *w = lua_newuserdatauv(L, sizeof *w, 0);
    if (rs_relay_await(r, w))
        return luaL_error(L, "another task waits for that");
    return rs_task_wait(L, w, 0, ended_on);
}

/* link:finish(context, why): the controller is told that it is gone, and all behind it */
static int l_finish(lua_State *L)
{
    rs_relay_finish(check_relay(L), rs_llink_context(L, 2), luaL_checkstring(L, 3));
    return 0;
}

static const luaL_Reg methods[] = {
    {"flush", l_flush},        {"input", l_input},     {"keepalive", l_keepalive}, {"why", l_why},
    {"port", rs_lport_new},    {"context", l_context}, {"relay", l_relay},         {"attach", l_attach},
    {"ended", l_ended},        {"finish", l_finish},   {"close", l_link_close},    {"__gc", l_link_close},
    {"__close", l_link_close}, {NULL, NULL},
};

void rs_llink_register(lua_State *L)
{
    rs_rpc_class(L, LINK, methods);
}
