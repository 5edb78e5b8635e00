/* SSH sessions and channels for Lua. */
#ifndef RS_API_SSH_H
#define RS_API_SSH_H

#include <lua.h>

int luaopen_rs_ssh(lua_State *L);

#endif
