#include "sys/json.h"

#include <lauxlib.h>
#include <string.h>

#include "loop/task_error.h"
#include "sys/sys.h"

bool rs_json_invalid_option(lua_State *L, int index)
{
    int type = lua_getfield(L, index, "invalid");
    const char *s = type == LUA_TNIL ? "error" : lua_tostring(L, -1);
    bool replace = s && strcmp(s, "replace") == 0;
    if (!replace && !(s && strcmp(s, "error") == 0)) {
        rs_error_push(L, "usage", "json: invalid is \"error\" or \"replace\"");
        lua_error(L);
    }
    lua_pop(L, 1);
    return replace;
}

/* json.array([t]) marks a table as an array, so that it is [] when it is empty, and returns it. */
static int json_array(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    if (lua_getmetatable(L, 1) && !lua_rawequal(L, -1, lua_upvalueindex(1)))
        return luaL_argerror(L, 1, "the table has a metatable of its own");
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_setmetatable(L, 1);
    return 1;
}

static int light_tostring(lua_State *L)
{
    const void *p = lua_touserdata(L, 1);
    if (p)
        lua_pushfstring(L, "userdata: %p", p);
    else
        lua_pushliteral(L, "null");
    return 1;
}

/* json.null is the light userdata NULL, as in other JSON modules. All light userdata share one metatable; one that is
 * there already is left alone. */
static void push_null(lua_State *L)
{
    lua_pushlightuserdata(L, NULL);
    if (lua_getmetatable(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, light_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_setmetatable(L, -2);
}

int luaopen_rs_json(lua_State *L)
{
    lua_createtable(L, 0, 4);
    push_null(L);
    lua_setfield(L, -2, "null");
    luaL_newmetatable(L, RS_JSON_ARRAY);

    lua_pushvalue(L, -1);
    rs_json_encoder_push(L);
    lua_pushcclosure(L, rs_json_encode, 2);
    lua_setfield(L, -3, "encode");

    lua_pushvalue(L, -1);
    lua_pushcclosure(L, rs_json_decode, 1);
    lua_setfield(L, -3, "decode");

    lua_pushcclosure(L, json_array, 1);
    lua_setfield(L, -2, "array");
    return 1;
}
