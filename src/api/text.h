/* Quoting for sh, and text that is safe on a terminal. */
#ifndef RS_API_TEXT_H
#define RS_API_TEXT_H

#include <lua.h>

int luaopen_rs_text(lua_State *L);

#endif
