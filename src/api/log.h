/* The log as Lua sees it. */
#ifndef RS_API_LOG_H
#define RS_API_LOG_H

#include <lua.h>

/* Leaves the module rshell.log.base: set_level(name), is_on(level), write(level, module, text), keep(on), take(),
 * trip(who, seconds, text). Of these lua/rshell/log.lua makes rshell.log. */
int luaopen_rs_log(lua_State *L);

#endif
