/* Objects of the Lua API: userdata whose state is a Lua table that only their own module can reach. */
#ifndef RS_API_OBJECT_H
#define RS_API_OBJECT_H

#include <lua.h>

/* Leaves the module: class(name) gives metatable, make(state) and state(object); type(value) gives a class's name, or Lua's
 * type. */
int luaopen_rs_object(lua_State *L);

#endif
