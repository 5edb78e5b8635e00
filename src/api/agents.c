#include "api/agents.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>
#define ZLIB_CONST /* what it reads */
#include <zlib.h>

#include "loop/task_error.h"

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

/* The agent for the CPU that argument 1 names, or NULL. */
static const rs_agent_image *find(lua_State *L)
{
    const char *arch = luaL_checkstring(L, 1);
    for (const rs_agent_image *a = rs_agent_images; a->arch; a++)
        if (!strcmp(a->arch, arch))
            return a;
    return NULL;
}

/* image(arch): the gzipped program; nil where there is none for this CPU. */
static int l_image(lua_State *L)
{
    const rs_agent_image *a = find(L);
    if (a)
        lua_pushlstring(L, (const char *)a->wire, (size_t)(a->end - a->wire));
    else
        lua_pushnil(L);
    return 1;
}

static bool decompress(const rs_agent_image *a, char *out)
{
    z_stream z = {.next_in = a->wire, .avail_in = (uInt)(a->end - a->wire)};
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)a->size;
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) /* 16: gzip */
        return false;
    bool ok = inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_out == 0;
    inflateEnd(&z);
    return ok;
}

/* program(arch): the same, not compressed, for targets without gzip. */
static int l_program(lua_State *L)
{
    const rs_agent_image *a = find(L);
    if (!a) {
        lua_pushnil(L);
        return 1;
    }
    luaL_Buffer program;
    if (!decompress(a, luaL_buffinitsize(L, &program, a->size)))
        return rs_error_raise(L, -ENOMEM, "the embedded agent can't be decompressed");
    luaL_pushresultsize(&program, a->size);
    return 1;
}

static const luaL_Reg functions[] = {{"list", l_list}, {"image", l_image}, {"program", l_program}, {NULL, NULL}};

int luaopen_rs_agents(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
