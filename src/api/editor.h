/* The Lua module rshell.editor: lines that are typed, and what Ctrl-C is for meanwhile. */
#ifndef RS_API_EDITOR_H
#define RS_API_EDITOR_H

#include <lua.h>

int luaopen_rs_editor(lua_State *L);

#endif
