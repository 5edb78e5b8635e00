/* The Lua module rshell.rpc: links and ports. Calls and references are made of them in Lua (rshell.shared.peer). */
#ifndef RS_RPC_RPC_H
#define RS_RPC_RPC_H

#include <lua.h>

int luaopen_rs_rpc(lua_State *L);

#endif
