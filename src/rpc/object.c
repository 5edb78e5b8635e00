#include "rpc/object.h"

#include <lauxlib.h>

#include "loop/task_error.h"

/* make(state): an object of the class in the upvalue. */
static int make(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_newuserdatauv(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_setmetatable(L, -2);
    return 1;
}

static const char *class_name(lua_State *L, int i)
{
    if (lua_type(L, i) == LUA_TUSERDATA && luaL_getmetafield(L, i, "__name") == LUA_TSTRING)
        return lua_tostring(L, -1);
    return luaL_typename(L, i);
}

/* state(object): raises usage for anything but an object of the class; most often a method called with a dot. */
static int state(lua_State *L)
{
    if (lua_type(L, 1) == LUA_TUSERDATA && lua_getmetatable(L, 1)) {
        if (lua_rawequal(L, -1, lua_upvalueindex(1))) {
            lua_getiuservalue(L, 1, 1);
            return 1;
        }
        lua_pop(L, 1);
    }
    lua_getfield(L, lua_upvalueindex(1), "__name");
    const char *want = lua_tostring(L, -1);
    rs_error_push(L, "usage", "a %s expected, got %s; methods are called with a colon", want,
                  lua_isnone(L, 1) ? "nothing" : class_name(L, 1));
    return lua_error(L);
}

/* test(object): its state, or nil for anything else. */
static int test(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TUSERDATA || !lua_getmetatable(L, 1) || !lua_rawequal(L, -1, lua_upvalueindex(1)))
        return 0;
    lua_getiuservalue(L, 1, 1);
    return 1;
}

/* class(name): metatable, make, state, test */
static int class(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    lua_newtable(L);
    int mt = lua_gettop(L);
    lua_pushstring(L, name);
    lua_setfield(L, mt, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, mt, "__metatable");
    lua_pushvalue(L, mt);
    lua_pushcclosure(L, make, 1);
    lua_pushvalue(L, mt);
    lua_pushcclosure(L, state, 1);
    lua_pushvalue(L, mt);
    lua_pushcclosure(L, test, 1);
    return 4;
}

static int type(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushstring(L, class_name(L, 1));
    return 1;
}

static const luaL_Reg functions[] = {{"class", class}, {"type", type}, {NULL, NULL}};

int luaopen_rs_object(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
