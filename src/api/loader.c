#include "api/loader.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/embedded.h"

static bool is_ours(const char *module)
{
    return !strncmp(module, "rshell", 6) && (module[6] == '\0' || module[6] == '.');
}

#ifdef RS_LUA_DIR

static const char *read_block(lua_State *L, void *user, size_t *n)
{
    static char block[BUFSIZ];
    *n = fread(block, 1, sizeof block, user);
    return *n ? block : NULL;
}

/* Pushes the chunk of the file base + suffix below lua/ and the file's name; pushes nothing and returns false where there
 * is no such file. The chunk is named as the embedded one would be. */
static bool load_file(lua_State *L, const char *base, const char *suffix)
{
    bool shared = !strncmp(base, "rshell/shared/", 14);
    const char *path = lua_pushfstring(L, "%s/%s%s", RS_LUA_DIR, shared ? base + 7 : base, suffix);
    const char *chunk = lua_pushfstring(L, "@%s%s", base, suffix);
    FILE *f = fopen(path, "re");
    if (!f) {
        if (errno != ENOENT && errno != ENOTDIR)
            luaL_error(L, "%s: %s", path, strerror(errno));
        lua_pop(L, 2);
        return false;
    }
    int err = lua_load(L, read_block, f, chunk, "t");
    fclose(f);
    if (err)
        lua_error(L);
    lua_replace(L, -2);
    lua_insert(L, -2);
    return true;
}

static bool load(lua_State *L, const char *module)
{
    const char *base = luaL_gsub(L, module, ".", "/");
    return load_file(L, base, ".lua") || load_file(L, base, "/init.lua");
}

#else

/* Pushes the module's chunk and where it came from. */
static bool load(lua_State *L, const char *module)
{
    for (const rs_embedded *m = rs_embedded_modules; m->name; m++) {
        if (strcmp(m->name, module))
            continue;
        if (luaL_loadbufferx(L, (const char *)m->data, m->len, m->chunk, "b"))
            lua_error(L);
        lua_pushliteral(L, ":embedded:");
        return true;
    }
    return false;
}

#endif

static int search(lua_State *L)
{
    const char *module = luaL_checkstring(L, 1);
    if (!is_ours(module))
        return 0;
    if (!load(L, module))
        luaL_error(L, "no module '%s' in this version of rshell", module);
    return 2;
}

void rs_loader_install(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers");
    lua_pushcfunction(L, search);
    for (lua_Integer i = luaL_len(L, -2); i >= 2; i--) {
        lua_geti(L, -2, i);
        lua_seti(L, -3, i + 1);
    }
    lua_seti(L, -2, 2);
    lua_pop(L, 2);
}
