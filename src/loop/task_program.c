#include "loop/task_program.h"

#include <lauxlib.h>

#include "loop/task.h"

static int started(lua_State *L, int status, lua_KContext ctx)
{
    (void)L, (void)status, (void)ctx;
    return 1;
}

/* The main task's function. Stack: the module's name, argv. */
static int start(lua_State *L)
{
    int n = lua_gettop(L) - 1;
    luaL_checkstack(L, LUA_MINSTACK, "too many arguments");
    lua_createtable(L, n, 0);
    lua_insert(L, 2);
    for (; n > 0; n--)
        lua_rawseti(L, 2, n - 1);
    lua_getglobal(L, "require");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1); /* loading it doesn't wait */
    lua_insert(L, 2);
    lua_pushliteral(L, RS_VERSION);
    lua_callk(L, 2, 1, 0, started);
    return 1;
}

int rs_task_program(lua_State *L, const char *module, int argc, char **argv)
{
    luaL_checkstack(L, argc + LUA_MINSTACK, "too many arguments");
    lua_pushcfunction(L, start);
    lua_pushstring(L, module);
    for (int i = 0; i < argc; i++)
        lua_pushstring(L, argv[i]);
    return rs_task_main(L, argc + 1);
}
