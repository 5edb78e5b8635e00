/* For clang-tidy, included before all else: the functions of Lua that don't return, which Lua's headers can't say. */
#pragma once

struct lua_State;
__attribute__((noreturn)) int lua_error(struct lua_State *L);
__attribute__((noreturn)) int luaL_error(struct lua_State *L, const char *fmt, ...);
__attribute__((noreturn)) int luaL_argerror(struct lua_State *L, int arg, const char *extra);
__attribute__((noreturn)) int luaL_typeerror(struct lua_State *L, int arg, const char *name);
