#include "loop/task_error.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"

#define METATABLE "rshell.Error"

void rs_error_metatable(lua_State *L)
{
    luaL_newmetatable(L, METATABLE);
}

/* Takes the message on top and leaves the object in its place. */
static void wrap(lua_State *L, const char *kind)
{
    lua_createtable(L, 0, 4);
    lua_insert(L, -2);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, kind);
    lua_setfield(L, -2, "kind");
    rs_error_metatable(L);
    lua_setmetatable(L, -2);
}

void rs_error_push(lua_State *L, const char *kind, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    luaL_checkstack(L, 6, "error object");
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    lua_pushstring(L, text);
    wrap(L, kind);
}

int rs_error_raise(lua_State *L, int err, const char *what)
{
    luaL_checkstack(L, 6, "error object");
    if (what)
        lua_pushfstring(L, "%s: %s", what, rs_err_text(err));
    else
        lua_pushstring(L, rs_err_text(err));
    wrap(L, rs_err_kind(err));
    return lua_error(L);
}

int rs_error_edge(lua_State *L, int err)
{
    lua_pushnil(L);
    lua_pushstring(L, rs_err_text(err));
    lua_pushstring(L, rs_err_name(err));
    return 3;
}
