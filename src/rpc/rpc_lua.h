/* What the parts of the Lua module rshell.rpc share. */
#ifndef RS_RPC_RPC_LUA_H
#define RS_RPC_RPC_LUA_H

#include <lauxlib.h>
#include <stdint.h>

#include "rpc/link.h"

/* The link at index i; raises when it was closed. */
rs_link *rs_llink_check(lua_State *L, int i);

/* The number of a context. */
uint16_t rs_llink_context(lua_State *L, int i);

/* link(in, out) */
int rs_llink_new(lua_State *L);

/* link:port(context, controller) */
int rs_lport_new(lua_State *L);

void rs_llink_register(lua_State *L);
void rs_lport_register(lua_State *L);

void rs_rpc_class(lua_State *L, const char *name, const luaL_Reg *methods);

/* The first argument of a method of such a class: luaL_checkudata, but a third of its work. */
void *rs_rpc_self(lua_State *L, const char *name);

#endif
