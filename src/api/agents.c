#include "api/agents.h"

#include <lauxlib.h>
#include <string.h>

static void set_size(lua_State *L, const char *field, size_t n)
{
    lua_pushinteger(L, (lua_Integer)n);
    lua_setfield(L, -2, field);
}

static void set_string(lua_State *L, const char *field, const char *s)
{
    lua_pushstring(L, s);
    lua_setfield(L, -2, field);
}

/* list(): {{arch=, libc=, size=, wire=, sha256=} ...}; wire is the size of what image gives. */
static int l_list(lua_State *L)
{
    lua_newtable(L);
    for (const rs_agent_image *a = rs_agent_images; a->arch; a++) {
        lua_createtable(L, 0, 5);
        set_string(L, "arch", a->arch);
        set_string(L, "libc", a->libc);
        set_string(L, "sha256", a->sha256);
        set_size(L, "size", a->size);
        set_size(L, "wire", (size_t)(a->end - a->wire));
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
    return 1;
}

/* image(arch): the gzipped program; nil where there is none for this CPU. */
static int l_image(lua_State *L)
{
    const char *arch = luaL_checkstring(L, 1);
    for (const rs_agent_image *a = rs_agent_images; a->arch; a++) {
        if (strcmp(a->arch, arch))
            continue;
        lua_pushlstring(L, (const char *)a->wire, (size_t)(a->end - a->wire));
        return 1;
    }
    lua_pushnil(L);
    return 1;
}

static const luaL_Reg functions[] = {{"list", l_list}, {"image", l_image}, {NULL, NULL}};

int luaopen_rs_agents(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
