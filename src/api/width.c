#include "api/width.h"

#include <lauxlib.h>

#include "base/width.h"

/* of(text): its columns; text has no control characters */
static int l_of(lua_State *L)
{
    size_t n;
    const char *s = luaL_checklstring(L, 1, &n);
    lua_pushinteger(L, (lua_Integer)rs_width_of(s, n));
    return 1;
}

/* cut(text, columns): as much of it as fits, and how many columns that takes */
static int l_cut(lua_State *L)
{
    size_t n, width;
    const char *s = luaL_checklstring(L, 1, &n);
    lua_Integer columns = luaL_checkinteger(L, 2);
    size_t fits = rs_width_cut(s, n, columns > 0 ? (size_t)columns : 0, &width);
    lua_pushlstring(L, s, fits);
    lua_pushinteger(L, (lua_Integer)width);
    return 2;
}

static const luaL_Reg functions[] = {{"of", l_of}, {"cut", l_cut}, {NULL, NULL}};

int luaopen_rs_width(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
