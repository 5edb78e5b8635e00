#include "rpc/rpc.h"

#include "rpc/callable.h"
#include "rpc/rpc_lua.h"
#include "sys/stream.h"
#include "wire/frame.h"
#include "wire/value.h"

void rs_rpc_class(lua_State *L, const char *name, const luaL_Reg *methods)
{
    luaL_newmetatable(L, name);
    lua_pushvalue(L, -1);
    luaL_setfuncs(L, methods, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

/* The metatable is the method's upvalue: it need not be looked for by its name. */
void *rs_rpc_self(lua_State *L, const char *name)
{
    void *self = lua_touserdata(L, 1);
    if (self && lua_getmetatable(L, 1)) {
        bool is_one = lua_rawequal(L, -1, lua_upvalueindex(1));
        lua_pop(L, 1);
        if (is_one)
            return self;
    }
    return luaL_checkudata(L, 1, name);
}

typedef struct constant {
    const char *name;
    int value;
} constant;

static const constant frames[] = {
    {"HELLO", RS_FRAME_HELLO}, {"CALL", RS_FRAME_CALL},       {"REPLY", RS_FRAME_REPLY},
    {"RAISE", RS_FRAME_RAISE}, {"CANCEL", RS_FRAME_CANCEL},   {"EVENT", RS_FRAME_EVENT},
    {"BYE", RS_FRAME_BYE},     {"RELEASE", RS_FRAME_RELEASE}, {NULL, 0},
};

static const constant exts[] = {
    {"MINE", RS_EXT_MINE},       {"YOURS", RS_EXT_YOURS}, {"FUNCTION", RS_EXT_FUNCTION},
    {"PROMISE", RS_EXT_PROMISE}, {"ERROR", RS_EXT_ERROR}, {NULL, 0},
};

static void add_constants(lua_State *L, const char *name, const constant *list)
{
    lua_newtable(L);
    for (; list->name; list++) {
        lua_pushinteger(L, list->value);
        lua_setfield(L, -2, list->name);
    }
    lua_setfield(L, -2, name);
}

int luaopen_rs_rpc(lua_State *L)
{
    static const luaL_Reg functions[] = {{"accept", rs_rpc_accept}, {"link", rs_llink_new}, {NULL, NULL}};
    rs_lstream_register(L);
    rs_llink_register(L);
    rs_lport_register(L);
    luaL_newlib(L, functions);
    add_constants(L, "FRAME", frames);
    add_constants(L, "EXT", exts);
    lua_pushliteral(L, LUA_RELEASE);
    lua_setfield(L, -2, "LUA");
    return 1;
}
