/* The parts of the Lua module net. */
#ifndef RS_SYS_NET_LUA_H
#define RS_SYS_NET_LUA_H

#include <lua.h>

struct sockaddr;

/* The string at index i: not empty and without NUL; raises for others. */
const char *rs_net_check_host(lua_State *L, int i);

/* Pushes the text of an address of the internet, and its family, "ipv4" or "ipv6". */
void rs_net_push_address(lua_State *L, const struct sockaddr *a);

/* The port of an address of the internet. */
int rs_net_port(const struct sockaddr *a);

int rs_net_listen(lua_State *L);

/* Registers the class of what listen returns. */
void rs_listener_register(lua_State *L);

#endif
