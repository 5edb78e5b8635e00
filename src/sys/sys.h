/* The primitives as Lua modules. Each opener leaves the module's table on the stack. */
#ifndef RS_SYS_SYS_H
#define RS_SYS_SYS_H

#include <lua.h>

int luaopen_rs_fs(lua_State *L);
int luaopen_rs_hash(lua_State *L);
int luaopen_rs_host(lua_State *L);
int luaopen_rs_json(lua_State *L);
int luaopen_rs_net(lua_State *L);
int luaopen_rs_proc(lua_State *L);
int luaopen_rs_text(lua_State *L);
int luaopen_rs_tree(lua_State *L);

/* Makes `require "rshell.sys.fs"` and the like find them; text is `rshell.text`. */
void rs_sys_preload(lua_State *L);

#endif
