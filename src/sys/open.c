#include <lauxlib.h>

#include "sys/sys.h"

static const luaL_Reg modules[] = {
    {"rshell.sys.hash", luaopen_rs_hash}, {"rshell.sys.host", luaopen_rs_host}, {"rshell.sys.json", luaopen_rs_json},
    {"rshell.sys.net", luaopen_rs_net},   {"rshell.sys.fs", luaopen_rs_fs},     {"rshell.sys.proc", luaopen_rs_proc},
    {"rshell.sys.tree", luaopen_rs_tree}, {"rshell.text", luaopen_rs_text},     {NULL, NULL},
};

void rs_sys_preload(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    luaL_setfuncs(L, modules, 0);
    lua_pop(L, 1);
}
