/* The Lua module rshell.width: how many columns of a terminal text takes. */
#ifndef RS_API_WIDTH_H
#define RS_API_WIDTH_H

#include <lua.h>

int luaopen_rs_width(lua_State *L);

#endif
