/* The Lua module net: names, connections and listeners. */
#include <arpa/inet.h>
#include <lauxlib.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "loop/connect.h"
#include "loop/lookup.h"
#include "loop/task.h"
#include "loop/task_error.h"
#include "sys/net_lua.h"
#include "sys/stream.h"
#include "sys/sys.h"

#define CONNECTING "rshell.Connecting"
#define LOOKUP "rshell.Lookup"

const char *rs_net_check_host(lua_State *L, int i)
{
    size_t n;
    const char *host = luaL_checklstring(L, i, &n);
    luaL_argcheck(L, n > 0 && strlen(host) == n, i, "a name, an address or an absolute path expected");
    return host;
}

/* A link-local address means little without its interface. */
static void push_ipv6(lua_State *L, const struct sockaddr_in6 *in6)
{
    char text[INET6_ADDRSTRLEN], scope[IF_NAMESIZE];
    inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
    if (in6->sin6_scope_id && if_indextoname(in6->sin6_scope_id, scope))
        lua_pushfstring(L, "%s%%%s", text, scope);
    else
        lua_pushstring(L, text);
}

void rs_net_push_address(lua_State *L, const struct sockaddr *a)
{
    if (a->sa_family == AF_INET6) {
        push_ipv6(L, (const struct sockaddr_in6 *)(const void *)a);
        lua_pushliteral(L, "ipv6");
        return;
    }
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, text, sizeof text);
    lua_pushstring(L, text);
    lua_pushliteral(L, "ipv4");
}

int rs_net_port(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)a)->sin6_port);
    return ntohs(((const struct sockaddr_in *)(const void *)a)->sin_port);
}

/* A number of seconds in the table at index i, or -1. */
static double seconds_field(lua_State *L, int i, const char *key)
{
    if (lua_isnoneornil(L, i))
        return -1;
    luaL_checktype(L, i, LUA_TTABLE);
    lua_getfield(L, i, key);
    double s = luaL_optnumber(L, -1, -1);
    lua_pop(L, 1);
    return s;
}

static int check_port(lua_State *L, int i, lua_Integer least)
{
    lua_Integer port = luaL_checkinteger(L, i);
    if (port < least || port > 65535)
        luaL_error(L, "not a port: %I", (LUAI_UACINT)port);
    return (int)port;
}

/* ---- connect ---- */

static int connecting_gc(lua_State *L)
{
    rs_connect **c = luaL_checkudata(L, 1, CONNECTING);
    rs_connect_free(*c);
    *c = NULL;
    return 0;
}

static int connected(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    rs_connect **c = (rs_connect **)ctx;
    int err = rs_connect_wait(*c)->status, fd = rs_connect_take(*c);
    rs_connect_free(*c);
    *c = NULL;
    if (err)
        return rs_error_edge(L, err);
    rs_lstream_push_fd(L, fd, false);
    return 1;
}

/* The text in the table at index i, or NULL; it is on the stack. */
static const char *text_field(lua_State *L, int i, const char *key)
{
    if (lua_isnoneornil(L, i))
        return NULL;
    lua_getfield(L, i, key);
    return luaL_optstring(L, -1, NULL);
}

/* connect(host, port, [{timeout=, from=}]), connect(path): a stream, or nil, text, NAME. */
static int l_connect(lua_State *L)
{
    const char *host = rs_net_check_host(L, 1);
    int port = rs_unix_is(host) ? 0 : check_port(L, 2, 1);
    double seconds = seconds_field(L, 3, "timeout");
    const char *from = text_field(L, 3, "from");
    rs_task_check(L);
    rs_connect **c = lua_newuserdatauv(L, sizeof(rs_connect *), 0);
    *c = NULL;
    luaL_setmetatable(L, CONNECTING);
    int err = rs_connect_start(rs_task_loop(L), host, port, from, c);
    if (err)
        return rs_error_edge(L, err);
    return rs_task_wait_for(L, rs_connect_wait(*c), seconds, (lua_KContext)c, connected);
}

/* ---- resolve ---- */

static int lookup_gc(lua_State *L)
{
    rs_lookup **k = luaL_checkudata(L, 1, LOOKUP);
    rs_lookup_free(*k);
    *k = NULL;
    return 0;
}

/* port: of every entry, or -1 for none. */
static void push_addresses(lua_State *L, const struct addrinfo *ai, int port)
{
    lua_newtable(L);
    for (lua_Integer n = 1; ai; ai = ai->ai_next) {
        if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
            continue;
        lua_createtable(L, 0, 3);
        if (port >= 0) {
            lua_pushinteger(L, port);
            lua_setfield(L, -2, "port");
        }
        rs_net_push_address(L, ai->ai_addr);
        lua_setfield(L, -3, "family");
        lua_setfield(L, -2, "address");
        lua_rawseti(L, -2, n++);
    }
}

static int port_field(lua_State *L, int i)
{
    if (lua_isnil(L, i))
        return -1;
    luaL_checktype(L, i, LUA_TTABLE);
    lua_getfield(L, i, "port");
    int port = lua_isnil(L, -1) ? -1 : check_port(L, -1, 0);
    lua_pop(L, 1);
    return port;
}

static int resolved(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    rs_lookup **k = (rs_lookup **)ctx;
    int err = rs_lookup_wait(*k)->status;
    if (!err)
        push_addresses(L, rs_lookup_found(*k), port_field(L, 2));
    rs_lookup_free(*k);
    *k = NULL;
    return err ? rs_error_edge(L, err) : 1;
}

/* resolve(name, [{port=, timeout=}]): an array of {address=, family=, port=}, best first, or nil, text, NAME. */
static int l_resolve(lua_State *L)
{
    const char *name = rs_net_check_host(L, 1);
    lua_settop(L, 2);
    port_field(L, 2);
    double seconds = seconds_field(L, 2, "timeout");
    rs_task_check(L);
    rs_lookup **k = lua_newuserdatauv(L, sizeof(rs_lookup *), 0);
    *k = NULL;
    luaL_setmetatable(L, LOOKUP);
    int err = rs_lookup_start(rs_task_loop(L), name, 0, k);
    if (err)
        return rs_error_edge(L, err);
    return rs_task_wait_for(L, rs_lookup_wait(*k), seconds, (lua_KContext)k, resolved);
}

/* ---- the module ---- */

static void register_owner(lua_State *L, const char *class, lua_CFunction gc)
{
    luaL_newmetatable(L, class);
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

static const luaL_Reg functions[] = {
    {"connect", l_connect}, {"listen", rs_net_listen}, {"resolve", l_resolve}, {NULL, NULL}};

int luaopen_rs_net(lua_State *L)
{
    rs_lstream_register(L);
    rs_listener_register(L);
    register_owner(L, CONNECTING, connecting_gc);
    register_owner(L, LOOKUP, lookup_gc);
    luaL_newlib(L, functions);
    return 1;
}
