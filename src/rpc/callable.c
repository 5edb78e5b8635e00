#include "rpc/callable.h"

#include <lauxlib.h>

static int results(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    return lua_gettop(L);
}

/* The object is upvalue 1. */
static int call_object(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, results);
    return results(L, LUA_OK, 0);
}

/* Upvalues: the function, and which argument. The function runs in our frame, so that its errors say what they always do. */
static int accepting(lua_State *L)
{
    int i = (int)lua_tointeger(L, lua_upvalueindex(2));
    if (lua_type(L, i) == LUA_TUSERDATA && luaL_getmetafield(L, i, "__call") != LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushvalue(L, i);
        lua_pushcclosure(L, call_object, 1);
        lua_replace(L, i);
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

int rs_rpc_accept(lua_State *L)
{
    luaL_argcheck(L, lua_iscfunction(L, 1) && !lua_getupvalue(L, 1, 1), 1, "a C function without upvalues expected");
    lua_Integer i = luaL_checkinteger(L, 2);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, i);
    lua_pushcclosure(L, accepting, 2);
    return 1;
}
