/* Ports over there that we listen on, for Lua. */
#include <lauxlib.h>
#include <string.h>

#include "api/ssh_lua.h"
#include "base/err.h"
#include "loop/task.h"
#include "loop/task_error.h"
#include "ssh/forward.h"
#include "sys/stream.h"

#define FORWARD "rshell.ssh.Forward"
#define ACCEPT "rshell.ssh.Accept"

/* Its session's object is user value 1, so that it lives as long. */
typedef struct lforward {
    rs_ssh_forward *f; /* NULL once freed */
} lforward;

static int opened(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    lforward *lf = (lforward *)ctx;
    int err = rs_ssh_forward_opening(lf->f)->status;
    if (err)
        return rs_lssh_fail(L, 1, err);
    return 1;
}

/* session:listen(host, port): a forward, or nil, text, NAME: EPROTOCOL when the server refuses */
int rs_lforward_listen(lua_State *L)
{
    rs_ssh *s = rs_lssh_check(L, 1);
    const char *host = luaL_checkstring(L, 2);
    lua_Integer port = luaL_checkinteger(L, 3);
    luaL_argcheck(L, port > 0 && port <= 65535, 3, "not a port");
    rs_task_check(L);
    lua_settop(L, 3);
    lforward *lf = lua_newuserdatauv(L, sizeof *lf, 1);
    lf->f = NULL;
    luaL_setmetatable(L, FORWARD);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    lf->f = rs_ssh_forward_new(s, host, (int)port);
    if (!lf->f)
        return luaL_error(L, "not enough memory");
    return rs_task_wait(L, rs_ssh_forward_opening(lf->f), (lua_KContext)lf, opened);
}

/* ---- accepting ---- */

/* A connection that came for somebody who can't take it any more is closed. */
static int accept_gc(lua_State *L)
{
    rs_ssh_accept *a = lua_touserdata(L, 1);
    if (!a->guest.channel)
        return 0;
    rs_ssh_channel_close(a->guest.channel);
    rs_ssh_channel_put(a->guest.channel);
    a->guest.channel = NULL;
    return 0;
}

static void push_peer(lua_State *L, const rs_ssh_guest *guest)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, guest->address);
    lua_setfield(L, -2, "address");
    lua_pushstring(L, strchr(guest->address, ':') ? "ipv6" : "ipv4");
    lua_setfield(L, -2, "family");
    lua_pushinteger(L, guest->port);
    lua_setfield(L, -2, "port");
}

static int accepted(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    rs_ssh_accept *a = (rs_ssh_accept *)ctx;
    if (a->wait.status)
        return rs_error_edge(L, a->wait.status);
    rs_stream *stream = rs_ssh_channel_both(a->guest.channel);
    if (!stream)
        return luaL_error(L, "not enough memory");
    rs_ssh_channel_put(a->guest.channel);
    a->guest.channel = NULL;
    rs_lstream_push(L, stream);
    push_peer(L, &a->guest);
    return 2;
}

/* forward:accept([seconds]): a stream and its peer, or nil, text, NAME: ETIMEOUT, or ECLOSED once it is closed. */
static int l_accept(lua_State *L)
{
    lforward *lf = luaL_checkudata(L, 1, FORWARD);
    double seconds = luaL_optnumber(L, 2, -1);
    rs_task_check(L);
    if (!lf->f)
        return rs_error_edge(L, RS_ECLOSED);
    rs_ssh_accept *a = lua_newuserdatauv(L, sizeof *a, 1);
    memset(a, 0, sizeof *a);
    luaL_setmetatable(L, ACCEPT);
    lua_pushvalue(L, 1); /* the forward lives as long */
    lua_setiuservalue(L, -2, 1);
    rs_ssh_forward_accept(lf->f, a);
    return rs_task_wait_for(L, &a->wait, seconds, (lua_KContext)a, accepted);
}

/* ---- the end ---- */

static int closed(lua_State *L, int status, lua_KContext ctx)
{
    (void)L, (void)status, (void)ctx;
    return 0;
}

/* forward:close(): waits until the port is free. Harmless twice. */
static int l_close(lua_State *L)
{
    lforward *lf = luaL_checkudata(L, 1, FORWARD);
    rs_task_check(L);
    rs_wait *w = lf->f ? rs_ssh_forward_close(lf->f) : NULL;
    return w ? rs_task_wait(L, w, 0, closed) : 0;
}

static int l_closed(lua_State *L)
{
    lforward *lf = luaL_checkudata(L, 1, FORWARD);
    lua_pushboolean(L, !lf->f || rs_ssh_forward_closed(lf->f));
    return 1;
}

static int l_gc(lua_State *L)
{
    lforward *lf = luaL_checkudata(L, 1, FORWARD);
    rs_ssh_forward_free(lf->f);
    lf->f = NULL;
    return 0;
}

static const luaL_Reg methods[] = {
    {"accept", l_accept}, {"close", l_close}, {"closed", l_closed}, {"__gc", l_gc}, {NULL, NULL},
};

void rs_lforward_register(lua_State *L)
{
    luaL_newmetatable(L, FORWARD);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_newmetatable(L, ACCEPT);
    lua_pushcfunction(L, accept_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 2);
}
