/* Objects of the Lua API, and proxies: userdata whose state is a Lua table that only their own module can reach. */
#ifndef RS_RPC_OBJECT_H
#define RS_RPC_OBJECT_H

#include <lua.h>

/* Leaves the module: class(name) gives metatable, make(state) and state(object); type(value) gives a class's name, or Lua's
 * type. */
int luaopen_rs_object(lua_State *L);

#endif
