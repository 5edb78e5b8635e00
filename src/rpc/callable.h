/* Library functions that ask for a function, and get an object that can be called. */
#ifndef RS_RPC_CALLABLE_H
#define RS_RPC_CALLABLE_H

#include <lua.h>

/* accept(fn, i): fn, a C function without upvalues, whose argument i may also be userdata that can be called */
int rs_rpc_accept(lua_State *L);

#endif
